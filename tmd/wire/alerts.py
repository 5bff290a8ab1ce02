"""The events an alert may be about, and what a filter means: the one list for filters, documentation and clients."""

from fnmatch import fnmatchcase

ALERT_EVENTS: dict[str, str] = {
    "process_started": "a program was started and has a pid",
    "process_running": "it stayed up for `startsecs`",
    "process_exited": "it ended by itself, expected or not",
    "process_backoff": "it ended too soon or could not be started, and will be tried again",
    "process_fatal": "it is not tried again",
    "process_stopped": "it was stopped, as asked",
    "process_killed": "it ignored its stop signal for `stopwaitsecs` and gets SIGKILL",
    "config_reloaded": "a configuration was read",
    "config_rejected": "a configuration was refused; nothing changed",
    "daemon_started": "the daemon is up",
    "daemon_stopping": "the daemon goes down",
    "listener_stuck": "an event listener did not answer in time and is restarted",
    "log_dropped": "bytes of a log could not be kept",
}

UNEXPECTED_EXIT = "process_exited:unexpected"
"""a filter word: of `process_exited`, only the unexpected ones"""

SERIOUS = (
    UNEXPECTED_EXIT,
    "process_fatal",
    "process_killed",
    "config_rejected",
    "listener_stuck",
    "log_dropped",
)
"""what is told where only an address was given"""


def covers(pattern: str, name: str) -> bool:
    """Tell whether a name, or a pattern with `*` and `?`, of a filter means a group, a program or a `group:process`."""
    return name == pattern or fnmatchcase(name, pattern.replace("[", "[[]"))
