"""The options of everything that has processes: programs, event listeners, FastCGI programs.

A part of THE list of options, which `options` holds together; the same rules.
"""

from tmd.config import kinds
from tmd.config.option import Effect, Option
from tmd.config.settings import AUTO, DEFAULT_RESULT_HANDLER, Autorestart

MB = 1024 * 1024
_LIVE = Effect.LIVE
_NEXT = Effect.NEXT_START


def _output(channel: str, stream: str) -> tuple[Option, ...]:
    """Return the options of one of the two output streams."""
    return (
        Option(
            f"{channel}_logfile",
            kinds.LOG_FILE,
            AUTO,
            f"Log of its {stream}: a path, AUTO for a generated file, NONE for none.",
            synonyms=(channel,),
            per_process=True,
        ),
        Option(
            f"{channel}_logfile_maxbytes",
            kinds.SIZE,
            50 * MB,
            "Size at which that log is rotated; 0 never rotates.",
            effect=_NEXT,
            per_process=True,
        ),
        Option(
            f"{channel}_logfile_backups",
            kinds.COUNT,
            10,
            "How many rotated logs are kept; 0 truncates.",
            effect=_NEXT,
            per_process=True,
        ),
        Option(
            f"{channel}_capture_maxbytes", kinds.SIZE, 0, f"Room for text between capture marks in {stream}; 0 is off."
        ),
        Option(f"{channel}_events_enabled", kinds.BOOLEAN, False, f"Whether {stream} is also sent as events."),
        Option(f"{channel}_syslog", kinds.BOOLEAN, False, f"Whether {stream} also goes to syslog.", per_process=True),
    )


def _hook(name: str, when: str, example: str) -> Option:
    doc = f"Command that is run {when}."
    return Option(name, kinds.HOOK, None, doc, effect=_LIVE, per_process=True, example=example)


HOOK_OPTIONS = (
    _hook("prestart", "before each start of a process, which waits for it", "python3 migrate.py"),
    _hook("poststart", "when a process is RUNNING", "python3 announce.py up"),
    _hook("prestop", "before a RUNNING process is asked to stop, which waits for it", "python3 drain.py"),
    _hook("poststop", "after each end of a process; the next start waits for it", "python3 announce.py down"),
    Option(
        "hook_timeout",
        kinds.OWN_SECONDS,
        30,
        "How long such a command may take before it is killed, which counts as its failure; 0 is for ever.",
        effect=_LIVE,
    ),
    Option(
        "hook_failure",
        kinds.HOOK_FAILURE,
        None,
        "What the failure of such a command means: ignore goes on, abort gives up what it was run for.",
        effect=_LIVE,
        shown="abort for prestart, ignore for the others",
        example="ignore",
    ),
)
"""commands at the turns of a process's life"""

PROGRAM = (
    Option(
        "command",
        kinds.COMMAND,
        None,
        "The program and its arguments, split as a shell would; no shell runs.",
        synonyms=("cmd",),
        per_process=True,
        shown="required",
        example="python3 -m http.server",
    ),
    Option(
        "process_name",
        kinds.PROCESS_NAME,
        "%(program_name)s",
        "Name of each process; with several processes it must tell them apart.",
        native=None,
        shown="%(program_name)s; native with several processes %(program_name)s_%(process_num)02d",
        example="%(program_name)s",
        per_process=True,
    ),
    Option("numprocs", kinds.INSTANCES, 1, "How many processes of this program run.", effect=_LIVE),
    Option("numprocs_start", kinds.COUNT, 0, "Number of the first process.", effect=_LIVE),
    Option("priority", kinds.PRIORITY, 999, "Low numbers start first and stop last.", effect=_LIVE),
    Option("autostart", kinds.BOOLEAN, True, "Whether it starts with the daemon.", effect=_NEXT),
    Option(
        "autorestart",
        kinds.AUTORESTART,
        Autorestart.UNEXPECTED,
        "When an exited process is started again: always, never, or after an unexpected exit.",
        effect=_LIVE,
    ),
    Option(
        "startsecs",
        kinds.SECONDS,
        1,
        "How long it must stay up for its start to count as successful.",
        synonyms=("starttime",),
        effect=_NEXT,
    ),
    Option(
        "startretries",
        kinds.COUNT,
        3,
        "How many more starts are tried, each a second later than the one before, until it is FATAL.",
        effect=_LIVE,
    ),
    Option("exitcodes", kinds.EXIT_CODES, (0,), "Exit statuses that are expected.", effect=_LIVE),
    Option("stopsignal", kinds.SIGNAL, 15, "Signal that asks it to stop.", effect=_LIVE),
    Option(
        "stopwaitsecs",
        kinds.SECONDS,
        10,
        "How long it may take to stop before it gets SIGKILL.",
        synonyms=("stoptime",),
        effect=_LIVE,
    ),
    Option(
        "stopasgroup",
        kinds.BOOLEAN,
        False,
        "Whether the stop signal goes to its whole process group.",
        native=True,
        effect=_LIVE,
    ),
    Option(
        "killasgroup",
        kinds.BOOLEAN,
        None,
        "Whether SIGKILL goes to its whole process group.",
        native=True,
        shown="the value of stopasgroup, or true",
        effect=_LIVE,
        example="true",
    ),
    Option("user", kinds.PROGRAM_USER, None, "User it runs as; wants root.", synonyms=("uid",), example="nobody"),
    Option(
        "gid",
        kinds.GROUP,
        None,
        "Group it runs as; wants root.",
        shown="the primary group of its user",
        example="nogroup",
    ),
    Option(
        "user_environment",
        kinds.OWN_BOOLEAN,
        False,
        "Whether HOME, USER, LOGNAME and SHELL are those of the user it runs as, where that is not the daemon's.",
        native=True,
    ),
    *HOOK_OPTIONS,
    Option(
        "adopt",
        kinds.ADOPTION,
        "yes",
        "What becomes of it when tmd is killed and started again: yes takes it back as it runs, no leaves it alone and "
        "starts another, kill ends it first.",
        effect=_LIVE,
    ),
    Option(
        "essential",
        kinds.OWN_BOOLEAN,
        False,
        "Whether the daemon ends, with its exit status, when it has ended for good and nobody asked for that.",
        effect=_LIVE,
    ),
    Option(
        "orphans",
        kinds.ORPHAN_RULE,
        "keep",
        "What becomes of processes it has started and left behind when it ends: kill ends them before anything else "
        "happens, warn names them in the log, keep does not look for them.",
        native="kill",
        effect=_NEXT,
    ),
    Option("redirect_stderr", kinds.BOOLEAN, False, "Whether standard error goes where standard output goes."),
    Option(
        "tty",
        kinds.OWN_BOOLEAN,
        False,
        "Whether it runs on a terminal of its own, to which `tmctl attach` connects; all it writes is standard output.",
    ),
    *_output("stdout", "standard output"),
    *_output("stderr", "standard error"),
    Option(
        "log_format",
        kinds.LOG_FORMAT,
        "raw",
        "Lines in its logs: raw byte for byte, prefix with time and name before each, json one object for each; "
        "what an event listener says on standard output stays raw.",
        effect=_LIVE,
    ),
    Option(
        "environment",
        kinds.ENVIRONMENT,
        {},
        "Variables of its own, over those for all programs.",
        synonyms=("env",),
        per_process=True,
        example='MODE="fast",LEVEL=3',
    ),
    Option(
        "environment_file",
        kinds.OPTIONAL_FILES,
        (),
        "Files of variables, read at each start; `environment` beats them, one with a `-` before it may be missing.",
        effect=_NEXT,
        per_process=True,
        example="-web.env",
    ),
    Option(
        "directory",
        kinds.DIRECTORY,
        None,
        "Directory it starts in.",
        synonyms=("workingdir",),
        per_process=True,
        example="/tmp",
    ),
    Option("umask", kinds.OCTAL, None, "File mode mask, in octal.", shown="the daemon's", example="022"),
    Option(
        "serverurl",
        kinds.SERVER_URL,
        None,
        "Address of this daemon that it is told; AUTO is the first socket.",
        shown="AUTO",
        example="AUTO",
    ),
)
"""`[program:x]`, and `programs:`."""

_POOL_PRIORITY = Option(
    "priority",
    kinds.PRIORITY,
    999,
    "Low numbers start first and stop last.",
    effect=_LIVE,
    shown="-1 among the groups, 999 among the processes",
    example="-1",
)

_OWN_LISTENER = (
    Option(
        "events",
        kinds.EVENTS,
        (),
        "Types of event that its processes get; a type stands for all that descend from it.",
        effect=_LIVE,
        shown="required",
        example="PROCESS_STATE,TICK_60",
    ),
    Option(
        "buffer_size",
        kinds.BUFFER_SIZE,
        1024,
        "How many events may wait for a free process; beyond that the oldest is dropped.",
        effect=_LIVE,
    ),
    Option(
        "result_handler",
        kinds.PYTHON_OBJECT,
        DEFAULT_RESULT_HANDLER,
        "Function that judges what a process answered to an event.",
        effect=_LIVE,
    ),
    Option(
        "ackwaitsecs",
        kinds.OWN_SECONDS,
        300,
        "How long a process may take for an event before it is restarted; 0 is for ever.",
        effect=_LIVE,
    ),
    _POOL_PRIORITY,
)
LISTENER = (*_OWN_LISTENER, *(option for option in PROGRAM if option.name != "priority"))
"""`[eventlistener:x]`, and `eventlisteners:`."""

FCGI = (
    Option(
        "socket",
        kinds.LISTENING_SOCKET,
        None,
        "Listening socket its processes share as standard input: tcp://host:port or unix:///path.",
        shown="required",
        example="unix:///run/%(program_name)s.sock",
    ),
    Option(
        "socket_backlog",
        kinds.BACKLOG,
        None,
        "How many connections may wait to be accepted.",
        shown="the most the system allows",
        example="128",
    ),
    Option(
        "socket_owner",
        kinds.OWNER,
        None,
        "Owner of a unix socket: user or user:group.",
        shown="the user of the program",
        example="nobody",
    ),
    Option("socket_mode", kinds.OCTAL, None, "Mode of a unix socket, in octal.", shown="0700", example="0700"),
    *PROGRAM,
)
"""`[fcgi-program:x]`, and `fcgi-programs:`."""
