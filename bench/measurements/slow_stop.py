"""Programs that each need a second to stop, all of one priority: is that one second in all, or one after the other?"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import gone, idlers, prepared, settle
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Subject

_PROGRAMS = 20
_QUICK_PROGRAMS = 3
_LINGER_S = 1.0
_STARTSECS = 1
_STARTED_S = _STARTSECS + 0.3
_UP_WITHIN_S = 30.0
_GONE_WITHIN_S = 60.0


class SlowStop:
    """The end of a supervisor with such programs."""

    key: ClassVar[str] = "slow_stop"
    title: ClassVar[str] = "Stop of slow programs"
    needs: ClassVar[frozenset[Ability]] = frozenset()
    figures: ClassVar[tuple[Figure, ...]] = tuple(
        Figure(f"stop_{count}", f"orderly stop of {count} programs that each need {_LINGER_S:g} s", "s")
        for count in (_QUICK_PROGRAMS, _PROGRAMS)
    )
    promises: ClassVar[tuple[Promise, ...]] = (Promise(f"stop_{_PROGRAMS}", 1.5, against=None, statistic="max"),)
    rounds: ClassVar[int] = 1
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Stop a few when it is to be quick."""
        count = _QUICK_PROGRAMS if quick else _PROGRAMS
        stamps = Stamps(home / "stamps")
        plan = Plan(idlers(stamps, count, startsecs=_STARTSECS, linger_s=_LINGER_S))
        with prepared(kind, home / "s", plan) as subject:
            subject.launch()
            up = stamps.wait(count, _UP_WITHIN_S)
            settle(_STARTED_S)
            ordered = time.monotonic()
            subject.shutdown()
            gone([stamp.pid for stamp in up], _GONE_WITHIN_S)
            stop_s = time.monotonic() - ordered
        return {f"stop_{count}": [stop_s]}
