"""THE list of options. Whatever is known of an option is said here and nowhere else.

From this list are derived: validation, defaults, what a reload does, the samples, the JSON schema, the reference page
and `explain`. Defaults are values, not texts; a native default is given only where it differs from Supervisor's.
"""

from tmd.config import alert_kinds, kinds
from tmd.config.alert_options import ALERT
from tmd.config.exit_kinds import EXIT_ON
from tmd.config.option import Effect, Option, Section
from tmd.config.program_options import FCGI, LISTENER, MB, PROGRAM
from tmd.wire.levels import Level

_LIVE = Effect.LIVE

DAEMON = (
    Option(
        "logfile",
        kinds.MAIN_LOG,
        "supervisord.log",
        "The daemon's own log; `syslog` sends it there.",
        shown="supervisord.log in the current directory, or tmd.log in the log directory",
        example="/var/log/taskmaster/tmd.log",
    ),
    Option("logfile_maxbytes", kinds.SIZE, 50 * MB, "Size at which the daemon's log is rotated; 0 never rotates."),
    Option("logfile_backups", kinds.COUNT, 10, "How many rotated logs of the daemon are kept; 0 truncates."),
    Option("loglevel", kinds.LOG_LEVEL, Level.INFO, "The least important message that is logged."),
    Option(
        "pidfile",
        kinds.FILE,
        "supervisord.pid",
        "File that holds the daemon's process number while it runs.",
        shown="supervisord.pid in the current directory, or tmd.pid in the run directory",
        example="/run/taskmaster/tmd.pid",
    ),
    Option(
        "umask",
        kinds.OCTAL,
        None,
        "File mode mask of the daemon and, unless they have their own, of its programs, in octal.",
        shown="022 in the background, as inherited in the foreground",
        example="022",
    ),
    Option(
        "directory",
        kinds.EXISTING_DIRECTORY,
        None,
        "Directory the daemon changes to when it goes into the background.",
        example="/",
    ),
    Option("nodaemon", kinds.BOOLEAN, False, "Whether the daemon stays in the foreground."),
    Option(
        "silent",
        kinds.BOOLEAN,
        False,
        "Whether a daemon in the foreground leaves out the copy of its log on standard output.",
    ),
    Option("minfds", kinds.COUNT, 1024, "File descriptors that must be available, or the daemon does not start."),
    Option("minprocs", kinds.COUNT, 200, "Processes that must be available, or the daemon does not start."),
    Option("nocleanup", kinds.BOOLEAN, False, "Whether generated logs of an earlier run are kept at start."),
    Option(
        "childlogdir",
        kinds.EXISTING_DIRECTORY,
        None,
        "Directory of the logs that are named automatically.",
        shown="the system's directory for temporary files, or the log directory",
        example="/var/log/taskmaster",
    ),
    Option(
        "statedir",
        kinds.OWN_DIRECTORY,
        None,
        "Directory of what outlives the daemon: how programs ended, and the journal by which those that still run "
        "are taken back after a crash.",
        shown="childlogdir where nobody else can write, or the state directory",
        example="/var/lib/taskmaster",
    ),
    Option("user", kinds.USER, None, "User the daemon itself becomes at start; wants root.", example="nobody"),
    Option(
        "keep_root_to_spawn",
        kinds.OWN_BOOLEAN,
        False,
        "Whether a daemon that becomes `user` can still start and signal programs of other users, and nothing else.",
    ),
    Option(
        "cgroups",
        kinds.CONTROL_GROUP_RULE,
        "auto",
        "Whether programs get control groups of their own to find all they start: auto where the daemon may make some.",
    ),
    Option(
        "container",
        kinds.OWN_BOOLEAN,
        False,
        "Whether it is the main program of a container: it stays in the foreground, and what programs write goes to "
        "its standard output and standard error, each line with the program's name.",
    ),
    Option(
        "exit_on",
        EXIT_ON,
        (),
        "What ends the daemon, with the exit status of the program: fatal: or exit: and a program, a group or any.",
        effect=_LIVE,
        example="fatal:any",
    ),
    Option(
        "stop_grace",
        kinds.OWN_SECONDS,
        None,
        "How long the end of the daemon may take before programs that still run are killed; 0 is for ever.",
        effect=_LIVE,
        shown="7 in a container, else 0",
        example="30",
    ),
    Option(
        "uid", kinds.USER, None, "User of all programs that name none themselves.", native_only=True, example="nobody"
    ),
    Option(
        "gid",
        kinds.GROUP,
        None,
        "Group of all programs that name no user themselves.",
        native_only=True,
        example="nogroup",
    ),
    Option(
        "identifier",
        kinds.TEXT,
        "supervisor",
        "Name of this daemon in events, in the names of generated logs and for its clients.",
        native="taskmaster",
    ),
    Option(
        "strip_ansi",
        kinds.BOOLEAN,
        False,
        "Whether escape sequences are removed from the output of programs before it is logged.",
    ),
    Option(
        "environment", kinds.ENVIRONMENT, {}, "Variables for all programs.", synonyms=("env",), example='LANG="C.UTF-8"'
    ),
    Option(
        "socket",
        kinds.SOCKET_FILE,
        None,
        "Unix socket that `tmctl` talks to: a path, a mapping, or false for none.",
        native_only=True,
        shown="tmd.sock in the run directory, mode 0700",
        nested=("file", "chmod", "chown", "username", "password"),
        example="/run/taskmaster/tmd.sock",
    ),
    Option(
        "http",
        kinds.ADDRESS,
        None,
        "TCP address to serve, without a password for looking only: a port (on this machine only), host:port, a "
        "mapping, a list of these, or false for none.",
        native_only=True,
        shown="127.0.0.1:4242 where logfile is set, else none",
        nested=("host", "port", "username", "password"),
        example="127.0.0.1:9001",
    ),
    Option(
        "email",
        alert_kinds.ADDRESSES,
        (),
        "Mail addresses that are told, by the local sendmail, of what is serious.",
        effect=_LIVE,
        example="root",
    ),
    Option(
        "alerts",
        alert_kinds.ALERTS,
        None,
        "Places that are told what happens: a mapping, or a list of these; INI files of both dialects have sections "
        "`[alert:NAME]` instead.",
        effect=_LIVE,
        native_only=True,
        nested=tuple(option.name for option in ALERT),
    ),
    Option(
        "include",
        kinds.STRINGS,
        (),
        "Further files to read, as patterns that count from the directory of the main file.",
        native_only=True,
        example="conf.d/*.yaml",
    ),
)
"""`[supervisord]`, and `taskmaster:`."""

GROUP = (
    Option(
        "programs",
        kinds.STRINGS,
        (),
        "Programs and FastCGI programs that are started, stopped and changed under one name.",
        effect=_LIVE,
        example="one,two",
    ),
    Option("priority", kinds.PRIORITY, 999, "Low numbers start first and stop last.", effect=_LIVE),
)
"""`[group:x]`, and `groups:`."""

UNIX_SERVER = (
    Option("file", kinds.SOCKET_FILE, None, "Path of the socket.", shown="required", example="/run/supervisor.sock"),
    Option("chmod", kinds.OCTAL, 0o700, "Mode of the socket, in octal."),
    Option(
        "chown", kinds.OWNER, (-1, -1), "Owner of the socket: user or user:group.", shown="unchanged", example="nobody"
    ),
    Option("username", kinds.TEXT, None, "Name a client must give.", example="admin"),
    Option(
        "password",
        kinds.TEXT,
        None,
        "Password a client must give, in the clear or as {SHA} and 40 hex digits.",
        example="{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d",
        secret=True,
    ),
)
"""`[unix_http_server]`, and `taskmaster.socket`."""

INET_SERVER = (
    Option(
        "port",
        kinds.ADDRESS,
        None,
        "Address to serve: port, host:port, or *:port for all interfaces.",
        shown="required",
        example="127.0.0.1:9001",
    ),
    Option("username", kinds.TEXT, None, "Name a client must give.", example="admin"),
    Option(
        "password",
        kinds.TEXT,
        None,
        "Password a client must give, in the clear or as {SHA} and 40 hex digits.",
        example="{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d",
        secret=True,
    ),
)
"""`[inet_http_server]`, and `taskmaster.http`."""

CTL = (
    Option(
        "serverurl",
        kinds.SERVER_URL,
        None,
        "Address the client talks to.",
        shown="http://localhost:9001, or the default socket",
        effect=_LIVE,
        example="http://127.0.0.1:9001",
    ),
    Option("username", kinds.TEXT, None, "Name the client gives.", effect=_LIVE, example="admin"),
    Option(
        "password",
        kinds.TEXT,
        None,
        "Password the client gives, in the clear.",
        effect=_LIVE,
        example="secret",
        secret=True,
    ),
    Option(
        "prompt", kinds.TEXT, "supervisor", "What the shell of the client asks with.", native="taskmaster", effect=_LIVE
    ),
    Option(
        "history_file",
        kinds.SOCKET_FILE,
        None,
        "File the shell of the client remembers lines in.",
        effect=_LIVE,
        example="~/.tmctl_history",
    ),
)
"""`[supervisorctl]`, and `ctl:`."""

EXTENSION = (
    Option(
        "supervisor.rpcinterface_factory",
        kinds.PYTHON_OBJECT,
        None,
        "What makes the object whose methods are served under the name of the section; other keys are its arguments.",
        synonyms=("factory",),
        shown="required",
        example="supervisor.rpcinterface:make_main_rpcinterface",
    ),
)
"""`[rpcinterface:x]`, and `rpcinterfaces:`; whatever else stands there is handed to the factory."""

CTL_PLUGIN = (
    Option(
        "supervisor.ctl_factory",
        kinds.PYTHON_OBJECT,
        None,
        "What makes the object whose do_NAME methods become commands of the client; other keys are its arguments.",
        synonyms=("factory",),
        shown="required",
        effect=_LIVE,
        example="package.module:make_plugin",
    ),
)
"""`[ctlplugin:x]`, and `ctlplugins:`; the client reads it, the daemon does not."""

INCLUDE = (
    Option(
        "files",
        kinds.STRINGS,
        None,
        "Further files to read, as patterns separated by blanks that count from the directory of the main file.",
        shown="required",
        effect=_LIVE,
        example="conf.d/*.ini",
    ),
)
"""`[include]`."""

SECTIONS = (
    Section("daemon", "[supervisord] / [taskmaster]", "taskmaster", "The daemon itself.", DAEMON),
    Section("program", "[program:NAME]", "programs.NAME", "One program, in one or several processes.", PROGRAM),
    Section("group", "[group:NAME]", "groups.NAME", "Programs under one name.", GROUP),
    Section("listener", "[eventlistener:NAME]", "eventlisteners.NAME", "Processes that are told of events.", LISTENER),
    Section("fcgi", "[fcgi-program:NAME]", "fcgi-programs.NAME", "Processes that share a listening socket.", FCGI),
    Section("unix", "[unix_http_server]", "taskmaster.socket", "A unix socket for clients.", UNIX_SERVER),
    Section("inet", "[inet_http_server]", "taskmaster.http", "A TCP port for clients.", INET_SERVER),
    Section(
        "alert",
        "[alert:NAME]",
        "taskmaster.alerts",
        "A place that is told what happens: `file`, `webhook`, `email` or `syslog`, with what belongs to it.",
        ALERT,
    ),
    Section("extension", "[rpcinterface:NAME]", "rpcinterfaces.NAME", "More methods for clients.", EXTENSION),
    Section("ctl", "[supervisorctl] / [ctl]", "ctl", "The client.", CTL),
    Section("ctlplugin", "[ctlplugin:NAME]", "ctlplugins.NAME", "More commands of the client.", CTL_PLUGIN),
    Section("include", "[include]", "taskmaster.include", "Further files.", INCLUDE),
)
"""Every section there is, in the order of the reference."""
