"""Stop and start by the subject's own client protocol: of the one program there is, and of all hundred.

Time is the client's: from the call until the subject says that it is done. The programs end at once when told to, and
count as started as soon as they run.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import idlers, running, settle
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Subject

_MANY = 100
_LAPS = {1: 15, _MANY: 3}
_QUICK_LAPS = {1: 5, _MANY: 1}
_UP_WITHIN_S = 60.0
_REST_S = 0.5
_PAUSE_S = 0.02
_ENOUGH_S = 2.5
"""after so long a slow subject has had enough laps"""


class Control:
    """One of one, and all of a hundred."""

    key: ClassVar[str] = "control"
    title: ClassVar[str] = "Stop and start"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.CONTROL})
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("stop_1", "stop of 1 program", "ms", p99=True),
        Figure("start_1", "start of 1 program", "ms", p99=True),
        Figure(f"stop_{_MANY}", f"stop of all {_MANY}", "ms"),
        Figure(f"start_{_MANY}", f"start of all {_MANY}", "ms"),
    )
    promises: ClassVar[tuple[Promise, ...]] = tuple(
        Promise(f"{verb}_{count}", 0.5) for count in _LAPS for verb in ("stop", "start")
    )
    rounds: ClassVar[int] = 2
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Make fewer laps when it is to be quick."""
        found: dict[str, list[float]] = {}
        for count, laps in (_QUICK_LAPS if quick else _LAPS).items():
            stamps = Stamps(home / f"stamps{count}")
            # All of a hundred is one request; one is named, as an operator would.
            names = ("p0",) if count == 1 else ()
            stop_ms: list[float] = []
            start_ms: list[float] = []
            with running(kind, home / f"s{count}", Plan(idlers(stamps, count))) as subject:
                stamps.wait(count, _UP_WITHIN_S)
                settle(_REST_S)
                enough = time.monotonic() + _ENOUGH_S
                for lap in range(laps):
                    if lap and time.monotonic() > enough:
                        break
                    began = time.monotonic()
                    subject.stop(names)
                    stop_ms.append(1e3 * (time.monotonic() - began))
                    settle(_PAUSE_S)
                    began = time.monotonic()
                    subject.start(names)
                    start_ms.append(1e3 * (time.monotonic() - began))
                    stamps.wait(count, _UP_WITHIN_S)
                    settle(_PAUSE_S)
            found[f"stop_{count}"] = stop_ms
            found[f"start_{count}"] = start_ms
        return found
