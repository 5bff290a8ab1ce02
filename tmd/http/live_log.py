"""Pages that follow logs: `/live/log` (the daemon's own), `/live/log/<process>/<stream>`, `/live/program/<process>`.

Server-sent events with lines as JSON; the id of each is the place in every log that it leads to, so that a page that
lost its connection goes on with the next byte, also over a rotation. A page is for looking: when a log grows faster
than it can be told, the middle is left out and that is said. Files are looked at only while somebody follows them.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tmd.daemon.surface import Channel, DaemonSurface
from tmd.http.feed import Change, Feed, event, gone
from tmd.http.following import TRUNCATED, FollowedFile
from tmd.http.form import fields_of
from tmd.http.live import FULL_BYTES, Listening, Streams, resume_of
from tmd.http.log_lines import LogLines, State
from tmd.http.replies import Exchange, error
from tmd.http.streams import EVERY_S, SOON_S, unescape
from tmd.wire.names import ProcessId, split_namespec

FIRST_BYTES = 64 * 1024
"""told of what was there before"""
MAX_FIRST_BYTES = 1024 * 1024
MAX_BEHIND_BYTES = 1024 * 1024
"""so much unread, and only the last of it is told"""
CHUNKS_AT_ONCE = 4
TELL_AT_ONCE_BYTES = 1024 * 1024
"""told to all pages together before others have their turn"""
KEPT_EVENTS = 16
"""with lines of logs, between two looks"""
CHANNELS: tuple[Channel, ...] = ("stdout", "stderr")

Inode = tuple[int, int]
"""a file: its device and its number there, which is another's elsewhere"""

_PLACE = re.compile(r"(\w{1,10})=(\d{1,20})\.(\d{1,18})")


class Told:
    """Events with lines of logs, each made once for all pages that read the same bytes at the same place."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, State, bytes], tuple[bytes, State]] = {}

    def event(self, label: str, lines: LogLines, data: bytes) -> bytes:
        """Return the event with what these bytes bring; empty if that is no line."""
        key = label, lines.state, data
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= KEPT_EVENTS:
                del self._made[next(iter(self._made))]
            texts, is_open = lines.feed(data)
            told = event("log", {"stream": label, "lines": texts, "open": is_open}) if texts else b""
            made = self._made[key] = told, lines.state
        lines.state = made[1]
        return made[0]

    def clear(self) -> None:
        """Forget all."""
        self._made.clear()


class LogTail:
    """One log of one page. `label`: what the page calls it; `path`: None where there is no log."""

    def __init__(
        self, label: str, path: str | None, daemon: DaemonSurface, wake: Callable[[], None], events: Told
    ) -> None:
        self.label, self.path = label, path
        self._events = events
        self._daemon, self._wake = daemon, wake
        self._file: FollowedFile | None = None
        self._lines = LogLines()
        self._said_none = False

    @property
    def place(self) -> str:
        """Where it is, for the id of an event; empty without a file."""
        if self._file is None:
            return ""
        inode, position = self._file.place
        return f"{self.label}={inode}.{position}"

    @property
    def restless(self) -> bool:
        """The file is being rotated: it is worth looking again soon."""
        return self._file is not None and self._file.restless

    def open(self, resume: tuple[int, int] | None, first_bytes: int) -> list[bytes]:
        """Open the file; return events about it."""
        if self.path is None:
            return self._none("it has no log")
        succession = self._daemon.follow(self.path, self._wake)
        try:
            file = FollowedFile(self.path, succession, first_bytes)
        except OSError as why:
            succession.close()
            return self._none(f"cannot read it: {why.strerror or 'it is no regular file'}")
        self._file = file
        midway = not (resume is not None and file.resume(resume)) and file.place[1] > 0
        self._lines = LogLines(midway=midway)
        return self.take()

    def _none(self, text: str) -> list[bytes]:
        if self._said_none:
            return []
        self._said_none = True
        return [event("log_none", {"stream": self.label, "text": text})]

    def look(self, named: os.stat_result | None, ends: Mapping[Inode, int]) -> list[bytes]:
        """Find out what happened to the file; return events about it, read as far as `ends` says."""
        if self._file is None:
            return self.open(None, FIRST_BYTES) if named is not None else []
        notice = self._file.look(named)
        if notice is None:
            return []
        told = []
        if notice == TRUNCATED:
            self._lines = LogLines()
            told.append(event("log_gap", {"stream": self.label, "skipped": 0, "why": "truncated"}))
        return told + self.take(ends)

    def take(self, ends: Mapping[Inode, int] = MappingProxyType({})) -> list[bytes]:
        """Return events with what there is to read, not all of it at once."""
        file = self._file
        if file is None or file.closed:
            return []
        told = []
        if file.unread > MAX_BEHIND_BYTES:
            skipped = file.skip(FIRST_BYTES)
            self._lines = LogLines(midway=True)
            told.append(event("log_gap", {"stream": self.label, "skipped": skipped, "why": "behind"}))
        for _ in range(CHUNKS_AT_ONCE):
            most = ends.get(file.inode, sys.maxsize) - file.position
            data = file.read(most) if most > 0 else b""
            if not data:
                break
            told.append(self._events.event(self.label, self._lines, data))
        return list(filter(None, told))

    def close(self) -> None:
        """Let go of the file; idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None


class LogPage(Listening):
    """A page that follows logs and, if `id_` is given, that process."""

    def __init__(
        self, daemon: DaemonSurface, feed: Feed, id_: ProcessId | None, events: Told, *, controls: bool
    ) -> None:
        self._daemon, self._feed, self._id, self._controls = daemon, feed, id_, controls
        self._events = events
        self.tails: list[LogTail] = []
        self._behind = False
        """the process has changed, and this was not told"""

    def greet(self, paths: Mapping[str, str | None], resume: str, first_bytes: int) -> None:
        """Tell how everything is, and of each log the last bytes, or what follows the event `resume`."""
        self.stream.on_room = self.pump
        if self._id is not None:
            self._feed.join(self)
            self.stream.write(self._feed.greeting(controls=self._controls))
            self.stream.write(self._feed.snapshot_of(self._id))
            self.stream.write(self._feed.trends([self._id]))
            self.stream.write(self._feed.figures([self._id]))
        places = {match[1]: (int(match[2]), int(match[3])) for match in _PLACE.finditer(resume)}
        for label, path in paths.items():
            tail = LogTail(label, path or None, self._daemon, self.pump, self._events)
            self.tails.append(tail)
            self._tell(tail.open(places.get(label), first_bytes))

    def look(self, named: Callable[[str], os.stat_result | None], ends: Mapping[Inode, int]) -> int:
        """Look what happened to the files, unless there is something still unsent; return how many bytes were told."""
        told = 0
        if self.stream.backlog:
            return told
        for tail in self.tails:
            if tail.path is not None:
                events = self._guarded(tail, lambda tail=tail: tail.look(named(tail.path or ""), ends))  # type: ignore[misc]
                self._tell(events)
                told += sum(map(len, events))
        return told

    def pump(self) -> None:
        """Send what there is to read, as far as the connection takes it."""
        if self._behind and self.stream.backlog < FULL_BYTES:
            self._tell_process()
        for tail in self.tails:
            if self.stream.backlog < FULL_BYTES:
                self._tell(self._guarded(tail, tail.take))

    @staticmethod
    def _guarded(tail: LogTail, read: Callable[[], list[bytes]]) -> list[bytes]:
        try:
            return read()
        except OSError as why:
            tail.close()
            return [event("log_none", {"stream": tail.label, "text": f"cannot read it: {why.strerror}"})]

    def _tell(self, events: list[bytes]) -> None:
        if events:
            places = ",".join(place for tail in self.tails if (place := tail.place))
            # Only the last one leads to where the files are now: what was cut off before it is told again.
            self.stream.write(b"".join(events[:-1]) + f"id: {places}\n".encode() + events[-1])

    def changed(self, changes: list[Change], ids: set[ProcessId]) -> None:
        """Something has changed: it may be this process, and it may log elsewhere now."""
        if self._id not in ids:
            return
        if self.stream.backlog < FULL_BYTES:
            self._tell_process()
        else:
            self._behind = True

    def _tell_process(self) -> None:
        """Tell how the process is by now, which makes up for all that was not told."""
        self._behind = False
        if self._id is None:
            return
        encoded = self._feed.encoded(self._id)
        if encoded is None:
            self.stream.write(event("gone", gone(self._id)))
            return
        self.stream.write(b"event: process\ndata: %b\n\n" % encoded)
        self._follow_elsewhere(self._id)

    def _follow_elsewhere(self, id_: ProcessId) -> None:
        view = self._daemon.view(id_)
        if view is None:
            return
        now = {"stdout": view.stdout_logfile, "stderr": view.stderr_logfile}
        for at, tail in enumerate(self.tails):
            path = now[tail.label] or None
            if path != tail.path:
                tail.close()
                self.tails[at] = LogTail(tail.label, path, self._daemon, self.pump, self._events)
                self._tell(self.tails[at].open(None, FIRST_BYTES))

    def sampled(self) -> None:
        """There are new figures."""
        if self._id is not None and not self.stream.backlog:
            self.stream.write(self._feed.figures([self._id]))

    def finish(self) -> None:
        """Send what there is, then end the stream in order."""
        if self._behind:
            self._tell_process()
        self.pump()
        self.stream.end()

    def close(self) -> None:
        """Let go of everything; the stream has ended."""
        self._feed.leave(self)
        for tail in self.tails:
            tail.close()


class LiveLogs:
    """Answers the addresses of one listener."""

    def __init__(self, daemon: DaemonSurface, feed: Feed, streams: Streams, *, controls: bool) -> None:
        self._daemon, self._feed, self._streams, self._controls = daemon, feed, streams, controls
        self._events = Told()
        self._pages: set[LogPage] = set()
        self._waiting: list[LogPage] = []
        self._ends: dict[Inode, int] = {}
        self._cancel: Callable[[], None] | None = None

    def answer_log(self, exchange: Exchange) -> None:
        """Answer `/live/log` and `/live/log/<process>/<stream>`."""
        rest = exchange.head.path.removeprefix("/live/log").strip("/")
        if not rest:
            self._begin(exchange, None, {"main": self._daemon.main_logfile()})
            return
        name, _, channel = rest.partition("/")
        id_ = process_of(unescape(name))
        view = self._daemon.view(id_)
        if view is None or channel not in CHANNELS:
            exchange.reply(error(404))
        else:
            path = view.stderr_logfile if channel == "stderr" else view.stdout_logfile
            self._begin(exchange, None, {channel: path})

    def answer_program(self, exchange: Exchange) -> None:
        """Answer `/live/program/<process>`."""
        id_ = process_of(unescape(exchange.head.path.removeprefix("/live/program/")))
        view = self._daemon.view(id_)
        if view is None:
            exchange.reply(error(404))
        else:
            self._begin(exchange, id_, {"stdout": view.stdout_logfile, "stderr": view.stderr_logfile})

    def _begin(self, exchange: Exchange, id_: ProcessId | None, paths: Mapping[str, str | None]) -> None:
        refused = self._streams.full()
        if refused is not None:
            exchange.reply(refused)
            return
        asked = fields_of(exchange.head.query).get("last", "")
        first = min(int(asked), MAX_FIRST_BYTES) if asked.isascii() and asked.isdigit() else FIRST_BYTES
        page = LogPage(self._daemon, self._feed, id_, self._events, controls=self._controls)
        page.begin(exchange)
        self._streams.add(page, lambda: self._forget(page))
        self._pages.add(page)
        page.greet(paths, resume_of(exchange), first)
        if self._cancel is None:
            self._cancel = self._daemon.call_later(EVERY_S, self._look)

    def _forget(self, page: LogPage) -> None:
        self._pages.discard(page)
        page.close()
        if not self._pages and self._cancel is not None:
            self._events.clear()
            self._cancel()
            self._cancel = None

    def _look(self) -> None:
        """Begin to look for all pages; none is told more than there was when the first was looked at.

        So all of them are at the same place after it, and what comes next is encoded once.
        """
        self._waiting = list(self._pages)
        self._ends.clear()
        self._events.clear()
        self._go_on()

    def _go_on(self) -> None:
        # Armed first: a page that cannot be served must not stop the others.
        self._cancel = self._daemon.call_later(EVERY_S, self._look)
        named: dict[str, os.stat_result | None] = {}

        def stat(path: str) -> os.stat_result | None:
            if path not in named:
                named[path] = found = _stat(path)
                if found is not None:
                    self._ends.setdefault((found.st_dev, found.st_ino), found.st_size)
            return named[path]

        told = 0
        while self._waiting and told < TELL_AT_ONCE_BYTES:
            page = self._waiting.pop()
            if page in self._pages:
                told += page.look(stat, self._ends)
        if not self._pages:
            return
        if self._waiting:
            self._cancel()
            self._cancel = self._daemon.call_later(0, self._go_on)
        elif any(tail.restless for page in self._pages if not page.stream.backlog for tail in page.tails):
            self._cancel()
            self._cancel = self._daemon.call_later(SOON_S, self._look)


def process_of(name: str) -> ProcessId:
    """Return the process that a name in an address means; there may be none of it."""
    group, process = split_namespec(name)
    return ProcessId(group, process or "")


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
