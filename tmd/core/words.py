"""How facts about processes are worded in the daemon's log: one place, so that one fact has one wording.

The words are Supervisor's, because people's log filters know them.
"""

from tmd.config import signal_names
from tmd.core.inputs import ExitStatus

SIGKILL = 9
SIGCONT = 18


def signal_name(signum: int) -> str:
    """Return `SIGTERM` and the like, or `signal N` for a number without a name."""
    name = signal_names.signal_name(signum)
    return f"signal {signum}" if name.isdigit() else f"SIG{name}"


def ending(status: ExitStatus) -> str:
    """Return how a process ended: `exit status 3`, `terminated by SIGKILL (core dumped)`, or that nobody saw it."""
    if status.code is not None:
        return f"exit status {status.code}"
    if status.signal is not None:
        core = " (core dumped)" if status.core else ""
        return f"terminated by {signal_name(status.signal)}{core}"
    return "ended while nobody could see how"


def seconds(duration_s: float) -> str:
    """Return a duration as a configuration would have it: `1`, `2.5`."""
    return str(int(duration_s)) if duration_s == int(duration_s) else str(duration_s)
