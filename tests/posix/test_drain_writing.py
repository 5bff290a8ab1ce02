"""Bytes of the daemon's own: taken or refused, waited for, and sent to syslog with the priority that was asked for."""

import os
import queue
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.posix.station import Station
from tmd.posix import pipes
from tmd.posix.drain import QUEUE_BYTES, Drain, LogTarget, Sinks
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


def test_what_goes_to_one_file_stays_in_order_whatever_else_is_written_with_it(
    station: Station, tmp_path: Path
) -> None:
    station.drain.wait_for_wake()
    kinds = LogTarget(str(tmp_path / "log")), LogTarget(str(tmp_path / "log"), 1 << 20, 1)
    other = LogTarget(str(tmp_path / "other"))
    for number in range(300):
        station.drain.write(kinds[number % 2], b"%d\n" % number)
        station.drain.write(other, b"%d\n" % number)
    station.drain.wake()
    expected = b"".join(b"%d\n" % number for number in range(300))
    for path in (tmp_path / "log", tmp_path / "other"):
        station.until(lambda path=path: path.exists() and len(path.read_bytes()) == len(expected))  # type: ignore[misc]
        assert path.read_bytes() == expected


def test_lines_that_come_together_are_rotated_one_by_one(station: Station, tmp_path: Path) -> None:
    station.drain.wait_for_wake()
    log = tmp_path / "log"
    target = LogTarget(str(log), 100, 20)
    for number in range(100):
        station.drain.write(target, b"line %04d\n" % number)
    station.drain.wake()
    oldest = tmp_path / "log.9"
    station.until(lambda: oldest.exists() and log.exists())
    kept = [oldest, *(tmp_path / f"log.{number}" for number in range(8, 0, -1)), log]
    station.until(lambda: sum(path.stat().st_size for path in tmp_path.iterdir()) == 1000)
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    found = b"".join(path.read_bytes() for path in [tmp_path / "log.10", *kept] if path.exists())
    assert found == b"".join(b"line %04d\n" % number for number in range(100))


@pytest.mark.parametrize("retargeted", [False, True])
def test_a_console_has_its_lines_at_once_only_where_programs_write_to_one(tmp_path: Path, retargeted: bool) -> None:
    drain = Drain(post=lambda _: None, dropped=lambda *_: None, heard=lambda *_: None)  # not started: nothing is taken
    console, log = LogTarget("/dev/null"), LogTarget(str(tmp_path / "log"))
    drain.wait_for_wake()
    reader, writer = pipes.output_pipe()
    try:
        drain.write(console, b"one\n")
        drain.open("out", reader, Sinks(target=log if retargeted else console))
        if retargeted:
            drain.write(console, b"two\n")
            assert not drain._loop._poked
            drain.retarget("out", Sinks(target=console))
        drain.write(log, b"three\n")
        assert not drain._loop._poked
        drain.write(console, b"four\n")
        assert drain._loop._poked
    finally:
        os.close(writer)
        drain.stop(1.0)
    assert (tmp_path / "log").read_bytes() == b"three\n"


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
