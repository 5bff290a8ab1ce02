"""What a measurement is: a name, the figures it yields, and one turn with one subject.

The runner calls `turn` for every subject in every round, interleaved, so that a noisy minute hits all of them alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from bench.subjects.base import Ability, Subject

Samples = Mapping[str, Sequence[float]]
"""by the key of the figure, in the figure's unit"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that is reported."""

    key: str
    title: str
    """what it is, to be read after the title of the measurement"""
    unit: Literal["ms", "s", "MB/s", "s/GiB", "1/s", "MiB", "KiB", "ms/s", "count", "lines"]
    better: Literal["less", "more"] = "less"
    p99: bool = False
    """whether the 99th percentile is worth a row of its own"""
    chart: bool = True


@dataclass(frozen=True, slots=True)
class Promise:
    """A bound that tmd is held to; checked on the samples of one run."""

    figure: str
    bound: float
    against: str | None = "supervisor"
    """name of the subject whose figure is multiplied by the bound; None: the bound is absolute, in the figure's unit"""
    statistic: Literal["median", "p99", "max"] = "median"
    """for `better = more` the figure must be at least the bound, else at most"""


class Measurement(Protocol):
    """One of `bench.measurements.ALL`."""

    key: ClassVar[str]
    """as in `--only`"""
    title: ClassVar[str]
    needs: ClassVar[frozenset[Ability]]
    figures: ClassVar[tuple[Figure, ...]]
    promises: ClassVar[tuple[Promise, ...]]
    rounds: ClassVar[int]
    """turns with each subject in a full run; with `quick` one"""
    spared: ClassVar[Mapping[str, str]]
    """subjects for whom a part of a full turn is left out, because it would take minutes: which part"""

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Measure one subject once, in an empty directory; end all it started. Figures it cannot yield are left out.

        quick: a smaller form, for a first look (fewer programs, less data); figures that depend on a size the quick
        form does not reach are left out.
        """
