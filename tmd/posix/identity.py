"""Which process a number stands for: numbers are given away again, the moment a process began is not.

From `/proc/PID/stat` (proc(5), field 22: ticks since boot) and `btime` of `/proc/stat`. Raises nothing.
"""

import os

TOLERANCE_S = 2.0
"""`btime` is in whole seconds, and moves when the clock of the machine is set"""


def began_at(pid: int) -> float | None:
    """Return when a process began, in epoch seconds; None when there is none, or it has ended and was not reaped."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before may hold anything
        with open("/proc/stat", "rb") as file:
            booted = next((int(line.split()[1]) for line in file if line.startswith(b"btime ")), None)
    except (OSError, ValueError):
        return None
    if booted is None or len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return booted + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def is_same(pid: int, at: float) -> bool:
    """Tell whether the process of this number began at that moment (epoch seconds)."""
    began = began_at(pid)
    return began is not None and abs(began - at) <= TOLERANCE_S
