"""Output at full speed with one write for each line: how fast it gets into files, what that costs, and what is lost."""

from pathlib import Path
from typing import ClassVar

from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.draining import Spam
from bench.subjects.base import Ability, Subject

_TOTAL = 256 << 20
_LINE = 128


class Lines:
    """A quarter of a GiB in lines of 128 bytes from one program, and as much from eight between them."""

    key: ClassVar[str] = "lines"
    title: ClassVar[str] = "Log drain, one write for each line"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.LOGS})
    one: ClassVar[Spam] = Spam(1, _TOTAL, _LINE, 0)
    many: ClassVar[Spam] = Spam(8, _TOTAL, _LINE, 0)
    figures: ClassVar[tuple[Figure, ...]] = (*one.figures, *many.figures)
    promises: ClassVar[tuple[Promise, ...]] = (
        *(Promise(f"speed_{children}", 1.2) for children in (1, 8)),
        *(Promise(f"cpu_{children}", 0.6) for children in (1, 8)),
        *(Promise(f"answer_{children}", 25.0, against=None, statistic="p99") for children in (1, 8)),
        *(Promise(f"wrong_{children}", 0.0, against=None, statistic="max") for children in (1, 8)),
    )
    rounds: ClassVar[int] = 2

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Write a tenth of it when it is to be quick."""
        return {
            **self.one.measure(kind, home / "one", quick),
            **self.many.measure(kind, home / "many", quick),
        }
