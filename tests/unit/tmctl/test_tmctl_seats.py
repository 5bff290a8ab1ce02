"""One stay at a program's terminal: what is typed when nobody reads it, and what is left of it at the end."""

import os
import pty
import select
import signal
import socket
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.support import eventually
from tmctl import attach as attach_module
from tmctl import parting
from tmctl import raw_terminal as raw_terminal_module
from tmctl.attach import _Seat
from tmctl.attaching import Wishes
from tmctl.raw_terminal import ENDING, RawTerminal, Signalled, in_raw_terminal
from tmctl.session import Session
from tmctl.top_terminal import Ended, Terminal
from tmd.wire.frames import Frame, Frames, Kind, Size, packed_size

DETACH = b"\x10\x11"
PATIENCE_S = 20.0


class Stay:
    """Somebody at a terminal of pipes, and the daemon's side of the connection."""

    def __init__(self) -> None:
        self._fds = [*os.pipe(), *os.pipe(), *os.pipe()]
        self._keys, self.keyboard, self._wake, _, self.screen, self._shown = self._fds
        link, self.daemon = socket.socketpair()
        self.daemon.settimeout(PATIENCE_S)
        self._link = link
        self.ended = ""
        self._typing: list[threading.Thread] = []
        seat = _Seat(Session.__new__(Session), Wishes("repl", "write", DETACH), link, None)
        raw = RawTerminal(self._keys, self._shown, self._wake)

        def stay() -> None:
            self.ended = seat.stay(raw, b"").text

        self._staying = threading.Thread(target=stay)
        self._staying.start()

    def type(self, data: bytes) -> None:
        """Type in the background: it may have to wait."""

        def put() -> None:
            view = memoryview(data)
            while view:
                view = view[os.write(self.keyboard, view) :]

        self._typing.append(threading.Thread(target=put))
        self._typing[-1].start()

    def leave(self) -> str:
        for thread in (*self._typing, self._staying):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        return self.ended

    def close(self) -> None:
        self.daemon.close()
        while self._staying.is_alive() and select.select([self._keys], [], [], 0.01)[0]:
            os.read(self._keys, 65536)
        self._link.close()
        for fd in self._fds:
            os.close(fd)


@contextmanager
def staying() -> Iterator[Stay]:
    stay = Stay()
    try:
        yield stay
    finally:
        stay.close()


def test_the_keys_detach_after_a_paste_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach_module, "STUCK_S", 0.1)
    with staying() as stay:
        stay.type(b"k" * 3_000_000 + DETACH)
        assert stay.leave() == "detached from repl; it goes on"
        assert os.read(stay.screen, 65536).count(b"no more of it is taken") == 1


def test_a_paste_larger_than_what_waits_comes_whole_to_who_reads() -> None:
    with staying() as stay:
        paste = b"".join(b"%09d\n" % number for number in range(300_000))
        stay.type(paste)
        frames, came = Frames(), bytearray()
        while len(came) < len(paste):
            came += b"".join(one.payload for one in frames.feed(stay.daemon.recv(65536)) if one.kind == Kind.DATA)
        assert came == paste
        stay.type(DETACH)
        assert stay.leave() == "detached from repl; it goes on"


def test_a_window_that_changed_is_told_before_what_is_typed_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [Size(80, 24)]
    monkeypatch.setattr(RawTerminal, "size", property(lambda _: sizes[-1]))
    with staying() as stay:
        frames = Frames()

        def told() -> Frame:
            while True:
                for one in frames.feed(stay.daemon.recv(65536)):
                    return one

        assert told() == Frame(Kind.RESIZE, packed_size(Size(80, 24)))
        sizes.append(Size(101, 37))  # and its signal has not come yet
        stay.type(b"x")
        assert told() == Frame(Kind.RESIZE, packed_size(Size(101, 37)))
        stay.type(DETACH)
        assert stay.leave() == "detached from repl; it goes on"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def test_the_rest_of_a_paste_is_no_command(terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_terminal_module, "QUIET_S", 2.0)
    monkeypatch.setattr(raw_terminal_module, "PATIENCE_S", PATIENCE_S)
    ours, theirs = terminal

    def go_on_pasting() -> None:
        seen = b""
        while b"\x1b[?2004l" not in seen:  # it is being given back
            seen += os.read(ours, 4096)
        for line in (b"rm this\n", b"rm that\n"):
            os.write(ours, line)
            eventually(lambda: not select.select([theirs], [], [], 0)[0], PATIENCE_S, what="it is dropped")

    paste = threading.Thread(target=go_on_pasting)
    before = termios.tcgetattr(theirs)
    in_raw_terminal(theirs, theirs, lambda _: paste.start())
    assert termios.tcgetattr(theirs) == before
    paste.join(PATIENCE_S * 2)
    assert not select.select([theirs], [], [], 0)[0]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_the_stay(signum: int, terminal: tuple[int, int]) -> None:
    before = signal.getsignal(signum)
    with pytest.raises(Signalled) as by:
        in_raw_terminal(terminal[1], terminal[1], lambda _: signal.raise_signal(signum))
    assert by.value.signum == signum
    assert signal.getsignal(signum) is before


def test_signals_that_end_it_at_once_give_the_terminal_back_all_the_same(terminal: tuple[int, int]) -> None:
    _, theirs = terminal
    before = termios.tcgetattr(theirs)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)

    def end_four_times(_: RawTerminal) -> None:
        assert termios.tcgetattr(theirs) != before
        for signum in ENDING:
            signal.raise_signal(signum)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)  # all are there now

    try:
        with pytest.raises(Signalled):
            in_raw_terminal(theirs, theirs, end_four_times)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert termios.tcgetattr(theirs) == before


def test_a_terminal_that_does_not_block_is_waited_for(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    os.set_blocking(theirs, False)
    seen = bytearray()

    def read() -> None:
        while not seen.endswith(b"end"):
            assert select.select([ours], [], [], PATIENCE_S)[0]
            seen.extend(os.read(ours, 4096))

    reader = threading.Thread(target=read)
    raw = RawTerminal(theirs, theirs, -1)
    reader.start()
    raw.write(b"x" * 500_000 + b"end")
    reader.join(PATIENCE_S)
    assert len(seen) == 500_003


def test_a_terminal_that_takes_nothing_is_given_back(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parting, "PATIENCE_S", 0.1)
    _, theirs = terminal
    before = termios.tcgetattr(theirs)

    def fill(_: RawTerminal) -> None:
        os.set_blocking(theirs, False)
        while parting.takes(theirs, 0.2):  # what is on its way to the other side makes room again
            with suppress(BlockingIOError):
                os.write(theirs, b"x" * 4096)
        os.set_blocking(theirs, True)

    in_raw_terminal(theirs, theirs, fill)
    assert termios.tcgetattr(theirs) == before
    assert not parting.takes(theirs, 0.0)
    assert os.get_blocking(theirs)


def stall(ours: int, theirs: int, over: threading.Event) -> None:
    """End this process by SIGTERM once a terminal takes nothing; if that does nothing, let it take something."""
    eventually(lambda: not parting.takes(theirs, 0.2), PATIENCE_S, what="the terminal is full")
    os.kill(os.getpid(), signal.SIGTERM)
    if over.wait(PATIENCE_S / 2):
        return
    while not over.is_set():
        if select.select([ours], [], [], 0.01)[0]:
            os.read(ours, 65536)


def test_top_on_a_terminal_that_takes_nothing_ends_when_it_is_asked_to(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parting, "PATIENCE_S", 0.1)
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    over = threading.Event()
    asking = threading.Thread(target=stall, args=(ours, theirs, over))
    top = Terminal(theirs, theirs)
    began = time.monotonic()
    try:
        with suppress(Ended), top:
            asking.start()
            for number in range(10_000):
                top.draw([f"{number} " + "x" * 200] * 50)
                if top.ended:
                    break
    finally:
        over.set()
        asking.join(PATIENCE_S)
    assert top.ended == signal.SIGTERM
    assert time.monotonic() - began < PATIENCE_S / 2
    assert termios.tcgetattr(theirs) == before


def test_top_waits_for_a_terminal_that_does_not_block(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    os.set_blocking(theirs, False)
    read = 0

    def read_on() -> None:
        nonlocal read
        while select.select([ours], [], [], 1.0)[0]:
            read += len(os.read(ours, 4096))

    reader = threading.Thread(target=read_on)
    with Terminal(theirs, theirs) as top:
        reader.start()
        top.draw(["x" * 500_000])
        assert top.ended == 0
    reader.join(PATIENCE_S)
    assert read > 500_000
