"""The ends of logs: what is there already of what was asked for.

Of a tmd they come as streams, byte for byte; of any other server by the methods of XML-RPC, which has no control
characters. Prints nothing but what it cannot do.
"""

import re
import selectors
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tmctl.client import HttpStatus, Stream
from tmctl.connection import Unreachable
from tmctl.log_lines import MAX_LINE_BYTES, Entry, LineCutter, parse_line
from tmctl.log_options import Asked
from tmctl.log_printing import decoded
from tmctl.log_sources import Source
from tmctl.marshal import ServerFault
from tmctl.session import Session
from tmd.wire.faults import Fault

SMALLEST_LOOK = 16 * 1024
LARGEST_LOOK = 64 * 1024 * 1024
"""bytes of the end of one log that are searched for lines"""
STEP = 8
LARGEST_PIECE = 64 * 1024
"""characters shown of the end of a line that is too long to be read"""
LONGEST_LAST_LINE = 8 * 1024 * 1024
"""where some last lines are asked for and the very last is longer, its end is shown in its place"""
CUT = "(cut) … "
"""stands before the end of a line whose beginning is not shown"""

_BYTES = "taskmaster-log-bytes"
_SIZE = "taskmaster-log-size"
_QUIET_S = 0.1
"""a server that does not announce how much is there already sends it within that"""
_BEGINNING_S = 20.0
_AT_ONCE = 1024 * 1024
"""bytes that are taken apart before the next: most lines are not kept"""
_CHARACTERS_REST = re.compile(rb"\A[\x80-\xbf]{1,3}")


class Opened(NamedTuple):
    """A stream, and what was in the log when it was opened."""

    stream: Stream
    data: bytes
    place: int | None
    """where in the file it begins, if the server tells"""


def open_log(session: Session, source: Source, size: int) -> Opened | None:
    """Open the stream of a log, `size` bytes before its end if the server can; None: there is no log (yet)."""
    try:
        stream = session.client.stream(f"{source.url_path}?last={size}")
    except HttpStatus as answer:
        if answer.status != 404:
            raise
        return None
    try:
        announced, whole = stream.headers.get(_BYTES, ""), stream.headers.get(_SIZE, "")
        data = _beginning(stream, int(announced) if announced else None)
        return Opened(stream, data, int(whole) - int(announced) if announced and whole else None)
    except (Unreachable, ValueError) as error:
        stream.close()
        raise Unreachable(stream.url, 0, "the connection broke") from error
    except BaseException:
        stream.close()
        raise


def _beginning(stream: Stream, announced: int | None) -> bytes:
    parts = [stream.first()]
    owed = 1 if announced is None else announced - len(parts[0])
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while owed > 0 and selector.select(_QUIET_S if announced is None else _BEGINNING_S):
            data = stream.read()
            if data is None:
                break
            parts.append(data)
            owed -= 0 if announced is None else len(data)
    return b"".join(parts)


def entries_of(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Return lines of a log, taken apart, one by one."""
    return (parse_line(decoded(line)) for line in lines)


def end_of_line(data: bytes) -> Entry:
    """Return the end of a line that is too long to be shown, marked as such: nothing tells where it began."""
    piece = data[-LARGEST_PIECE:].removesuffix(b"\n")
    text = CUT + decoded(_CHARACTERS_REST.sub(b"", piece))
    return Entry(text, text)


class End:
    """The end of a log. Of its lines only those that were asked for are kept."""

    def __init__(self, asked: Asked, source: Source) -> None:
        self.wanted: deque[Entry] = deque(maxlen=asked.lines)
        self.anything = False
        """there are lines"""
        self.oldest: float | None = None
        """epoch seconds of the first line that has a time"""
        self._asked = asked
        self._source = source
        self._endless = False

    def read(self, data: bytes, cutter: LineCutter, *, whole: bool, largest: bool = False) -> None:
        """Take the lines of this end, or of all (`whole`) of a log. A beginning of a line stays in the cutter.

        Where a line is all that there is of `largest` a look, or it is longer than anybody wants to see where lines
        are counted, its end stands for it. That is told at once, and what comes behind it begins anew.
        """
        # Where the log goes on before, the first line is a piece of one.
        begin = 0 if whole else data.find(b"\n") + 1 or len(data)
        last = data.rfind(b"\n", begin, max(begin, len(data) - 1)) + 1 or begin
        self._endless = begin == len(data) > 0 and not whole and (largest or len(data) > MAX_LINE_BYTES)
        cut = self._endless or (self._counts and len(data) - last > LONGEST_LAST_LINE)
        stop = last if cut else len(data)
        for start in range(begin, stop, _AT_ONCE):
            self._add(entries_of(cutter.feed(data[start : min(start + _AT_ONCE, stop)])))
        if cut:
            self._add([end_of_line(data)])
        elif self._asked.since is not None and (self.oldest is None or len(data) - last > MAX_LINE_BYTES):
            # It was there before: it must not count as written when it is shown.
            self.finish(cutter)

    def finish(self, cutter: LineCutter) -> None:
        """Take what has no end yet as a line, too."""
        self._add(entries_of(cutter.flush()))

    @property
    def enough(self) -> bool:
        """Whether it holds all that was asked for, whatever stands before it."""
        since, lines = self._asked.since, self._asked.lines
        if since is not None:
            if self._endless:
                return False  # what that line tells of itself is not there
            # Nothing there has a time, so nothing there will be shown?
            if self.anything if self.oldest is None else self.oldest < since:
                return True
        return lines is not None and len(self.wanted) >= lines

    @property
    def _counts(self) -> bool:
        return self._asked.lines is not None and not self._asked.by_time and self._asked.pattern is None

    def _add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.anything = True
            if self.oldest is None:
                self.oldest = entry.at
            if self._source.holds(entry, self._asked.streams) and self._asked.wants(entry):
                self.wanted.append(entry)


def tell_timeless(session: Session, sources: list[Source], asked: Asked) -> None:
    """Say which logs have no times to choose lines by."""
    if not sources:
        return
    names = ", ".join(dict.fromkeys(source.name for source in sources[:5])) + (", ..." if len(sources) > 5 else "")
    which = "--until" if asked.since is None else "--since"
    then = "only what comes from now on is shown" if asked.follow else "nothing of it is shown"
    session.output.error(
        f"{names}: {which} cannot choose lines of a log that has no times: {then} (set log_format: prefix or json)"
    )


def tell_limit(session: Session, source: Source) -> None:
    """Say that there may be more than was looked at."""
    session.output.error(f"{source.name}: only the last {LARGEST_LOOK >> 20} MiB of its {source.stream} are read")


class Ends:
    """Reads the ends of the logs of one server."""

    def __init__(self, session: Session, asked: Asked) -> None:
        self._session = session
        self._asked = asked
        self._streams = True
        """the server's streams begin where they are asked to"""

    def of(self, source: Source) -> End | None:
        """Return the end of a log, as much as is needed; None when there is no log to read."""
        size, before = SMALLEST_LOOK, -1
        while True:
            read = self._streamed(source, size) if self._streams else None
            if read is None:
                read = self._told(source, size)
            if read is None:
                return None
            data, whole = read
            whole = whole or len(data) == before
            end, cutter = End(self._asked, source), LineCutter()
            end.read(data, cutter, whole=whole)
            end.finish(cutter)
            if whole or end.enough:
                return end
            if size >= LARGEST_LOOK:
                tell_limit(self._session, source)
                return end
            size, before = min(size * STEP, LARGEST_LOOK), len(data)

    def _streamed(self, source: Source, size: int) -> tuple[bytes, bool] | None:
        """Return the end of a log, and whether it is all of it."""
        opened = open_log(self._session, source, size)
        if opened is None:
            return None
        opened.stream.close()
        if opened.place is None:
            self._streams = False
            return None
        return opened.data, opened.place == 0

    def _told(self, source: Source, size: int) -> tuple[bytes, bool] | None:
        method = f"supervisor.readProcess{source.stream.capitalize()}Log"
        try:
            text: str = self._session.client.call(method, source.name, -size, 0)
        except ServerFault as fault:
            if fault.code != Fault.NO_FILE:  # that is: it has not written yet
                reason = "no such process" if fault.code == Fault.BAD_NAME else "cannot read its log"
                self._session.fail(f"{source.name}: ERROR ({reason})")
            return None
        data = text.encode("utf-8", "replace")
        return data, len(data) < size
