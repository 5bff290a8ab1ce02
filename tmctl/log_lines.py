"""Lines of logs: cut from a stream of bytes, and taken apart where their form (`log_format`) says what is in them.

Pure, and in bounded memory: a line without an end comes in pieces.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import merge
from typing import NamedTuple

MAX_LINE_BYTES = 2 * 1024 * 1024
"""what is longer comes in pieces (those that tmd makes of long lines stay whole)"""
REMEMBERED_BYTES = 4096

_PREFIXED = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) "
    r"(.+?)(?:/(prestart|poststart|prestop|poststop))? (stdout|stderr)[:+] ?(.*)"
)
_JSON_START = '{"ts":"'


class Entry(NamedTuple):
    """One line. `at` is epoch seconds; None, and empty texts, where the log does not say."""

    text: str
    """what the program wrote"""
    line: str
    """what is in the log"""
    at: float | None = None
    stream: str = ""
    process: str = ""
    """the process as people type it"""
    hook: str = ""


class LineCutter:
    """Makes lines of bytes that come in any pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def holding(self) -> bool:
        """Whether there is a line that has no end yet."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are whole now, without their ends; of one that is too long, pieces."""
        first, *others = data.split(b"\n")
        self._rest += first
        lines = []
        if others:
            lines = [bytes(self._rest), *others[:-1]]
            self._rest = bytearray(others[-1])
        while len(self._rest) > MAX_LINE_BYTES:
            lines.append(bytes(self._rest[:MAX_LINE_BYTES]))
            del self._rest[:MAX_LINE_BYTES]
        return [piece for line in lines for piece in _pieces(line)]

    def flush(self) -> list[bytes]:
        """Return what is there of a line, as if it had ended."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [rest] if rest else []


def _pieces(line: bytes) -> Iterable[bytes]:
    for start in range(0, max(1, len(line)), MAX_LINE_BYTES):
        yield line[start : start + MAX_LINE_BYTES]


def parse_line(line: str) -> Entry:
    """Take a line apart, whichever form it has."""
    if line.startswith(_JSON_START):
        return _from_json(line) or Entry(line, line)
    found = _PREFIXED.fullmatch(line) if line[4:5] == "-" else None
    at = None if found is None else _epoch(found[1])
    if found is None or at is None:
        return Entry(line, line)
    return Entry(found[5], line, at, found[4], found[2], found[3] or "")


def _from_json(line: str) -> Entry | None:
    try:
        said = json.loads(line)
        at = _epoch(said["ts"])
        group, process = said["group"], said["process"]
        name = process if group == process else f"{group}:{process}"
        return None if at is None else Entry(said["msg"], line, at, said["stream"], name, said.get("hook", ""))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # a program's own JSON


def _epoch(stamp: str) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError):
        return None


def in_order(sources: Iterable[Sequence[tuple[int, Entry]]]) -> list[tuple[int, Entry]]:
    """Put the lines of several logs in one order, each with the number it came with.

    Logs that tell times are merged by them, lines of one that has some without a time follow the one before. Logs
    without any come first, one after the other.
    """
    untimed: list[tuple[int, Entry]] = []
    timed: list[list[tuple[float, int, int, Entry]]] = []
    for lines in sources:
        if not any(entry.at is not None for _, entry in lines):
            untimed += lines
            continue
        latest = 0.0
        keyed = []
        for position, (number, entry) in enumerate(lines):
            latest = max(latest, entry.at or 0.0)
            keyed.append((latest, number, position, entry))
        timed.append(keyed)
    return untimed + [(number, entry) for _, number, _, entry in merge(*timed, key=lambda item: item[:3])]


class Seen:
    """What was seen of a log, to go on behind it on another connection.

    Known by its end and, where the server tells where a stream begins, by its place in the file.
    """

    def __init__(self, place: int | None = None) -> None:
        self._end = b""
        self._place = place
        """how many bytes of the file are before what comes next, or were before it was rotated"""

    @property
    def anything(self) -> bool:
        """Whether there was something."""
        return bool(self._end)

    def add(self, data: bytes) -> None:
        """Remember what came."""
        self._end = (self._end + data[-REMEMBERED_BYTES:])[-REMEMBERED_BYTES:]
        if self._place is not None:
            self._place += len(data)

    def move(self, place: int | None) -> None:
        """Have what comes next be elsewhere."""
        self._place = place

    def new_part(self, data: bytes, place: int | None = None) -> bytes | None:
        """Return what of this, the end of the log from that place on, was not seen yet; None if that cannot be told.

        Without places what was seen is found by its text alone: of a log that only repeats itself, the last
        repetition counts.
        """
        if self._place is not None and place is not None:
            known = self._place - place
            if 0 <= known <= len(data) and data[:known].endswith(self._end[max(0, len(self._end) - known) :]):
                return data[known:]
        if not self._end:
            return None if place else data
        for size in (REMEMBERED_BYTES, 512, 128):
            end = self._end[-size:]
            # Backwards by searching forwards: only that is quick where one byte repeats itself.
            found = data[::-1].find(end[::-1])
            if found >= 0:
                return data[len(data) - found :]
        return None
