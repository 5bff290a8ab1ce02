"""Targets that cannot be written: nobody hangs, losses are counted and told, and all goes on when they heal."""

import errno
import os
import pty
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.posix.station import Station
from tests.programs.check_lines import check
from tmd.core.capture import CaptureTransform
from tmd.posix import drain as drain_module
from tmd.posix.drain import LogTarget, Sinks

TINY_BYTES = 1 << 20


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A directory with room for TINY_BYTES, and what gives it more: a tmpfs, or a limit where none may be mounted."""
    place = tmp_path / "tiny"
    place.mkdir()
    size = f"size={TINY_BYTES}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tiny", str(place)], stderr=subprocess.DEVNULL, check=False
    )
    if not mounted.returncode:

        def free() -> None:
            subprocess.run(["mount", "-o", f"remount,size={64 * TINY_BYTES}", str(place)], check=True)

        yield place, free
        subprocess.run(["umount", "-l", str(place)], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (TINY_BYTES, hard))
    yield place, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("seen", [False, True])
def test_a_full_device_hangs_nobody(station: Station, tmp_path: Path, seen: bool) -> None:
    transform = (lambda: CaptureTransform(0, False, True)) if seen else None
    program = station.spam("full", Sinks(LogTarget("/dev/full"), transform=transform), "--lines", "60000")
    healthy = station.spam("fine", Sinks(LogTarget(str(tmp_path / "log"))), "--lines", "30000")
    healthy.wait()
    station.finish("fine", deadline_s=0.5)
    assert check([tmp_path / "log"]).count == 30_000
    program.wait(10)
    station.finish("full")
    station.until(lambda: sum(count for _, count, _ in station.dropped) == station.drain.figures().total_dropped)
    path, _, reason = station.dropped[-1]
    assert (path, reason) == ("/dev/full", "no space left on device")
    assert station.drain.figures().total_dropped > 60_000 * 90
    assert len(station.dropped) <= 3


def test_the_disk_fills_and_is_freed(station: Station, tiny_disk: tuple[Path, Callable[[], None]]) -> None:
    place, free = tiny_disk
    log = place / "log"
    program = station.spam(
        "out", Sinks(LogTarget(str(log), maxbytes=300_000_000)), "--size", "2000", "--lines", "20000"
    )
    station.until(lambda: station.dropped)
    size_when_full = log.stat().st_size
    free()
    station.until(lambda: log.stat().st_size > size_when_full or program.poll() is not None, 1.0)
    program.wait()
    station.finish("out")
    written = log.stat().st_size
    figures = station.drain.figures()
    assert figures.total_written == written
    expected = sum(len(b"%d  \n" % seq) + 2000 for seq in range(20_000))
    checksums = written + figures.total_dropped - expected
    assert 20_000 * 5 < checksums <= 20_000 * 10
    assert check([log]).doubled == 0


def test_after_trouble_it_writes_on_within_a_second(
    station: Station, tiny_disk: tuple[Path, Callable[[], None]]
) -> None:
    place, free = tiny_disk
    log = place / "log"
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    try:
        for _ in range(TINY_BYTES // 50_000 + 2):
            os.write(write_fd, b"x" * 49_999 + b"\n")
        station.until(lambda: station.dropped, what="a report")
        free()
        os.write(write_fd, b"back again\n")
        station.until(lambda: [os.write(write_fd, b"again\n"), log.read_bytes().endswith(b"again\n")][1], 1.0)
    finally:
        os.close(write_fd)


def test_short_trouble_loses_nothing(station: Station, tiny_disk: tuple[Path, Callable[[], None]]) -> None:
    place, free = tiny_disk
    log = place / "log"
    count = TINY_BYTES // 1000
    program = station.spam("out", Sinks(LogTarget(str(log))), "--lines", str(count), "--size", "1000")
    station.until(lambda: log.exists() and log.stat().st_size >= TINY_BYTES - 8192)
    free()
    program.wait()
    station.finish("out")
    report = check([log])
    assert (report.count, report.clean) == (count, True), report
    assert station.drain.figures().total_dropped == 0


def test_a_fifo_nobody_reads_hangs_nobody(station: Station, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = station.spam("out", Sinks(LogTarget(str(fifo))), "--lines", "40000")
    program.wait(10)
    station.until(lambda: station.dropped)
    assert station.dropped[0][0] == str(fifo)
    assert station.dropped[0][2] == "nobody has it open for reading"
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    write_fd = station.open("next", Sinks(LogTarget(str(fifo))))
    received = b""
    try:

        def arrives() -> bool:
            nonlocal received
            os.write(write_fd, b"hello\n")
            try:
                received += os.read(reader, 4096)
            except BlockingIOError:
                return False
            return b"hello\n" in received

        station.until(arrives, 2.0)
    finally:
        os.close(reader)
        os.close(write_fd)


def test_a_full_fifo_hangs_nobody_and_a_slow_reader_gets_everything(station: Station, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    slow = station.spam("slow", Sinks(LogTarget(str(fifo))), "--lines", "20000")
    received = b""
    try:
        pause = threading.Event()
        while received.count(b"\n") < 20_000:
            pause.wait(0.001)
            try:
                received += os.read(reader, 65536)
            except BlockingIOError:
                continue
        slow.wait()
        station.finish("slow")
        assert [int(line.split()[0]) for line in received.splitlines()] == list(range(20_000))
        assert station.dropped == []
        stuck = station.spam("stuck", Sinks(LogTarget(str(fifo))), "--lines", "40000")
        stuck.wait(10)
        station.until(lambda: station.dropped)
        assert station.dropped[0][2] == "it is full and nobody reads it"
    finally:
        os.close(reader)


def test_a_terminal_that_blocks_hangs_nobody(station: Station) -> None:
    ours, theirs = pty.openpty()
    try:
        station.spam("out", Sinks(LogTarget(os.ttyname(theirs))), "--lines", "20000").wait(10)
        station.until(lambda: station.dropped)
    finally:
        os.close(theirs)
        os.close(ours)


def test_a_missing_directory_is_waited_for(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    try:
        os.write(write_fd, b"early\n")
        station.settle()
        log.parent.mkdir()
        station.until(lambda: log.exists() and log.read_bytes() == b"early\n", 1.0)
        log.unlink()
        log.parent.rmdir()

        def told() -> bool:
            os.write(write_fd, b"x" * 999 + b"\n")
            return bool(station.dropped)

        station.until(told)
        assert station.dropped[0][0::2] == (str(log), "no such file or directory")
        log.parent.mkdir()
        station.until(
            lambda: [os.write(write_fd, b"late\n"), log.exists() and log.read_bytes().endswith(b"late\n")][1], 1.0
        )
    finally:
        os.close(write_fd)


def test_a_directory_as_target_is_told_and_hangs_nobody(station: Station, tmp_path: Path) -> None:
    station.drain.prepare(LogTarget(str(tmp_path)))
    station.until(lambda: station.dropped)
    assert station.dropped == [(str(tmp_path), 0, "is a directory")]
    station.spam("out", Sinks(LogTarget(str(tmp_path))), "--lines", "30000").wait(10)
    station.finish("out")


def test_too_few_descriptors_are_told_once_and_waited_for(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    real_open = os.open

    def no_more(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if os.path.basename(path) == log.name:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", no_more)
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    try:
        os.write(write_fd, b"lost\n")
        station.until(lambda: station.dropped)
        assert [entry[0::2] for entry in station.dropped] == [(str(log), "too many open files")]
        monkeypatch.setattr(os, "open", real_open)
        station.until(lambda: [os.write(write_fd, b"x\n"), log.exists() and log.stat().st_size][1], 1.0)
    finally:
        os.close(write_fd)


def test_a_rotation_that_cannot_be_is_told_and_loses_nothing(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "log.1" / "occupied").mkdir(parents=True)
    station.spam("out", Sinks(LogTarget(str(log), maxbytes=10_000, backups=1)), "--lines", "1000").wait()
    station.finish("out")
    assert check([log]).count == 1000
    station.until(lambda: station.dropped)
    path, count, reason = station.dropped[0]
    assert (path, count) == (str(log), 0)
    assert reason.startswith("cannot rotate: ")


def test_a_rotation_that_works_again_is_told(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "log"
    occupied = tmp_path / "log.1" / "occupied"
    occupied.mkdir(parents=True)
    write_fd = station.open("out", Sinks(LogTarget(str(log), maxbytes=10_000, backups=1)))
    try:
        station.until(lambda: [os.write(write_fd, b"x" * 999 + b"\n"), station.dropped][1], what="the trouble")
        assert station.healed == []
        occupied.rmdir()
        occupied.parent.rmdir()
        station.until(lambda: [os.write(write_fd, b"x" * 999 + b"\n"), station.healed][1], what="the news")
    finally:
        os.close(write_fd)
    assert station.healed == [str(log)]


def test_what_works_again_is_told_once_and_after_the_last_loss(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    write_fd = station.open("out", Sinks(LogTarget(str(log))))

    def say() -> bool:
        return os.write(write_fd, b"x" * 999 + b"\n") == 1000

    try:
        station.until(lambda: say() and station.dropped)
        assert station.healed == []
        log.parent.mkdir()
        station.until(lambda: say() and station.healed)
        say()
        station.finish("out")
    finally:
        os.close(write_fd)
    assert station.healed == [str(log)]
    assert sum(count for _, count, _ in station.dropped) == station.drain.figures().total_dropped


def test_own_writes_outlast_trouble_up_to_a_bound(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain_module, "QUEUE_BYTES", 1000)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    target = LogTarget(str(fifo))
    for number in range(150):
        station.drain.write(target, b"%09d\n" % number)
        station.settle()
    station.until(lambda: station.dropped)
    assert sum(count for _, count, _ in station.dropped) == 500
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    received = b""

    def complete() -> bool:
        nonlocal received
        try:
            received += os.read(reader, 65536)
        except BlockingIOError:
            return False
        return received.count(b"\n") >= 100

    try:
        station.until(complete, 2.0)
    finally:
        os.close(reader)
    assert received.split() == [b"%09d" % number for number in range(100)]


def test_a_stuck_target_does_not_keep_stop_for_ever(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    station = Station()
    station.drain.write(LogTarget(str(fifo)), b"nobody hears this\n")
    station.drain.stop(0.2)
    station.serve()
    assert station.dropped == [(str(fifo), 18, "nobody has it open for reading")]
    station.close()
