"""What the kernel says some processes cost: CPU, wake-ups and memory, summed over all of them.

Nothing here disturbs the processes that are looked at. One that has ended adds nothing.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_SCHEDULED = 2
"""kind of a process's CPU clock that counts the scheduler's nanoseconds, of ended threads too"""


class Memory(NamedTuple):
    """Resident and proportional set size, in KiB."""

    rss_kib: int
    pss_kib: int


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU time they have used since they began."""
    used = 0.0
    for pid in pids:
        try:
            used += time.clock_gettime((~pid << 3) | _SCHEDULED)
        except OSError:
            continue
    return used


def switches(pids: Iterable[int]) -> int:
    """Return how often their threads have given up the CPU or lost it: each is a wake-up that was or will be."""
    found = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/status"):
            try:
                lines = task.read_text(encoding="utf-8", errors="replace").splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found += sum(int(line.split()[1]) for line in lines if "ctxt_switches:" in line)
    return found


def memory(pids: Iterable[int]) -> Memory:
    """Return their memory; what n of them share counts n times as resident and once as proportional."""
    rss = pss = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            continue
        sizes = {line.split()[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
        rss += sizes["Rss:"]
        pss += sizes["Pss:"]
    return Memory(rss, pss)


def alive(pid: int) -> bool:
    """Say whether a process is there and not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def descriptors(pids: Iterable[int]) -> int:
    """Return how many descriptors they have open; raises OSError when one is gone."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
