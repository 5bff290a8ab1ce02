"""Whether what is promised was kept in a run, or was not measured in it."""

from dataclasses import dataclass
from enum import Enum

from bench.findings import Measured, Run
from bench.measurements.base import Figure, Promise
from bench.wording import HERO, amount, number, statistic


class Verdict(Enum):
    """What became of a promise."""

    HELD = "held"
    BROKEN = "not held"
    UNSEEN = "not measured"


@dataclass(frozen=True, slots=True)
class Judged:
    """One promise, in words."""

    measurement: str
    """its key"""
    figure: str
    """its title, with the statistic"""
    bound: str
    found: str
    verdict: Verdict
    why: str = ""
    """why it was not measured"""


def judge(run: Run) -> list[Judged]:
    """Judge every promise of the measurements of a run."""
    return [_judged(measured, promise) for measured in run.measurements for promise in measured.promises]


def _judged(measured: Measured, promise: Promise) -> Judged:
    figure = next(one for one in measured.figures if one.key == promise.figure)
    title = figure.title if promise.statistic == "median" else f"{figure.title}, {promise.statistic}"
    found = statistic(measured, HERO, promise.figure, promise.statistic)
    text = "-" if found is None else amount(found, figure.unit)
    if promise.against is None:
        bound: float | None = promise.bound
        asked = f"{_side(figure)} {amount(promise.bound, figure.unit)}"
    else:
        theirs = statistic(measured, promise.against, promise.figure, promise.statistic)
        bound = None if theirs is None else promise.bound * theirs
        asked = _share(figure, promise.bound, promise.against)
        if theirs is not None and bound is not None:
            asked += f" {amount(theirs, figure.unit)}"
            asked += "" if promise.bound == 1 else f", so {amount(bound, figure.unit)}"
    if found is None:
        return Judged(measured.key, title, asked, text, Verdict.UNSEEN, _why(measured, HERO))
    if bound is None:
        return Judged(measured.key, title, asked, text, Verdict.UNSEEN, _why(measured, promise.against or ""))
    kept = found <= bound if figure.better == "less" else found >= bound
    return Judged(measured.key, title, asked, text, Verdict.HELD if kept else Verdict.BROKEN)


def _side(figure: Figure) -> str:
    return "at most" if figure.better == "less" else "at least"


def _share(figure: Figure, bound: float, whose: str) -> str:
    """Say `at most 1/500 of supervisor's`."""
    if bound == 1:
        return f"{_side(figure)} {whose}'s"
    if bound < 1 and abs(1 / bound - round(1 / bound)) < 1e-6:
        return f"{_side(figure)} 1/{round(1 / bound)} of {whose}'s"
    return f"{_side(figure)} {number(bound)} times {whose}'s"


def _why(measured: Measured, subject: str) -> str:
    """Say why a figure of a subject is not there."""
    if subject in measured.absent:
        return f"{subject}: {measured.absent[subject]}"
    outcome = measured.outcomes.get(subject)
    if outcome is None:
        return f"{subject} was not asked for"
    return f"{subject}: {outcome.troubles[0]}" if outcome.troubles else f"{subject} has no such figure in this run"
