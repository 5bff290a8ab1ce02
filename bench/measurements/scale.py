"""From the launch of a supervisor to its first and its last program, and from the order to stop to the end of all."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import gone, idlers, prepared, settle
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Subject

_SIZES = (10, 100, 1000)
_QUICK_SIZES = _SIZES[:2]
_STARTSECS = 1
_STARTED_S = _STARTSECS + 0.3
_UP_WITHIN_S = 60.0
_GONE_WITHIN_S = 60.0


def _figures(count: int) -> tuple[Figure, ...]:
    return (
        Figure(f"first_{count}", f"launch to the first of {count:,} programs up", "s"),
        Figure(f"up_{count}", f"launch to {count:,} programs up", "s"),
        Figure(f"stop_{count}", f"orderly stop of {count:,} programs", "s"),
    )


class Scale:
    """Ten, a hundred and a thousand programs."""

    key: ClassVar[str] = "scale"
    title: ClassVar[str] = "Launch and stop"
    needs: ClassVar[frozenset[Ability]] = frozenset()
    figures: ClassVar[tuple[Figure, ...]] = tuple(figure for count in _SIZES for figure in _figures(count))
    promises: ClassVar[tuple[Promise, ...]] = (
        Promise("up_1000", 1 / 5),
        Promise("first_1000", 0.3, against=None),
        Promise("stop_1000", 1 / 20),
    )
    rounds: ClassVar[int] = 2
    spared: ClassVar[Mapping[str, str]] = {"pm2": "1,000 programs: it would take half a minute"}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Leave the thousand out when it is to be quick, or to be spared."""
        found: dict[str, list[float]] = {}
        for count in _QUICK_SIZES if quick or kind.name in self.spared else _SIZES:
            stamps = Stamps(home / f"stamps{count}")
            with prepared(kind, home / f"s{count}", Plan(idlers(stamps, count, startsecs=_STARTSECS))) as subject:
                launched_ns = subject.launch()
                up = stamps.wait(count, _UP_WITHIN_S)
                settle(_STARTED_S)
                ordered = time.monotonic()
                subject.shutdown()
                gone([stamp.pid for stamp in up], _GONE_WITHIN_S)
                stop_s = time.monotonic() - ordered
            found[f"first_{count}"] = [(min(stamp.ns for stamp in up) - launched_ns) / 1e9]
            found[f"up_{count}"] = [(max(stamp.ns for stamp in up) - launched_ns) / 1e9]
            found[f"stop_{count}"] = [stop_s]
        return found
