"""The structs that travel in replies: every key, its type and one sentence.

Rendering, the client and the reference page read these lists. Keys are added at the end and never taken away;
the keys before `# ours` are Supervisor's and clients index them blindly. Nothing here knows how a value is found.
"""

from typing import Literal, NamedTuple

FieldType = Literal["int", "string", "boolean", "double", "array", "struct"]

MAX_INT = 2**31 - 1
MIN_INT = -(2**31)


class Field(NamedTuple):
    """One key of a struct."""

    name: str
    type: FieldType
    doc: str


def capped_int(value: float) -> int:
    """Return a number as an XML-RPC integer: whole, and saturated at 32 bits."""
    number = int(value)
    return number if MIN_INT <= number <= MAX_INT else MAX_INT if number > 0 else MIN_INT


PROCESS_INFO: tuple[Field, ...] = (
    Field("name", "string", "the process"),
    Field("group", "string", "its group"),
    Field("start", "int", "epoch seconds of the last start, 0 for never"),
    Field("stop", "int", "epoch seconds of the last end, 0 for never"),
    Field("now", "int", "epoch seconds at the daemon"),
    Field("state", "int", "state code"),
    Field("statename", "string", "STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN"),
    Field("spawnerr", "string", "the last thing that went wrong with a start, or empty"),
    Field("exitstatus", "int", "the last exit status, -1 for a signal, 0 if there was none"),
    Field("logfile", "string", "the same as stdout_logfile"),
    Field("stdout_logfile", "string", "path, or empty"),
    Field("stderr_logfile", "string", "path, or empty"),
    Field("pid", "int", "0 if there is no process"),
    Field("description", "string", "one line for people"),
    # ours
    Field("paused", "boolean", "stopped by SIGSTOP or SIGTSTP, to be continued"),
    Field("starts", "int", "spawns since the process was added"),
    Field("stopped_by_hand", "boolean", "somebody asked for it to be stopped"),
    Field("autorestart", "string", "never, unexpected or always"),
)
"""`getProcessInfo`, `getAllProcessInfo`."""

CONFIG_INFO: tuple[Field, ...] = (
    Field("autostart", "boolean", "started with the daemon"),
    Field("command", "string", "the command line as written"),
    Field("directory", "string", "working directory, or none"),
    Field("exitcodes", "array", "expected exit codes"),
    Field("group", "string", "its group"),
    Field("group_prio", "int", "priority of the group"),
    Field("inuse", "boolean", "a group of that name is active"),
    Field("killasgroup", "boolean", "SIGKILL goes to the process group"),
    Field("name", "string", "the process"),
    Field("process_prio", "int", "priority of the process"),
    Field("redirect_stderr", "boolean", "stderr goes where stdout goes"),
    Field("serverurl", "string", "SUPERVISOR_SERVER_URL if set by hand, or none"),
    Field("startretries", "int", "how often a failed start is tried again"),
    Field("startsecs", "int", "seconds to stay up to count as started; a double when it is not whole"),
    Field("stderr_capture_maxbytes", "int", "size of the capture buffer, 0 for off"),
    Field("stderr_events_enabled", "boolean", "PROCESS_LOG_STDERR events are sent"),
    Field("stderr_logfile", "string", "path, auto or none"),
    Field("stderr_logfile_backups", "int", "rotated files kept"),
    Field("stderr_logfile_maxbytes", "int", "size at which it is rotated, 0 for never"),
    Field("stderr_syslog", "boolean", "copied to syslog"),
    Field("stdout_capture_maxbytes", "int", "size of the capture buffer, 0 for off"),
    Field("stdout_events_enabled", "boolean", "PROCESS_LOG_STDOUT events are sent"),
    Field("stdout_logfile", "string", "path, auto or none"),
    Field("stdout_logfile_backups", "int", "rotated files kept"),
    Field("stdout_logfile_maxbytes", "int", "size at which it is rotated, 0 for never"),
    Field("stdout_syslog", "boolean", "copied to syslog"),
    Field("stopsignal", "int", "signal number"),
    Field("stopwaitsecs", "int", "seconds until SIGKILL; a double when it is not whole"),
    Field("uid", "int", "user id, or the string none"),
    # ours
    Field("autorestart", "string", "never, unexpected or always"),
    Field("stopasgroup", "boolean", "the stop signal goes to the process group"),
)
"""`getAllConfigInfo`. What is not set is the string `none`. Environments are never told."""

STATE = (
    Field("statecode", "int", "1 running, 0 restarting, -1 shutting down"),
    Field("statename", "string", "RUNNING, RESTARTING or SHUTDOWN"),
)
"""`getState`."""

STATUS = (
    Field("name", "string", "the process"),
    Field("group", "string", "its group"),
    Field("status", "int", "80, or a fault code"),
    Field("description", "string", "OK, or the fault's text"),
)
"""One item of a status array."""

VERSION = (
    Field("name", "string", "tmd"),
    Field("version", "string", "the version of tmd"),
    Field("dialect", "string", "supervisor or native"),
    Field("config", "string", "path of the configuration file"),
)
"""`taskmaster.getVersion`."""

PRODUCT = (
    Field("name", "string", "taskmaster"),
    Field("version", "string", "its version"),
)
"""`system.getProduct`."""

GROUP_CHANGE = (
    Field("name", "string", "the group"),
    Field("added", "array", "processes that were added"),
    Field("removed", "array", "processes that were stopped and removed"),
    Field("restarted", "array", "processes that needed a restart"),
    Field("live", "array", "processes whose new settings apply without a restart"),
    Field("kept", "array", "all processes that go on as they are, those of `live` among them"),
)
"""One changed group of `taskmaster.update`; processes by their names as `startProcess` takes them."""

UPDATE = (
    Field("added", "array", "names of groups"),
    Field("changed", "array", "a struct for each group that stays but differs"),
    Field("removed", "array", "names of groups"),
    Field("held", "array", "structs of `name` and `reason`: processes whose restart a hook has refused"),
)
"""`taskmaster.update`."""

RELOAD = (
    Field("restarted", "boolean", "everything is being stopped and started anew; the lists are empty then"),
    *UPDATE,
)
"""`taskmaster.reload`."""

UPGRADE = (
    Field("from", "string", "the version that makes way"),
    Field("to", "string", "the version that goes on, with that of its Python"),
    Field("upgrades", "int", "how many upgrades came before"),
    Field("children", "int", "how many processes go on"),
)
"""`taskmaster.upgrade`."""

EVENT_LISTENER = (
    Field("name", "string", "the process, as startProcess takes it"),
    Field("state", "string", "ACKNOWLEDGED, READY, BUSY or UNKNOWN; - when it does not run"),
    Field("for_s", "int", "how long it has been in this state, in seconds"),
    Field("note", "string", "what keeps it from being given an event in spite of its state; empty for nothing"),
)
"""One listener of `taskmaster.getEventPools`."""

EVENT_POOL = (
    Field("name", "string", "the group of event listeners"),
    Field("events", "array", "names of the event types it subscribed to"),
    Field("buffer_size", "int", "how many events may wait"),
    Field("waiting", "int", "events that wait for a listener now"),
    Field("delivered", "int", "events a listener accepted"),
    Field("rejected", "int", "answers that rejected an event, which was then offered again"),
    Field("redelivered", "int", "events given again because a listener ended or was stuck"),
    Field("dropped", "int", "events nobody will ever get"),
    Field("listeners", "array", "an event listener struct for each process"),
    Field("note", "string", "what came of the oldest event that waits; empty if it was given to nobody yet"),
)
"""One item of `taskmaster.getEventPools`; the counts are since the pool was added."""

ALERT_SINK = (
    Field("name", "string", "the sink"),
    Field("kind", "string", "file, webhook, email or syslog"),
    Field("goes_to", "string", "where, for a person: without what may be secret in it"),
    Field("events", "array", "names of the events it is told; empty: all"),
    Field("programs", "array", "names or patterns of the programs it is told about; empty: all"),
    Field("sent", "int", "alerts that arrived"),
    Field("failed", "int", "alerts that were refused for good, or tried for too long"),
    Field("dropped", "int", "alerts that were too many to wait"),
    Field("waiting", "int", "alerts that wait now"),
    Field("last_error", "string", "what went wrong last; empty if nothing did"),
    Field("last_error_at", "int", "when, in epoch seconds; 0 for never"),
)
"""One item of `taskmaster.getAlerts`; the counts are since the sink was configured."""

ALERT_TEST = (
    Field("name", "string", "the sink"),
    Field("kind", "string", "file, webhook, email or syslog; empty for a name that is none"),
    Field("goes_to", "string", "where, for a person"),
    Field("ok", "boolean", "the sample arrived"),
    Field("said", "string", "what was said there, or what went wrong"),
)
"""One item of `taskmaster.testAlert`."""

WHY = (
    Field("name", "string", "the process"),
    Field("group", "string", "its group"),
    Field("statename", "string", "its state"),
    Field("pid", "int", "0 if there is no process"),
    Field("now", "int", "epoch seconds at the daemon"),
    Field("said", "array", "sentences: how it is, why it ended last, which rule acted, what happens next"),
    Field("ends", "array", "a process end struct for each of its last ends, newest first; neighbours alike are one"),
)
"""One item of `taskmaster.why`. All texts are printable."""

PROCESS_END = (
    Field("at", "int", "epoch seconds"),
    Field(
        "how",
        "string",
        "exited (by itself), too_soon (before startsecs), stopped (as asked), not_started, or lost (with the daemon)",
    ),
    Field("short", "string", "one line about it"),
    Field("said", "array", "sentences about it"),
    Field("pid", "int", "0 if it could not be started"),
    Field("started", "int", "epoch seconds, 0 if it could not be started"),
    Field("uptime_s", "double", "how long it ran"),
    Field("code", "int", "exit code, -1 if there is none"),
    Field("signal", "string", "the signal that ended it, such as SIGSEGV; empty if none did"),
    Field("core", "boolean", "it left a core dump"),
    Field("expected", "boolean", "the code is in exitcodes"),
    Field("killed", "boolean", "it ignored its stop signal and got SIGKILL from the daemon"),
    Field("cause", "string", "of a stop: asked, restart, removed, changed, shutdown or listener; else empty"),
    Field("oom", "string", "killed for want of memory: yes, perhaps, no or unknown; empty: no question"),
    Field("reason", "string", "why it could not be started"),
    Field("tries", "int", "failed starts in a row, this one included"),
    Field("then", "string", "what followed: rest, restart, retry, fatal, stopped, or quiesced (the daemon went down)"),
    Field("more", "int", "so many ends just like it came before it and are not in the list"),
    Field("since", "int", "when the first of these was, in epoch seconds"),
    Field("left_behind", "int", "processes it had started and that were still there, whatever became of them"),
    Field("stdout", "array", "the last lines before it, as far as the log has them, control characters spelled out"),
    Field("stderr", "array", "the same of stderr"),
    Field("starts", "array", "when the daemon was started between this end and the one above it, newest first"),
)
"""One end of a process."""

GAUGE = (
    Field("name", "string", "the process, as startProcess takes it"),
    Field("group", "string", "its group"),
    Field("process", "string", "its name in the group"),
    Field("state", "int", "state code"),
    Field("statename", "string", "its state"),
    Field("pid", "int", "0 if there is no process; then all figures of what it uses are 0"),
    Field("uptime_s", "int", "since its start, 0 if there is no process"),
    Field("cpu_percent", "double", "of one core, since the sample before, about 2 seconds ago while somebody looks"),
    Field("cpu_ms", "int", "processor time of the life that goes on, in milliseconds"),
    Field("rss_kib", "int", "resident memory in KiB; what processes share counts for each of them"),
    Field("threads", "int", "threads"),
    Field("fds", "int", "open descriptors, -1 where the kernel does not tell"),
    Field("processes", "int", "processes of its tree"),
    Field("starts", "int", "spawns since the process was added"),
    Field("restarts", "int", "those of them that followed an end without anybody's asking, or a restart"),
    Field("last_end", "string", "how it ended last, in a few words; empty if it never did"),
)
"""One item of `taskmaster.getGauges`; what is used is of the whole tree of processes. Integers stop at 2147483647."""

STRUCTS: dict[str, tuple[Field, ...]] = {
    "process info": PROCESS_INFO,
    "config info": CONFIG_INFO,
    "state": STATE,
    "status": STATUS,
    "version": VERSION,
    "product": PRODUCT,
    "update": UPDATE,
    "group change": GROUP_CHANGE,
    "reload": RELOAD,
    "upgrade": UPGRADE,
    "event pool": EVENT_POOL,
    "event listener": EVENT_LISTENER,
    "alert sink": ALERT_SINK,
    "alert test": ALERT_TEST,
    "why": WHY,
    "process end": PROCESS_END,
    "gauge": GAUGE,
}
"""All of them, by the name the table of methods and the reference page use."""
