"""Others touch the files: renamed, removed, truncated, replaced, cleared, reopened."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.posix.station import Station
from tests.programs.check_lines import check
from tmd.posix.drain import LogTarget, Sinks


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("told", [False, True])
def test_rename_under_load_loses_nothing(station: Station, tmp_path: Path, log: Path, told: bool) -> None:
    program = station.spam("out", Sinks(LogTarget(str(log))), "--seconds", "1.2", "--size", "80")
    moved = []
    for number in range(3):
        station.until(lambda: size(log) > 10_000, 1.5, "a new file at the old path")
        moved.append(tmp_path / f"moved{number}")
        log.rename(moved[-1])
        if told:
            station.drain.reopen()
            station.until(log.exists, 1.0)
    program.wait()
    station.finish("out")
    report = check([*moved, log])
    assert report.clean, report
    assert report.first == 0


def test_a_removed_file_is_made_again_within_a_second(station: Station, log: Path) -> None:
    program = station.spam("out", Sinks(LogTarget(str(log))), "--size", "80")
    station.until(lambda: size(log) > 10_000)
    log.unlink()
    station.until(lambda: size(log) > 10_000, 1.0)
    program.kill()
    program.wait()
    station.finish("out")
    report = check([log])
    assert report.torn <= 2  # what it began with, and where it was killed
    assert (report.missing, report.doubled) == (0, 0)


def test_a_line_now_and_then_finds_its_new_file_at_once(station: Station, tmp_path: Path, log: Path) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    waiting = threading.Event()
    try:
        os.write(write_fd, b"one\n")
        station.until(lambda: size(log))
        assert not waiting.wait(0.3)  # longer than the file is trusted
        log.rename(tmp_path / "moved")
        os.write(write_fd, b"two\n")
        station.until(lambda: size(log))
    finally:
        os.close(write_fd)
    assert (tmp_path / "moved").read_bytes() == b"one\n"
    assert log.read_bytes() == b"two\n"


def test_copytruncate_leaves_no_hole(station: Station, tmp_path: Path, log: Path) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    try:
        os.write(write_fd, b"one\n" * 1000)
        station.until(lambda: size(log) == 4000)
        shutil.copy(log, tmp_path / "copy")
        os.truncate(log, 0)
        os.write(write_fd, b"two\n")
        station.until(lambda: size(log))
    finally:
        os.close(write_fd)
    assert log.read_bytes() == b"two\n"


def test_truncation_under_load_leaves_no_hole_and_loses_nothing_later(station: Station, log: Path) -> None:
    program = station.spam("out", Sinks(LogTarget(str(log))), "--seconds", "0.6", "--size", "80")
    for _ in range(5):
        station.until(lambda: size(log) > 200_000)
        os.truncate(log, 0)
    program.wait()
    station.finish("out")
    report = check([log])
    assert (report.missing, report.doubled) == (0, 0), report
    assert report.torn <= 1  # the line that was on its way when its beginning was truncated
    assert b"\0" not in log.read_bytes()


def test_a_foreign_writer_is_not_overwritten(station: Station, log: Path) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    try:
        os.write(write_fd, b"ours\n")
        station.until(lambda: size(log))
        with log.open("ab") as theirs:
            theirs.write(b"theirs\n")
        os.write(write_fd, b"ours\n")
        station.until(lambda: log.read_bytes() == b"ours\ntheirs\nours\n")
    finally:
        os.close(write_fd)


def test_a_renamed_directory_loses_nothing_and_a_new_one_is_used(station: Station, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "log"
    program = station.spam("out", Sinks(LogTarget(str(log))), "--seconds", "1", "--size", "80")
    station.until(lambda: size(log) > 10_000)
    (tmp_path / "logs").rename(tmp_path / "old")
    before = size(tmp_path / "old" / "log")
    station.until(lambda: size(tmp_path / "old" / "log") > before)
    (tmp_path / "logs").mkdir()
    station.until(lambda: size(log) > 10_000, 1.0)
    program.wait()
    station.finish("out")
    report = check([tmp_path / "old" / "log", log])
    assert report.clean, report
    assert station.dropped == []


def test_reopen_makes_what_is_missing(station: Station, log: Path) -> None:
    station.drain.prepare(LogTarget(str(log)))
    station.settle()
    log.unlink()
    station.drain.reopen()
    station.settle()
    assert log.exists()


def test_clear_empties_files_that_are_open(station: Station, tmp_path: Path, log: Path) -> None:
    target = LogTarget(str(log), maxbytes=10, backups=3)
    write_fd = station.open("out", Sinks(target))
    try:
        for number in range(4):
            os.write(write_fd, b"line number %d\n" % number)
            station.finish("out")
        os.write(write_fd, b"short\n")
        station.finish("out")
        before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
        assert set(before) == {"log", "log.1", "log.2", "log.3"}
        assert station.clear([target]) == {}
        # What was rotated is history, not the log: it stays.
        assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {**before, "log": b""}
        os.write(write_fd, b"after\n")
        station.finish("out")
        assert log.read_bytes() == b"after\n"
    finally:
        os.close(write_fd)


def test_clear_empties_files_that_are_not_open(station: Station, tmp_path: Path, log: Path) -> None:
    for name in ("log", "log.1", "log.2", "log.9", "log.old"):
        (tmp_path / name).write_bytes(b"x")
    missing = LogTarget(str(tmp_path / "missing"), backups=2)
    assert station.clear([LogTarget(str(log), backups=2), missing, LogTarget("/dev/null", backups=3)]) == {}
    sizes = {entry.name: size(entry) for entry in tmp_path.iterdir()}
    assert sizes == {"log": 0, "log.1": 1, "log.2": 1, "log.9": 1, "log.old": 1}


def test_clear_tells_what_it_cannot(station: Station, tmp_path: Path, log: Path) -> None:
    shutil.copy(str(shutil.which("sleep")), log)
    target = LogTarget(str(log))
    fine = LogTarget(str(tmp_path / "fine"))
    with subprocess.Popen([log, "1000"]) as program:  # what is being executed cannot be written, not even by root
        failures = station.clear([target, fine])
        program.kill()
    assert failures == {target: f"cannot clear '{log}': text file busy"}


def test_standard_output_is_never_rotated_nor_emptied(station: Station, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        target = LogTarget(f"/dev/fd/{out.fileno()}", maxbytes=10, backups=3)
        write_fd = station.open("out", Sinks(target))
        try:
            for number in range(5):
                os.write(write_fd, b"line number %d\n" % number)
                station.finish("out")
            assert station.clear([target]) == {}
            station.drain.reopen()
            os.write(write_fd, b"more\n")
            station.finish("out")
        finally:
            os.close(write_fd)
        station.drain.release(target)
        station.until(lambda: station.drain.figures().channels == 0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert len((tmp_path / "out").read_bytes().splitlines()) == 6


def test_a_pipe_as_standard_output_gets_everything(station: Station) -> None:
    read_fd, write_end = os.pipe()
    target = LogTarget(f"/dev/fd/{write_end}", maxbytes=10, backups=3)
    program = station.spam("out", Sinks(target), "--lines", "20000", "--size", "80")
    received = b""
    try:
        while received.count(b"\n") < 20_000:
            received += os.read(read_fd, 1 << 20)
        program.wait()
        station.finish("out")
    finally:
        os.close(read_fd)
        os.close(write_end)
    assert [int(line.split()[0]) for line in received.splitlines()] == list(range(20_000))
    assert station.dropped == []
