"""Output at full speed with one write for each line: how fast it gets into files, what that costs, and what is lost."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.draining import Spam
from bench.subjects.base import Ability, Subject

_TOTAL = 160 << 20
_LINE = 128
_MANY_FILES = 8 << 20
"""so that each of eight rotates twice, too"""


class Lines:
    """160 MiB in lines of 128 bytes from one program, and as much from eight between them."""

    key: ClassVar[str] = "lines"
    title: ClassVar[str] = "Log drain, one write for each line"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.LOGS})
    one: ClassVar[Spam] = Spam(1, _TOTAL, _LINE, 0)
    many: ClassVar[Spam] = Spam(8, _TOTAL, _LINE, 0, _MANY_FILES)
    figures: ClassVar[tuple[Figure, ...]] = (*one.figures, *many.figures)
    promises: ClassVar[tuple[Promise, ...]] = (
        *(Promise(f"speed_{children}", 1.2) for children in (1, 8)),
        *(Promise(f"cpu_{children}", 0.6) for children in (1, 8)),
        *(Promise(f"answer_{children}", 25.0, against=None, statistic="p99") for children in (1, 8)),
        *(Promise(f"wrong_{children}", 0.0, against=None, statistic="max") for children in (1, 8)),
    )
    rounds: ClassVar[int] = 2
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Write a tenth of it when it is to be quick."""
        return {
            **self.one.measure(kind, home / "one", quick),
            **self.many.measure(kind, home / "many", quick),
        }
