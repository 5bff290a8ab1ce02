"""Bytes of the daemon's own: taken or refused, waited for, and sent to syslog with the priority that was asked for."""

import queue
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.posix.station import Station
from tmd.posix.drain import QUEUE_BYTES, LogTarget
from tmd.posix.syslog import FACILITIES, priority

FULL = LogTarget("/dev/full")


@pytest.fixture
def station() -> Iterator[Station]:
    with tempfile.TemporaryDirectory(prefix="tm") as place:
        station = Station(f"{place}/log")
        yield station
        station.close()


def settled(station: Station, target: LogTarget) -> str:
    answers: list[str] = []
    station.drain.settle(target, answers.append)
    station.until(lambda: answers)
    return answers[0]


def test_what_is_settled_is_in_the_file(station: Station, tmp_path: Path) -> None:
    target = LogTarget(str(tmp_path / "log"))
    for _ in range(100):
        assert station.drain.write(target, b"x" * 1000)
    assert settled(station, target) == ""
    assert (tmp_path / "log").stat().st_size == 100_000
    assert station.drain.waiting_bytes(target) == 0


def test_what_cannot_be_written_says_why_and_goes_on_waiting(station: Station) -> None:
    assert station.drain.write(FULL, b"xyz")
    assert settled(station, FULL) == "no space left on device"
    assert station.drain.waiting_bytes(FULL) == 3
    station.drain.stop(0.1)


def test_too_much_is_refused(station: Station) -> None:
    assert station.drain.write(FULL, b"x" * QUEUE_BYTES)
    assert not station.drain.write(FULL, b"x")
    station.until(lambda: station.dropped)
    assert station.drain.figures().total_dropped == 1
    station.drain.stop(0.1)


def test_after_the_end_nothing_settles(station: Station, tmp_path: Path) -> None:
    station.drain.stop(1.0)
    assert settled(station, LogTarget(str(tmp_path / "log"))) == "the daemon is ending"
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    station.drain.write_syslog("tag", b"line", done=answers.put)
    station.until(lambda: not answers.empty())
    assert not answers.get()


def test_syslog_gets_the_priority_and_tells_whether_it_took_it() -> None:
    with tempfile.TemporaryDirectory(prefix="tm") as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        station = Station(f"{place}/log")
        answers: list[bool] = []
        send: Callable[[], None] = lambda: station.drain.write_syslog(  # noqa: E731
            "tag", b"line", priority("local7", "debug"), answers.append
        )
        send()
        station.until(lambda: answers == [False])
        log.bind(f"{place}/log")
        log.settimeout(5)
        send()
        assert log.recv(1000).startswith(b"<191>")
        station.until(lambda: answers == [False, True])
        station.close()


def test_the_numbers_of_facilities() -> None:
    assert (FACILITIES["user"], FACILITIES["daemon"], FACILITIES["authpriv"], FACILITIES["local0"]) == (1, 3, 10, 16)
    assert priority("user", "info") == 14
