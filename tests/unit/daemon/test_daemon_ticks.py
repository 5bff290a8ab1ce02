"""Ticks on a clock of our own."""

from collections.abc import Callable

import pytest

from tmd.daemon.ticks import LOOK_S, Ticks

START = 1_700_000_003.0


class Timer:
    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at, self.callback, self.cancelled = at, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Monotonic time that passes, and a wall clock that can be set."""

    def __init__(self) -> None:
        self.now, self.wall_offset = 0.0, START
        self.timers: list[Timer] = []
        self.wakeups = 0
        self.ticks: list[tuple[str, int]] = []

    def wall(self) -> float:
        return self.now + self.wall_offset

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        assert delay_s > 0
        timer = Timer(self.now + delay_s, callback)
        self.timers.append(timer)
        return timer

    def emit(self, name: str, when: int) -> None:
        self.ticks.append((name, when))

    def waiting(self) -> list[Timer]:
        return sorted((timer for timer in self.timers if not timer.cancelled), key=lambda timer: timer.at)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (timers := self.waiting()) and timers[0].at <= end:
            self.now = timers[0].at
            self.timers.remove(timers[0])
            self.wakeups += 1
            timers[0].callback()
        self.now = end


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ticks(clock: Clock) -> Ticks:
    return Ticks(clock.call_later, clock.wall, clock.emit)


def test_nobody_wants_any_and_nothing_wakes_up(clock: Clock, ticks: Ticks) -> None:
    ticks.want(())
    ticks.want(["PROCESS_STATE", "EVENT"])
    assert clock.waiting() == []


def test_the_first_comes_at_the_next_multiple_of_the_period(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_5"])
    clock.run(1.9)
    assert clock.ticks == []
    clock.run(0.2)
    assert clock.ticks == [("TICK_5", 1_700_000_005)]
    clock.run(10)
    assert clock.ticks[1:] == [("TICK_5", 1_700_000_010), ("TICK_5", 1_700_000_015)]


def test_each_period_has_its_own(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_5", "TICK_60", "TICK_3600"])
    clock.run(3600)
    names = [name for name, _ in clock.ticks]
    assert (names.count("TICK_5"), names.count("TICK_60"), names.count("TICK_3600")) == (720, 60, 1)
    periods = {"TICK_5": 5, "TICK_60": 60, "TICK_3600": 3600}
    assert all(when % periods[name] == 0 for name, when in clock.ticks)


def test_an_hourly_tick_costs_a_few_wakeups_a_minute(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_3600"])
    clock.run(3600)
    assert len(clock.ticks) == 1
    assert clock.wakeups <= 3600 / LOOK_S + 1


def test_no_longer_wanted_they_end(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_5", "TICK_60"])
    clock.run(10)
    ticks.want(["TICK_60"])
    before = list(clock.ticks)
    clock.run(60)
    assert {name for name, _ in clock.ticks[len(before) :]} == {"TICK_60"}
    ticks.want(())
    assert clock.waiting() == []


def test_wanting_more_neither_repeats_nor_skips(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_5"])
    clock.run(2.0)
    ticks.want(["TICK_5", "TICK_60"])
    clock.run(5.0)
    assert [when for _, when in clock.ticks] == [1_700_000_005, 1_700_000_010]


def test_the_clock_jumps_forward_one_tick_and_none_made_up(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_5"])
    clock.wall_offset += 1000
    clock.run(2.1)
    assert clock.ticks == [("TICK_5", 1_700_001_005)]


def test_a_jump_forward_is_seen_soon_also_by_long_periods(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_3600"])
    clock.wall_offset += 7200
    clock.run(LOOK_S)
    assert clock.ticks == [("TICK_3600", 1_700_006_400)]


def test_the_clock_is_set_back_a_little_and_no_tick_comes_twice(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_5"])
    clock.run(2.0)
    clock.wall_offset -= 1.0
    clock.run(7.0)
    assert [when for _, when in clock.ticks] == [1_700_000_005, 1_700_000_010]


def test_the_clock_is_set_back_by_far_and_ticks_go_on(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_5"])
    clock.run(3.0)
    clock.wall_offset -= 100_000
    clock.run(12.0)
    later = [when for _, when in clock.ticks[1:]]
    assert later == [1_699_900_015]


def test_a_timer_that_fires_early_for_the_wall_clock_does_not_spin(clock: Clock, ticks: Ticks) -> None:
    ticks.want(["TICK_5"])
    clock.wall_offset -= 0.0005
    clock.run(2.1)
    assert clock.ticks == [("TICK_5", 1_700_000_005)]
    assert clock.wakeups <= 3
