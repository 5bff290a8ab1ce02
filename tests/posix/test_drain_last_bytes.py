"""The last bytes of a channel: what its program said last, wherever that went."""

import os
import threading
from collections.abc import Hashable
from pathlib import Path

import pytest

from tests.posix.station import Station
from tmd.core.capture import CaptureTransform
from tmd.posix.drain import LogTarget, Sinks
from tmd.posix.last_bytes import LAST_BYTES


def last_of(station: Station, *keys: Hashable) -> dict[Hashable, bytes]:
    found: list[dict[Hashable, bytes]] = []
    station.drain.finish_listening(keys, found.append)
    station.until(lambda: found, what=f"the last bytes of {keys}")
    return found[0]


def say(station: Station, sinks: Sinks, *texts: bytes, key: Hashable = "out") -> bytes:
    """Return what is told of a life that writes these and ends."""
    write_fd = station.open(key, sinks)
    for text in texts:
        os.write(write_fd, text)
        station.settle()
    os.close(write_fd)
    return last_of(station, key).get(key, b"")


def test_what_was_spliced_is_read_back(station: Station, log: Path) -> None:
    log.write_bytes(b"of an earlier life\n")
    assert say(station, Sinks(LogTarget(str(log))), b"one\n", b"two\n") == b"one\ntwo\n"


def test_only_the_last_of_much_is_told(station: Station, log: Path) -> None:
    text = b"".join(b"line %06d\n" % number for number in range(1000))
    assert say(station, Sinks(LogTarget(str(log))), text) == text[-LAST_BYTES:]


def test_a_pipe_that_ended_before_it_was_asked_for_is_not_forgotten(station: Station, log: Path) -> None:
    os.close(station.open("other", Sinks()))
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    os.write(write_fd, b"bye\n")
    os.close(write_fd)
    station.until(lambda: station.drain.figures().channels == 0)
    assert last_of(station, "out", "other") == {"out": b"bye\n"}
    assert last_of(station, "out") == {}, "told once"


def test_a_channel_that_was_given_up_is_forgotten(station: Station, log: Path) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    os.write(write_fd, b"bye\n")
    os.close(write_fd)
    station.until(lambda: station.drain.figures().channels == 0)
    station.drain.close("out")
    assert last_of(station, "out") == {}


@pytest.mark.parametrize("transformed", [False, True])
def test_over_a_rotation(station: Station, log: Path, transformed: bool) -> None:
    transform = (lambda: CaptureTransform(0, False, True)) if transformed else None
    target = LogTarget(str(log), maxbytes=3000, backups=2)
    lines = [b"%04d %s\n" % (number, b"x" * 90) for number in range(100)]
    assert say(station, Sinks(target, transform=transform), *lines) == b"".join(lines)[-LAST_BYTES:]
    assert log.with_name("log.1").exists()


def test_a_log_that_was_emptied_has_no_more_than_what_came_after(station: Station, log: Path) -> None:
    target = LogTarget(str(log), maxbytes=1000, backups=2)
    write_fd = station.open("out", Sinks(target))
    for number in range(15):
        os.write(write_fd, b"%04d %s\n" % (number, b"x" * 90))
        station.settle()
    station.until(lambda: log.with_name("log.1").exists())
    assert station.clear([target]) == {}
    os.write(write_fd, b"after\n")
    os.close(write_fd)
    assert last_of(station, "out") == {"out": b"after\n"}


def test_what_a_transform_lets_through(station: Station, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log)), transform=lambda: CaptureTransform(0, False, True))
    assert say(station, sinks, b"\x1b[31mred\x1b[0m\n", b"more\n") == b"red\nmore\n"


def test_of_what_goes_to_a_device(station: Station, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    try:
        assert say(station, Sinks(LogTarget(f"/proc/self/fd/{writer}")), b"to nowhere\n") == b"to nowhere\n"
        assert os.read(reader, 100) == b"to nowhere\n"
    finally:
        os.close(reader)
        os.close(writer)


def test_of_what_only_syslog_got(station: Station) -> None:
    assert say(station, Sinks(syslog_tag="web"), b"hello\n") == b"hello\n"
    station.until(lambda: station.dropped)


def test_what_nobody_kept_is_not_told(station: Station) -> None:
    assert say(station, Sinks(), b"hello\n") == b""


def test_a_log_elsewhere_in_the_middle_of_a_life(station: Station, tmp_path: Path) -> None:
    first, second = (Sinks(LogTarget(str(tmp_path / name))) for name in ("first", "second"))
    write_fd = station.open("out", first)
    os.write(write_fd, b"to the first\n")
    station.settle()
    station.drain.retarget("out", second)
    os.write(write_fd, b"to the second\n")
    station.settle()
    station.drain.retarget("out", Sinks(copy=lambda data: None))
    os.write(write_fd, b"copied\n")
    station.settle()
    os.close(write_fd)
    assert last_of(station, "out") == {"out": b"to the first\nto the second\ncopied\n"}


def test_after_the_drain_has_ended_nothing_is_told(station: Station) -> None:
    station.drain.stop(5.0)
    assert last_of(station, "out") == {}


def test_lines_of_several_busy_programs_on_one_device_stay_whole(station: Station) -> None:
    reader, writer = os.pipe()
    chunks: list[bytes] = []

    def read() -> None:
        while data := os.read(reader, 100_000):
            chunks.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for number in range(3):
            sinks = Sinks(LogTarget(f"/proc/self/fd/{writer}"))
            station.spam(number, sinks, "--lines", "20000", "--size", "60", "--tag", f"{number},")
        for program in station.programs:
            program.wait(30)
        station.until(lambda: station.drain.figures().channels == 0, 20)
        station.drain.stop(5.0)
    finally:
        os.close(writer)
        thread.join()
        os.close(reader)
    found: dict[bytes, list[int]] = {}
    for line in b"".join(chunks).splitlines():
        at, _, tag = line.split(b" ")[:3]
        found.setdefault(tag[:2], []).append(int(at))
    assert found == {b"%d," % number: list(range(20000)) for number in range(3)}
