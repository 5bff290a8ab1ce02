"""`attach`: the operator's terminal on that of a program, until the keys that detach.

Promises that the terminal is given back as it was, and that the program is not concerned by who comes and goes.
"""

import os
import select
import socket
import time
from typing import NamedTuple
from urllib.parse import quote

from tmctl import exits
from tmctl.attaching import Wishes
from tmctl.client import HttpStatus, Refused
from tmctl.detaching import DetachKeys, spelled
from tmctl.parting import takes
from tmctl.raw_terminal import RawTerminal, Signalled, in_raw_terminal
from tmctl.session import Session
from tmd.wire.frames import (
    MAKING_WAY,
    PING_EVERY_S,
    SILENCE_S,
    USUAL_SIZE,
    Frame,
    Frames,
    Kind,
    Seats,
    Size,
    TooLong,
    frame,
    packed_size,
    read_seats,
    read_size,
    sane_size,
)
from tmd.wire.visible import visible_line

CHUNK_BYTES = 64 * 1024
TYPED_BYTES = 1024 * 1024
"""so much typed ahead of a program that does not read, and no more is taken"""
STUCK_S = 1.0
"""nor is any of it passed on for so long: what is typed from then on is dropped, but for the keys that detach"""


class _End(NamedTuple):
    """How it came to an end: what to say, and the exit status."""

    text: str
    status: int = exits.OK
    again: bool = False
    """the daemon was replaced: the new one has the program still"""


def attach(session: Session, wishes: Wishes) -> None:
    """Put the operator's terminal on that of a program."""
    if not (os.isatty(0) and os.isatty(1)):
        session.fail(f"ERROR: cannot attach to {wishes.name}: this is no terminal (try tmctl fg {wishes.name})")
        return
    if not session.server_is_up():
        return
    while (connected := _connect(session, wishes, size := os.get_terminal_size(1))) is not None:
        end = _stay(session, wishes, size, *connected)
        if not end.again:
            session.status = end.status
            if takes(1):
                session.say(f"[{end.text}]")
            return


def _stay(session: Session, wishes: Wishes, size: os.terminal_size, link: socket.socket, early: bytes) -> _End:
    try:
        seat = _Seat(session, wishes, link, sane_size(size.columns, size.lines))
        try:
            return in_raw_terminal(0, 1, lambda raw: seat.stay(raw, early))
        except Signalled as by:
            session.ended = True
            return _End(f"detached from {wishes.name}; it goes on", 128 + by.signum)
        except OSError as why:
            return _End(f"the terminal is gone ({(why.strerror or str(why)).lower()})", exits.GENERIC)
    finally:
        link.close()


def _connect(session: Session, wishes: Wishes, size: os.terminal_size) -> tuple[socket.socket, bytes] | None:
    """Ask for the terminal; return the connection and what came with the answer, None after saying why not."""
    query = f"mode={wishes.mode}&columns={size.columns}&rows={size.lines}&as={quote(_own_name())}"
    answer = session.client.upgrade(f"/attach/{quote(wishes.name, safe=':')}?{query}")
    if not isinstance(answer, Refused):
        return answer
    if answer.status == 401:
        raise HttpStatus(session.serverurl, answer.status, answer.reason)
    status = exits.NOT_RUNNING if answer.status == 409 and "tmctl start" in answer.text else exits.GENERIC
    text = visible_line(answer.text.strip()) or "the server knows no terminals (is it a tmd?)"
    session.fail(f"ERROR: {text}" if answer.text else f"ERROR: cannot attach: {text}", status)
    return None


def _own_name() -> str:
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid {os.getuid()}"
    try:
        return f"{user} on {os.ttyname(0).removeprefix('/dev/')}"
    except OSError:
        return user


class Touch:
    """Whether the other side is still there; times are seconds on one clock."""

    def __init__(self, now: float) -> None:
        self._heard_at = self._said_at = now

    def heard(self, now: float) -> None:
        """Something has come."""
        self._heard_at = now

    def said(self, now: float) -> None:
        """Something was sent."""
        self._said_at = now

    def lost(self, now: float) -> bool:
        """Tell whether nothing has come for too long."""
        return now - self._heard_at > SILENCE_S

    def ping_due(self, now: float) -> bool:
        """Tell whether to ask, because nothing has come for a while, or nothing went that way for a long one."""
        quiet = now - max(self._said_at, self._heard_at) >= PING_EVERY_S
        return quiet or now - self._said_at >= SILENCE_S / 2


class _Seat:
    """One stay at a program's terminal. `told`: which size of our own window the server knows."""

    def __init__(self, session: Session, wishes: Wishes, link: socket.socket, told: Size | None) -> None:
        self._session, self._wishes = session, wishes
        self._link = link
        self._frames = Frames()
        self._typed = bytearray()
        self._keys = DetachKeys(wishes.keys)
        self._seats: Seats | None = None
        self._first: bytes | None = None
        """the screen as it was when we came, until we know where we sit"""
        self._touch = Touch(time.monotonic())
        self._passed_at = time.monotonic()
        """when something of what was typed last went out, or nothing waited"""
        self._dropping = False
        self._told = told

    def stay(self, raw: RawTerminal, early: bytes) -> _End:
        """Pass bytes both ways until the end."""
        self._link.setblocking(False)
        self._resize(raw)  # nobody told us of what happened to the window while we connected
        end = self._hear(raw, early)
        while end is None:
            now = time.monotonic()
            waits_s = [PING_EVERY_S if (held_s := self._keys.due_s(now)) is None else held_s]
            takes = self._takes_keys(now)
            if not takes:
                waits_s.append(max(0.0, self._passed_at + STUCK_S - now))
            reading = [raw.wake, self._link.fileno(), *([raw.keys] if takes else [])]
            ready, writable, _ = select.select(reading, [self._link] if self._typed else [], [], min(waits_s))
            now = time.monotonic()
            if raw.wake in ready:
                raw.clear_wake()
                self._resize(raw)
            if raw.keys in ready and (end := self._type(raw, os.read(raw.keys, CHUNK_BYTES), now)):
                return end
            self._typed_on(raw, self._keys.give_up(now))
            if self._link.fileno() in ready:
                end = self._receive(raw, now)
            if end is None and (writable or self._typed):
                end = self._send(now)
            if end is None:
                end = self._keep_in_touch(now)
        return end

    # --- to the program -------------------------------------------------------------------------------------------

    def _takes_keys(self, now: float) -> bool:
        """Whether to read keys: a paste waits while the program reads, but one who wants to leave waits for nobody."""
        if len(self._typed) < TYPED_BYTES // 2:
            self._dropping = False
        return self._dropping or len(self._typed) < TYPED_BYTES or now - self._passed_at >= STUCK_S

    def _type(self, raw: RawTerminal, data: bytes, now: float) -> _End | None:
        if not data:
            return self._left()
        self._resize(raw)  # these keys may have come before the signal was looked at: they belong to the new window
        passed, detached = self._keys.feed(data, now)
        self._typed_on(raw, passed)
        if detached:
            self._send(now)
            return self._left()
        return None

    def _typed_on(self, raw: RawTerminal, data: bytes) -> None:
        if not data:
            return
        if not self._typed:
            self._passed_at = time.monotonic()
        if not self._dropping and len(self._typed) < TYPED_BYTES:
            self._typed += frame(Kind.DATA, data)
        elif not self._dropping:
            self._dropping = True
            raw.notice(f"[{self._wishes.name} does not read what is typed: no more of it is taken]")

    def _resize(self, raw: RawTerminal) -> None:
        size = raw.size
        if size is not None and size != self._told:
            self._told = size
            self._typed += frame(Kind.RESIZE, packed_size(size))

    def _send(self, now: float) -> _End | None:
        try:
            while self._typed:
                del self._typed[: self._link.send(self._typed)]
                self._touch.said(now)
                self._passed_at = now
        except BlockingIOError:
            return None
        except OSError:
            return self._lost()
        return None

    def _keep_in_touch(self, now: float) -> _End | None:
        if self._touch.lost(now):
            return self._lost()
        if self._touch.ping_due(now) and not self._typed:
            self._typed += frame(Kind.PING)
            return self._send(now)
        return None

    # --- from the program -----------------------------------------------------------------------------------------

    def _receive(self, raw: RawTerminal, now: float) -> _End | None:
        try:
            data = self._link.recv(CHUNK_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return self._lost()
        if not data:
            return self._lost()
        self._touch.heard(now)
        return self._hear(raw, data)

    def _hear(self, raw: RawTerminal, data: bytes) -> _End | None:
        try:
            for one in self._frames.feed(data):
                end = self._obey(raw, one)
                if end is not None:
                    return end
        except TooLong as why:
            return _End(f"cannot understand the server: {why}", exits.GENERIC)
        return None

    def _obey(self, raw: RawTerminal, one: Frame) -> _End | None:
        name = self._wishes.name
        match one.kind:
            case Kind.DATA:
                raw.modes.feed(one.payload)
                raw.write(one.payload)
            case Kind.SCREEN if self._seats is None:
                self._first = one.payload
            case Kind.SCREEN:
                self._show(raw, one.payload)
            case Kind.SEATS:
                self._sit(raw, read_seats(one.payload))
            case Kind.ENDED:
                return _End(f"{name} has ended: {visible_line(one.payload.decode(errors='replace'))}")
            case Kind.REFUSED:
                reason = visible_line(one.payload.decode(errors="replace"))
                return _End(f"detached from {name}: {reason}", exits.GENERIC, again=reason == MAKING_WAY)
        return None

    def _show(self, raw: RawTerminal, payload: bytes) -> None:
        from tmctl.screens import draw  # noqa: PLC0415  brings an emulator

        theirs = read_size(payload) or USUAL_SIZE
        drawing = draw(payload[4:], theirs, raw.size or theirs)
        raw.write(raw.modes.undo() + drawing.data)
        raw.modes = drawing.modes

    def _sit(self, raw: RawTerminal, seats: Seats) -> None:
        before, self._seats = self._seats, seats
        if before is None:
            size = raw.size or USUAL_SIZE
            raw.write(self._greeting(seats).encode(errors="replace") + b"\r\n" * size.rows)
            if self._first is not None:
                self._show(raw, self._first)
                self._first = None
            if not seats.writes and self._wishes.mode != "watch":
                raw.notice(f"[{visible_line(seats.writer) or 'nobody'} has the keyboard, you watch]")
        elif before.writes != seats.writes:
            taken = f"{visible_line(seats.writer)} has taken the keyboard, you watch"
            raw.notice(f"[{'you have the keyboard' if seats.writes else taken}]")

    def _greeting(self, seats: Seats) -> str:
        keys = f"; {spelled(self._wishes.keys)} detaches" if self._wishes.keys else ""
        if seats.writes:
            others = f"; watching: {', '.join(map(visible_line, seats.watchers))}" if seats.watchers else ""
            return f"[attached to {self._wishes.name}{others}{keys}]"
        writer = f"{visible_line(seats.writer)} has the keyboard" if seats.writer else "nobody has the keyboard"
        hint = "" if self._wishes.mode == "watch" else " (--take takes it)"
        return f"[watching {self._wishes.name}; {writer}{hint}{keys}]"

    # --- ends -----------------------------------------------------------------------------------------------------

    def _left(self) -> _End:
        return _End(f"detached from {self._wishes.name}; it goes on")

    def _lost(self) -> _End:
        return _End(f"the connection is lost; {self._wishes.name} goes on if its daemon does", exits.GENERIC)
