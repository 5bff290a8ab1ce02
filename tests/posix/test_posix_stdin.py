"""The queue before a child's stdin."""

import fcntl
import os
from collections.abc import Iterator

import pytest

from tmd.posix.loop import Loop
from tmd.posix.stdin import StdinWriter

PIPE_BYTES = 4096


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """A reader and a writer; the writer goes to who owns it, the reader is closed here unless it is already."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.set_blocking(reader, False)
    yield reader, writer
    try:
        os.close(reader)
    except OSError:
        return


def test_what_fits_goes_at_once(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1])
    assert writer.offer(b"one ")
    assert writer.offer(b"two")
    assert writer.offer(b"")
    assert os.read(ends[0], 100) == b"one two"
    writer.close()


def test_what_does_not_fit_follows_as_the_reader_reads_complete_and_in_order(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1])
    sent = bytes(range(256)) * 1000
    for start in range(0, len(sent), 50_000):
        assert writer.offer(sent[start : start + 50_000])
    got = bytearray()

    def read() -> None:
        got.extend(os.read(ends[0], 3000))
        if len(got) >= len(sent):
            loop.unwatch(ends[0])
            loop.call_later(0.05, loop.stop)

    loop.watch(ends[0], readable=read)
    loop.run()
    assert bytes(got) == sent
    assert loop.figures["wakeups"] < 300, "nothing is watched once all is written"
    writer.close()


def test_the_bound_takes_all_or_nothing(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1], max_bytes=10_000)
    assert not writer.offer(b"x" * 10_001)
    assert writer.offer(b"a" * 10_000)
    assert not writer.offer(b"b" * 10_000)
    assert writer.offer(b"c" * PIPE_BYTES)
    got = bytearray()

    def read() -> None:
        got.extend(os.read(ends[0], 100_000))
        if len(got) == 10_000 + PIPE_BYTES:
            loop.stop()

    loop.watch(ends[0], readable=read)
    loop.run()
    loop.unwatch(ends[0])
    assert bytes(got) == b"a" * 10_000 + b"c" * PIPE_BYTES
    writer.close()


def test_a_reader_that_has_closed_is_told_to_whoever_offers(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1])
    os.close(ends[0])
    for _ in range(2):
        with pytest.raises(BrokenPipeError):
            writer.offer(b"x")
    writer.close()


def test_a_reader_that_closes_while_bytes_wait_ends_it(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1])
    assert writer.offer(b"x" * 100_000)
    os.close(ends[0])
    loop.call_later(0.02, loop.stop)
    loop.run()
    assert loop.figures["wakeups"] <= 3
    assert loop.figures["errors"] == 0
    with pytest.raises(BrokenPipeError):
        writer.offer(b"y")


def test_close_drops_what_waits_and_ends_the_stream(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1])
    assert writer.offer(b"x" * 100_000)
    writer.close()
    writer.close()
    assert os.read(ends[0], 1_000_000) == b"x" * PIPE_BYTES
    assert os.read(ends[0], 1) == b""
    with pytest.raises(BrokenPipeError):
        writer.offer(b"y")
