"""The ends of logs: what is there already of what was asked for.

Of a tmd they come as streams, byte for byte; of any other server by the methods of XML-RPC, which has no control
characters. Prints nothing but what it cannot do.
"""

import selectors
from collections.abc import Iterable
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

_BYTES = "taskmaster-log-bytes"
_SIZE = "taskmaster-log-size"
_QUIET_S = 0.1
"""a server that does not announce how much is there already sends it within that"""
_BEGINNING_S = 20.0


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


def entries_of(lines: Iterable[bytes]) -> list[Entry]:
    """Return lines of a log, taken apart."""
    return [parse_line(decoded(line)) for line in lines]


def pick(asked: Asked, source: Source, entries: list[Entry]) -> list[Entry]:
    """Return those lines of what is in a log already that were asked for."""
    wanted = [entry for entry in entries if source.holds(entry, asked.streams) and asked.wants(entry)]
    return wanted if asked.lines is None else wanted[max(0, len(wanted) - asked.lines) :]


def enough(asked: Asked, entries: list[Entry], *, endless: bool = False) -> bool:
    """Whether so much of the end of a log holds all that was asked for, whatever stands before it.

    `endless`: it is but the end of one line, so what that line tells of itself is not there.
    """
    if endless and asked.since is not None:
        return False
    if asked.since is not None:
        times = [entry.at for entry in entries if entry.at is not None]
        if times and times[0] < asked.since:
            return True
        if not times and entries:
            return True  # nothing there has a time, so nothing there will be shown
    if asked.lines is None:
        return False
    return sum(map(asked.wants, entries)) >= asked.lines


def _shortened(asked: Asked, data: bytes) -> bytes:
    """Return the end of a log with but the end of its last line, if that is very long and only lines are counted."""
    if asked.lines is None or asked.by_time or asked.pattern is not None or len(data) <= LONGEST_LAST_LINE:
        return data
    begin = data.rfind(b"\n", 0, len(data) - 1) + 1
    return data if len(data) - begin <= LONGEST_LAST_LINE else data[:begin] + data[-LARGEST_PIECE:]


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


class Ends:
    """Reads the ends of the logs of one server."""

    def __init__(self, session: Session, asked: Asked) -> None:
        self._session = session
        self._asked = asked
        self._streams = True
        """the server's streams begin where they are asked to"""

    def lines(self, source: Source) -> list[Entry] | None:
        """Return the lines at the end of a log, as many as are needed; None when there is no log to read."""
        size, before = SMALLEST_LOOK, -1
        while True:
            read = self._streamed(source, size) if self._streams else None
            if read is None:
                read = self._told(source, size)
            if read is None:
                return None
            data, whole = read
            whole = whole or len(data) == before
            pieces = _shortened(self._asked, data if whole else data.partition(b"\n")[2])
            endless = not pieces and not whole and len(data) > MAX_LINE_BYTES
            if endless:
                pieces = data[-LARGEST_PIECE:]
            cutter = LineCutter()
            # Where the log goes on before, the first line is a piece of one.
            entries = entries_of([*cutter.feed(pieces), *cutter.flush()])
            if whole or enough(self._asked, entries, endless=endless):
                return entries
            if size >= LARGEST_LOOK:
                self._session.output.error(
                    f"{source.name}: only the last {LARGEST_LOOK >> 20} MiB of its {source.stream} are read"
                )
                return entries
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
