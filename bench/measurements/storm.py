"""All programs killed in one instant: how long until all of them are back."""

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import Broken, idlers, running, settle
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Subject

_PROGRAMS = 1000
_QUICK_PROGRAMS = 100
_STARTSECS = 1
_STARTED_S = _STARTSECS + 0.5
_UP_WITHIN_S = 60.0
_BACK_WITHIN_S = 60.0


class Storm:
    """A thousand successors to start at once."""

    key: ClassVar[str] = "storm"
    title: ClassVar[str] = "All killed at once"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.RESTART})
    figures: ClassVar[tuple[Figure, ...]] = tuple(
        Figure(f"back_{count}", f"SIGKILL to {count:,} programs until all are back", "s")
        for count in (_QUICK_PROGRAMS, _PROGRAMS)
    )
    promises: ClassVar[tuple[Promise, ...]] = (Promise(f"back_{_PROGRAMS}", 2.0, against=None, statistic="max"),)
    rounds: ClassVar[int] = 1
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Kill a hundred when it is to be quick."""
        count = _QUICK_PROGRAMS if quick else _PROGRAMS
        stamps = Stamps(home / "stamps")
        with running(kind, home / "s", Plan(idlers(stamps, count, startsecs=_STARTSECS))):
            running_now = stamps.wait(count, _UP_WITHIN_S)
            settle(_STARTED_S)
            killed_ns = time.monotonic_ns()
            for program in running_now:
                os.kill(program.pid, signal.SIGKILL)
            successors = stamps.wait(count, _BACK_WITHIN_S)
        twice = [index for index, times in Counter(stamp.index for stamp in successors).items() if times > 1]
        if twice:
            raise Broken(f"{len(twice)} of {count} killed programs started more than once")
        return {f"back_{count}": [(max(stamp.ns for stamp in successors) - killed_ns) / 1e9]}
