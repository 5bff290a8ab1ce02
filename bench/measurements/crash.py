"""How long a program that is killed is missed: from SIGKILL to the first instruction of its successor.

Each program is killed once, when it has run long enough to count as started, and only when the successor of the one
before has come: a subject never has two to look after. The kill comes at any phase of one that looks around at
intervals, not just after it has looked.
"""

import os
import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import Broken, idlers, running, settle
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Subject

_PROGRAMS = 50
_QUICK_PROGRAMS = 10
_STARTSECS = 1
_STARTED_S = _STARTSECS + 0.5
_UP_WITHIN_S = 60.0
_BACK_WITHIN_S = 30.0
_REST_S = 0.01
_LONGEST_PHASE_S = 1.0
_ENOUGH_S = 6.0
"""after so long a slow subject has had enough kills"""


class Crash:
    """One program killed at a time."""

    key: ClassVar[str] = "crash"
    title: ClassVar[str] = "Crash to respawn"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.RESTART})
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("respawn", "SIGKILL to the successor's first instruction", "ms", p99=True),
    )
    promises: ClassVar[tuple[Promise, ...]] = (
        Promise("respawn", 1 / 500),
        Promise("respawn", 4.0, against=None),
        Promise("respawn", 20.0, against=None, statistic="p99"),
    )
    rounds: ClassVar[int] = 2
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Kill each program of a few once; fewer with a slow subject."""
        count = _QUICK_PROGRAMS if quick else _PROGRAMS
        stamps = Stamps(home / "stamps")
        took_ms: list[float] = []
        with running(kind, home / "s", Plan(idlers(stamps, count, startsecs=_STARTSECS))):
            running_now = stamps.wait(count, _UP_WITHIN_S)
            settle(_STARTED_S)
            enough = time.monotonic() + _ENOUGH_S
            for program in running_now:
                if time.monotonic() > enough:
                    break
                previous_s = took_ms[-1] / 1e3 if took_ms else 0.0
                settle(_REST_S + random.uniform(0, min(previous_s, _LONGEST_PHASE_S)))
                killed_ns = time.monotonic_ns()
                os.kill(program.pid, signal.SIGKILL)
                successor, *more = stamps.wait(1, _BACK_WITHIN_S)
                if more or successor.index != program.index:
                    came = ", ".join(f"p{stamp.index}" for stamp in (successor, *more))
                    raise Broken(f"p{program.index} was killed, but {came} started")
                took_ms.append((successor.ns - killed_ns) / 1e6)
        return {"respawn": took_ms}
