"""Pages that are told what happens: `/live`, server-sent events about all processes.

What is sent is encoded once for all who look, by the feed. A reader that is slower than what happens is told nothing
until he has taken what waits for him, and then what he missed, or how everything is by now: so what waits is bounded.
One that takes nothing for a while is dropped.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from tmd.daemon.surface import DaemonSurface
from tmd.http.feed import Change, Feed
from tmd.http.form import fields_of
from tmd.http.replies import Exchange, Reply, Stream
from tmd.http.room import Room
from tmd.wire.names import ProcessId

HEARTBEAT_S = 15.0
PATIENCE_S = 30.0
"""a reader that has taken nothing for so long is gone"""
FULL_BYTES = 128 * 1024
"""so much unsent, and a reader is told nothing more for now"""
RETRY = b"retry: 1000\n\n"
HEADERS = (("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))


class Open(Protocol):
    """A stream that a page holds open."""

    stream: Stream

    def finish(self) -> None:
        """Send what there is, then end it in order."""


class Streams:
    """All streams that pages hold open on one listener: kept alive, dropped when stuck, ended together."""

    def __init__(self, daemon: DaemonSurface, room: Room) -> None:
        self._daemon = daemon
        self._room = room
        room.count(self)
        self._open: dict[Open, Callable[[], None]] = {}
        self._cancel: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Open]:
        return iter(self._open)

    def full(self) -> Reply | None:
        """Return the reply to one too many, None while there is room."""
        return self._room.refusal()

    def add(self, opened: Open, gone: Callable[[], None]) -> None:
        """Look after a stream from now on; `gone` is called once when it is over."""
        self._open[opened] = gone
        opened.stream.on_gone = lambda: self._forget(opened)
        if self._cancel is None:
            self._cancel = self._daemon.call_later(HEARTBEAT_S, self._beat)

    def end(self) -> None:
        """Send what there is, then end all of them."""
        for opened in list(self._open):
            opened.finish()

    def _forget(self, opened: Open) -> None:
        gone = self._open.pop(opened, None)
        if gone is not None:
            gone()
        if not self._open and self._cancel is not None:
            self._cancel()
            self._cancel = None

    def _beat(self) -> None:
        self._cancel = self._daemon.call_later(HEARTBEAT_S, self._beat)
        for opened in list(self._open):
            if opened.stream.stalled_s > PATIENCE_S:
                opened.stream.drop()
            elif not opened.stream.backlog and isinstance(opened, Listening):
                opened.stream.write(b":\n\n")


class Listening:
    """A page that is told something: what every such stream needs."""

    stream: Stream

    def begin(self, exchange: Exchange) -> None:
        """Begin the reply; nothing has been sent yet."""
        self.stream = exchange.stream("text/event-stream;charset=utf-8", HEADERS)
        self.stream.write(RETRY)


class Overview(Listening):
    """A page that shows all processes."""

    def __init__(self, feed: Feed, *, controls: bool) -> None:
        self._feed, self._controls = feed, controls
        self._number = 0
        self._behind = False

    def greet(self, resume: str) -> None:
        """Tell how everything is, or what has changed since the event `resume`."""
        self._feed.join(self)
        self.stream.on_room = self._catch_up
        missed = self._feed.since(resume) if resume else None
        self._number = self._feed.number
        self.stream.write(self._feed.greeting(controls=self._controls))
        if missed is None:
            self.stream.write(self._feed.snapshot())
        else:
            self.stream.write(b"".join(change.data for change in missed))
        self.stream.write(self._feed.trends())  # figures that were missed are in no change
        self.stream.write(self._feed.figures())

    def changed(self, changes: list[Change], ids: set[ProcessId]) -> None:
        """Something has changed."""
        if self._behind or self.stream.backlog > FULL_BYTES:
            self._behind = True
            return
        self._number = changes[-1].number
        self.stream.write(b"".join(change.data for change in changes) if len(changes) > 1 else changes[0].data)

    def sampled(self) -> None:
        """There are new figures; a slow reader gets the next ones."""
        if not self.stream.backlog:
            self.stream.write(self._feed.figures())

    def finish(self) -> None:
        """Tell what is still to be told, then end the stream in order."""
        self._feed.flush()
        self.stream.end()

    def _catch_up(self) -> None:
        if not self._behind:
            return
        self._behind = False
        missed = self._feed.after(self._number)
        self._number = self._feed.number
        if missed is None:
            self.stream.write(self._feed.snapshot())
        else:
            self.stream.write(b"".join(change.data for change in missed))


class Live:
    """Answers `/live` of one listener."""

    def __init__(self, feed: Feed, streams: Streams, *, controls: bool) -> None:
        self._feed, self._streams, self._controls = feed, streams, controls

    def answer(self, exchange: Exchange) -> None:
        """Answer `/live`."""
        refused = self._streams.full()
        if refused is not None:
            exchange.reply(refused)
            return
        page = Overview(self._feed, controls=self._controls)
        page.begin(exchange)
        self._streams.add(page, lambda: self._feed.leave(page))
        page.greet(resume_of(exchange))


def resume_of(exchange: Exchange) -> str:
    """Return the id of the last event that a page has seen; empty for none."""
    asked = fields_of(exchange.head.query).get("after", "")
    return exchange.head.headers.get("last-event-id", "") or asked
