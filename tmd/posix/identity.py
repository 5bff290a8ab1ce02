"""Which process a number stands for: numbers are given away again, the moment a process began is not.

From `/proc/PID/stat` (proc(5)): field 22 counts clock ticks since the machine started, so that pid, ticks and the
machine's boot id name one process for all time. Raises nothing.
"""

import os
import time
from typing import NamedTuple

TOLERANCE_S = 2.0
"""`btime` is in whole seconds, and moves when the clock of the machine is set"""
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_STAT_BYTES = 4096
"""52 numbers and a name fit into a quarter of it"""
_TICKS, _EXIT_CODE = 19, 49
"""of the fields behind the name in `/proc/PID/stat`"""


class Glimpse(NamedTuple):
    """A process as it is at this moment."""

    ticks: int
    """when it began: clock ticks since the machine started"""
    state: str
    """one letter: R, S, D, T (suspended), t (traced), Z (ended, not reaped), X"""
    ppid: int
    group: int
    session: int
    status: int | None
    """of one that has ended: how, as wait(2) would tell; None where we may not see it"""

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.state not in ("Z", "X")

    @property
    def suspended(self) -> bool:
        """Whether a job-control signal has stopped it."""
        return self.state == "T"


def glimpse(pid: int) -> Glimpse | None:
    """Return what the kernel tells of the process of this number, None when there is none."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fields = os.read(fd, _STAT_BYTES).rpartition(b")")[2].split()  # the name before may hold anything
        finally:
            os.close(fd)
        state = fields[0].decode()
        status = None
        if state in "ZX" and _may_see(pid):
            status = int(fields[_EXIT_CODE])
        return Glimpse(int(fields[_TICKS]), state, int(fields[1]), int(fields[2]), int(fields[3]), status)
    except (OSError, ValueError, IndexError):
        return None


def is_hidden(pid: int) -> bool:
    """Tell whether there is a process of this number that /proc does not show us (its mount option `hidepid`)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return glimpse(pid) is None


def ticks_of(pid: int) -> int:
    """Return when a process began, in clock ticks since the machine started; 0 when there is none."""
    found = glimpse(pid)
    return 0 if found is None else found.ticks


class Births:
    """When processes began that we start, without asking the kernel for each.

    It notes the time of a birth by a clock that everybody can read. Its answer for the first one is compared with that;
    where the two differ (an emulation of Linux may count otherwise) the kernel is asked every time.
    """

    def __init__(self) -> None:
        self._trusted: bool | None = None

    def now(self) -> int:
        """Return the present moment, to be asked for right before a process is started."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _TICK_NS

    def ticks_of(self, pid: int, before: int) -> int:
        """Return what `ticks_of` returns, of a process started since that moment and not reaped."""
        if self._trusted is False or self.now() != before:
            return ticks_of(pid)
        if self._trusted is None:
            self._trusted = ticks_of(pid) == before
            return self.ticks_of(pid, before)
        return before


def boot_id() -> str:
    """Return what names this start of the machine, empty where nothing does."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def age_s(ticks: int) -> float:
    """Return how long ago that was, sleep of the machine included; nothing that is done to the clock changes it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def began_at(pid: int) -> float | None:
    """Return when a process began, in epoch seconds; None when there is none, or it has ended and was not reaped."""
    found = glimpse(pid)
    if found is None or not found.alive:
        return None
    try:
        with open("/proc/stat", "rb") as file:
            booted = next((int(line.split()[1]) for line in file if line.startswith(b"btime ")), None)
    except (OSError, ValueError):
        return None
    return None if booted is None else booted + found.ticks / os.sysconf("SC_CLK_TCK")


def is_same(pid: int, at: float) -> bool:
    """Tell whether the process of this number began at that moment (epoch seconds)."""
    began = began_at(pid)
    return began is not None and abs(began - at) <= TOLERANCE_S


def _may_see(pid: int) -> bool:
    """Tell whether the kernel shows us how a process ended: to others than root and its own user it says 0."""
    uid = os.geteuid()
    try:
        return uid == 0 or os.stat(f"/proc/{pid}").st_uid == uid
    except OSError:
        return False
