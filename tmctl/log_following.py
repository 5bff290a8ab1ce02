"""Several logs as they grow: one stream a log, lines kept whole, over rotations and restarts of the daemon.

A stream begins with the end of what is there. One that breaks is opened again, and goes on behind the last byte that
was seen, found by its text. Knows nothing about how lines look.
"""

import math
import selectors
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tmctl.client import Stream
from tmctl.connection import Unreachable
from tmctl.log_ends import (
    LARGEST_LOOK,
    SMALLEST_LOOK,
    STEP,
    End,
    end_of_line,
    entries_of,
    open_log,
    tell_limit,
    tell_timeless,
)
from tmctl.log_lines import Entry, LineCutter, Seen, in_order
from tmctl.log_options import Asked
from tmctl.log_printing import Printer
from tmctl.log_sources import Source, chosen, sources_of
from tmctl.marshal import BadReply, ServerFault
from tmctl.session import Session
from tmd.wire.faults import Fault

MAX_FOLLOWED = 100
"""logs at once: each takes a connection, of which a daemon has some hundreds"""
RETRY_S = 0.5
"""between two attempts to reach a daemon that is gone"""
REFRESH_S = 5.0
"""how often the processes are asked for, and logs that were not there are looked for"""
UNFINISHED_S = 2.0
"""a line without an end is shown after so long without another byte: a prompt waits for somebody"""
GROWING_S = 10.0
"""a line that grows for so long without an end is shown as far as it is there: it may never have one"""
RESUMED_BYTES = 1024 * 1024
"""how far back a stream that is opened again looks for what was seen, at first"""

_TRUNCATED = b"==> File truncated <==\n"
SUPERVISORS_BEGINNING = 1024
"""bytes that are sent first where nothing else can be asked for"""


class Lost(Exception):
    """The server cannot be asked for now."""


class _Followed:
    """One log that is followed."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.stream: Stream | None = None
        self.cutter = LineCutter()
        self.seen = Seen()
        self.looked_for = False
        """it was opened once, or not there yet: what is in it then is either seen or new"""
        self.place: int | None = None
        """where in the file its stream begins, if the server tells"""
        self.told_at = 0.0
        """monotonic seconds of its last byte"""
        self.held_at = 0.0
        """monotonic seconds of the first byte of the line that has no end yet"""

    def take(self, data: bytes) -> Iterator[Entry]:
        """Return the lines that these bytes complete."""
        ended = [] if self.note(data) else self.cutter.flush()
        return entries_of([*ended, *self.cutter.feed(data)])

    def note(self, data: bytes) -> bool:
        """Remember that these bytes came; tell whether they go on with the line that has no end yet."""
        self.told_at = time.monotonic()
        if b"\n" in data or not self.cutter.holding:
            self.held_at = self.told_at
        before, truncated, after = data.rpartition(_TRUNCATED)
        if not truncated or (before and not before.endswith(b"\n")):
            self.seen.add(data)
            return True
        self.seen = Seen(None if self.place is None else 0)
        self.seen.add(after)
        return bool(before)

    @property
    def overdue_at(self) -> float:
        """Monotonic seconds when a line without an end is to be shown."""
        return min(self.told_at + UNFINISHED_S, self.held_at + GROWING_S)

    def drop(self) -> None:
        """Close the stream, if there is one."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None


def follow(session: Session, asked: Asked, sources: list[Source], *, as_json: bool) -> None:
    """Show what is there already, as far as it was asked for, then what comes, until Ctrl-C."""
    if len(sources) > MAX_FOLLOWED:
        session.fail(
            f"ERROR: cannot follow {len(sources)} logs at once: at most {MAX_FOLLOWED} (name fewer, or say --stdout)"
        )
        return
    following = _Following(session, asked, as_json=as_json)
    try:
        following.begin(sources)
        while following.logs:
            following.turn()
    except KeyboardInterrupt:
        following.show_unfinished(math.inf)
    finally:
        following.close()


class _Following:
    """All logs that are followed, and what the server was like when it was last asked."""

    def __init__(self, session: Session, asked: Asked, *, as_json: bool) -> None:
        self.logs: dict[str, _Followed] = {}
        """by path"""
        self._session = session
        self._asked = asked
        self._printer = Printer(session.output, asked, as_json=as_json)
        self._selector = selectors.DefaultSelector()
        self._pid = 0
        self._away = False
        self._refresh_at = 0.0

    def begin(self, sources: list[Source]) -> None:
        """Open the streams and show what is there."""
        self._pid = self._session.client.call("supervisor.getPID")
        self._refresh_at = time.monotonic() + REFRESH_S
        self._printer.expect(sources)
        gathered = []
        timeless = []
        for number, source in enumerate(sources):
            log = self.logs[source.path] = _Followed(source)
            end = self._opening(log)
            if self._asked.since is not None and end.oldest is None:
                timeless.append(source)
            gathered.append([(number, entry) for entry in end.wanted])
        # A log that is still empty may yet tell times; of one that is not, it is known that it does not.
        tell_timeless(self._session, [one for one in timeless if self.logs[one.path].seen.anything], self._asked)
        for number, entry in in_order(gathered):
            self._printer.show(sources[number], entry)

    def turn(self) -> None:
        """Wait for what comes first: bytes, or something to look after."""
        ready = [key.data for key, _ in self._selector.select(self._patience_s())]
        # Before anything is read: to show it may take long, and of what comes meanwhile nobody would know.
        self.show_unfinished(time.monotonic(), ready)
        for log in ready:
            self._read(log)
        if time.monotonic() >= self._refresh_at:
            self._look_after()

    def show_unfinished(self, now: float, growing: Sequence[_Followed] = ()) -> None:
        """Show lines that have no end for too long by now (monotonic seconds)."""
        for log in self.logs.values():
            if log.cutter.holding and log not in growing and log.overdue_at <= now:
                self._show(log, entries_of(log.cutter.flush()))

    def close(self) -> None:
        """Give all connections back."""
        for log in self.logs.values():
            log.drop()
        self._selector.close()

    def _patience_s(self) -> float:
        now = time.monotonic()
        moments = [log.overdue_at for log in self.logs.values() if log.cutter.holding]
        return max(0.0, min([self._refresh_at, *moments]) - now)

    def _show(self, log: _Followed, entries: Iterable[Entry]) -> None:
        arrived = time.time()
        for entry in entries:
            if log.source.holds(entry, self._asked.streams) and self._asked.wants(entry, arrived):
                self._printer.show(log.source, entry, arrived)

    def _read(self, log: _Followed) -> None:
        try:
            data = log.stream.read() if log.stream is not None else None
        except Unreachable:
            data = None
        if data:
            self._show(log, log.take(data))
        elif data is None:
            self._lose(log)
            self._refresh_at = min(self._refresh_at, time.monotonic() + RETRY_S / 5)

    def _lose(self, log: _Followed) -> None:
        if log.stream is not None:
            self._selector.unregister(log.stream)
            log.drop()

    # Opening.

    def _opening(self, log: _Followed) -> End:
        """Open a log for the first time; return the end of what is there, as much as is needed."""
        size = 0 if self._asked.lines == 0 and not self._asked.by_time else SMALLEST_LOOK
        while True:
            log.cutter, end = LineCutter(), End(self._asked, log.source)
            data = self._open(log, size)
            if data is None:
                return end
            log.seen = Seen(log.place)
            log.note(data)
            # A server that does not tell where it begins has its own idea of how much to begin with.
            known = log.place is not None
            if not size:
                came = log.cutter.feed(data)
                self._show(log, entries_of(came if known else []))
                return end
            whole = log.place == 0 if known else len(data) < SUPERVISORS_BEGINNING
            end.read(data, log.cutter, whole=whole, largest=size >= LARGEST_LOOK or not known)
            if whole or not known or end.enough:
                return end
            if size >= LARGEST_LOOK:
                tell_limit(self._session, log.source)
                return end
            self._lose(log)
            size = min(size * STEP, LARGEST_LOOK)

    def _open(self, log: _Followed, size: int) -> bytes | None:
        """Open a stream; return what was there already, at most `size` bytes. None: there is no log (yet)."""
        opened = open_log(self._session, log.source, size)
        log.looked_for = True
        if opened is None:
            return None
        log.stream, log.place = opened.stream, opened.place
        self._selector.register(opened.stream, selectors.EVENT_READ, log)
        return opened.data

    def _open_again(self, log: _Followed) -> None:
        """Go on with a log that was lost, that was not there, or whose program was added."""
        added = not log.looked_for
        data = self._open(log, RESUMED_BYTES)
        if data is None:
            return
        new = None if added else log.seen.new_part(data, log.place)
        if new is None and not added and len(data) >= RESUMED_BYTES:
            self._lose(log)
            data = self._open(log, LARGEST_LOOK)
            if data is None:
                return
            new = log.seen.new_part(data, log.place)
        if new is not None:
            log.seen.move(None if log.place is None else log.place + len(data) - len(new))
            self._show(log, log.take(new))
            return
        # Rotated or emptied meanwhile: all of it is new, unless there is more than was looked at.
        self._show(log, entries_of(log.cutter.flush()))
        log.seen = Seen(log.place)
        log.note(data)
        if log.place or (log.place is None and len(data) >= SUPERVISORS_BEGINNING):
            if not added:
                self._tell(f"{log.source.name}: more came than could be caught up with: something is missing here")
            lines = data.partition(b"\n")[2]
            self._show(log, [] if lines else [end_of_line(data)])
            data = lines
        self._show(log, entries_of(log.cutter.feed(data)))

    # Looking after the server.

    def _look_after(self) -> None:
        self._refresh_at = time.monotonic() + REFRESH_S
        try:
            self._ask()
        except (Lost, Unreachable, BadReply):
            for log in self.logs.values():
                self._lose(log)
            if not self._away:
                self._away = True
                self._tell(f"the daemon at {self._session.serverurl} is gone; waiting for it to come back")
            self._refresh_at = time.monotonic() + RETRY_S

    def _ask(self) -> None:
        try:
            pid = self._session.client.call("supervisor.getPID")
            infos = self._session.client.call("supervisor.getAllProcessInfo")
        except ServerFault as fault:
            if fault.code == Fault.SHUTDOWN_STATE:
                raise Lost from fault
            raise
        if self._away:
            self._tell(f"the daemon was restarted (pid {pid})" if pid != self._pid else "connected again")
        self._pid, self._away = pid, False
        self._adjust(infos)
        for log in list(self.logs.values()):
            if log.stream is None:
                self._open_again(log)

    def _adjust(self, infos: list[dict[str, Any]]) -> None:
        """Follow what is meant now: processes come and go with the configuration."""
        if not infos:
            return  # a daemon that is just starting
        meant, _ = chosen(infos, self._asked.names)
        sources = {source.path: source for source in sources_of(meant, infos, self._asked.streams)}
        for path in [path for path in self.logs if path not in sources]:
            log = self.logs.pop(path)
            self._show(log, entries_of(log.cutter.flush()))
            self._lose(log)
            self._tell(f"{log.source.name}: is not there any more")
        for path, source in sources.items():
            if path in self.logs:
                self.logs[path].source = source
            elif len(self.logs) < MAX_FOLLOWED:
                self.logs[path] = _Followed(source)
        self._printer.expect(sources.values())

    def _tell(self, line: str) -> None:
        self._session.output.error(f"tmctl: {line}")
