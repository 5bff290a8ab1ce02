"""What crashes cost a supervisor: CPU for each, and what stays behind in memory, descriptors and files.

Programs are killed as soon as they run, ten thousand times between them. Before and after it all of them run and
nothing happens, so that what was there first and what is there in the end can be compared.
"""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

from bench.measurements import procfs
from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import idlers, running, settle
from bench.stamping import Stamp, Stamps
from bench.subjects.base import Ability, Plan, Subject

_PROGRAMS = 50
_CYCLES = 10_000
_QUICK_CYCLES = 1_000
_WITHIN_S = 30.0
_SEEN_S = 6.0
"""who after so long will not have done within the time has had enough"""
_UP_WITHIN_S = 60.0
_BACK_WITHIN_S = 30.0
_REST_S = 1.0


class _Growing(NamedTuple):
    """What there is of everything that crashes could leave behind."""

    rss_kib: int
    descriptors: int
    written: int
    """bytes, in all files of the directory"""


class Cycles:
    """Ten thousand crashes, fewer with a slow subject."""

    key: ClassVar[str] = "cycles"
    title: ClassVar[str] = "Crash cycles"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.RESTART})
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("cpu", "CPU of the supervisor for each crash", "ms"),
        Figure("rate", f"crashes a second, {_PROGRAMS} programs", "1/s", better="more"),
        Figure("rss", f"memory grown by after {_CYCLES:,}", "KiB", chart=False),
        Figure("descriptors", "descriptors grown by", "count", chart=False),
        Figure("written", "files of its own grown by for each 1,000", "KiB", chart=False),
    )
    promises: ClassVar[tuple[Promise, ...]] = (
        Promise("cpu", 0.5, against=None),
        Promise("rss", 1024.0, against=None, statistic="max"),
        Promise("descriptors", 0.0, against=None, statistic="max"),
    )
    rounds: ClassVar[int] = 1
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Kill a tenth as often when it is to be quick."""
        cycles = _QUICK_CYCLES if quick else _CYCLES
        stamps = Stamps(home / "stamps")
        with running(kind, home / "s", Plan(idlers(stamps, _PROGRAMS), backoff=False)) as subject:
            up = stamps.wait(_PROGRAMS, _UP_WITHIN_S)
            settle(_REST_S)
            pids = subject.daemons()
            before = _at_rest(pids, home / "s")
            cpu_s, began_ns = procfs.cpu_s(pids), time.monotonic_ns()
            done, ended_ns = _cycle(stamps, up, cycles)
            settle(_REST_S)
            cpu_s = procfs.cpu_s(pids) - cpu_s
            after = _at_rest(pids, home / "s")
        found = {
            "cpu": [1e3 * cpu_s / done],
            "rate": [1e9 * done / (ended_ns - began_ns)],
            "descriptors": [float(after.descriptors - before.descriptors)],
            "written": [(after.written - before.written) / 1024 / done * 1000],
        }
        if done >= _CYCLES:
            found["rss"] = [float(after.rss_kib - before.rss_kib)]
        return found


def _cycle(stamps: Stamps, up: list[Stamp], cycles: int) -> tuple[int, int]:
    """Kill programs as they come, fewer than `cycles` when that takes too long, and wait for the last to be back.

    Returns how many were killed, and the time of the last successor.
    """
    began = time.monotonic()
    done = away = ended_ns = 0
    fresh = up
    while True:
        doomed = fresh[: cycles - done]
        for program in doomed:
            os.kill(program.pid, signal.SIGKILL)
        done += len(doomed)
        away += len(doomed)
        if away == 0:
            return done, ended_ns
        fresh = stamps.wait(1, _BACK_WITHIN_S)
        away -= len(fresh)
        ended_ns = max(ended_ns, *(stamp.ns for stamp in fresh))
        took_s = time.monotonic() - began
        if took_s > _SEEN_S and done * _WITHIN_S < cycles * took_s:
            cycles = done


def _at_rest(pids: list[int], home: Path) -> _Growing:
    files = (path for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    written = sum(path.stat().st_size for path in files)
    return _Growing(procfs.memory(pids).rss_kib, procfs.descriptors(pids), written)
