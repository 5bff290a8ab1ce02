"""The wall clock is set, the machine sleeps: who wants to know hears of it before anybody reads the time."""

import pytest

from tmd.daemon.wall import WallClock


class Machine:
    """Three clocks."""

    def __init__(self) -> None:
        self.wall, self.mono, self.boot = 1_700_000_000.0, 500.0, 900.0
        self.told: list[tuple[str, float]] = []
        self.stalls: list[float] = []
        self.clock = WallClock(lambda: self.wall, self.monotonic, lambda: self.boot)
        self.clock.on_set = lambda seconds: self.told.append(("set", round(seconds, 3)))
        self.clock.on_sleep = lambda seconds: self.told.append(("slept", round(seconds, 3)))

    def monotonic(self) -> float:
        if self.stalls:
            self.pass_(self.stalls.pop(0))
        return self.mono

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds
        self.boot += seconds

    def set(self, seconds: float) -> None:
        self.wall += seconds

    def sleep(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_as_long_as_all_go_alike_nothing_is_told(machine: Machine) -> None:
    for _ in range(100):
        machine.pass_(1000)
        assert machine.clock() == machine.wall
    assert machine.told == []


@pytest.mark.parametrize("seconds", [3.0, -3.0, 10 * 365 * 86400.0, -10 * 365 * 86400.0])
def test_a_step_is_told_once_by_how_much(machine: Machine, seconds: float) -> None:
    machine.set(seconds)
    assert machine.clock() == machine.wall
    assert machine.clock() == machine.wall
    assert machine.told == [("set", seconds)]


def test_a_clock_that_is_led_slowly_is_not_set(machine: Machine) -> None:
    for _ in range(10_000):
        machine.pass_(3)
        machine.set(0.0015)
        machine.clock()
    assert machine.told == []


def test_a_sleep_is_no_step(machine: Machine) -> None:
    machine.sleep(3600)
    machine.clock()
    assert machine.told == [("slept", 3600)]
    machine.sleep(60)
    machine.set(-7200)
    machine.clock()
    assert machine.told[1:] == [("slept", 60), ("set", -7200)]
    machine.clock()
    assert len(machine.told) == 3


def test_who_stands_still_between_two_looks_sees_no_step(machine: Machine) -> None:
    machine.stalls = [60.0]  # between the reading of the one clock and of the other
    machine.clock()
    machine.stalls = [60.0, 0.0, 60.0]
    machine.clock()
    machine.pass_(1)
    machine.clock()
    assert machine.told == []
