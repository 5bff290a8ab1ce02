"""When the pump looks at a pipe again: its loop is turned by hand here, and its clock set."""

import os
from collections.abc import Hashable, Iterator
from pathlib import Path

import pytest

from tmd.posix import pipes, pump
from tmd.posix.channel import BUSY_BYTES
from tmd.posix.logfiles import LogTarget
from tmd.posix.loop import Callback, Loop, Timer
from tmd.posix.outlets import Outlets
from tmd.posix.peeping import Peephole
from tmd.posix.pump import Pump
from tmd.posix.sinks import Sinks, Transformed

KEY = "web"
CAPACITY = 64 * 1024


class HandLoop(Loop):
    """Notes what is asked for, and does nothing of it by itself."""

    def __init__(self) -> None:
        self.time = 100.0
        self.readable: dict[int, Callback] = {}
        self.timers: list[tuple[float, Timer]] = []
        self.soon: list[Callback] = []
        super().__init__(clock=lambda: self.time)
        self.readable.clear()  # what it watches for itself

    def watch(self, fd: int, *, readable: Callback | None = None, writable: Callback | None = None) -> None:
        """Note it."""
        if readable is not None:
            self.readable[fd] = readable

    def unwatch(self, fd: int) -> None:
        """Forget it."""
        self.readable.pop(fd, None)

    def call_at(self, when: float, callback: Callback, *, patient: bool = False) -> Timer:
        """Note it."""
        timer = Timer(callback, patient)
        self.timers.append((when, timer))
        return timer

    def call_soon(self, callback: Callback) -> None:
        """Note it."""
        self.soon.append(callback)

    @property
    def rests(self) -> list[float]:
        """When timers fire that nobody has cancelled."""
        return [when for when, timer in self.timers if timer.callback is not None]

    def wake(self) -> None:
        """Fire all of these."""
        timers, self.timers = self.timers, []
        for _, timer in timers:
            if timer.callback is not None:
                timer.callback()


class Nobody:
    """Around the pump."""

    def __init__(self) -> None:
        self.null_fd = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
        self.peephole = Peephole(self.null_fd)

    def heard(self, key: Hashable, transformed: Transformed) -> None:
        raise AssertionError(key)

    def failed(self, text: str) -> None:
        raise AssertionError(text)

    def to_syslog(self, tag: str, data: bytes, end: bool) -> bytes:
        raise AssertionError(tag)

    def crowded(self) -> bool:
        return False

    def close(self) -> None:
        self.peephole.close()
        os.close(self.null_fd)


class Bench:
    """A pump with one channel, and the end its program writes to."""

    def __init__(self, log: Path) -> None:
        self.loop, self.around = HandLoop(), Nobody()
        self.outlets = Outlets(self.loop, lambda path, count, reason: None, lambda outlet: None)
        self.pump = Pump(self.loop, self.outlets, self.around)
        self.read_fd, self.write_fd = pipes.output_pipe()
        self.pump.open(KEY, self.read_fd, Sinks(target=LogTarget(str(log))))

    def say(self, count: int) -> None:
        """Have the program write so much."""
        assert os.write(self.write_fd, bytes(count)) == count

    def look(self) -> None:
        """Have the loop see that there is something in the pipe."""
        self.loop.readable[self.read_fd]()

    def rest_after(self, seconds: float, count: int) -> float:
        """Have so much come during a rest that takes so long; return how long the next one is to be."""
        self.say(1)
        self.look()
        self.say(count)
        self.loop.time += seconds
        self.loop.wake()
        (when,) = self.loop.rests
        return when - self.loop.time

    def close(self) -> None:
        os.close(self.write_fd)
        self.pump.close_all()
        self.outlets.close()
        self.around.close()
        self.loop.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "log")
    yield bench
    bench.close()


def test_a_silent_pipe_is_watched_and_nothing_else(bench: Bench) -> None:
    assert [*bench.loop.readable] == [bench.read_fd]
    assert (bench.loop.rests, bench.loop.soon) == ([], [])


def test_a_pipe_at_rest_wakes_nobody(bench: Bench) -> None:
    bench.say(100)
    bench.look()
    assert bench.loop.readable == {}
    assert bench.loop.rests == [bench.loop.time + pump.MOST_REST_S]  # nothing is known of its pace


@pytest.mark.parametrize(
    ("seconds", "count", "rest_s"),
    [
        (0.0005, CAPACITY // pump.FILL, 0.0005),  # just what is wanted
        (0.0005, CAPACITY // pump.FILL // 2, 0.001),  # half as much: twice as long
        (0.0005, 1, pump.MOST_REST_S),
        (0.0001, BUSY_BYTES - 1, pump.LEAST_REST_S),
    ],
)
def test_a_rest_is_as_long_as_a_part_of_the_pipe_takes_to_fill(
    bench: Bench, seconds: float, count: int, rest_s: float
) -> None:
    assert bench.rest_after(seconds, count) == pytest.approx(rest_s, rel=1e-3)


def test_a_pipe_that_brought_nothing_in_a_rest_is_watched_again(bench: Bench) -> None:
    bench.say(100)
    bench.look()
    bench.loop.time += 0.002
    bench.loop.wake()
    assert [*bench.loop.readable] == [bench.read_fd]
    assert bench.loop.rests == []


def test_who_brings_much_is_looked_at_in_the_next_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "ROUND_BYTES", BUSY_BYTES)  # others have their turn before there is more
    bench.say(BUSY_BYTES)
    bench.look()
    assert (bench.loop.readable, bench.loop.rests, len(bench.loop.soon)) == ({}, [], 1)
    bench.loop.soon.pop()()
    assert [*bench.loop.readable] == [bench.read_fd]  # there was no more


def test_who_is_waited_for_has_no_rest(bench: Bench) -> None:
    last: list[dict[Hashable, bytes]] = []
    bench.say(100)
    bench.look()
    assert bench.loop.rests
    bench.say(100)
    bench.pump.finish((KEY,), last.append)
    assert last == [{KEY: bytes(200)}]


def test_a_rest_ends_with_its_channel(bench: Bench) -> None:
    bench.say(100)
    bench.look()
    bench.pump.close(KEY)
    assert (bench.loop.readable, bench.loop.rests, len(bench.pump)) == ({}, [], 0)


@pytest.mark.parametrize(
    ("count", "grows"), [(BUSY_BYTES - 1, False), (BUSY_BYTES, True), (CAPACITY - 1, True), (CAPACITY, False)]
)
def test_a_pipe_grows_when_much_came_little_by_little(bench: Bench, count: int, grows: bool) -> None:
    assert pipes.capacity(bench.read_fd) == CAPACITY
    bench.say(count)
    bench.look()
    assert pipes.capacity(bench.read_fd) == (pipes.BIG_BYTES if grows else CAPACITY)
