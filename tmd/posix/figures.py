"""What the kernel tells about processes: who is whose child, and what each uses.

One pass over /proc reads one small file of every process there is. Promises that a process which ends meanwhile is left
out and that one which hides (another user's, under `hidepid`) is as good as absent. Keeps nothing between two passes;
may be called from any thread.
"""

import os
import time
from collections.abc import Collection, Iterable
from typing import NamedTuple

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STAT_BYTES = 1024
"""more than the file ever has"""


class Process(NamedTuple):
    """One process; times in seconds, `start` since the machine was started."""

    pid: int
    parent: int
    group: int
    session: int
    start: float
    own_s: float
    waited_s: float
    """of children that ended and that it waited for"""
    threads: int
    rss_bytes: int


def now() -> float:
    """Return the time in which `start` is told."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def processes() -> dict[int, Process]:
    """Return all processes that can be seen, by pid."""
    found: dict[int, Process] = {}
    directory = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in os.listdir("/proc"):
            if name.isdigit() and (process := _read(name, directory)) is not None:
                found[process.pid] = process
    finally:
        os.close(directory)
    return found


def process(pid: int) -> Process | None:
    """Return one process, None if there is none."""
    directory = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _read(str(pid), directory)
    finally:
        os.close(directory)


def _read(name: str, directory: int) -> Process | None:
    try:
        fd = os.open(f"{name}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return None
    try:
        data = os.read(fd, _STAT_BYTES)
    except OSError:
        return None  # it ended between the two calls
    finally:
        os.close(fd)
    # The second field is the name of the program, in brackets, with whatever brackets and blanks it has of its own.
    fields = data[data.rfind(b")") + 2 :].split()
    if len(fields) < 22:
        return None
    return Process(
        pid=int(name),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start=int(fields[19]) * _TICK_S,
        own_s=(int(fields[11]) + int(fields[12])) * _TICK_S,
        waited_s=(int(fields[13]) + int(fields[14])) * _TICK_S,
        threads=int(fields[17]),
        rss_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def trees(all_of_them: dict[int, Process], leaders: Collection[int]) -> dict[int, list[Process]]:
    """Return the tree of each leader that exists, the leader first.

    To it belong all descendants of the leader, and what has its process group or session though its parent is gone,
    with all descendants of these. Who has left both and lost the parent is nobody's.
    """
    wanted = {pid for pid in leaders if pid in all_of_them}
    roots: dict[int, list[Process]] = {pid: [all_of_them[pid]] for pid in wanted}
    children: dict[int, list[Process]] = {}
    for one in all_of_them.values():
        children.setdefault(one.parent, []).append(one)
        if one.pid not in wanted:
            home = one.group if one.group in wanted else one.session
            if home in wanted:
                roots[home].append(one)
    return {pid: _with_descendants(first, children, wanted) for pid, first in roots.items()}


def _with_descendants(
    first: Iterable[Process], children: dict[int, list[Process]], leaders: Collection[int]
) -> list[Process]:
    tree: dict[int, Process] = {}
    waiting = list(first)
    for one in waiting:
        if one.pid not in tree:
            tree[one.pid] = one
            waiting.extend(child for child in children.get(one.pid, ()) if child.pid not in leaders)
    return list(tree.values())


def descriptors(pids: Iterable[int]) -> int:
    """Return how many descriptors these processes have open together; -1 when that may not be known of one of them."""
    total = 0
    for pid in pids:
        path = f"/proc/{pid}/fd"
        try:
            # Since Linux 6.2 that is the number; before, and for none at all, it is 0.
            total += os.stat(path).st_size or len(os.listdir(path))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        except PermissionError:
            return -1
    return total
