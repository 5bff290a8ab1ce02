"""What a run of the bench found, as it is kept in JSON: all that page, charts and promises are made from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.measurements.base import Figure, Promise
from bench.table import median, quantile

FORMAT = 1
_DIGITS = 5
"""that are kept of a figure: more would be noise, and a difference between two files that says nothing"""


@dataclass(frozen=True, slots=True)
class Summary:
    """All samples of one figure from all rounds, in the figure's unit."""

    count: int
    least: float
    median: float
    p99: float
    most: float
    rounds: tuple[float, ...]
    """the median of each round"""


@dataclass(frozen=True, slots=True)
class Beside:
    """The fixed work that was done before and after each turn: what the machine gave at that time."""

    cpu_ms: Summary
    spawn_ms: Summary


@dataclass(frozen=True, slots=True)
class Outcome:
    """One subject in one measurement."""

    figures: dict[str, Summary]
    """by key; what it cannot yield, or what failed, is not in it"""
    troubles: tuple[str, ...]
    """what went wrong in its turns, one sentence each"""
    took_s: tuple[float, ...]
    """of each turn, setting up and clearing away included"""
    beside: Beside | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement."""

    key: str
    title: str
    rounds: int
    """that are complete"""
    figures: tuple[Figure, ...]
    promises: tuple[Promise, ...]
    outcomes: dict[str, Outcome]
    """by the name of the subject, in the order of the run's subjects"""
    absent: dict[str, str]
    """subjects that were left out, and why"""
    omitted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """parts and rounds that were left out for a subject, and why"""

    def summary(self, subject: str, figure: str) -> Summary | None:
        """Return what was measured, None when it was not."""
        outcome = self.outcomes.get(subject)
        return outcome.figures.get(figure) if outcome else None


@dataclass(frozen=True, slots=True)
class Competitor:
    """A subject of the run."""

    name: str
    version: str
    """"" when it is not there"""
    missing: str
    """why it is not there, else "" """
    remarks: tuple[str, ...] = ()
    """what one has to know of it to read its figures"""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran."""

    system: str
    processor: str
    cores: int
    memory_gib: float
    python: str
    files: str
    """the file system the subjects wrote to"""
    soft_descriptors: int
    programs: str = ""
    """what is supervised"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the bench."""

    format: int
    command: str
    began: str
    """date and time, UTC"""
    took_s: float
    quick: bool
    machine: Machine
    subjects: tuple[Competitor, ...]
    measurements: tuple[Measured, ...]


def summary(rounds: Iterable[Sequence[float]]) -> Summary | None:
    """Summarise the samples of some rounds; None when there are none."""
    filled = [samples for samples in rounds if samples]
    every = [sample for samples in filled for sample in samples]
    if not every:
        return None
    return Summary(
        len(every),
        _short(min(every)),
        _short(median(every)),
        _short(quantile(every, 0.99)),
        _short(max(every)),
        tuple(_short(median(samples)) for samples in filled),
    )


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def load(path: Path) -> Run:
    """Read a run. Raises `ValueError` when it is not one, OSError as `open` does."""
    try:
        run = msgspec.json.decode(path.read_bytes(), type=Run)
    except msgspec.MsgspecError as error:
        raise ValueError(f"cannot read {path}: {error} (it was not written by this version of the bench)") from error
    if run.format != FORMAT:
        raise ValueError(f"cannot read {path}: format {run.format}, expected {FORMAT}")
    return run


def dump(run: Run) -> bytes:
    """Return a run as JSON, to be kept."""
    return msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n"
