"""`top` at a terminal: keys and figures in, a screen out.

The thread that draws never waits for the server: it is asked, and acted on, by others, which hand over what came of it.
"""

import io
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tmctl.client import HttpStatus, Stream
from tmctl.connection import Unreachable
from tmctl.log_lines import LineCutter
from tmctl.log_printing import decoded, printable
from tmctl.marshal import BadReply, ServerFault
from tmctl.output import Output
from tmctl.session import Session
from tmctl.top_rows import Row
from tmctl.top_screen import encoded, screen
from tmctl.top_terminal import Ended, Terminal
from tmctl.top_view import MAX_LOG_LINES, CloseLog, Page, Quit, Run, ShowLog, ShowWhy, View, Wish, press
from tmd.wire.visible import visible_line

LOG_BYTES = 64 * 1024
"""of the end of a log that is opened"""
LONGEST_SHOWN = 4096
"""characters of one line of a log"""
DRAW_S = 0.04
"""between two drawings at least, however much comes"""


class Look(NamedTuple):
    """What the server told at one moment."""

    rows: list[Row]
    note: str
    """what is missing in it, and why"""


Fetch = Callable[[Session], Look]


class _Failed(NamedTuple):
    """The server could not be asked."""

    why: str


class _Done(NamedTuple):
    """A command ran."""

    said: str


class _Reasons(NamedTuple):
    """Why a process ended."""

    name: str
    lines: list[str]


class _Opened(NamedTuple):
    """A log is there to be read, or is not."""

    wish: ShowLog
    stream: Stream | None
    trouble: str


def run_live(session: Session, fetch: Fetch, first: Look, view: View, terminal: Terminal, every_s: float) -> int:
    """Show and obey until the end; return the signal that ended it, 0 for a person's wish, -1 without a terminal."""
    live = _Live(session, fetch, view, terminal, every_s)
    live.take(first)
    try:
        with terminal:
            try:
                live.run()
            finally:
                live.end()
    except Ended:
        return terminal.ended
    return terminal.ended


class _Live:
    def __init__(self, session: Session, fetch: Fetch, view: View, terminal: Terminal, every_s: float) -> None:
        self._session = session
        self._fetch = fetch
        self._view = view
        self._terminal = terminal
        self._every_s = every_s
        self._came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._over = threading.Event()
        self._asked_soon = threading.Event()
        self._stream: Stream | None = None
        self._cutter = LineCutter()
        self._stale = True
        """something may have changed since the last drawing"""

    def run(self) -> None:
        """Do what keys say, until one of them says to quit."""
        threading.Thread(target=self._poll, name="top-poll", daemon=True).start()
        drawn_at = 0.0
        while not self._terminal.ended:
            now = time.monotonic()
            if now - drawn_at >= DRAW_S:
                self._draw()
                drawn_at = now
            patience_s = drawn_at + DRAW_S - now if now - drawn_at < DRAW_S and self._stale else 1.0 - time.time() % 1.0
            others = [] if self._stream is None else [self._stream]
            keys, readable = self._terminal.wait(others, patience_s)
            self._stale = True
            for key in keys:
                if self._obey(key):
                    return
            while not self._came.empty():
                self.take(self._came.get())
            if readable:
                self._read_log()

    def end(self) -> None:
        """Let go of everything."""
        self._over.set()
        self._asked_soon.set()
        self._close_log()

    def take(self, what: Look | _Failed | _Done | _Reasons | _Opened) -> None:
        """Show what another thread hands over."""
        view = self._view
        match what:
            case Look():
                if view.trouble:
                    view.message = "connected again"
                view.trouble, view.note = "", what.note
                view.update(what.rows)
            case _Failed():
                view.trouble = what.why
            case _Done():
                view.message = what.said
            case _Reasons():
                view.page = Page(f"why {what.name}", deque(what.lines))
            case _Opened():
                self._opened(what)

    def _draw(self) -> None:
        columns, lines = self._terminal.size()
        drawn = screen(self._view, columns, lines, time.strftime("%H:%M:%S"))
        self._terminal.draw([encoded(line, colour=self._session.output.colour) for line in drawn])
        self._stale = False

    def _obey(self, key: str) -> bool:
        """Do what a key says; returns whether it is the end."""
        if key == "ctrl-z":
            self._terminal.suspend()
        elif key == "ctrl-l":
            self._terminal.redraw()
        else:
            return self._fulfil(press(self._view, key))
        return False

    def _fulfil(self, wish: Wish | None) -> bool:
        match wish:
            case Quit():
                return True
            case Run():
                self._view.message = f"{' '.join(wish.words)} ..."
                self._aside(lambda session: _Done(_said(session, wish.words)[-1]))
            case ShowWhy():
                self._aside(lambda session: _Reasons(wish.name, _said(session, ("why", wish.name))))
            case ShowLog():
                self._close_log()
                title = f"{wish.name} {wish.stream}"
                self._view.page = Page(title, deque(maxlen=MAX_LOG_LINES), wish, follows=True)
                self._aside(lambda session: _open(session, wish))
            case CloseLog():
                self._close_log()
        return False

    # Beside the drawing.

    def _aside(self, work: Callable[[Session], Any]) -> None:
        """Have another thread do it, and hand over what comes of it."""

        def run() -> None:
            session = self._session.beside()
            try:
                self._hand_over(work(session))
            finally:
                session.client.close()

        threading.Thread(target=run, name="top-aside", daemon=True).start()

    def _poll(self) -> None:
        session = self._session.beside()
        while not self._over.is_set():
            self._asked_soon.wait(self._every_s)
            self._asked_soon.clear()
            if self._over.is_set():
                break
            try:
                self._hand_over(self._fetch(session))
            except (Unreachable, ServerFault, HttpStatus, BadReply) as error:
                self._hand_over(_Failed(_trouble(session, error)))
        session.client.close()

    def _hand_over(self, what: Any) -> None:
        if self._over.is_set():
            if isinstance(what, _Opened) and what.stream is not None:
                what.stream.close()
            return
        self._came.put(what)
        if isinstance(what, _Done):
            self._asked_soon.set()
        self._terminal.wake()

    # The log that is looked at.

    def _opened(self, what: _Opened) -> None:
        page = self._view.page
        if page is None or page.log_of != what.wish:
            if what.stream is not None:
                what.stream.close()
            return
        if what.stream is None:
            page.add([what.trouble])
            return
        self._stream = what.stream
        self._add(what.stream.first())

    def _read_log(self) -> None:
        if self._stream is None:
            return
        try:
            data = self._stream.read()
        except (Unreachable, ValueError):
            data = None
        if data is not None:
            self._add(data)
            return
        self._close_log()
        if self._view.page is not None:
            self._view.page.add(["(the stream has ended)"])

    def _add(self, data: bytes) -> None:
        if self._view.page is not None:
            self._view.page.add(map(_shown, self._cutter.feed(data)))

    def _close_log(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._cutter = LineCutter()


def _shown(line: bytes) -> str:
    return visible_line(printable(decoded(line))[:LONGEST_SHOWN].expandtabs())


def _said(session: Session, words: Iterable[str]) -> list[str]:
    """Run a command, and return the lines it would have printed, at least one."""
    from tmctl.dispatch import run_words  # noqa: PLC0415  it imports all commands, this one, too

    said = io.StringIO()
    session.output = Output(said, said)
    run_words(session, list(words))
    return said.getvalue().rstrip("\n").split("\n")


def _open(session: Session, wish: ShowLog) -> _Opened:
    from tmctl.log_sources import Source  # noqa: PLC0415

    path = Source(wish.name, wish.stream, "", ()).url_path
    try:
        return _Opened(wish, session.client.stream(f"{path}?last={LOG_BYTES}"), "")
    except HttpStatus as answer:
        trouble = "(it has no such log)" if answer.status == 404 else f"(the server answered {answer.status})"
    except Unreachable as error:
        trouble = f"(cannot read it: {error.reason})"
    return _Opened(wish, None, trouble)


def _trouble(session: Session, error: Exception) -> str:
    reason = error.reason if isinstance(error, Unreachable | HttpStatus) else str(error)
    return f"cannot talk to {session.serverurl}: {reason}; trying again"
