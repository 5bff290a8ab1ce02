"""Not one byte of a raw log is ever in our memory, whatever happens to it, so that no kill can lose it there."""

import functools
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.posix.station import Station
from tests.programs.check_lines import check, oldest_first
from tmd.core.capture import CaptureTransform
from tmd.posix import channel as channel_module
from tmd.posix import pipes, rotation
from tmd.posix.drain import LogTarget, Sinks, Tally
from tmd.posix.logfiles import LogFile
from tmd.posix.peeping import Peephole


@pytest.fixture(autouse=True)
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take from the drain all means to get bytes out of a pipe and to write any."""

    class Blind:
        def __getattr__(self, name: str) -> Any:
            if name == "read":
                raise AssertionError("somebody reads the pipe")
            return getattr(os, name)

    def refuse(*_: object) -> int:
        raise AssertionError("somebody has bytes in his hands")

    monkeypatch.setattr(channel_module, "os", Blind())
    monkeypatch.setattr(Peephole, "look", refuse)
    monkeypatch.setattr(LogFile, "write", refuse)


def test_small_words_a_tally_and_last_words(station: Station, log: Path) -> None:
    tally = Tally()
    write_fd = station.open("out", Sinks(LogTarget(str(log)), tally=tally))
    for word in (b"a", b"b\n", b"c"):
        os.write(write_fd, word)
        station.finish("out")
    last: list[object] = []
    station.drain.finish_listening(["out"], last.append)
    station.until(lambda: last)
    os.close(write_fd)
    assert (log.read_bytes(), tally.count, last) == (b"ab\nc", 4, [{"out": b"ab\nc"}])


@pytest.mark.parametrize("maxbytes", [5_000, 200_000])
@pytest.mark.parametrize("backups", [999, 0])
def test_two_channels_of_a_file_that_is_rotated_and_followed(
    station: Station, log: Path, maxbytes: int, backups: int
) -> None:
    target = LogTarget(str(log), maxbytes, backups)
    reader = station.drain.follow(target, lambda: None)
    programs = [station.spam(tag, Sinks(target), "--lines", "20000", "--tag", tag) for tag in ("out", "err")]
    for program in programs:
        program.wait()
    station.finish("out", "err")
    reader.close()
    station.settle()
    if backups:
        for tag in ("out", "err"):
            assert check(oldest_first(log), tag).count == 20_000


def test_trouble_and_its_end(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "later" / "log"
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    os.write(write_fd, b"waits\n")
    station.settle()
    log.parent.mkdir()
    station.until(lambda: log.exists() and log.read_bytes() == b"waits\n")
    os.close(write_fd)


def test_who_listens_gets_it_from_the_log(station: Station, log: Path) -> None:
    heard: list[bytes] = []
    seen = Sinks(
        LogTarget(str(log), 1000, 99),
        transform=functools.partial(CaptureTransform, 0, True, False),
        copy=heard.append,
    )
    station.drain.prepare(LogTarget(str(log), 1000, 99))
    station.settle()
    station.spam("out", seen, "--lines", "5000").wait()
    station.finish("out")
    assert check(oldest_first(log)).count == 5000
    text = b"".join(path.read_bytes() for path in oldest_first(log))
    assert b"".join(heard) == b"".join(found.said for _, found in station.heard) == text


def test_the_tail_of_a_rotation_is_in_a_file_at_any_time(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[list[bytes]] = []

    def look(name: str) -> None:
        call = getattr(os, name)

        def looking(*args: Any) -> Any:
            result = call(*args)
            states.append([path.read_bytes() for path in (log, log.with_name("log.rotating")) if path.exists()])
            return result

        monkeypatch.setattr(os, name, looking)

    log.write_bytes(b"whole\nbegun")
    for name in ("ftruncate", "pwrite", "unlink"):
        look(name)
    fd = os.open(log, os.O_RDWR)
    assert rotation.rotate(fd, str(log), 0, 6, 0o644) == fd
    os.close(fd)
    assert len(states) > 2
    assert all(any(text.endswith(b"begun") for text in texts) for texts in states)


def test_what_is_changed_on_its_way_stays_in_the_pipe_until_it_is_written(
    station: Station, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    write_fd = station.open(
        "out", Sinks(LogTarget(str(log)), transform=functools.partial(CaptureTransform, 9, True, True))
    )
    waiting: list[int] = []
    asked, answered = threading.Event(), threading.Event()
    write = LogFile.write

    def slow(self: LogFile, data: bytes | memoryview, now: float) -> int:
        waiting.append(pipes.waiting_bytes(write_fd))
        asked.set()
        answered.wait(10)
        return write(self, data, now)

    monkeypatch.setattr(LogFile, "write", slow)
    os.write(write_fd, b"hello\n")
    assert asked.wait(10)
    answered.set()
    station.finish("out")
    assert (log.read_bytes(), waiting) == (b"hello\n", [6])
    assert pipes.waiting_bytes(write_fd) == 0
    os.close(write_fd)
