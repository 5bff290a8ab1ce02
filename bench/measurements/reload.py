"""A changed configuration: a thousand programs run, the command of one is another, and the rest must not notice."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from bench.measurements import procfs
from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import idlers, running, settle
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Program, Subject

_COUNT = 1000
_UP_WITHIN_S = 120.0
_CHANGED_WITHIN_S = 60.0
_REST_S = 1.5
_NEW = 10_000
"""added to the index of a program that was changed"""


class Reload:
    """A thousand programs with one changed, some times over."""

    key: ClassVar[str] = "reload"
    title: ClassVar[str] = "Reload of 1,000 programs with one changed"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.RELOAD})
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("took", "until it is reported as done", "ms"),
        Figure("changed", "until the first instruction of the changed program", "ms"),
        Figure("others", "other programs that were restarted or lost", "count", chart=False),
    )
    promises: ClassVar[tuple[Promise, ...]] = (Promise("others", 0.0, against=None, statistic="max"),)
    rounds: ClassVar[int] = 1
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Change one program three times over, or once."""
        took_ms, changed_ms, others = [], [], []
        stamps = Stamps(home / "stamps")
        programs = list(idlers(stamps, _COUNT))
        with running(kind, home / "s", Plan(tuple(programs))) as subject:
            pids = {stamp.index: stamp.pid for stamp in stamps.wait(_COUNT, _UP_WITHIN_S)}
            settle(_REST_S)
            for index in range(1 if quick else 3):
                programs[index] = _changed(programs[index], stamps, index)
                subject.write(Plan(tuple(programs)))
                began_ns = time.monotonic_ns()
                subject.reload()
                took_ms.append((time.monotonic_ns() - began_ns) / 1e6)
                born = stamps.wait(1, _CHANGED_WITHIN_S)
                settle(_REST_S)  # who is restarted by mistake may be late
                born += stamps.read()
                del pids[index]
                lost = {other for other, pid in pids.items() if not procfs.alive(pid)}
                others.append(float(len(lost | {stamp.index for stamp in born} - {index + _NEW})))
                for stamp in born:
                    pids[stamp.index] = stamp.pid
                changed_ms += [(stamp.ns - began_ns) / 1e6 for stamp in born if stamp.index == index + _NEW][:1]
        return {"took": took_ms, "changed": changed_ms, "others": others}


def _changed(program: Program, stamps: Stamps, index: int) -> Program:
    return replace(program, argv=stamps.argv(index + _NEW))
