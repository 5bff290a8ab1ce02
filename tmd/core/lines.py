"""Output made into lines that say when, by whom and where from: what `log_format` prefix and json mean.

Promises that everything given out is whole lines, each of which begins with its head and ends with a newline; the same
lines however the output is cut into pieces, but for the times; and no more than `LONGEST` bytes held back. What comes
in may be anything; what goes out can neither move the cursor of a terminal nor pass for a line of somebody else. Knows
nothing of clocks, files or who reads.
"""

import re
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from tmd.wire.names import ProcessId
from tmd.wire.visible import visible, visible_line

LONGEST = (1 << 20) + (64 << 10)
"""bytes of a line that is given out whole; what is longer comes in several pieces, each a line of its own"""

_encode = msgspec.json.Encoder().encode

_ORDINARY_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\t\n")
_ENDS = rb"\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]"
_OBEYED = re.compile(rb"(\x1b\[[0-9;:]*m|\r(?=\n))|[\x00-\x08\x0b-\x1f\x7f]|" + _ENDS)
"""what a terminal obeys, or readers of text take for the end of a line; the group: colours and the carriage return
before a newline, which do no harm"""
_SPELLED = {sign.encode(): visible(sign).encode() for sign in map(chr, (*range(32), *range(127, 160), 0x2028, 0x2029))}
_COLOUR = b"\x1b["
_NO_COLOUR = b"\x1b[0m"
_UNESCAPED = re.compile(rb"\x7f|" + _ENDS)
"""the same where JSON may have it as it is"""


class Stamps:
    """RFC 3339 times in UTC, to the millisecond; `wall` tells epoch seconds."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._second = -1
        self._text = b""

    def __call__(self) -> bytes:
        """Return the time now: `2026-11-21T17:45:44.123Z`."""
        now = self._wall()
        second = int(now)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        return b"%s.%03dZ" % (self._text, int((now - second) * 1000))


class LineFormat(msgspec.Struct, frozen=True):
    """How the lines of one channel look; calling it begins to make some. Equal ones make equal lines."""

    form: Literal["prefix", "json"]
    program: str
    id: ProcessId
    stream: str
    pid: int
    stamp: Callable[[], bytes]
    hook: str = ""
    """the command of the program that speaks, if it is not the program itself"""

    def __call__(self) -> "LineFormatter":
        """Return a maker of lines."""
        return LineFormatter(self.stamp, _Prefix(self) if self.form == "prefix" else _Json(self))


class LineFormatter:
    """Follows one channel. A line that was begun is held back until its end is there, or somebody asks for it."""

    def __init__(self, stamp: Callable[[], bytes], style: "_Prefix | _Json") -> None:
        self._stamp = stamp
        self._style = style
        self._held = bytearray()
        self._began = b""
        self._goes_on = False  # the last piece given out is the beginning of the line that is to be finished

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the channel; return the lines they complete."""
        now = self._stamp()
        given: list[bytes] = []
        if self._held or self._goes_on:
            begun, newline, data = data.partition(b"\n")
            if not self._held:
                self._began = now
            self._held += begun
            given += self._cut()
            if not newline:
                return b"".join(given)
            given.append(self._finished())
        end = data.rfind(b"\n") + 1
        if end:
            given.append(self._whole(data[:end] if end < len(data) else data, now))
        if end < len(data):
            self._began = now
            self._held += data[end:]
            given += self._cut()
        return b"".join(given)

    def give_out(self) -> bytes:
        """Give out what is held back as a piece of a line that goes on, up to the last whole character."""
        size = _whole_characters(self._held)
        if not size:
            return b""
        return self._piece(size)

    def end(self) -> bytes:
        """Give out what is held back: the line ends without a newline. More may be fed after it."""
        held, self._goes_on = bool(self._held), False
        return self._finished() if held else b""

    def state(self) -> dict[str, str]:
        """Return what is held back, in words that JSON knows, bytes as Latin-1; empty for nothing.

        `rest`: as it came.
        """
        if not (self._held or self._goes_on):
            return {}
        return {
            "rest": self._held.decode("latin-1"),
            "began": self._began.decode("latin-1"),
            "goes_on": "yes" if self._goes_on else "",
        }

    def resume(self, state: Mapping[str, str]) -> None:
        """Go on with the line that another one held back."""
        self._held += state.get("rest", "").encode("latin-1")
        self._began = state.get("began", "").encode("latin-1") or self._stamp()
        self._goes_on = bool(state.get("goes_on"))

    def _whole(self, data: bytes, now: bytes) -> bytes:
        """Return lines that came whole, at once."""
        if len(data) <= LONGEST:
            return self._style.lines(data, now)
        given: list[bytes] = []
        for line in data.split(b"\n")[:-1]:
            self._began = now
            self._held += line
            given += self._cut()
            given.append(self._finished())
        return b"".join(given)

    def _cut(self) -> Iterator[bytes]:
        while len(self._held) > LONGEST:
            yield self._piece(_whole_characters(self._held[:LONGEST]) or LONGEST)

    def _piece(self, size: int) -> bytes:
        piece = bytes(self._held[:size])
        del self._held[:size]
        self._goes_on = True
        return self._style.piece(piece, self._began)

    def _finished(self) -> bytes:
        line, self._held = bytes(self._held), bytearray()
        self._goes_on = False
        return self._style.lines(line + b"\n", self._began)


class _Prefix:
    """`TIME NAME STREAM: text`, and `TIME NAME STREAM+ text` where the line goes on in the next one of the stream."""

    def __init__(self, of: LineFormat) -> None:
        name = visible_line(of.id.namespec).replace(" ", "_")
        hook = f"/{of.hook}" if of.hook else ""
        self._who = f" {name}{hook} {of.stream}".encode()

    def lines(self, data: bytes, when: bytes) -> bytes:
        """Return whole lines with their heads."""
        return self._headed(data, b"%s%s: " % (when, self._who))

    def piece(self, data: bytes, when: bytes) -> bytes:
        """Return a piece that is not the end of its line as a line of its own."""
        return self._headed(data + b"\n", b"%s%s+ " % (when, self._who))

    def _headed(self, data: bytes, head: bytes) -> bytes:
        data = _harmless(data)
        return head + data[:-1].replace(b"\n", b"\n" + head) + b"\n"


class _Json:
    """One object a line."""

    def __init__(self, of: LineFormat) -> None:
        who: dict[str, object] = {
            "program": of.program,
            "group": of.id.group,
            "process": of.id.process,
            "stream": of.stream,
            "pid": of.pid,
        }
        if of.hook:
            who["hook"] = of.hook
        self._who = b'","%s,"msg":"' % _escaped(_encode(who))[2:-1]

    def lines(self, data: bytes, when: bytes) -> bytes:
        """Return an object for each of the whole lines."""
        head = b'{"ts":"%s%s' % (when, self._who)
        # All lines at once, where newlines can be told from a backslash and an n afterwards.
        if b"\\n" not in data:
            text = _text(data)
            if text is not None:
                return head + _escaped(_encode(text))[1:-3].replace(b"\\n", b'"}\n' + head) + b'"}\n'
        return b"".join([self._object(line, head, b"") for line in data.split(b"\n")[:-1]])

    def piece(self, data: bytes, when: bytes) -> bytes:
        """Return a piece that is not the end of its line."""
        return self._object(data, b'{"ts":"%s%s' % (when, self._who), b',"partial":true')

    def _object(self, line: bytes, head: bytes, more: bytes) -> bytes:
        text = _text(line)
        if text is None:
            text = line.decode("utf-8", "replace")
            more += b',"base64":"%s"' % b2a_base64(line, newline=False)
        return b'%s%s"%s}\n' % (head, _escaped(_encode(text))[1:-1], more)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _escaped(encoded: bytes) -> bytes:
    """Return JSON with the rest of what is obeyed escaped too."""
    if b"\x7f" not in encoded and b"\xc2" not in encoded and b"\xe2\x80" not in encoded:
        return encoded
    return _UNESCAPED.sub(lambda match: b"\\u%04x" % ord(match[0].decode()), encoded)


def _harmless(data: bytes) -> bytes:
    """Return lines with everything spelled that a terminal would obey, but colours, and these end with their line."""
    if b"\xc2" not in data and b"\xe2\x80" not in data and len(data.translate(None, _ORDINARY_CONTROLS)) == len(data):
        return data
    spelled = _OBEYED.sub(_spelled, data)
    if _COLOUR not in spelled:
        return spelled
    return b"\n".join([_uncoloured(line) if _COLOUR in line else line for line in spelled.split(b"\n")])


def _uncoloured(line: bytes) -> bytes:
    """Return a line after which the terminal's colours are its own again."""
    if line.startswith((_NO_COLOUR, b"\x1b[m"), line.rfind(_COLOUR)):
        return line
    return line[:-1] + _NO_COLOUR + b"\r" if line.endswith(b"\r") else line + _NO_COLOUR


def _spelled(match: re.Match[bytes]) -> bytes:
    return match[0] if match[1] else _SPELLED[match[0]]


def _whole_characters(data: bytes | bytearray) -> int:
    """Return how many bytes there are without a character at the end of which only the beginning is there."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if length > back else len(data)
    return len(data)
