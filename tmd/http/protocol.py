"""HTTP/1.1 as a server reads it: bytes in, events out; no sockets, no clock.

Promises: the events are the same however the bytes are cut; memory is bounded by the limits below; after a
`Malformed` nothing more comes out, because where the next request begins is then anybody's guess.
The caller pulls: `feed` what arrived, then `next_event` until it returns None. A `Head` comes out before its body
is taken in, so that a caller who does not want the body can stop there.

Refuses to know: methods, paths, authentication, what an answer looks like.

Strict where leniency has been used to smuggle requests past a proxy: lines end in CRLF, no folded headers, one
Content-Length, never together with Transfer-Encoding. Bodies in chunks are refused (411), as Supervisor does.
"""

import re
from typing import NamedTuple

MAX_LINE = 8 * 1024
"""bytes of the request line"""
MAX_HEAD = 32 * 1024
"""bytes of request line and headers"""
MAX_HEADERS = 100
MAX_BODY = 1024 * 1024

_REQUEST_LINE = re.compile(rb"([A-Za-z]{1,20}) ([!-\xff]+) HTTP/(\d)\.(\d)")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)")
_STRAY = re.compile(rb"\x00|\r(?!\n)|(?<!\r)\n")
_SINGLE = frozenset({"content-length", "host", "authorization", "origin"})


class Head(NamedTuple):
    """A request without its body. Header names are in lower case; repeated ones are joined by commas."""

    method: str
    target: str
    minor: int
    """0 or 1, of HTTP/1.x"""
    headers: dict[str, str]
    length: int | None
    """Content-Length, None if there is none"""
    keep_alive: bool
    """the client wants to go on using the connection"""

    @property
    def path(self) -> str:
        """The target without the query, still escaped."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]

    @property
    def expects_continue(self) -> bool:
        """The client holds its body back until it is told to go on."""
        return self.minor == 1 and self.headers.get("expect", "").lower() == "100-continue"


class Request(NamedTuple):
    """A whole request."""

    head: Head
    body: bytes


class Malformed(NamedTuple):
    """The end of this connection. `status` 0: close without a word."""

    status: int
    reason: str


Event = Head | Request | Malformed


class Reader:
    """The reading side of one connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._line_end = -1
        self._scanned = 0
        self._head: Head | None = None
        self._dead = False
        self._last: Head | None = None
        self._last_raw = b""
        """what it was read from, with the empty line that ends it"""

    def feed(self, data: bytes | memoryview) -> None:
        """Take in bytes as they came."""
        if not self._dead:
            self._buffer += data

    @property
    def state(self) -> tuple[bytes, Head | None]:
        """What has been fed and not been used, and the head that came before it, if its body is still to come."""
        return bytes(self._buffer), self._head

    def resume(self, read: bytes, head: Head | None) -> None:
        """Go on where another one was."""
        self._buffer += read
        self._head = head

    @property
    def waiting(self) -> int:
        """How many bytes have been fed and not yet been used."""
        return len(self._buffer)

    def hand_over(self) -> bytes:
        """Return what has been fed and not been used: the connection goes on in another protocol."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._line_end, self._scanned = -1, 0
        return rest

    @property
    def within(self) -> str:
        """Where the client is: "idle" between requests, "head" or "body"."""
        if self._head is not None:
            return "body"
        return "head" if self._buffer else "idle"

    def next_event(self) -> Event | None:
        """Return what comes next, None when that takes more bytes."""
        if self._dead:
            return None
        if self._head is not None:
            return self._next_body(self._head)
        event = self._next_head()
        if isinstance(event, Malformed):
            self._dead = True
            self._buffer.clear()
        elif event is not None:
            self._head = event
        return event

    def _next_body(self, head: Head) -> Request | None:
        length = head.length or 0
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer) if len(self._buffer) == length else bytes(self._buffer[:length])
        del self._buffer[:length]
        self._head = None
        return Request(head, body)

    def _next_head(self) -> Head | Malformed | None:
        buffer = self._buffer
        if self._line_end < 0:
            if self._last is not None and buffer.startswith(self._last_raw):
                # Who polls sends the same head again and again.
                del buffer[: len(self._last_raw)]
                self._scanned = 0
                return self._last
            # Some clients end a body with a line break that they do not count (RFC 9112, 2.2).
            while buffer.startswith(b"\r\n"):
                del buffer[:2]
            refusal = self._find_line_end()
            if refusal or self._line_end < 0:
                return refusal
        end = buffer.find(b"\r\n\r\n", max(self._line_end, self._scanned - 3))
        if end < 0:
            self._scanned = len(buffer)
            return Malformed(431, "request head too large") if len(buffer) > MAX_HEAD + 3 else None
        if end > MAX_HEAD:
            return Malformed(431, "request head too large")
        raw = bytes(buffer[:end])
        line, headers = raw[: self._line_end], raw[self._line_end + 2 :]
        del buffer[: end + 4]
        self._line_end, self._scanned = -1, 0
        parsed = parse_head(line, headers)
        if isinstance(parsed, Head):
            self._last_raw, self._last = raw + b"\r\n\r\n", parsed
        return parsed

    def _find_line_end(self) -> Malformed | None:
        buffer = self._buffer
        end = buffer.find(b"\r\n", max(0, self._scanned - 1), MAX_LINE + 2)
        if end < 0:
            self._scanned = min(len(buffer), MAX_LINE)
            return Malformed(414, "request line too long") if len(buffer) > MAX_LINE + 1 else None
        match = _REQUEST_LINE.fullmatch(buffer, 0, end)
        if match is None:
            return Malformed(0, "not an HTTP request")
        if match[3] != b"1":
            return Malformed(505, "only HTTP/1.x is spoken here")
        self._line_end, self._scanned = end, end
        return None


def parse_head(line: bytes, headers: bytes) -> Head | Malformed:
    """Return the head of a request from its line and its header lines, without their last line ends."""
    match = _REQUEST_LINE.fullmatch(line)
    assert match, "the line was checked when it was found"
    if _STRAY.search(headers):
        return Malformed(400, "a header has a stray control character")
    fields: dict[str, str] = {}
    lines = headers.decode("latin-1").split("\r\n") if headers else []
    if len(lines) > MAX_HEADERS:
        return Malformed(431, f"more than {MAX_HEADERS} headers")
    for text in lines:
        field = _HEADER.fullmatch(text)
        if field is None:
            return Malformed(400, "malformed header")
        name, value = field[1].lower(), field[2].rstrip(" \t")
        if name not in fields:
            fields[name] = value
        elif name in _SINGLE:
            return Malformed(400, f"more than one {name} header")
        else:
            fields[name] = f"{fields[name]}, {value}"
    length = _body_length(fields)
    if isinstance(length, Malformed):
        return length
    minor = min(int(match[4]), 1)
    keep_alive = minor == 1
    if "connection" in fields:
        wishes = {wish.strip() for wish in fields["connection"].lower().split(",")}
        keep_alive = "close" not in wishes and (minor == 1 or "keep-alive" in wishes)
    return Head(match[1].decode().upper(), match[2].decode("latin-1"), minor, fields, length, keep_alive)


def _body_length(fields: dict[str, str]) -> int | Malformed | None:
    text = fields.get("content-length")
    if "transfer-encoding" in fields:
        if text is not None:
            return Malformed(400, "both content-length and transfer-encoding")
        return Malformed(411, "a body needs a content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        return Malformed(400, "malformed content-length")
    significant = text.lstrip("0")
    if len(significant) > len(str(MAX_BODY)) or int(significant or "0") > MAX_BODY:
        return Malformed(413, f"a body may have {MAX_BODY} bytes")
    return int(significant or "0")
