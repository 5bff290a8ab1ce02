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


def test_a_delivery_that_fits_is_through_at_once(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1])
    told: list[bool] = []
    assert writer.deliver(b"event", told.append)
    assert os.read(ends[0], 100) == b"event"
    assert told == []
    writer.close()


def test_a_delivery_of_any_size_is_told_once_it_is_through(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1], max_bytes=10)
    sent = b"x" * 3_000_000
    told: list[int] = []
    got = bytearray()
    assert not writer.deliver(sent, lambda ok: told.append(len(got) if ok else -1))
    assert not writer.offer(b"y"), "no room beside it"

    def read() -> None:
        got.extend(os.read(ends[0], PIPE_BYTES))
        if len(got) == len(sent):
            loop.call_later(0.01, loop.stop)

    loop.watch(ends[0], readable=read)
    loop.run()
    loop.unwatch(ends[0])
    assert bytes(got) == sent
    (through,) = told
    assert len(sent) - PIPE_BYTES <= through <= len(sent)
    assert writer.offer(b"y")
    writer.close()


def test_what_is_offered_behind_a_delivery_does_not_hold_up_its_end(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1])
    told: list[bool] = []
    assert not writer.deliver(b"x" * 2 * PIPE_BYTES, told.append)
    assert writer.offer(b"y" * 10 * PIPE_BYTES)

    def read() -> None:
        os.read(ends[0], PIPE_BYTES)
        if told:
            loop.stop()

    loop.watch(ends[0], readable=read)
    loop.run()
    loop.unwatch(ends[0])
    assert told == [True]
    writer.close()
    assert told == [True]


def test_a_reader_that_closes_during_a_delivery_is_told(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1])
    told: list[bool] = []
    assert not writer.deliver(b"x" * 100_000, told.append)
    os.close(ends[0])
    loop.call_later(0.02, loop.stop)
    loop.run()
    assert told == [False]
    with pytest.raises(BrokenPipeError):
        writer.deliver(b"y", told.append)
    writer.close()


def test_closing_ends_a_delivery_without_a_word(loop: Loop, ends: tuple[int, int]) -> None:
    writer = StdinWriter(loop, ends[1])
    told: list[bool] = []
    assert not writer.deliver(b"x" * 100_000, told.append)
    writer.close()
    loop.call_later(0.02, loop.stop)
    loop.run()
    assert told == []
