"""Readers of a log that is rotated under them are told which file follows which."""

import itertools
import os
from pathlib import Path

import pytest

from tests.posix.station import Station
from tmd.posix import succession as succession_module
from tmd.posix.drain import LogTarget, Sinks
from tmd.posix.succession import Identity, Succession


def identity(path: Path | int) -> Identity:
    status = os.stat(path)
    return status.st_dev, status.st_ino


class Reader:
    """Reads one file after the other, by what it is told only."""

    def __init__(self, station: Station, path: Path, maxbytes: int = 0) -> None:
        self.woken = 0
        self.position = 0
        self.fd = os.open(path, os.O_RDONLY)
        self.succession = station.drain.follow(LogTarget(str(path), maxbytes), self._wake)
        station.settle()

    def _wake(self) -> None:
        self.woken += 1

    def all(self) -> bytes:
        text = b""
        while True:
            while data := os.pread(self.fd, 65536, self.position):
                text += data
                self.position += len(data)
            after = self.succession.take(identity(self.fd))
            if after is None:
                return text
            os.close(self.fd)
            self.fd, self.position = after, 0

    def close(self) -> None:
        os.close(self.fd)
        self.succession.close()


@pytest.mark.parametrize("backups", [5, 1, 0])
def test_every_file_is_told_and_kept_however_few_stay(station: Station, tmp_path: Path, backups: int) -> None:
    log = tmp_path / "log"
    target = LogTarget(str(log), 1000, backups)
    station.drain.prepare(target)
    station.settle()
    reader = Reader(station, log)
    lines = [b"%03d %s\n" % (number, b"x" * 100) for number in range(300)]
    for line in lines:
        station.drain.write(target, line)
        station.settle()
    assert reader.woken > 20
    assert len(list(tmp_path.glob("log.*"))) == backups
    assert reader.all() == b"".join(lines)
    reader.close()


def test_a_spliced_log_tells_it_too(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "log"
    target = LogTarget(str(log), 100_000, 1)
    station.drain.prepare(target)
    station.settle()
    reader = Reader(station, log)
    program = station.spam("p", Sinks(target), "--lines", "20000", "--size", "60")
    program.wait()
    station.finish("p")
    text = reader.all()
    assert [int(line.split()[0]) for line in text.splitlines()] == list(range(20_000))
    reader.close()


def test_a_file_others_renamed_is_followed_by_the_new_one(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "log"
    target = LogTarget(str(log))
    station.drain.prepare(target)
    station.settle()
    reader = Reader(station, log)
    station.drain.write(target, b"one\n")
    station.settle()
    log.rename(tmp_path / "log-2026")
    station.drain.reopen()
    station.drain.write(target, b"two\n")
    station.settle()
    assert reader.all() == b"one\ntwo\n"
    reader.close()


def test_without_readers_a_file_without_backups_stays_the_same(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "log"
    target = LogTarget(str(log), 1000, 0)
    station.drain.prepare(target)
    station.settle()
    before = identity(log)
    reader = Reader(station, log)
    reader.close()
    station.settle()
    for _ in range(30):
        station.drain.write(target, b"x" * 99 + b"\n")
        station.settle()
    assert identity(log) == before


def test_who_takes_nothing_holds_only_so_much(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession_module, "MOST_WAITING", 3)
    log = tmp_path / "log"
    target = LogTarget(str(log), 100, 1)
    station.drain.prepare(target)
    station.settle()
    reader = Reader(station, log)
    for number in range(20):
        station.drain.write(target, b"%02d %s\n" % (number, b"x" * 100))
        station.settle()
    assert len(reader.succession) == 3
    reader.all()
    reader.close()


def told(*files: Path) -> Succession:
    """Return a succession of files, each of which took the place of the one before."""
    succession = Succession(lambda: None, Succession.end)
    for before, after in itertools.pairwise(files):
        fd = os.open(after, os.O_RDONLY)
        succession.add(identity(before), fd, 100)
        os.close(fd)
    return succession


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in "abcd"]
    for path in paths:
        path.write_text(path.name)
    return paths


def test_only_the_very_next_is_given_and_what_was_before_is_given_up(files: list[Path]) -> None:
    succession = told(*files)
    fd = succession.take(identity(files[1]))
    assert fd is not None
    assert os.read(fd, 9) == b"c"
    os.close(fd)
    assert len(succession) == 1
    assert succession.take(identity(files[0])) is None
    succession.close()
    assert len(succession) == 0


@pytest.mark.parametrize(("found", "left"), [(0, 3), (1, 2), (3, 0)])
def test_who_finds_a_file_by_itself_goes_on_from_there(files: list[Path], found: int, left: int) -> None:
    succession = told(*files)
    succession.skip_to(identity(files[found]))
    assert len(succession) == left
    succession.close()


def test_a_file_nobody_told_about_makes_all_the_rest_useless(files: list[Path], tmp_path: Path) -> None:
    succession = told(*files)
    succession.skip_to(identity(tmp_path))
    assert len(succession) == 0


def test_big_files_are_held_one_at_a_time(files: list[Path]) -> None:
    succession = Succession(lambda: None, Succession.end)
    fd = os.open(files[0], os.O_RDONLY)
    for max_bytes in (50 << 20, 0, 50 << 20):
        succession.add(identity(files[1]), fd, max_bytes)
    os.close(fd)
    assert len(succession) == 1
    succession.close()
