"""The kernel's word on processes it killed for want of memory.

Two witnesses: counters that anybody may read, and the kernel's log, which names the process but is often the
superuser's alone. Reading the log takes a while and is for a worker thread; everything else is quick. Raises nothing.
"""

import os
import re
import time
from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple

LOG_BYTES = 16 << 20
"""of the kernel's log so much is read at most"""
LOG_S = 2.0
"""and for so long"""
RECENT_S = 10.0
"""so long the counters may have moved on account of an end that is looked into now"""
CLOCKS_APART_S = 60.0
"""the kernel's log has a clock of its own, which may be so much off"""

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
_OOM_KILL = re.compile(rb"\noom_kill (\d+)\n")
_KILLED = re.compile(rb"\bKilled process (\d+) ")
_RESIDENT = re.compile(rb"\b(?:anon|file|shmem)-rss:(\d+)kB")


class Places(NamedTuple):
    """Where the kernel tells it."""

    counters: str = "/proc/vmstat"
    log: str = "/dev/kmsg"
    own_group: str = "/proc/self/cgroup"
    groups: str = "/sys/fs/cgroup"
    namespace: str = "/proc/self/ns/pid"


KERNEL = Places()


class Kills(NamedTuple):
    """How many processes the kernel has killed so far; None where it does not tell."""

    machine: int | None
    group: int | None
    """in the control group of the daemon and its children"""


class Word(NamedTuple):
    """What is known about one end."""

    verdict: Literal["yes", "perhaps", "no", "unknown"]
    detail: str = ""
    """as the end of a sentence"""


class OomWitness:
    """Compares the counters with those of a while ago. `clock`: monotonic seconds."""

    def __init__(self, places: Places = KERNEL, clock: Callable[[], float] = time.monotonic) -> None:
        self._places, self._clock = places, clock
        self._events = _group_events(places)
        self._looks = deque([(clock(), self._look())])
        """what the counters were since when; the first is as they were `RECENT_S` ago"""

    def noted(self) -> tuple[Kills, Kills]:
        """Return the counters as they were before the last `RECENT_S`, as far as anybody looked, and as they are now.

        Of several that die together each is looked into a moment after the other: what moved the counters may be about
        any of them.
        """
        at, now = self._clock(), self._look()
        if now != self._looks[-1][1]:
            self._looks.append((at, now))
        while len(self._looks) > 1 and self._looks[1][0] <= at - RECENT_S:
            self._looks.popleft()
        return self._looks[0][1], now

    def _look(self) -> Kills:
        return Kills(_count(self._places.counters), _count(self._events) if self._events else None)

    def ask_log(self, pids: dict[int, float]) -> "dict[int, int] | None":
        """Return the resident bytes, 0 where unknown, of those that were killed; None when the log cannot be read.

        `pids`: with the monotonic time each was started at. For a worker thread.
        """
        if _namespace(self._places.namespace) != _INITIAL_PID_NAMESPACE:
            return None  # the log has other numbers for these processes
        try:
            fd = os.open(self._places.log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return _killed(fd, pids)
        except PermissionError:
            return None
        finally:
            os.close(fd)


def judge(before: Kills, now: Kills, ask: bool = True) -> Word | None:
    """Return what the counters alone say; None when the kernel's log has to be asked."""
    if now.machine is None or before.machine is None:
        return Word("unknown", "this kernel keeps no count of such kills")
    if now.machine == before.machine:
        return Word("no")
    if ask:
        return None
    count = now.machine - before.machine
    times = "a process" if count == 1 else f"{count} processes"
    where = "" if now.group is None else " in tmd's control group"
    if now.group is not None and now.group == before.group:  # but it may have moved to another one
        where = ", but none in tmd's control group,"
    return Word("perhaps", f"the kernel killed {times}{where} for that reason meanwhile, its log is not readable here")


def told(pid: int, found: dict[int, int]) -> Word:
    """Return what the kernel's log says about a process."""
    if pid not in found:
        return Word("no")
    size = f", {_gigabytes(found[pid])}" if found[pid] else ""
    return Word("yes", f"process {pid}{size}")


def _killed(fd: int, pids: dict[int, float]) -> dict[int, int]:
    found: dict[int, int] = {}
    read, ends = 0, time.monotonic() + LOG_S
    while read < LOG_BYTES and time.monotonic() < ends:
        try:
            data = os.read(fd, 8192)  # one record each, if it is the kernel's device
        except BlockingIOError:
            break
        except BrokenPipeError:
            continue  # a record was overwritten before we came to it
        if not data:
            break
        read += len(data)
        for line in data.splitlines():
            if named := _KILLED.search(line):
                pid = int(named[1])
                if pid in pids and _at_s(line) >= pids[pid] - CLOCKS_APART_S:
                    found[pid] = sum(map(int, _RESIDENT.findall(line))) * 1024
    return found


def _at_s(line: bytes) -> float:
    """Return when a record was written, in seconds since boot: `priority,number,microseconds,flags;text`."""
    fields = line.partition(b";")[0].split(b",")
    return int(fields[2]) / 1e6 if len(fields) > 2 and fields[2].isdigit() else float("inf")


def _count(path: str) -> int | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = b"\n"
        while not (found := _OOM_KILL.search(text)) and (more := os.read(fd, 8192)):  # it adds all up for each read
            text += more
    except OSError:
        return None
    finally:
        os.close(fd)
    return int(found[1]) if found else None


def _group_events(places: Places) -> str:
    """Return the file of our control group's counters; empty when there is none."""
    try:
        with open(places.own_group, encoding="utf-8", errors="surrogateescape") as file:
            unified = next((line for line in file if line.startswith("0::/")), "")
    except OSError:
        return ""
    path = f"{places.groups}/{unified[4:].strip()}/memory.events"
    return path if unified and os.path.exists(path) else ""


def _namespace(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
