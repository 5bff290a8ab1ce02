"""Lines in another form on their way to the log: whole, one beside another, in spite of rotation, kills and reloads."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.posix.station import PROGRAMS, Station, resident_bytes
from tests.programs.check_lines import oldest_first
from tests.support import eventually
from tmd.core.capture import BEGIN_TOKEN, END_TOKEN, CaptureTransform
from tmd.core.lines import LONGEST, LineFormat
from tmd.posix import linewise, rotation
from tmd.posix.drain import LogTarget, Sinks
from tmd.posix.logfiles import LogFile
from tmd.posix.rotation import LINE_BYTES, fitting
from tmd.wire.names import ProcessId

WHEN = b"2026-11-21T17:45:44.123Z"


def stamp() -> bytes:
    return WHEN


def formatted(log: Path, name: str, form: Literal["prefix", "json"] = "json", **limits: int) -> Sinks:
    target = LogTarget(str(log), **limits)
    return Sinks(target, format=LineFormat(form, name, ProcessId(name, name), "stdout", 1, stamp))


def objects(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def messages(*paths: Path) -> list[str]:
    return [each["msg"] for each in objects(*paths)]


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_line_is_put_together_before_it_is_logged(station: Station, log: Path) -> None:
    write_fd = station.open("out", formatted(log, "web"))
    for part in (b"one\ntw", b"o", b"\nthree"):
        os.write(write_fd, part)
        station.finish()
    eventually(lambda: size(log) > 0)
    os.write(write_fd, b" and four\n")
    os.close(write_fd)
    station.finish("out")
    assert messages(log) == ["one", "two", "three and four"]


def test_what_was_not_finished_is_there_when_the_program_is_gone(station: Station, log: Path) -> None:
    program = station.program("out", formatted(log, "web"), ["/bin/sh", "-c", "printf 'last words'; kill -9 $$"])
    assert program.wait() == -signal.SIGKILL
    station.finish("out")
    assert messages(log) == ["last words"]
    assert log.read_bytes().endswith(b"\n")


def test_a_prompt_does_not_wait_for_its_answer(station: Station, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linewise, "SILENCE_S", 0.05)
    write_fd = station.open("out", formatted(log, "web"))
    os.write(write_fd, b"name? ")
    eventually(lambda: size(log) > 0)
    os.write(write_fd, b"bob\n")
    eventually(lambda: len(objects(log)) == 2)
    os.close(write_fd)
    assert [(each["msg"], each.get("partial", False)) for each in objects(log)] == [("name? ", True), ("bob", False)]


def test_dots_that_never_end_are_given_out_now_and_then(
    station: Station, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linewise, "SILENCE_S", 1000.0)
    monkeypatch.setattr(linewise, "LONGEST_WAIT_S", 0.05)
    write_fd = station.open("out", formatted(log, "web"))

    def dotted() -> bool:
        os.write(write_fd, b".")
        return size(log) > 0

    eventually(dotted)
    os.close(write_fd)
    station.finish("out")
    assert objects(log)[0]["partial"] is True


def test_two_programs_share_a_file_line_by_line(station: Station, log: Path) -> None:
    programs = [
        station.spam(
            name,
            formatted(log, name, maxbytes=500_000, backups=100),
            "--lines",
            "4000",
            "--size",
            size,
            "--write",
            "5000",
        )
        for name, size in (("first", "100"), ("second", "900"))
    ]
    for program in programs:
        program.wait()
    station.finish("first", "second")
    found = objects(*oldest_first(log))
    for name in ("first", "second"):
        assert [int(each["msg"].split()[0]) for each in found if each["program"] == name] == list(range(4000))


def test_who_begins_in_the_middle_of_a_line_begins_one(station: Station, log: Path) -> None:
    log.write_bytes(b"cut short")
    write_fd = station.open("out", formatted(log, "web", "prefix"))
    os.write(write_fd, b"hello\n")
    os.close(write_fd)
    station.finish("out")
    assert log.read_bytes() == b"cut short\n" + WHEN + b" web stdout: hello\n"


def test_beside_a_raw_writer_every_line_begins_one(station: Station, log: Path) -> None:
    raw = station.open("raw", Sinks(LogTarget(str(log))))
    formed = station.open("formed", formatted(log, "web"))
    os.write(raw, b"no newline")
    eventually(lambda: size(log) > 0)
    os.write(formed, b"hello\n")
    eventually(lambda: log.read_bytes().endswith(b"}\n"))
    os.write(raw, b" - the rest\n")
    for fd in (raw, formed):
        os.close(fd)
    station.finish("raw", "formed")
    first, second, third = log.read_bytes().splitlines()
    assert (first, json.loads(second)["msg"], third) == (b"no newline", "hello", b" - the rest")


@pytest.mark.parametrize("maxbytes", [50, 100_000, 1_500_000])
def test_rotation_tears_no_line_however_long(station: Station, log: Path, maxbytes: int) -> None:
    sizes = [10, 1_000_000, 70_000, 5, 300_000, 1_000_000, 20]
    script = f"import os\nfor n in {sizes}:\n os.write(1, b'%d ' % n + b'x' * n + b'\\n')"
    sinks = formatted(log, "web", maxbytes=maxbytes, backups=1000)
    station.program("out", sinks, [sys.executable, "-S", "-c", script]).wait()
    station.finish("out")
    files = oldest_first(log)
    assert (len(files) > 2) is (maxbytes < 1_000_000)
    assert [int(text.split()[0]) for text in messages(*files)] == sizes
    assert all(len(text.split()[1]) == int(text.split()[0]) for text in messages(*files))


def test_binary_is_all_there(station: Station, log: Path) -> None:
    station.spam("out", formatted(log, "web"), "--lines", "20", "--size", "100000", "--pattern", "binary").wait()
    station.finish("out")
    found = objects(log)
    assert not any(each.get("partial") for each in found)
    data = b"\n".join(base64.b64decode(each["base64"]) if "base64" in each else each["msg"].encode() for each in found)
    block = bytes(range(256)) * 256
    assert data == (block * (2_000_000 // len(block) + 1))[:2_000_000]


def test_a_program_without_newlines_is_held_within_bounds(station: Station, log: Path) -> None:
    before = resident_bytes()
    station.spam("out", formatted(log, "web"), "--lines", "300", "--size", "100000", "--pattern", "blob").wait()
    station.finish("out")
    assert resident_bytes() - before < 30_000_000
    found = objects(log)
    assert [len(each["msg"]) for each in found[:-1]] == [LONGEST] * (30_000_000 // LONGEST)
    assert all(each["partial"] for each in found[:-1])
    assert "partial" not in found[-1]


def test_events_captures_and_copies_get_what_the_program_wrote(station: Station, log: Path) -> None:
    copied: list[bytes] = []
    sinks = Sinks(
        LogTarget(str(log)),
        transform=lambda: CaptureTransform(1000, True, False),
        copy=copied.append,
        format=formatted(log, "web").format,
    )
    write_fd = station.open("out", sinks)
    os.write(write_fd, b"before\n" + BEGIN_TOKEN + b"secret" + END_TOKEN + b"after")
    os.close(write_fd)
    station.finish("out")
    station.serve()
    assert b"".join(copied) == b"before\nafter"
    assert b"".join(transformed.said for _, transformed in station.heard) == b"before\nsecretafter"
    assert [text for _, transformed in station.heard for text in transformed.communicated] == [b"secret"]
    assert messages(log) == ["before", "after"]


def test_a_new_form_begins_with_a_line_of_its_own(station: Station, log: Path) -> None:
    target = LogTarget(str(log))
    write_fd = station.open("out", Sinks(target))
    os.write(write_fd, b"raw ")
    eventually(lambda: size(log) > 0)
    station.drain.retarget("out", formatted(log, "web"))
    station.settle()
    os.write(write_fd, b"one\ntwo")
    eventually(lambda: b"one" in log.read_bytes())
    station.drain.retarget("out", formatted(log, "web", "prefix"))
    station.settle()
    eventually(lambda: b"two" in log.read_bytes())
    os.write(write_fd, b"three\nfour")
    eventually(lambda: b"three" in log.read_bytes())
    station.drain.retarget("out", Sinks(target))
    station.settle()
    eventually(lambda: b"four" in log.read_bytes())
    os.write(write_fd, b"five")
    os.close(write_fd)
    station.finish("out")
    lines = log.read_bytes().splitlines()
    assert lines[0] == b"raw "
    assert [json.loads(line)["msg"] for line in lines[1:3]] == ["one", "two"]
    assert lines[3:] == [WHEN + b" web stdout: three", WHEN + b" web stdout+ four", b"five"], "a piece that goes on"


def test_the_same_form_in_the_same_place_goes_on_with_its_line(station: Station, log: Path) -> None:
    write_fd = station.open("out", formatted(log, "web"))
    os.write(write_fd, b"first\nhalf")
    eventually(lambda: size(log) > 0)
    copied: list[bytes] = []
    station.drain.retarget("out", Sinks(LogTarget(str(log)), copy=copied.append, format=formatted(log, "web").format))
    station.settle()
    os.write(write_fd, b" whole\n")
    os.close(write_fd)
    station.finish("out")
    assert messages(log) == ["first", "half whole"]
    assert b"".join(copied).endswith(b" whole\n")


def test_a_line_that_was_begun_goes_where_it_belonged(station: Station, tmp_path: Path, log: Path) -> None:
    write_fd = station.open("out", formatted(log, "web"))
    os.write(write_fd, b"first\nhalf")
    eventually(lambda: size(log) > 0)
    station.drain.retarget("out", formatted(tmp_path / "other", "web"))
    station.settle()
    os.write(write_fd, b"new\n")
    os.close(write_fd)
    station.finish("out")
    assert (messages(log), messages(tmp_path / "other")) == (["first", "half"], ["new"])


def test_lines_are_dropped_whole(station: Station, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    write_fd = station.open("out", formatted(fifo, "web"))
    spam = [sys.executable, "-S", str(PROGRAMS / "spam.py"), "--lines", "20000", "--size", "200", "--write", "7001"]
    subprocess.run(spam, stdout=write_fd, check=True)  # nobody reads, and it hangs nowhere
    assert station.drain.figures().total_dropped > 0
    data = bytearray()

    def drained() -> bool:
        try:
            data.extend(os.read(reader, 1 << 20))
        except BlockingIOError:
            return data.endswith(b"\n") and not station.drain.waiting_bytes(LogTarget(str(fifo)))
        return False

    eventually(drained, 20)
    os.close(write_fd)
    os.close(reader)
    numbers = [int(json.loads(line)["msg"].split()[0]) for line in data.splitlines()]
    assert numbers == sorted(numbers)
    assert 100 < len(numbers) < 20000


# --- what rotation makes of long lines ----------------------------------------------------------------------------


def test_a_line_that_rotation_can_move_is_written_up_to_the_limit() -> None:
    assert fitting(b"x" * 10, 10) == 10
    assert fitting(b"ab\ncd\n", 4) == 4
    assert fitting(b"x" * LINE_BYTES, 10) == 10


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_a_line_that_it_cannot_is_written_whole_or_not_yet(kind: type[bytes]) -> None:
    long = b"y" * (3 * LINE_BYTES) + b"\n"
    assert fitting(kind(b"ab\n" + long + b"z\n"), 2 * LINE_BYTES) == 3
    assert fitting(kind(long + b"z\n"), 2 * LINE_BYTES) == len(long)
    assert fitting(kind(long[:-1]), 2 * LINE_BYTES) == 2 * LINE_BYTES


def test_a_file_of_one_long_line_rotates_after_it(tmp_path: Path) -> None:
    file = LogFile(LogTarget(str(tmp_path / "log"), maxbytes=1000, backups=5))
    file.ensure(0.0)
    long = b"y" * (5 * rotation.LINE_BYTES) + b"\n"
    assert file.write(long, 0.0) == len(long)
    file.write(b"next\n", 0.0)
    file.close()
    assert (tmp_path / "log.1").read_bytes() == long
    assert (tmp_path / "log").read_bytes() == b"next\n"
