"""A log that nobody writes to is not held open: it is opened when there is something to be written."""

import os
from pathlib import Path

import pytest

from tests.posix.conftest import open_fds
from tests.posix.station import Station
from tmd.posix.drain import LogTarget, Sinks
from tmd.posix.logfiles import create


@pytest.fixture
def target(log: Path) -> LogTarget:
    """A log as a start leaves it: there, and empty."""
    target = LogTarget(str(log))
    create(target)
    return target


def is_open(target: LogTarget) -> bool:
    return target.path in open_fds().values()


def test_the_log_of_a_silent_program_is_there_and_not_open(station: Station, target: LogTarget) -> None:
    write_fd = station.open("out", Sinks(target))
    station.settle()
    assert not is_open(target)
    os.close(write_fd)
    station.finish("out")
    assert not is_open(target)
    assert Path(target.path).read_bytes() == b""


def test_it_is_opened_at_the_first_word(station: Station, target: LogTarget) -> None:
    write_fd = station.open("out", Sinks(target))
    station.settle()
    os.write(write_fd, b"first\n")
    station.until(lambda: Path(target.path).read_bytes() == b"first\n")
    assert is_open(target)
    os.close(write_fd)
    station.finish("out")


def test_of_many_only_the_one_that_talks_is_opened(station: Station, tmp_path: Path) -> None:
    targets = [LogTarget(str(tmp_path / f"log{number}")) for number in range(20)]
    fds = []
    for target in targets:
        create(target)
        fds.append(station.open(target.path, Sinks(target)))
    os.write(fds[7], b"a word\n")
    station.until(lambda: Path(targets[7].path).read_bytes() == b"a word\n")
    station.settle()
    assert [number for number, target in enumerate(targets) if is_open(target)] == [7]
    for fd in fds:
        os.close(fd)
    station.finish(*(target.path for target in targets))


def test_a_log_that_is_not_there_is_made_before_the_first_word(station: Station, log: Path) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    station.until(log.exists)
    os.close(write_fd)
    station.finish("out")


def test_where_there_is_no_file_but_something_else_it_is_opened_at_once(station: Station, log: Path) -> None:
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    station.until(lambda: list(open_fds().values()).count(str(log)) == 2, what="ours and the drain's")
    for fd in (write_fd, reader):
        os.close(fd)
    station.finish("out")


def test_what_came_before_its_end_is_written_though_the_log_was_never_open(station: Station, target: LogTarget) -> None:
    write_fd = station.open("out", Sinks(target))
    station.settle()
    os.write(write_fd, b"last words")
    os.close(write_fd)
    station.finish("out")
    assert Path(target.path).read_bytes() == b"last words"


def test_the_end_of_one_that_never_said_a_word_is_noticed(station: Station, target: LogTarget) -> None:
    write_fd = station.open("out", Sinks(target))
    station.settle()
    pipe = open_fds()[write_fd]
    os.close(write_fd)
    station.until(lambda: pipe not in open_fds().values(), what="our end is closed, too")
    assert not is_open(target)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_what_is_created_has_its_mode_and_what_is_there_stays(log: Path, mode: int) -> None:
    create(LogTarget(str(log), mode=mode))
    assert log.stat().st_mode & 0o777 == mode
    log.write_bytes(b"old\n")
    create(LogTarget(str(log), mode=0o640))
    assert (log.read_bytes(), log.stat().st_mode & 0o777) == (b"old\n", mode)
