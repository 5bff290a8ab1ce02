"""When a program is gone, when the drain ends, and what heirs of a pipe still say."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.posix.station import Station
from tests.programs.check_lines import check, oldest_first
from tmd.core.capture import CaptureTransform
from tmd.posix import pipes
from tmd.posix.drain import Drain, LogTarget, Sinks


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_all_output_up_to_the_exit_is_in_the_file_when_done_is_called(station: Station, log: Path) -> None:
    for life in range(30):
        program = station.program(life, Sinks(LogTarget(str(log))), ["/bin/echo", "last words", str(life)])
        program.wait()
        sizes: list[int] = []
        station.drain.finish([life], lambda found=sizes: found.append(log.stat().st_size))  # type: ignore[misc]
        station.until(lambda found=sizes: found)  # type: ignore[misc]
        assert log.read_bytes().endswith(b"last words %d\n" % life)


def test_a_megabyte_in_the_pipe_is_there_too(station: Station, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log), maxbytes=400_000, backups=9), transform=lambda: CaptureTransform(9, False, False))
    station.spam("out", sinks, "--lines", "1", "--size", "1000000", "--pattern", "noline").wait()
    station.finish("out")
    assert sum(file.stat().st_size for file in oldest_first(log)) > 1_000_000


def test_a_grandchild_that_holds_the_pipe_delays_nothing_and_is_heard_on(station: Station, log: Path) -> None:
    code = """
import os, sys
os.write(1, b"parent\\n")
if os.fork() == 0:
    sys.stdin.buffer.read(1)
    os.write(1, b"grandchild\\n")
"""
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    argv = [sys.executable, "-S", "-c", code]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=write_fd) as program:
        os.close(write_fd)
        program.wait()
        station.finish("out", deadline_s=2.0)
        assert log.read_bytes() == b"parent\n"
        assert station.drain.figures().channels == 1
        assert program.stdin is not None
        program.stdin.write(b"x")
    station.until(lambda: log.read_bytes() == b"parent\ngrandchild\n")
    station.until(lambda: station.drain.figures().channels == 0)


def test_an_heir_who_never_stops_talking_cannot_hold_up_done(station: Station, log: Path) -> None:
    station.spam("out", Sinks(LogTarget(str(log), maxbytes=5_000_000)), "--size", "100")
    station.until(lambda: size(log) > 100_000)
    station.finish("out", deadline_s=2.0)
    before = station.drain.figures().total_written
    station.until(lambda: station.drain.figures().total_written > before + 1_000_000)


def test_a_key_may_be_used_again_while_heirs_hold_the_old_pipe(station: Station, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log)))
    old = station.open("out", sinks)
    station.finish("out")
    new = station.open("out", sinks)
    try:
        os.write(new, b"new\n")
        station.finish("out")
        os.write(old, b"old\n")
        station.until(lambda: log.read_bytes() == b"new\nold\n")
    finally:
        os.close(old)
        os.close(new)
    station.until(lambda: station.drain.figures().channels == 0)


def test_several_are_done_together_and_unknown_keys_are_no_obstacle(station: Station, tmp_path: Path) -> None:
    fds = [station.open(name, Sinks(LogTarget(str(tmp_path / name)))) for name in ("out", "err")]
    os.write(fds[0], b"1")
    os.write(fds[1], b"22")
    station.finish("out", "err", "nobody")
    assert [size(tmp_path / name) for name in ("out", "err")] == [1, 2]
    for fd in fds:
        os.close(fd)
    station.until(lambda: station.drain.figures().channels == 0)
    station.finish("out", "err")


def test_a_closed_channel_is_given_up(station: Station, log: Path) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    station.drain.close("out")
    station.drain.close("nobody")
    station.settle()
    os.write(write_fd, b"into the void")
    os.close(write_fd)
    assert station.drain.figures().channels == 0
    assert not log.exists() or not log.read_bytes()


def test_stop_drains_what_is_there_and_what_was_written(log: Path) -> None:
    station = Station()
    write_fd = station.open("out", Sinks(LogTarget(str(log)), transform=lambda: CaptureTransform(9, False, False)))
    own = LogTarget(str(log) + ".own")
    try:
        for number in range(1000):
            os.write(write_fd, b"%d\n" % number)
            station.drain.write(own, b"%d\n" % number)
        os.write(write_fd, b"<!--")
        station.close()
    finally:
        os.close(write_fd)
    expected = b"".join(b"%d\n" % number for number in range(1000))
    assert log.read_bytes() == expected + b"<!--"
    assert Path(own.path).read_bytes() == expected


def test_a_program_that_talks_on_does_not_keep_stop(log: Path) -> None:
    station = Station()
    program = station.spam("out", Sinks(LogTarget(str(log), maxbytes=5_000_000)), "--size", "100")
    station.until(lambda: size(log) > 100_000)
    station.drain.stop(5.0)
    assert not any(thread.name == "drain" and thread.is_alive() for thread in threading.enumerate())
    assert program.poll() is None  # nor is it hurt
    station.close()


def test_what_a_later_daemon_takes_over_is_complete(log: Path) -> None:
    first, second = Station(), Station()
    target = LogTarget(str(log), maxbytes=1_000_000, backups=50)
    program = first.spam("out", Sinks(target), "--lines", "60000", "--size", "80")
    pipe = os.open(f"/proc/{program.pid}/fd/1", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    first.until(lambda: size(log) > 100_000)
    first.drain.stop(5.0)
    second.drain.open("adopted", pipe, Sinks(target))
    program.wait()
    second.finish("adopted")
    first.close()
    second.close()
    report = check(oldest_first(log))
    assert (report.count, report.clean) == (60_000, True), report


def test_a_drain_that_has_ended_refuses_politely(station: Station, log: Path) -> None:
    station.drain.stop(5.0)
    target = LogTarget(str(log))
    read_fd, write_fd = pipes.output_pipe()
    station.drain.open("out", read_fd, Sinks(target))
    os.close(write_fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read_fd)
    station.drain.write(target, b"too late")
    station.finish("out")
    assert list(station.clear([target])) == [target]


def test_a_drain_that_never_started_can_be_stopped(log: Path) -> None:
    drain = Drain(post=lambda callback: callback(), dropped=lambda *_: None, heard=lambda *_: None)
    drain.write(LogTarget(str(log)), b"hello\n")
    drain.stop(1.0)
    assert log.read_bytes() == b"hello\n"
