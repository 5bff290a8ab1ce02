"""How facts about processes are worded in the daemon's log: one place, so that one fact has one wording.

The words are Supervisor's, because people's log filters know them.
"""

from tmd.core.inputs import ExitStatus

SIGKILL = 9
SIGCONT = 18

SIGNAL_NAMES: dict[int, str] = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    16: "SIGSTKFLT",
    17: "SIGCHLD",
    18: "SIGCONT",
    19: "SIGSTOP",
    20: "SIGTSTP",
    21: "SIGTTIN",
    22: "SIGTTOU",
    23: "SIGURG",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    26: "SIGVTALRM",
    27: "SIGPROF",
    28: "SIGWINCH",
    29: "SIGPOLL",
    30: "SIGPWR",
    31: "SIGSYS",
    34: "SIGRTMIN",
    64: "SIGRTMAX",
}
"""Linux's numbers. A table of our own: what a signal is called is a fact, asking the platform would be a dependency."""


def signal_name(signum: int) -> str:
    """Return `SIGTERM` and the like, or `signal N` for a number without a name."""
    return SIGNAL_NAMES.get(signum, f"signal {signum}")


def ending(status: ExitStatus) -> str:
    """Return how a process ended: `exit status 3`, `terminated by SIGKILL (core dumped)`."""
    if status.code is not None:
        return f"exit status {status.code}"
    if status.signal is not None:
        core = " (core dumped)" if status.core else ""
        return f"terminated by {signal_name(status.signal)}{core}"
    return "unknown termination cause"


def seconds(duration_s: float) -> str:
    """Return a duration as a configuration would have it: `1`, `2.5`."""
    return str(int(duration_s)) if duration_s == int(duration_s) else str(duration_s)
