"""How figures are written for people: few digits, units in the rows, ratios that say who is better."""

import math

from bench.findings import Measured
from bench.measurements.base import Figure

HERO, PEER, LIMIT = "tmd", "supervisor", "limit"
"""whose bench it is; whom it is compared with; what no supervisor in Python can be expected to beat"""
EQUAL = 1.05
"""times better that still count as equal: runs on one machine differ by more"""
_COUNTED = ("count", "lines")
_SPOKEN = {"1/s": "a second"}


def number(value: float) -> str:
    """Write a number with three digits that matter, or all before the point."""
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    if value == 0 or (size >= 1 and value == int(value)):
        return f"{value:.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    if size >= 0.995:
        return f"{value:.2f}"
    return f"{value:.{1 - math.floor(math.log10(size))}f}"


def amount(value: float, unit: str) -> str:
    """Write a number with its unit; what is counted has none."""
    return number(value) if unit in _COUNTED else f"{number(value)} {_SPOKEN.get(unit, unit)}"


def label(figure: Figure) -> str:
    """Return a figure's title with its unit."""
    return figure.title if figure.unit in _COUNTED else f"{figure.title}, {figure.unit}"


def statistic(measured: Measured, subject: str, figure: str, name: str) -> float | None:
    """Return the median, p99 or max of a figure, None when it was not measured."""
    found = measured.summary(subject, figure)
    if found is None:
        return None
    match name:
        case "median":
            return found.median
        case "p99":
            return found.p99
        case "max":
            return found.most
        case _:
            raise ValueError(name)


def times_better(figure: Figure, mine: float, other: float) -> float | None:
    """Return how many times as good mine is as the other, None when no number says that (one is 0 or less)."""
    if mine == other:
        return 1.0
    if mine <= 0 or other <= 0:
        return None
    return other / mine if figure.better == "less" else mine / other


def beats(figure: Figure, mine: float, other: float) -> bool:
    """Return whether mine is better than the other, by more than may be noise."""
    ratio = times_better(figure, mine, other)
    if ratio is None:
        return mine < other if figure.better == "less" else mine > other
    return ratio > EQUAL


def compared(figure: Figure, mine: float, other: float) -> str:
    """Write how many times as good mine is as the other; beside a 0 or less, whether it is better or worse."""
    ratio = times_better(figure, mine, other)
    if mine == other:
        return "equal"
    if ratio is None:
        return "better" if beats(figure, mine, other) else "worse"
    return f"{number(ratio)}x"
