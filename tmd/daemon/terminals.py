"""Terminals of programs, and who sits at them: one has the keyboard, the others watch.

Promises that nobody who sits there can slow the program down, that its window has the size of the writer's, and that
the keyboard goes on to the next who wants it when its owner leaves. Knows nothing of connections.
"""

import os
from collections.abc import Callable
from typing import NamedTuple, Protocol

from tmd.daemon.tape import Tape
from tmd.posix import pty
from tmd.posix.loop import Loop, Timer
from tmd.posix.stdin import StdinWriter
from tmd.wire.frames import USUAL_SIZE, Seats, Size

SHOW_EVERY_S = 0.008
"""output that goes on and on is shown so often; the first of it at once"""


class Viewer(Protocol):
    """Somebody at a terminal."""

    @property
    def name(self) -> str:
        """Who it is, for the others to read."""

    @property
    def size(self) -> Size | None:
        """Of the viewer's own window, if it is known."""

    @property
    def wants_keyboard(self) -> bool:
        """False: only ever watches."""

    def more(self) -> None:
        """There is more on the tape."""

    def seated(self, seats: Seats) -> None:
        """Who is there has changed."""

    def resized(self, size: Size) -> None:
        """The terminal has another size."""

    def ended(self, text: str) -> None:
        """The program is gone, all it said is on the tape; `text` tells how it ended."""


class TerminalState(NamedTuple):
    """A terminal as another daemon goes on with it. `screen`: what its last output draws."""

    fd: int
    size: Size
    screen: bytes


class Terminal:
    """The terminal of one life. `fd`: our end of it, owned; `stdin` writes there, too.

    The drain reads there through a descriptor of its own.
    """

    def __init__(self, loop: Loop, fd: int, stdin: StdinWriter, size: Size = USUAL_SIZE) -> None:
        self.fd = fd
        self.size = size
        self._stdin = stdin
        self.tape = Tape(self._rouse)
        self._loop = loop
        self._viewers: list[Viewer] = []
        self._writer: Viewer | None = None
        self._shown = 0
        self._timer: Timer | None = None

    @property
    def open(self) -> bool:
        """Whether the program is still there."""
        return self.fd >= 0

    @classmethod
    def resumed(cls, loop: Loop, stdin: StdinWriter, state: TerminalState) -> "Terminal":
        """Return one that goes on where an earlier daemon was; before anything drains it."""
        terminal = cls(loop, state.fd, stdin, state.size)
        terminal.tape.take(state.screen)
        return terminal

    @property
    def state(self) -> TerminalState:
        """All of it but who sits there."""
        return TerminalState(self.fd, self.size, self.tape.screenful()[0])

    # --- seats ----------------------------------------------------------------------------------------------------

    def join(self, viewer: Viewer, *, take: bool = False) -> None:
        """Let somebody sit down: with the keyboard if it is free, or to be taken, and wanted."""
        self._viewers.append(viewer)
        if self._timer is None:
            self.tape.rouse_me()
        if viewer.wants_keyboard and (take or self._writer is None):
            self._writer = viewer
        self._tell_seats()
        if not (self._writer is viewer and self._fit(viewer.size)):
            pty.ask_to_redraw(self.fd)

    def leave(self, viewer: Viewer) -> None:
        """Somebody stands up; unknown viewers are no error."""
        if viewer not in self._viewers:
            return
        self._viewers.remove(viewer)
        if self._writer is viewer:
            self._writer = next((other for other in self._viewers if other.wants_keyboard), None)
            if self._writer is not None:
                self._fit(self._writer.size)
        self._tell_seats()

    def forget(self, done: Callable[[bool], object]) -> None:
        """Have `done` called no more: who typed has gone."""
        self._stdin.forget(done)

    def writes(self, viewer: Viewer) -> bool:
        """Tell whether somebody has the keyboard."""
        return self._writer is viewer

    def _tell_seats(self) -> None:
        writer = self._writer.name if self._writer is not None else ""
        watchers = tuple(viewer.name for viewer in self._viewers if viewer is not self._writer)
        for viewer in list(self._viewers):
            viewer.seated(Seats(viewer is self._writer, writer, watchers))

    # --- what they do ---------------------------------------------------------------------------------------------

    def type(self, viewer: Viewer, data: bytes, done: Callable[[bool], object]) -> bool:
        """Pass on what was typed, by who has the keyboard. False: `done` is called once the program has taken it.

        It is dropped when too much waits already: one after the other, many could make that any amount.
        """
        if self._writer is not viewer:
            return True
        try:
            return self._stdin.deliver(b"" if self._stdin.full else data, done)
        except BrokenPipeError:
            return True  # the program is about to be gone: whoever typed will hear of that

    def resize(self, viewer: Viewer) -> bool:
        """The window of somebody has another size: true if the terminal has now, too, and `tell_size` is due."""
        return self._writer is viewer and self._set_size(viewer.size)

    def tell_size(self) -> None:
        """Tell everybody the size of the terminal."""
        for viewer in list(self._viewers):
            viewer.resized(self.size)

    def _fit(self, size: Size | None) -> bool:
        """Give the terminal a size and tell it; true if that is another than before."""
        changed = self._set_size(size)
        if changed:
            self.tell_size()
        return changed

    def _set_size(self, size: Size | None) -> bool:
        if size is None or size == self.size or not self.open:
            return False
        try:
            pty.set_size(self.fd, size)
        except OSError:
            return False
        self.size = size
        return True

    # --- what they see --------------------------------------------------------------------------------------------

    def _rouse(self) -> None:
        """In the drain's thread: there is output, for the first time since somebody asked."""
        try:
            self._loop.post(self._show)
        except RuntimeError:
            return  # the daemon ends

    def _show(self) -> None:
        """Show what is new, then let some gather."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._viewers:
            return
        if self.tape.end == self._shown:
            self.tape.rouse_me()
            if self.tape.end == self._shown:
                return
        self._shown = self.tape.end
        for viewer in list(self._viewers):
            viewer.more()
        self._timer = self._loop.call_later(SHOW_EVERY_S, self._show)

    def end(self, text: str) -> None:
        """The program is gone and its output is in; idempotent."""
        if not self.open:
            return
        os.close(self.fd)
        self.fd = -1
        if self._timer is not None:
            self._timer.cancel()
        viewers, self._viewers, self._writer = self._viewers, [], None
        for viewer in viewers:
            viewer.more()
            viewer.ended(text)
