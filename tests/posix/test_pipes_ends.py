"""Pipes to and from children."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tmd.posix import pipes


@pytest.fixture
def output() -> Iterator[tuple[int, int]]:
    ends = pipes.output_pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue


def test_nothing_is_inherited_and_only_our_end_is_non_blocking(output: tuple[int, int]) -> None:
    read_fd, write_fd = output
    stdin_read, stdin_write = pipes.input_pipe()
    try:
        assert not any(os.get_inheritable(fd) for fd in (read_fd, write_fd, stdin_read, stdin_write))
        assert [os.get_blocking(fd) for fd in (read_fd, write_fd, stdin_read, stdin_write)] == [
            False,
            True,
            True,
            False,
        ]
    finally:
        os.close(stdin_read)
        os.close(stdin_write)


def test_a_reader_that_dies_costs_the_writer_nothing(output: tuple[int, int]) -> None:
    read_fd, write_fd = output
    os.close(read_fd)
    code = "import os; os.write(1, b'still here'); os.write(1, b', still')"
    subprocess.run([sys.executable, "-S", "-c", code], stdout=write_fd, check=True)
    heir = os.open(f"/proc/self/fd/{write_fd}", os.O_RDONLY)
    try:
        assert os.read(heir, 100) == b"still here, still"
    finally:
        os.close(heir)


def test_eof_comes_when_no_child_holds_the_other_end(output: tuple[int, int]) -> None:
    read_fd, write_fd = output
    with pytest.raises(BlockingIOError):
        os.read(read_fd, 1)
    os.close(write_fd)
    assert os.read(read_fd, 1) == b""


def test_without_proc_the_plain_write_end_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: str, flags: int) -> int:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "open", missing)
    read_fd, write_fd = pipes.output_pipe()
    try:
        assert fcntl.fcntl(write_fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        os.write(write_fd, b"x")
        assert os.read(read_fd, 10) == b"x"
    finally:
        os.close(read_fd)
        os.close(write_fd)


def test_no_descriptor_leaks_when_there_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_many(path: str, flags: int) -> int:
        raise OSError(24, "Too many open files")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "open", too_many)
    with pytest.raises(OSError, match="Too many open files"):
        pipes.output_pipe()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_pipe_tells_what_waits_and_grows_as_far_as_it_may(output: tuple[int, int]) -> None:
    read_fd, write_fd = output
    os.write(write_fd, b"x" * 1000)
    assert pipes.waiting_bytes(read_fd) == 1000
    before = pipes.capacity(read_fd)
    assert pipes.enlarge(read_fd) == pipes.capacity(read_fd) >= before


def test_what_is_no_pipe_has_a_size_too() -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        assert (pipes.capacity(null), pipes.waiting_bytes(null), pipes.enlarge(null)) == (65536, 0, 65536)
    finally:
        os.close(null)
