"""One stay at a program's terminal: what is typed when nobody reads it, and what is left of it at the end."""

import os
import pty
import select
import signal
import socket
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import eventually
from tmctl import attach as attach_module
from tmctl import raw_terminal as raw_terminal_module
from tmctl.attach import _Seat
from tmctl.attaching import Wishes
from tmctl.raw_terminal import RawTerminal, Signalled, raw_terminal
from tmctl.session import Session
from tmd.wire.frames import Frames, Kind

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
        seat = _Seat(Session.__new__(Session), Wishes("repl", "write", DETACH), link)
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
    with raw_terminal(theirs, theirs):
        paste.start()
    assert termios.tcgetattr(theirs) == before
    paste.join(PATIENCE_S * 2)
    assert not select.select([theirs], [], [], 0)[0]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_the_stay(signum: int, terminal: tuple[int, int]) -> None:
    before = signal.getsignal(signum)
    with pytest.raises(Signalled) as by, raw_terminal(terminal[1], terminal[1]):
        signal.raise_signal(signum)
    assert by.value.signum == signum
    assert signal.getsignal(signum) is before
