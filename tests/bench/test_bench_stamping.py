"""The supervised program of the bench: its stamps tell the truth, and no harm to its lines goes unseen."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import stamping
from bench.stamping import DONE, Report, Stamps


@pytest.fixture
def stamps(tmp_path: Path) -> Stamps:
    return Stamps(tmp_path / "stamps")


@contextmanager
def running(argv: Sequence[str], stdout: int = subprocess.DEVNULL) -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(argv, stdout=stdout)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def written(stamps: Stamps, lines: int, size: int = 80, write_bytes: int = 0, index: int = 7) -> bytes:
    argv = stamping.writer(stamps.path, lines=lines, size=size, write_bytes=write_bytes, index=index)
    path = stamps.path.with_name("written")
    with path.open("wb") as file, running(argv, file.fileno()):
        stamps.wait(2, 20)
    return path.read_bytes()


def judged(tmp_path: Path, *parts: bytes, lines: int | None = None, index: int = 7) -> Report:
    files = []
    for number, part in enumerate(parts):
        files.append(tmp_path / f"part{number}")
        files[-1].write_bytes(part)
    return stamping.check(files, index, lines)


def test_a_stamp_tells_who_was_born_when(stamps: Stamps) -> None:
    before_ns = time.monotonic_ns()
    with running(stamps.argv(3)) as child:
        (stamp,) = stamps.wait(1, 10)
    assert (stamp.pid, stamp.index) == (child.pid, 3)
    assert before_ns < stamp.ns < time.monotonic_ns()


def test_stamps_are_read_once(stamps: Stamps) -> None:
    for index in range(3):
        subprocess.run(stamps.argv(index, exit_code=0), check=True)
    assert [stamp.index for stamp in stamps.read()] == [0, 1, 2]
    assert stamps.read() == []
    subprocess.run(stamps.argv(9, exit_code=0), check=True)
    assert [stamp.index for stamp in stamps.wait(1, 10)] == [9]


def test_who_does_not_come_is_not_waited_for_for_ever(stamps: Stamps) -> None:
    subprocess.run(stamps.argv(0, exit_code=0), check=True)
    with pytest.raises(TimeoutError, match="1 of 2 programs came up"):
        stamps.wait(2, 0.01)
    assert len(stamps.read()) == 1


def test_the_exit_code_is_the_one_asked_for(stamps: Stamps) -> None:
    assert subprocess.run(stamps.argv(0, exit_code=3), check=False).returncode == 3


def test_without_lingering_sigterm_ends_it(stamps: Stamps) -> None:
    with running(stamps.argv(0)) as child:
        stamps.wait(1, 10)
        child.terminate()
        assert child.wait(10) == -signal.SIGTERM


def test_one_that_lingers_ends_so_long_after_sigterm(stamps: Stamps) -> None:
    with running(stamps.argv(0, linger_s=0.2)) as child:
        stamps.wait(1, 10)
        asked = time.monotonic()
        child.terminate()
        assert child.wait(10) == 0
        assert time.monotonic() - asked >= 0.2


def test_a_writer_waits_until_it_may(stamps: Stamps, tmp_path: Path) -> None:
    go, out = tmp_path / "go", tmp_path / "out"
    argv = stamping.writer(stamps.path, lines=10, size=80, write_bytes=0, index=4, go=go)
    with out.open("wb") as file, running(argv, file.fileno()):
        assert [stamp.index for stamp in stamps.wait(1, 10)] == [4]
        assert out.stat().st_size == 0
        go.touch()
        assert [stamp.index for stamp in stamps.wait(1, 10)] == [4 + DONE]
    assert out.stat().st_size == 800


def test_a_writer_waits_for_a_slow_reader_that_made_its_pipe_impatient(stamps: Stamps) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    argv = stamping.writer(stamps.path, lines=5000, size=80, write_bytes=65536, index=4)
    try:
        with running(argv, writing):
            stamps.wait(1, 10)
            got = b""
            while len(got) < 5000 * 80:
                got += os.read(reading, 3000)
            stamps.wait(1, 10)
    finally:
        os.close(reading)
        os.close(writing)
    assert got.count(b"\n") == 5000


@pytest.mark.parametrize("write_bytes", [0, 1000, 65536])
def test_lines_left_alone_are_all_right(stamps: Stamps, tmp_path: Path, write_bytes: int) -> None:
    data = written(stamps, 3000, write_bytes=write_bytes)
    assert len(data) == 3000 * 80
    assert judged(tmp_path, data, lines=3000) == Report(3000, 0, 0, 0, 0)


def test_a_line_may_begin_in_one_file_and_end_in_the_next(stamps: Stamps, tmp_path: Path) -> None:
    data = written(stamps, 100)
    assert judged(tmp_path, data[:1001], data[1001:1002], b"", data[1002:], lines=100) == Report(100, 0, 0, 0, 0)


def test_harm_is_counted_by_its_kind(stamps: Stamps, tmp_path: Path) -> None:
    lines = written(stamps, 100).splitlines(keepends=True)

    def report(*found: bytes) -> Report:
        return judged(tmp_path, b"".join(found), lines=100)

    assert report(*lines[:40], *lines[41:]) == Report(99, 1, 0, 0, 0)
    assert report(*lines[1:]) == Report(99, 1, 0, 0, 0)
    assert report(*lines[:-2]) == Report(98, 2, 0, 0, 0)
    assert report() == Report(0, 100, 0, 0, 0)
    assert report(*lines, lines[40]) == Report(101, 0, 0, 1, 0)
    assert report(*lines[:40], lines[41], lines[40], *lines[42:]) == Report(100, 0, 0, 0, 1)
    assert report(*lines[:40], lines[40][:-9], *lines[41:]) == Report(99, 2, 1, 0, 0)
    assert report(*lines[:40], lines[40][:50] + b"\n", *lines[41:]) == Report(100, 1, 1, 0, 0)
    assert report(*lines[:40], lines[40].replace(b"a", b"b"), *lines[41:]) == Report(100, 1, 1, 0, 0)
    assert report(*lines[:-1], lines[-1][:-1]) == Report(100, 1, 1, 0, 0)
    assert report(*lines, b"\n" + b"x" * 3_000_000 + b"\n").torn > 1
    assert report(*lines[:40], *lines[41:]).wrong == 1


def test_lines_of_another_are_none_of_ours(stamps: Stamps, tmp_path: Path) -> None:
    data = written(stamps, 10, index=12)
    assert judged(tmp_path, data, lines=10, index=1) == Report(10, 10, 10, 0, 0)


def test_without_their_number_those_missing_at_the_end_are_not_known(stamps: Stamps, tmp_path: Path) -> None:
    lines = written(stamps, 100).splitlines(keepends=True)
    assert judged(tmp_path, b"".join(lines[:90])) == Report(90, 0, 0, 0, 0)


def test_a_line_too_short_for_its_parts_is_refused(stamps: Stamps) -> None:
    argv = stamping.writer(stamps.path, lines=1, size=20, write_bytes=0, index=1)
    done = subprocess.run(argv, capture_output=True, check=False, timeout=10)
    assert done.returncode == 100
    assert b"too short" in done.stderr


def test_once_does_nothing() -> None:
    assert subprocess.run(stamping.once_argv(), check=False, timeout=10).returncode == 0


@pytest.mark.parametrize("arguments", [(), ("live",), ("once", "more"), ("lives", "x", "1", "0", "0")])
def test_what_it_does_not_know_it_does_not_do(arguments: Sequence[str]) -> None:
    done = subprocess.run([stamping.helper(), *arguments], capture_output=True, check=False, timeout=10)
    assert (done.returncode, done.stderr) == (100, b"usage: stamp once | live ...\n")


def test_where_it_cannot_stamp_it_says_so() -> None:
    argv = (stamping.helper(), "live", "/no/such/directory/stamps", "1", "0", "-1")
    done = subprocess.run(argv, capture_output=True, check=False, timeout=10)
    assert (done.returncode, done.stderr) == (111, b"stamp: cannot write where it was told to\n")


def test_with_a_c_library_it_does_the_same(stamps: Stamps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(stamping, "bare", lambda: False)
    stamping.helper.cache_clear()
    try:
        assert stamping.helper().parent == tmp_path / "taskmaster-bench"
        test_a_stamp_tells_who_was_born_when(stamps)
        test_the_exit_code_is_the_one_asked_for(stamps)
        stamps.read()
        test_one_that_lingers_ends_so_long_after_sigterm(stamps)
        test_once_does_nothing()
    finally:
        stamping.helper.cache_clear()
