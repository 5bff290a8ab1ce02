"""THE settings: what a configuration means once every default, synonym and expansion is applied.

Values only: frozen, compared field by field. A field has the name of its option. Where each value came from
(file, line, column) travels beside the settings, never in them, so that two files that mean the same are equal.
"""

from enum import Enum
from typing import Literal, TypeAlias

import msgspec

from tmd.wire.levels import Level
from tmd.wire.names import ProcessId


class Dialect(Enum):
    """Whose rules a file follows: Supervisor's (defaults, tolerance) or our own."""

    SUPERVISOR = "supervisor"
    NATIVE = "native"


class Autorestart(Enum):
    """When an exited process is started again."""

    NEVER = "never"
    UNEXPECTED = "unexpected"
    ALWAYS = "always"


AUTO = "AUTO"
"""A log file value: a generated file in `childlogdir`."""


DEFAULT_RESULT_HANDLER = "supervisor.dispatchers:default_handler"
"""`OK` accepts an event, anything else rejects it; built in, whether that package is installed or not."""


class SocketSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The listening socket that the processes of a FastCGI program share as their standard input."""

    family: Literal["unix", "inet"]
    path: str = ""
    """of a unix socket, absolute"""
    host: str = ""
    port: int = 0
    backlog: int | None = None
    """None: the system's SOMAXCONN"""
    mode: int = 0o700
    owner_uid: int = -1
    """-1: unchanged"""
    owner_gid: int = -1

    @property
    def url(self) -> str:
        """As it is written and logged: `unix:///path` or `tcp://host:port`."""
        return f"unix://{self.path}" if self.family == "unix" else f"tcp://{self.host}:{self.port}"


class PoolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of an event listener share."""

    events: tuple[str, ...]
    """subscribed types, upper case, in the order of the file; a type covers all that descend from it"""
    buffer_size: int = 1024
    """events that may wait; more, and the oldest is dropped"""
    result_handler: str = DEFAULT_RESULT_HANDLER
    """`module:attribute`, called with (event, result bytes)"""
    ackwaitsecs: float = 300
    """how long a listener may take for an event before it is restarted; 0 is for ever"""


class ExtensionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One `[rpcinterface:name]`."""

    name: str
    """the namespace of its methods"""
    factory: str
    """`module:attribute`, called with the daemon object and `options` as keywords"""
    options: dict[str, str] = {}


class EnvironmentFile(msgspec.Struct, frozen=True):
    """One file of variables, read anew at each start."""

    path: str
    """absolute"""
    optional: bool = False
    """it may be missing (it was written with a `-` before it)"""


LogFormat: TypeAlias = Literal["raw", "prefix", "json"]
"""raw: byte for byte; prefix: time and name before each line; json: one object a line"""
LOG_FORMATS: tuple[LogFormat, ...] = ("raw", "prefix", "json")

HOOKS = ("prestart", "poststart", "prestop", "poststop")
Hook: TypeAlias = Literal["prestart", "poststart", "prestop", "poststop"]
"""a command of a program that runs at a turn of its life"""

HookFailure: TypeAlias = Literal["ignore", "abort"]
"""what a hook that fails changes: nothing, or what it was run for does not happen"""
HOOK_FAILURES: tuple[HookFailure, ...] = ("ignore", "abort")

Adopt: TypeAlias = Literal["yes", "no", "kill"]
"""what the next daemon does with a process that outlived its daemon: takes it back, leaves it alone, ends it"""
ADOPT: tuple[Adopt, ...] = ("yes", "no", "kill")

Orphans: TypeAlias = Literal["kill", "warn", "keep"]
"""what becomes of processes that a program has left behind when it ended: they are ended, told of, not looked for"""
ORPHANS: tuple[Orphans, ...] = ("kill", "warn", "keep")

ControlGroups: TypeAlias = Literal["auto", "no"]
CONTROL_GROUPS: tuple[ControlGroups, ...] = ("auto", "no")

AlertKind: TypeAlias = Literal["file", "webhook", "email", "syslog"]
FACILITIES = (
    *("daemon", "user", "auth", "authpriv", "cron", "lpr", "mail", "news", "uucp"),
    *(f"local{number}" for number in range(8)),
)
"""parts of the system that a line of syslog may be said to come from"""


class AlertSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One place that is told what happens. Fields beyond the first four belong to one kind only."""

    name: str
    """unique; of an entry without a name: its kind, with `-2`, `-3`... for further ones"""
    kind: AlertKind
    events: tuple[str, ...] = ()
    """names of alert events, `process_exited:unexpected` among them; empty: all"""
    programs: tuple[str, ...] = ()
    """names of groups or programs, or patterns (`*`, `?`); empty: all. Alerts about no program always pass"""
    path: str = ""
    """file: absolute"""
    maxbytes: int = 10 * 1024 * 1024
    """file: size at which it is rotated; 0 never"""
    backups: int = 3
    url: str = ""
    """webhook: http or https"""
    headers: dict[str, str] = {}
    secret: str | None = None
    """webhook: key of the HMAC-SHA256 signature"""
    timeout: float = 10
    """webhook and email: seconds one delivery may take"""
    to: tuple[str, ...] = ()
    """email: recipients"""
    sender: str | None = None
    """email: None is `taskmaster@` and the host's name"""
    smtp_host: str = ""
    """email: empty is the local `sendmail`"""
    smtp_port: int = 25
    security: Literal["none", "starttls", "tls"] = "none"
    username: str | None = None
    password: str | None = None
    sendmail: str = "/usr/sbin/sendmail"
    facility: str = "daemon"
    """syslog"""


ProcessKind: TypeAlias = Literal["program", "eventlistener", "fcgi-program"]
"""what kind of section a process comes from"""


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One process to be, everything expanded."""

    kind: ProcessKind = "program"
    name: str
    group: str
    program: str
    """the section it came from, without `program:` (or `eventlistener:`, `fcgi-program:`)"""
    process_num: int = 0
    command: str
    directory: str | None = None
    umask: int | None = None
    user: str | None = None
    """as written, for messages; `uid` decides"""
    uid: int | None = None
    gid: int | None = None
    """None: the primary group of `uid`"""
    environment: dict[str, str] = {}
    """`[supervisord] environment` merged under the program's own"""
    environment_own: tuple[str, ...] = ()
    """with environment files: the names in `environment` that the program itself sets, sorted; these beat the files"""
    environment_file: tuple[EnvironmentFile, ...] = ()
    user_environment: bool = False
    """whether HOME, USER, LOGNAME and SHELL are those of the user it runs as (when it is another than the daemon's)"""
    priority: int = 999
    autostart: bool = True
    autorestart: Autorestart = Autorestart.UNEXPECTED
    startsecs: float = 1
    startretries: int = 3
    exitcodes: tuple[int, ...] = (0,)
    stopsignal: int = 15
    stopwaitsecs: float = 10
    stopasgroup: bool = False
    killasgroup: bool = False
    redirect_stderr: bool = False
    tty: bool = False
    """it has a terminal of its own in place of three pipes; `redirect_stderr` is then true"""
    log_format: LogFormat = "raw"
    """of the lines in its logs; events, captures and syslog get what the program wrote"""
    prefixed: tuple[str, ...] = ()
    """streams whose lines are in the form `prefix` where it is raw: they go where those of others go, too"""
    prestart: str | None = None
    """command run before each start, awaited"""
    poststart: str | None = None
    """command run once it is RUNNING"""
    prestop: str | None = None
    """command run before a process that is RUNNING is asked to stop, awaited"""
    poststop: str | None = None
    """command run after each end; the next start waits for it"""
    hook_timeout: float = 30
    """seconds until a hook is killed, which counts as its failure; 0 is for ever"""
    hook_failure: HookFailure | None = None
    """None: abort for prestart, ignore for the others"""
    adopt: Adopt = "yes"
    orphans: Orphans = "keep"
    essential: bool = False
    """its end, unless somebody asked for it, is the daemon's"""
    stdout_logfile: str | None = AUTO
    """a path, `AUTO`, or None for no log"""
    stdout_logfile_maxbytes: int = 50 * 1024 * 1024
    """0: never rotate"""
    stdout_logfile_backups: int = 10
    stdout_capture_maxbytes: int = 0
    stdout_events_enabled: bool = False
    stdout_syslog: bool = False
    stderr_logfile: str | None = AUTO
    stderr_logfile_maxbytes: int = 50 * 1024 * 1024
    stderr_logfile_backups: int = 10
    stderr_capture_maxbytes: int = 0
    stderr_events_enabled: bool = False
    stderr_syslog: bool = False
    serverurl: str | None = None
    """None: computed from the first unix or last inet server; empty: the process is told none"""
    socket: SocketSpec | None = None
    """of a FastCGI program, wherever it is a member"""
    restore_signals: bool = True
    """False in Supervisor's dialect: SIGPIPE and SIGXFSZ stay ignored in the child, as under supervisord"""

    @property
    def id(self) -> ProcessId:
        """The pair that names it."""
        return tuple.__new__(ProcessId, (self.group, self.name))  # past the constructor, which takes twice as long


class GroupSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Processes that are added, removed, started and stopped under one name."""

    name: str
    kind: Literal["program", "group", "eventlistener", "fcgi-program"] = "program"
    priority: int = 999
    processes: tuple[ProcessSpec, ...] = ()
    """in configured order (for a program: by process number)"""
    pool: PoolSpec | None = None
    """of an event listener, and only of one"""


class ServerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP listener."""

    section: str
    """as in the file, for messages: `unix_http_server`, `inet_http_server:lan`"""
    family: Literal["unix", "inet"]
    file: str = ""
    chmod: int = 0o700
    owner_uid: int = -1
    owner_gid: int = -1
    host: str = ""
    """empty: all interfaces"""
    port: int = 0
    username: str | None = None
    password: str | None = None
    """clear text or `{SHA}` and 40 lower-case hex digits"""
    fallback: bool = False
    """nobody asked for it: the daemon goes on without it if the port is taken"""


class DaemonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[supervisord]` or `taskmaster:`."""

    logfile: str
    """absolute; `syslog` sends the log there"""
    logfile_maxbytes: int = 50 * 1024 * 1024
    logfile_backups: int = 10
    loglevel: Level = Level.INFO
    pidfile: str
    umask: int | None = None
    """None: 022 in the background, as inherited in the foreground"""
    directory: str | None = None
    nodaemon: bool = False
    silent: bool = False
    minfds: int = 1024
    minprocs: int = 200
    nocleanup: bool = False
    childlogdir: str
    user: str | None = None
    uid: int | None = None
    gid: int | None = None
    identifier: str = "supervisor"
    strip_ansi: bool = False
    statedir: str = ""
    """absolute; holds what outlives the daemon; empty: nothing does"""
    container: bool = False
    """it is the main program of a container: what programs write goes to its standard streams"""
    exit_on: tuple[str, ...] = ()
    """`fatal:NAME` or `exit:NAME`, NAME a process, a group or `any`: what happens to these ends the daemon"""
    stop_grace: float | None = None
    """seconds the end may take before what still runs is killed; 0 is for ever; None: 7 in a container, else 0"""
    cgroups: ControlGroups = "auto"
    """whether programs get control groups of their own, where we may make some"""
    keep_root_to_spawn: bool = False
    """a daemon that becomes `user` keeps the right to start and signal processes of others, and nothing else of root"""


class CtlSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[supervisorctl]`: checked by the daemon's `--check-config`, used by `tmctl`."""

    serverurl: str | None = None
    username: str | None = None
    password: str | None = None
    prompt: str = "supervisor"
    history_file: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration."""

    dialect: Dialect
    daemon: DaemonSettings
    servers: tuple[ServerSpec, ...] = ()
    """in file order"""
    groups: tuple[GroupSpec, ...] = ()
    """active groups in (priority, name) order: of two with one name only the first is here"""
    shadowed: tuple[GroupSpec, ...] = ()
    """groups that lost their name to an earlier one; `avail` lists them"""
    ctl: CtlSettings = CtlSettings()
    rpcinterfaces: tuple[ExtensionSpec, ...] = ()
    """those that are not built in, in file order"""
    alerts: tuple[AlertSpec, ...] = ()
    """in file order; `email:` of the daemon's section last"""

    def group(self, name: str) -> GroupSpec | None:
        """Return the group of that name."""
        return next((group for group in self.groups if group.name == name), None)

    @property
    def serverurl(self) -> str | None:
        """What children get as SUPERVISOR_SERVER_URL: the first unix server, else the last inet one."""
        for server in self.servers:
            if server.family == "unix":
                return f"unix://{server.file}"
        inet = [server for server in self.servers if server.family == "inet" and not server.fallback]
        return f"http://{inet[-1].host or 'localhost'}:{inet[-1].port}" if inet else None
