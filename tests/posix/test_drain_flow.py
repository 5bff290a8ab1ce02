"""What goes in comes out: in order, whole, once, rotated, shared, heard, and in little memory."""

import os
import signal
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.posix.station import Station, resident_bytes
from tests.programs.check_lines import check, oldest_first
from tests.support import eventually
from tmd.core.capture import BEGIN_TOKEN, END_TOKEN, CaptureTransform, Transformed
from tmd.posix import drain as drain_module
from tmd.posix.drain import LogTarget, Sinks
from tmd.posix.sinks import State


def test_lines_across_rotations_are_all_there(station: Station, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log), maxbytes=2_000_000, backups=50))
    stdout = station.spam("out", sinks, "--lines", "150000", "--size", "90")
    stdout.wait()
    station.finish("out")
    files = oldest_first(log)
    report = check(files)
    assert (report.count, report.first, report.last, report.clean) == (150_000, 0, 149_999, True), report
    assert len(files) > 5
    for file in files[:-1]:
        data = file.read_bytes()
        assert data.endswith(b"\n")
        assert 2_000_000 - 65536 < len(data) <= 2_000_000


def test_blocks_cut_anywhere_are_rotated_between_lines(station: Station, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log), maxbytes=1_000_000, backups=100))
    station.spam("out", sinks, "--lines", "4000", "--size", "9000", "--write", "65536").wait()
    station.finish("out")
    files = oldest_first(log)
    report = check(files)
    assert (report.count, report.clean) == (4000, True), report
    assert all(file.read_bytes().endswith(b"\n") for file in files[:-1])


def test_no_more_backups_than_asked_for(station: Station, tmp_path: Path, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log), maxbytes=200_000, backups=2))
    station.spam("out", sinks, "--lines", "20000", "--size", "90").wait()
    station.finish("out")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    report = check(oldest_first(log))
    assert (report.last, report.clean) == (19_999, True), report


def test_tiny_limits_tear_no_line(station: Station, log: Path) -> None:
    station.spam("out", Sinks(LogTarget(str(log), maxbytes=50, backups=1000)), "--lines", "3000", "--size", "80").wait()
    station.finish("out")
    report = check(oldest_first(log))
    assert (report.count, report.clean) == (3000, True), report


def test_two_channels_share_a_file_line_by_line(station: Station, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log), maxbytes=3_000_000, backups=50))
    programs = [
        station.spam(tag, sinks, "--lines", "40000", "--size", "60", "--tag", tag) for tag in ("first-", "second-")
    ]
    for program in programs:
        program.wait()
    station.finish("first-", "second-")
    for tag in ("first-", "second-"):
        report = check(oldest_first(log), tag)
        assert (report.count, report.clean) == (40_000, True), report


def test_who_begins_a_line_in_a_shared_file_may_end_it(station: Station, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log)))
    slow, quick = station.open("slow", sinks), station.open("quick", sinks)
    try:
        os.write(slow, b"begun ")
        station.until(lambda: log.exists() and log.read_bytes() == b"begun ")
        os.write(quick, b"between\n")
        os.write(slow, b"and ended\n")
        station.until(lambda: log.read_bytes() == b"begun and ended\nbetween\n")
        os.write(slow, b"never ended ")
        station.until(lambda: log.read_bytes().endswith(b"never ended "))
        os.write(quick, b"after all\n")
        station.until(lambda: log.read_bytes().endswith(b"never ended after all\n"))
    finally:
        os.close(slow)
        os.close(quick)


def test_a_blob_without_newline_is_all_there(station: Station, log: Path) -> None:
    size = 100_000_000
    sinks = Sinks(LogTarget(str(log), maxbytes=16_000_000, backups=20))
    station.spam("out", sinks, "--lines", "1000", "--size", "100000", "--pattern", "blob").wait()
    station.finish("out")
    sizes = [file.stat().st_size for file in oldest_first(log)]
    assert sum(sizes) == size
    assert all(16_000_000 <= each <= 16_000_000 + 65536 for each in sizes[:-1]), sizes


def test_memory_stays_flat(station: Station, log: Path) -> None:
    def pump(key: str, sinks: Sinks, count: int) -> None:
        station.spam(key, sinks, "--lines", str(count), "--size", "100000", "--pattern", "blob").wait()
        station.finish(key)

    spliced = Sinks(LogTarget(str(log), maxbytes=20_000_000, backups=1))
    seen = Sinks(spliced.target, transform=lambda: CaptureTransform(100, False, True))
    pump("first", spliced, 10)
    pump("second", seen, 10)
    before = resident_bytes()
    pump("third", spliced, 1200)
    pump("fourth", seen, 800)
    assert resident_bytes() - before < 4_000_000
    assert station.drain.figures().total_written == 2_020 * 100_000


def test_every_byte_is_kept_as_it_is(station: Station, log: Path) -> None:
    station.spam("out", Sinks(LogTarget(str(log))), "--lines", "16", "--size", "65536", "--pattern", "binary").wait()
    station.finish("out")
    assert log.read_bytes() == bytes(range(256)) * 4096


def test_output_without_a_place_is_read_and_forgotten(station: Station) -> None:
    station.spam("out", Sinks(), "--lines", "100000", "--size", "90").wait()
    station.finish("out")
    assert station.dropped == []
    assert station.drain.figures().total_dropped == 0


def test_own_writes_keep_their_order(station: Station, log: Path) -> None:
    target = LogTarget(str(log), maxbytes=100_000, backups=100)
    for number in range(20_000):
        station.drain.write(target, b"%d\n" % number)
    station.settle()
    data = b"".join(file.read_bytes() for file in oldest_first(log))
    assert data.split() == [b"%d" % number for number in range(20_000)]
    assert len(oldest_first(log)) > 1


def test_prepare_creates_and_release_closes(station: Station, log: Path) -> None:
    target = LogTarget(str(log), mode=0o600)
    station.drain.prepare(target)
    station.settle()
    assert log.stat().st_mode & 0o777 == 0o600
    assert list(station.drain.figures().written) == [str(log)]
    station.drain.write(target, b"last words\n")
    station.drain.release(target)
    station.settle()
    assert log.read_bytes() == b"last words\n"
    assert station.drain.figures().written == {}
    assert station.drain.figures().total_written == 11


def test_two_names_of_one_file_share_it(station: Station, tmp_path: Path, log: Path) -> None:
    (tmp_path / "alias").symlink_to(log)
    one, other = LogTarget(str(log)), LogTarget(str(tmp_path / "alias"))
    station.drain.prepare(one)
    station.drain.prepare(other)
    station.settle()
    assert len(station.drain.figures().written) == 1


def test_sinks_change_on_the_way(station: Station, tmp_path: Path) -> None:
    first, second = LogTarget(str(tmp_path / "first")), LogTarget(str(tmp_path / "second"))
    write_fd = station.open("out", Sinks(first, transform=lambda: CaptureTransform(100, True, False)))
    try:
        os.write(write_fd, b"one <!--")
        station.until(lambda: station.heard)
        station.drain.retarget("out", Sinks(second))
        station.settle()
        os.write(write_fd, b"two\n")
        station.until(lambda: (tmp_path / "second").exists() and (tmp_path / "second").read_bytes())
    finally:
        os.close(write_fd)
    station.finish("out")
    assert (tmp_path / "first").read_bytes() == b"one "
    assert (tmp_path / "second").read_bytes() == b"<!--two\n"
    station.until(lambda: station.drain.figures().written == {})


def test_limits_change_on_the_way(station: Station, log: Path) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    try:
        station.drain.retarget("out", Sinks(LogTarget(str(log), maxbytes=5, backups=1)))
        station.settle()
        os.write(write_fd, b"enough\n")
        station.until(lambda: log.with_suffix(".1").exists())
        station.drain.retarget("out", Sinks(LogTarget(str(log))))
        station.settle()
        os.write(write_fd, b"enough again\n")
        station.until(lambda: log.read_bytes() == b"enough again\n")
    finally:
        os.close(write_fd)
    assert log.with_suffix(".1").read_bytes() == b"enough\n"


def test_transforms_say_and_communicate_in_order(station: Station, log: Path) -> None:
    sinks = Sinks(LogTarget(str(log)), transform=lambda: CaptureTransform(1000, True, True))
    write_fd = station.open("out", sinks)
    try:
        os.write(write_fd, b"\x1b[31mred\x1b[0m " + BEGIN_TOKEN + b"psst" + END_TOKEN + b" end <!")
        station.finish("out")
    finally:
        os.close(write_fd)
    assert log.read_bytes() == b"red  end <!"
    assert b"".join(found.said for _, found in station.heard) == b"red psst end <!"
    assert [text for _, found in station.heard for text in found.communicated] == [b"psst"]


def test_a_slow_listener_slows_the_program_and_nothing_grows(
    station: Station, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain_module, "UNHEARD_BYTES", 300_000)
    sinks = Sinks(LogTarget(str(log)), transform=lambda: CaptureTransform(0, True, False))
    other = station.open("other", Sinks(LogTarget(str(log) + ".other")))
    program = station.spam("out", sinks, "--lines", "100", "--size", "100000", "--pattern", "blob")
    station.drain.write(LogTarget(str(log) + ".own"), b"x")
    try:
        sizes: list[int] = []

        def stuck() -> bool:
            os.write(other, b"y")  # others go on meanwhile
            sizes.append(log.stat().st_size if log.exists() else 0)
            return sizes[-1] > 0 and sizes[-40:] == [sizes[-1]] * 40

        eventually(stuck)
        assert sizes[-1] <= 1_000_000
        assert program.poll() is None
        station.until(lambda: program.poll() is not None)
        station.finish("out")
    finally:
        os.close(other)
    assert sum(len(found.said) for _, found in station.heard) == 10_000_000 == log.stat().st_size


def test_copies_get_what_goes_to_the_log(station: Station, log: Path) -> None:
    copies: list[bytes] = []
    write_fd = station.open("out", Sinks(LogTarget(str(log)), copy=copies.append))
    try:
        os.write(write_fd, b"hello\n")
        station.finish("out")
    finally:
        os.close(write_fd)
    assert b"".join(copies) == log.read_bytes() == b"hello\n"


class Broken:
    """A transform that never works."""

    def feed(self, data: bytes) -> Transformed:
        raise ValueError(f"cannot take {len(data)} bytes")

    @property
    def preserves(self) -> bool:
        return False

    def end(self) -> Transformed:
        raise ValueError("cannot end")

    def state(self) -> State:
        raise ValueError("cannot tell")

    def resume(self, state: Mapping[str, str]) -> None:
        raise ValueError(f"cannot resume {state}")


def test_a_broken_transform_or_copy_stops_nothing(station: Station, log: Path) -> None:
    def broken_copy(data: bytes) -> None:
        raise ValueError("no")

    write_fd = station.open("out", Sinks(LogTarget(str(log)), transform=Broken, copy=broken_copy))
    try:
        os.write(write_fd, b"hello\n")
        station.finish("out")
        os.write(write_fd, b"still here\n")
        station.finish("out")
    finally:
        os.close(write_fd)
    assert log.read_bytes() == b"hello\nstill here\n"
    assert any("cannot transform output of 'out'" in text for text in station.failures)
    assert any("cannot copy output of 'out'" in text for text in station.failures)
    station.failures.clear()
    station.until(lambda: station.drain.figures().channels == 0)
    station.failures.clear()


def test_syslog_gets_whole_lines(tmp_path: Path, log: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(tmp_path / "syslog"))
        syslog.settimeout(10)
        station = Station(syslog_path=str(tmp_path / "syslog"))
        try:
            write_fd = station.open("out", Sinks(LogTarget(str(log)), syslog_tag="web"))
            os.write(write_fd, b"one\ntw")
            first = syslog.recv(1000)
            os.write(write_fd, b"o\nrest")
            second = syslog.recv(1000)
            station.finish("out")
            third = syslog.recv(1000)
            os.close(write_fd)
            assert log.read_bytes() == b"one\ntwo\nrest"
        finally:
            station.close()
    assert [message.split(b": ")[1] for message in (first, second, third)] == [b"web one", b"web two", b"web rest"]
    assert first.startswith(b"<14>")
    assert b" tmd[%d]: " % os.getpid() in first


def test_a_missing_syslog_is_counted(station: Station, log: Path) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log)), syslog_tag="web"))
    try:
        os.write(write_fd, b"lost\n")
        station.finish("out")
    finally:
        os.close(write_fd)
    assert station.drain.figures().dropped == {"syslog": 4}
    station.until(lambda: station.dropped == [("syslog", 4, "cannot write to syslog")])
    assert log.read_bytes() == b"lost\n"


def test_silence_costs_nothing(station: Station, log: Path) -> None:
    write_fd = station.open("out", Sinks(LogTarget(str(log))))
    try:
        os.write(write_fd, b"something\n")
        station.until(lambda: log.exists() and log.read_bytes())
        figures: list[int] = []

        def calm() -> bool:
            figures.append(station.drain.figures().wakeups)
            return figures[-30:] == [figures[-1]] * 30

        station.until(calm)
        assert figures[-1] < 50
    finally:
        os.close(write_fd)


def test_signals_are_not_for_this_thread(station: Station) -> None:
    station.settle()
    thread = next(thread for thread in threading.enumerate() if thread.name == "drain")
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk"))
    mask = int(blocked.split()[1], 16)
    assert mask >> (signal.SIGTERM - 1) & 1
    assert mask >> (signal.SIGCHLD - 1) & 1
