"""Output at full speed: how fast it gets into rotating files in blocks of 64 KiB, what that costs, and what is lost."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.draining import Spam
from bench.subjects.base import Ability, Subject

_ONE, _MANY = 256 << 20, 512 << 20
_MANY_FILES = 4 << 20
"""so that each of fifty rotates twice, too"""
_BLOCK = 64 * 1024
_LINE = 1024


class Logs:
    """A quarter of a GiB from one program, and twice as much from fifty between them."""

    key: ClassVar[str] = "logs"
    title: ClassVar[str] = "Log drain, writes of 64 KiB"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.LOGS})
    one: ClassVar[Spam] = Spam(1, _ONE, _LINE, _BLOCK)
    many: ClassVar[Spam] = Spam(50, _MANY, _LINE, _BLOCK, _MANY_FILES)
    figures: ClassVar[tuple[Figure, ...]] = (*one.figures, *many.figures)
    promises: ClassVar[tuple[Promise, ...]] = (
        Promise("speed_1", 1.25),
        Promise("speed_50", 1.5),
        *(Promise(f"cpu_{children}", 0.7) for children in (1, 50)),
        *(Promise(f"answer_{children}", 25.0, against=None, statistic="p99") for children in (1, 50)),
        *(Promise(f"wrong_{children}", 0.0, against=None, statistic="max") for children in (1, 50)),
    )
    rounds: ClassVar[int] = 3
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Write a tenth of it when it is to be quick."""
        return {
            **self.one.measure(kind, home / "one", quick),
            **self.many.measure(kind, home / "many", quick),
        }
