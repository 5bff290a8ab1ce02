"""A loop that stands still: what was due meanwhile happens then, but what is patient has the time it had left."""

import selectors
from collections.abc import Callable, Iterator

import pytest

from tmd.posix.loop import Loop


class StandStill(selectors.SelectSelector):
    """Time jumps to the next deadline; each wait in `naps` is so much longer than asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.naps: list[float] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0
        if timeout and self.naps:
            self.now += self.naps.pop(0)
        return super().select(0)


class Still:
    """A loop in such a world, and what it did when, in seconds since the beginning."""

    def __init__(self) -> None:
        self.selector = StandStill()
        self.loop = Loop(clock=lambda: self.selector.now, selector=self.selector)
        self.loop.on_stall = lambda seconds: self.told.append(("stall", seconds))
        self.told: list[tuple[str, float]] = []

    def note(self, what: str) -> Callable[[], None]:
        return lambda: self.told.append((what, self.selector.now - 100.0))

    def run(self, until: float) -> list[tuple[str, float]]:
        self.loop.call_later(until, self.loop.stop)
        self.loop.run()
        return [(what, round(at, 3)) for what, at in self.told]


@pytest.fixture
def still() -> Iterator[Still]:
    still = Still()
    yield still
    still.loop.close()


def test_what_is_patient_gets_the_time_that_was_left(still: Still) -> None:
    still.loop.call_later(2.0, still.note("hasty"))
    still.loop.call_later(5.0, still.note("patient"), patient=True)
    still.loop.call_later(7.0, still.note("hasty too"))
    still.selector.naps = [60.0]  # it was last seen to go on at 0, and awakes at 62
    told = still.run(500.0)
    assert told == [("stall", 60.0), ("hasty", 62.0), ("hasty too", 62.0), ("patient", 67.0)]


def test_what_was_due_later_gets_it_too(still: Still) -> None:
    still.loop.call_later(3.0, still.note("round"))
    still.loop.call_later(10.0, still.note("patient"), patient=True)
    still.selector.naps = [6.5]
    assert still.run(500.0) == [("stall", 6.5), ("round", 9.5), ("patient", 19.5)]


def test_a_little_late_is_no_stall(still: Still) -> None:
    still.loop.call_later(3.0, still.note("patient"), patient=True)
    still.selector.naps = [0.9]
    assert still.run(500.0) == [("patient", 3.9)]


def test_of_a_long_wait_not_all_counts_as_a_stall(still: Still) -> None:
    still.loop.call_later(3600.0, still.note("hourly"))
    still.loop.call_later(3605.0, still.note("patient"), patient=True)
    still.selector.naps = [20.0]  # it may have begun ten seconds before the hour, or later
    assert still.run(9000.0) == [("stall", 20.0), ("hourly", 3620.0), ("patient", 3635.0)]


def test_what_is_due_before_it_is_asked_for_says_nothing(still: Still) -> None:
    still.loop.call_at(10.0, still.note("late"))
    still.loop.call_at(105.0, still.note("patient"), patient=True)
    assert still.run(500.0) == [("late", 0.0), ("patient", 5.0)]


def test_a_turn_that_takes_long_is_one(still: Still) -> None:
    def compute() -> None:
        still.selector.now += 4.0

    still.loop.call_later(1.0, compute)
    still.loop.call_later(2.0, still.note("patient"), patient=True)
    assert still.run(500.0) == [("stall", 3.0), ("patient", 6.0)]


def test_several_stalls_add_up(still: Still) -> None:
    for second in range(1, 9):
        still.loop.call_later(float(second), lambda: None)
    still.loop.call_later(4.5, still.note("patient"), patient=True)
    still.selector.naps = [2.0, 0.0, 0.0, 3.0]
    told = still.run(500.0)
    assert [what for what, _ in told] == ["stall", "stall", "patient"]
    assert 9.5 <= told[-1][1] <= 4.5 + 2 * (1.0 + 3.0) + 3.0
