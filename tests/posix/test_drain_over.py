"""What was brought by channels that came to their end before anybody asked, and whom the drain wakes for that."""

import os
from collections.abc import Hashable
from pathlib import Path

import pytest

from tests.posix.station import Station
from tests.support import eventually
from tmd.core.capture import CaptureTransform
from tmd.posix.drain import LogTarget, Sinks

KEYS = ("out", "err")


def count(station: Station) -> int:
    """Return how many channels there are still."""
    return station.drain.figures().channels


def at_last(station: Station, *keys: str) -> dict[Hashable, bytes]:
    """Return what is told of these once they are over."""
    found: list[dict[Hashable, bytes]] = []

    def over() -> bool:
        if (last := station.drain.over(keys)) is not None:
            found.append(last)
        return bool(found)

    eventually(over)
    return found[0]


def test_the_last_bytes_of_both_are_told_once_and_are_in_the_file(station: Station, log: Path) -> None:
    for key in KEYS:
        write_fd = station.open(key, Sinks(LogTarget(str(log))))
        os.write(write_fd, b"%s\n" % key.encode())
        os.close(write_fd)
    assert at_last(station, *KEYS) == {"out": b"out\n", "err": b"err\n"}
    assert sorted(log.read_bytes().split()) == [b"err", b"out"]
    assert station.drain.over(KEYS) == {}


def test_both_have_to_be_at_their_end(station: Station, log: Path) -> None:
    writers = {key: station.open(key, Sinks(LogTarget(str(log)))) for key in KEYS}
    try:
        for key in KEYS:
            os.write(writers[key], b"%s\n" % key.encode())
        os.close(writers.pop("out"))
        station.finish("err")
        eventually(lambda: count(station) == 1)
        assert station.drain.over(KEYS) is None
    finally:
        for write_fd in writers.values():
            os.close(write_fd)
    assert at_last(station, *KEYS) == {"out": b"out\n"}  # the other one was heard out


def test_what_nobody_has_looked_at_yet_is_not_over(station: Station, log: Path) -> None:
    station.drain.wait_for_wake()
    os.close(station.open("out", Sinks(LogTarget(str(log)))))
    for _ in range(1000):  # nobody has woken the drain: to it, there is no such channel
        assert station.drain.over(["out"]) is None
    assert count(station) == 0
    station.drain.wake()
    assert at_last(station, "out") == {}


def test_a_line_for_somebody_comes_before_the_end(station: Station, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log)), transform=lambda: CaptureTransform(0, True, False))
    write_fd = station.open("out", sinks)
    os.write(write_fd, b"last words\n")
    os.close(write_fd)
    eventually(lambda: not station.posted.empty() and not count(station))
    assert station.drain.over(["out"]) is None  # it is on its way to us
    station.serve()
    assert b"".join(found.said for _, found in station.heard) == b"last words\n"
    assert station.drain.over(["out"]) == {"out": b"last words\n"}


def test_what_is_not_written_yet_is_not_over(station: Station, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    write_fd = station.open("out", Sinks(LogTarget(str(fifo))))
    os.write(write_fd, b"for nobody\n")
    os.close(write_fd)
    station.settle()
    assert station.drain.over(["out"]) is None
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        at_last(station, "out")
        assert os.read(reader, 100) == b"for nobody\n"
    finally:
        os.close(reader)


@pytest.mark.parametrize("finish", [True, False])
def test_who_was_heard_out_or_given_up_leaves_nothing(station: Station, log: Path, finish: bool) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    os.write(write_fd, b"heard\n")
    if finish:
        station.finish("out")
    else:
        eventually(lambda: log.exists() and log.read_bytes())
        station.drain.close("out")
    os.close(write_fd)
    assert at_last(station, "out") == {}


def test_nobody_is_woken_before_it_is_asked_for(station: Station, log: Path) -> None:
    station.drain.wait_for_wake()
    target = LogTarget(str(log))
    before = station.drain.figures().wakeups
    for number in range(100):
        station.drain.write(target, b"%d\n" % number)
        station.drain.prepare(target)
    assert station.drain.figures().wakeups <= before + 1  # which began with its start
    station.drain.wake()
    eventually(lambda: log.exists() and log.stat().st_size == 290)
    assert station.drain.figures().wakeups <= before + 2
