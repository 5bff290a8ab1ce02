"""What those who are attached may cost: they ask and do not listen, say much that concerns others, type ahead."""

import os
import select
import tracemalloc
import tty
from collections.abc import Callable, Iterator

import pytest

from tests.support import eventually
from tests.unit.http.serving import Serving
from tests.unit.http.test_http_attach import Bench, benches, typed
from tmd.http import attach as attach_module
from tmd.wire.frames import MAX_PAYLOAD_BYTES, Kind, Seats, Size, frame, packed_size


@pytest.fixture
def bench(serve: Callable[..., Serving]) -> Iterator[Bench]:
    with benches(serve()) as bench:
        yield bench


def test_what_many_type_ahead_one_after_the_other_is_bounded(bench: Bench) -> None:
    tty.setraw(bench.program)
    for number in range(6):
        one = bench.come(f"mode=take&as=number{number}", extra=frame(Kind.DATA, b"k" * MAX_PAYLOAD_BYTES))
        one.until(Kind.SEATS)
        eventually(lambda: bench.stdin.waiting > 1_000_000, 20, what="much waits")
        one.socket.close()
    last = bench.come("mode=take&as=last", extra=frame(Kind.DATA, b"too much"))
    while last.seats() != Seats(True, "last", ()):
        continue
    came = 0
    while bench.stdin.waiting or select.select([bench.program], [], [], 0)[0]:
        if select.select([bench.program], [], [], 0.01)[0]:  # what was written may be read before it counts as written
            came += len(os.read(bench.program, 65536))
    assert came <= 2 * MAX_PAYLOAD_BYTES
    last.send(Kind.DATA, b"and now")
    typed(bench, b"and now")


def test_who_asks_and_does_not_listen_is_not_answered_without_end(bench: Bench) -> None:
    deaf = bench.come("mode=watch&as=deaf")
    deaf.seats()
    asked = 1_000_000
    deaf.socket.sendall(frame(Kind.PING) * asked)
    bench.write(b"heard")
    answers = 0
    while not any(one.kind == Kind.DATA for one in deaf.frames):
        answers += sum(one.kind == Kind.PING for one in deaf.frames)
        deaf.frames.clear()
        deaf.receive()
    assert 0 < answers < asked / 2
    deaf.send(Kind.PING, b"again")
    deaf.until(Kind.PING, b"again")


def test_small_answers_that_wait_cost_little(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach_module, "FULL_BYTES", MAX_PAYLOAD_BYTES)
    deaf = bench.come("mode=watch&as=deaf")
    deaf.seats()
    questions = frame(Kind.PING) * (MAX_PAYLOAD_BYTES // 8)
    tracemalloc.start()
    try:
        deaf.socket.sendall(questions)
        assert tracemalloc.get_traced_memory()[0] < MAX_PAYLOAD_BYTES * 3
    finally:
        tracemalloc.stop()


def test_who_does_not_read_hears_of_the_last_size_and_seats_only(bench: Bench) -> None:
    writer, deaf = bench.come(), bench.come("mode=watch&as=deaf")
    deaf.seats()
    changes = 40_000
    for number in range(changes):  # each with an answer, or they would be taken together
        writer.send(Kind.RESIZE, packed_size(Size(100 + number % 2, 30)))
        writer.until(Kind.RESIZE)
    writer.send(Kind.RESIZE, packed_size(Size(77, 7)))
    writer.until(Kind.RESIZE, packed_size(Size(77, 7)))
    told = 0
    while not any(one == (Kind.RESIZE, packed_size(Size(77, 7))) for one in deaf.frames):
        told += sum(one.kind == Kind.RESIZE for one in deaf.frames)
        deaf.frames.clear()
        deaf.receive()
    assert told < changes / 2
