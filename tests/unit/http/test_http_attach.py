"""Connections that are given over to the terminal of a program: seats, frames, refusals, clients that fail."""

import os
import socket
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support import eventually
from tests.unit.http.fake_daemon import group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.daemon.tape import KEPT_BYTES
from tmd.daemon.terminals import Terminal
from tmd.http import attach as attach_module
from tmd.posix import pty
from tmd.posix.stdin import StdinWriter
from tmd.wire.frames import (
    Frame,
    Frames,
    Kind,
    Seats,
    Size,
    frame,
    packed_size,
    read_seats,
    read_size,
)
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

UPGRADE = "Upgrade: taskmaster-attach\r\nConnection: Upgrade\r\n"


class Bench:
    """A server with a program `repl` on a terminal whose other end the test holds."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        serving.daemon.add(group_of("repl", spec_of("repl", tty=True)), ProcessState.RUNNING)
        serving.daemon.add(group_of("off", spec_of("off", tty=True)), ProcessState.STOPPED)
        serving.daemon.add(group_of("late", spec_of("late", tty=True)), ProcessState.RUNNING)
        serving.daemon.add(group_of("plain", spec_of("plain")), ProcessState.RUNNING)
        ours, self.program = pty.open_terminal(Size(80, 24))
        self.stdin = StdinWriter(serving.loop, pty.duplicate(ours))
        self.terminal: Terminal = serving.in_loop(lambda: Terminal(serving.loop, ours, self.stdin))
        serving.daemon.terminals[ProcessId("repl", "repl")] = self.terminal
        self.clients: list[Client] = []

    def write(self, data: bytes) -> None:
        """Have the program write: in the place of the drain's thread."""
        self.terminal.tape.take(data)

    def come(self, query: str = "mode=write&columns=80&rows=24&as=ann", **options: object) -> "Client":
        self.clients.append(Client(self.serving, f"/attach/repl?{query}", **options))  # type: ignore[arg-type]
        return self.clients[-1]

    def size(self) -> tuple[int, int]:
        return termios.tcgetwinsize(self.program)

    def close(self) -> None:
        for client in self.clients:
            client.socket.close()

        def end() -> None:
            self.terminal.end("")
            self.stdin.close()

        self.serving.in_loop(end)
        os.close(self.program)


class Client:
    """One connection, after its request."""

    def __init__(
        self, serving: Serving, path: str, *, headers: str = UPGRADE, method: str = "POST", extra: bytes = b""
    ):
        self.socket: socket.socket = serving.connect(20)
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode() + extra)
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            self.head += self.socket.recv(1)
        self.status = int(self.head.split()[1])
        self.frames: list[Frame] = []
        self._parser = Frames()
        self.ended = False

    def text(self) -> str:
        """Return the body of a refusal."""
        length = int(self.head.lower().partition(b"content-length: ")[2].split()[0])
        return self.socket.recv(length, socket.MSG_WAITALL).decode()

    def receive(self) -> None:
        data = self.socket.recv(65536)
        self.ended = not data
        self.frames += self._parser.feed(data)

    def until(self, kind: Kind, payload: bytes | None = None) -> Frame:
        """Return the next frame of a kind (and payload), reading as long as it takes; forget those up to it."""
        while True:
            for place, one in enumerate(self.frames):
                if one.kind == kind and payload in (None, one.payload):
                    del self.frames[: place + 1]
                    return one
            assert not self.ended, "the server has ended the connection"
            self.receive()

    def shown(self, wanted: bytes) -> bytes:
        """Return all that was shown until a text came."""
        seen = b""
        while wanted not in seen:
            while self.frames and wanted not in seen:
                one = self.frames.pop(0)
                seen += one.payload[4:] if one.kind == Kind.SCREEN else one.payload if one.kind == Kind.DATA else b""
            if wanted not in seen:
                assert not self.ended, seen[-100:]
                self.receive()
        return seen

    def seats(self) -> Seats:
        return read_seats(self.until(Kind.SEATS).payload)

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        self.socket.sendall(frame(kind, payload))


@contextmanager
def benches(serving: Serving) -> Iterator[Bench]:
    """Give a bench, and clear it away."""
    bench = Bench(serving)
    try:
        yield bench
    finally:
        bench.close()


@pytest.fixture
def bench(serve: Callable[..., Serving]) -> Iterator[Bench]:
    with benches(serve()) as bench:
        yield bench


def typed(bench: Bench, wanted: bytes) -> None:
    """Wait until the program could read what was typed."""
    os.set_blocking(bench.program, False)
    seen = bytearray()

    def read() -> bool:
        try:
            seen.extend(os.read(bench.program, 4096))
        except BlockingIOError:
            return wanted in seen
        return wanted in seen

    eventually(read, 20, what=f"{wanted!r} is typed")


def test_one_comes_types_sees_and_leaves(bench: Bench) -> None:
    bench.write(b"before\r\n\x1b[?2004h")
    ann = bench.come(extra=frame(Kind.DATA, b"early\n"))
    assert ann.status == 101
    assert b"Upgrade: taskmaster-attach\r\n" in ann.head
    assert b"Connection: Upgrade\r\n" in ann.head
    screen = ann.until(Kind.SCREEN).payload
    assert read_size(screen) == Size(80, 24)
    assert screen[4:] == b"before\r\n\x1b[?2004h"
    assert ann.seats() == Seats(True, "ann", ())
    typed(bench, b"early\n")
    ann.send(Kind.DATA, b"and later\n")
    typed(bench, b"and later\n")
    bench.write(b"after")
    assert ann.until(Kind.DATA).payload == b"after"
    ann.send(Kind.PING, b"there?")
    assert ann.until(Kind.PING).payload == b"there?"
    ann.send(Kind.RESIZE, packed_size(Size(33, 11)))
    assert ann.until(Kind.RESIZE).payload == packed_size(Size(33, 11))
    assert bench.size() == (11, 33)
    ann.socket.sendall(frame(Kind.DATA, b"cut\n")[:3])
    ann.socket.sendall(frame(Kind.DATA, b"cut\n")[3:] + b"\xee\0\0\0\2hi")
    typed(bench, b"cut\n")
    ann.socket.close()
    bob = bench.come("mode=watch&as=bob")
    while bob.seats() != Seats(False, "", ("bob",)):
        continue


def test_what_is_typed_after_a_resize_is_read_in_the_new_size(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    client = bench.come()
    client.until(Kind.SEATS)
    sizes: list[tuple[int, int]] = []
    typing = Terminal.type

    def note(terminal: Terminal, viewer: Any, data: bytes, done: Any) -> bool:
        sizes.append(bench.size())
        return typing(terminal, viewer, data, done)

    monkeypatch.setattr(Terminal, "type", note)
    told = b""
    for columns in (101, 102, 103):
        told += frame(Kind.RESIZE, packed_size(Size(columns, 37))) + frame(Kind.DATA, b"x\n")
    client.socket.sendall(told)
    typed(bench, b"x\nx\nx\n")
    assert sizes == [(37, 101), (37, 102), (37, 103)]
    assert client.until(Kind.RESIZE).payload == packed_size(Size(103, 37)), "the others hear of the last one only"


def test_the_first_writes_and_the_next_who_wants_follows(bench: Bench) -> None:
    ann, bob = bench.come(), bench.come("mode=write&columns=50&rows=5&as=bob")
    eve = bench.come("mode=watch&columns=9&rows=9&as=eve%20on%20pts%2F1")
    assert eve.seats() == Seats(False, "ann", ("bob", "eve on pts/1"))
    assert bob.seats().writes is False
    bob.send(Kind.DATA, b"no\n")
    bob.send(Kind.RESIZE, packed_size(Size(60, 6)))
    bob.send(Kind.PING, b"through")
    bob.until(Kind.PING)
    assert bench.size() == (24, 80)
    ann.socket.close()
    while not bob.seats().writes:
        continue
    assert eve.until(Kind.RESIZE).payload == packed_size(Size(60, 6))
    assert bench.size() == (6, 60)
    bob.send(Kind.DATA, b"yes\n")
    typed(bench, b"yes\n")
    bob.socket.close()
    while eve.seats() != Seats(False, "", ("eve on pts/1",)):
        continue


def test_the_keyboard_is_taken_and_given_back(bench: Bench) -> None:
    ann = bench.come()
    bob = bench.come("mode=take&columns=50&rows=5&as=bob")
    assert bob.seats() == Seats(True, "bob", ("ann",))
    while ann.seats() != Seats(False, "bob", ("ann",)):
        continue
    eventually(lambda: bench.size() == (5, 50), 20)
    bob.socket.close()
    while ann.seats() != Seats(True, "ann", ()):
        continue
    eventually(lambda: bench.size() == (24, 80), 20)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/attach/nobody", 404, "cannot attach to 'nobody': there is no such process"),
        ("/attach/g:", 404, "cannot attach to 'g:': there is no such process"),
        ("/attach/%1b%5b2J", 404, r"cannot attach to '\x1b[2J': there is no such process"),
        ("/attach/plain", 409, "cannot attach: plain has no terminal (set tty: true); try tmctl fg plain"),
        ("/attach/off", 409, "cannot attach: off is STOPPED (tmctl start off)"),
        ("/attach/late", 409, "cannot attach: late was started without a terminal (tmctl restart late)"),
        ("/attach/repl?mode=own", 400, "cannot attach: mode 'own' is none of write, watch, take"),
    ],
)
def test_refusals(path: str, status: int, said: str, bench: Bench) -> None:
    client = Client(bench.serving, path)
    assert (client.status, client.text()) == (status, said + "\n")
    client.socket.close()


def test_what_is_no_upgrade_is_refused(bench: Bench) -> None:
    for options, status in (
        ({"method": "GET"}, 405),
        ({"headers": ""}, 426),
        ({"headers": "Upgrade: websocket\r\n"}, 426),
    ):
        client = Client(bench.serving, "/attach/repl", **options)  # type: ignore[arg-type]
        assert client.status == status
        client.socket.close()


@pytest.mark.parametrize(
    "query", ["mode=write&columns=-1&rows=x", "mode=write", "mode=write&columns=0&rows=0", "&&=&as"]
)
def test_a_client_without_a_size_changes_none(query: str, bench: Bench) -> None:
    ann = bench.come(query)
    assert ann.seats() == Seats(True, "somebody", ())
    assert bench.size() == (24, 80)
    ann.send(Kind.RESIZE, b"\0")
    ann.send(Kind.RESIZE, packed_size(Size(1, 1)))
    ann.until(Kind.RESIZE, packed_size(Size(1, 1)))
    assert bench.size() == (1, 1)


def test_names_are_harmless_and_short(bench: Bench) -> None:
    ann = bench.come("as=%1b%5d0%3bevil%07%0ax" + "y" * 500)
    (name,) = {ann.seats().writer}
    assert name.startswith("^[]0;evil^G^Jxyyy")
    assert len(name) == 64


def test_who_is_slow_gets_the_screen_in_place_of_what_was_missed(bench: Bench) -> None:
    slow, quick = bench.come("mode=watch&as=slow"), bench.come("mode=watch&as=quick")
    slow.seats()
    total = 0
    while total < KEPT_BYTES * 40:
        total += 8192
        bench.write(b"%09d\r\n" % total + b"x" * 8181)
        if not total % (KEPT_BYTES // 4):
            quick.shown(b"%09d" % total)
    bench.write(b"the end")
    quick.shown(b"the end")
    began = time.monotonic()
    seen = slow.shown(b"the end")
    assert time.monotonic() - began < 20
    assert len(seen) < total / 2


def test_who_takes_nothing_loses_the_seat(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach_module, "STUCK_S", 0.2)
    monkeypatch.setattr(attach_module, "LOOK_S", 0.05)
    stuck = bench.come()
    stuck.seats()
    bob = bench.come("mode=write&as=bob")
    ended: list[int] = []

    def flood() -> bool:
        bench.write(b"x" * 8192)
        bob.socket.settimeout(0.001)
        try:
            bob.receive()
        except TimeoutError:
            return bool(ended)
        for one in bob.frames:
            ended.extend([1] if one.kind == Kind.SEATS and read_seats(one.payload).writes else [])
        bob.frames.clear()
        return bool(ended)

    eventually(flood, 20, every_s=0, what="the stuck one is gone, and bob writes")


def test_who_is_silent_is_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach_module, "SILENCE_S", 0.2)
    monkeypatch.setattr(attach_module, "LOOK_S", 0.05)
    ann = bench.come()
    while not ann.ended:
        ann.receive()


def type_too_much(bench: Bench, client: Client) -> int:
    """Type until no more is taken; return how many KiB that was."""
    tty.setraw(bench.program)
    client.socket.setblocking(False)
    sent, pending = 0, b""

    def full() -> bool:
        nonlocal sent, pending
        pending = pending or frame(Kind.DATA, b"k" * 1024)
        try:
            pending = pending[client.socket.send(pending) :]
            sent += 1
        except BlockingIOError:
            return True
        return False

    eventually(full, 20, every_s=0)
    client.socket.settimeout(20)
    return sent


def test_who_waits_for_the_program_is_not_held_to_be_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach_module, "SILENCE_S", 0.2)
    monkeypatch.setattr(attach_module, "LOOK_S", 0.05)
    ann = bench.come()
    ann.seats()
    type_too_much(bench, ann)
    for _ in range(20):
        ann.until(Kind.PING)
    bench.write(b"still here")
    ann.shown(b"still here")


def test_who_goes_while_waiting_for_the_program_gives_the_keyboard_back(bench: Bench) -> None:
    ann, bob = bench.come(), bench.come("mode=write&as=bob")
    ann.seats()
    type_too_much(bench, ann)
    ann.socket.close()
    while not bob.seats().writes:
        continue


def test_typing_ahead_of_a_program_that_does_not_read_waits(bench: Bench) -> None:
    ann = bench.come()
    ann.seats()
    assert type_too_much(bench, ann) < 2000
    bench.write(b"and shown all the same")
    ann.shown(b"all the same")
    os.set_blocking(bench.program, False)
    read = 0

    def drained() -> bool:
        nonlocal read
        try:
            read += len(os.read(bench.program, 65536))
        except BlockingIOError:
            return False
        return read > 100_000

    eventually(drained, 20, every_s=0)


def test_the_end_comes_after_all_that_was_said(bench: Bench) -> None:
    ann = bench.come()
    ann.seats()
    for _ in range(50):
        bench.write(b"y" * 4000)
    bench.write(b"last words")
    bench.serving.in_loop(lambda: bench.terminal.end("exit status 3"))
    ann.shown(b"last words")
    assert ann.until(Kind.ENDED).payload == b"exit status 3"
    while not ann.ended:
        ann.receive()
    assert not ann.frames


def test_the_daemon_says_when_it_ends(bench: Bench) -> None:
    ann = bench.come()
    ann.seats()
    done: list[bool] = []
    bench.serving.in_loop(lambda: bench.serving.server.drain(5, lambda: done.append(True)))
    assert ann.until(Kind.REFUSED).payload == b"the daemon is ending"
    while not ann.ended:
        ann.receive()
    ann.socket.close()
    eventually(lambda: done == [True], 20)


def test_what_speaks_something_else_is_sent_away(bench: Bench) -> None:
    ann = bench.come(extra=b"GET / HTTP/1.1\r\n\r\n")
    assert ann.until(Kind.REFUSED).payload.startswith(b"cannot go on: a frame of ")
    while not ann.ended:
        ann.receive()
