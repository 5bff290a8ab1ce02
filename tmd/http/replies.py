"""Replies: a status, headers and a body, and the bytes they become. Refuses to know who asked, or why.

An `Exchange` is one request and the one chance to answer it; handlers get it and nothing else of the connection.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from tmd.daemon.surface import Operation
from tmd.http.protocol import Head

REASONS: dict[int, str] = {
    100: "Continue",
    101: "Switching Protocols",
    200: "OK",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    411: "Length Required",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}

BARE = (("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),)
"""for what is no page of ours: it loads nothing, and nobody can frame it"""

_FOR_BROWSERS = "X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n"
"""in every head: what this is, and that no page of others may have it"""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Reply(NamedTuple):
    """A whole reply. `close`: the connection ends after it."""

    status: int
    body: bytes = b""
    content_type: str = "text/html"
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False


class Stream(Protocol):
    """A reply without an end, seen by the one who writes it."""

    on_room: Callable[[], None] | None
    """called when everything written has gone out"""
    on_gone: Callable[[], None] | None
    """called once, when the connection has ended, whoever ended it"""

    @property
    def backlog(self) -> int:
        """Bytes that were written and have not gone out."""

    @property
    def stalled_s(self) -> float:
        """For how long nothing has gone out although there is a backlog; 0 without one."""

    def write(self, data: bytes) -> None:
        """Send bytes; never blocks."""

    def end(self) -> None:
        """End the reply in order."""

    def drop(self) -> None:
        """Cut the connection."""


class Tunnel(Stream, Protocol):
    """A connection in another protocol than HTTP."""

    deaf: bool
    """nothing is read from the client: whoever takes it has enough for the moment"""

    @property
    def hung_up(self) -> bool:
        """Whether the client has ended the connection, whatever of it is unread: who is deaf has to ask."""

    def listen(self, on_data: Callable[[bytes], None]) -> None:
        """Have what the client sends passed on, from now on and what has come already."""


class Exchange(Protocol):
    """One request, waiting for its answer."""

    @property
    def head(self) -> Head:
        """The request's head."""

    @property
    def body(self) -> bytes:
        """The request's body."""

    operation: Operation[Any] | None
    """what the answer waits for, if that is all it takes: asked again, with this for an outcome, it is the same"""

    def reply(self, reply: Reply) -> None:
        """Answer, now or later; once the client is gone this does nothing."""

    def stream(self, content_type: str, headers: tuple[tuple[str, str], ...]) -> Stream:
        """Begin an answer without an end."""

    def tunnel(self, protocol: str) -> "Tunnel":
        """Answer that the connection goes on in another protocol, and hand it over."""


def error(status: int, reason: str = "", *, headers: tuple[tuple[str, str], ...] = (), close: bool = False) -> Reply:
    """Return the small page that goes with an error; `reason` must not need escaping."""
    text = (
        "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n<h1>Error response</h1>\r\n"
        f"<p>Error code {status}.\r\n<p>Message: {reason or REASONS[status]}.\r\n</body>\r\n"
    )
    return Reply(status, text.encode(), headers=(*BARE, *headers), close=close)


def http_date(epoch_s: float) -> str:
    """Return a time as HTTP writes it, whatever the locale."""
    at = time.gmtime(epoch_s)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year} "
        f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    )


class HeadWriter:
    """Writes the heads of replies; remembers the line with the date for as long as it is true.

    `written` is called with the status of each.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, written: Callable[[int], object] = lambda status: None
    ) -> None:
        self._clock = clock
        self._written = written
        self._second = -1
        self._common = ""

    def write(
        self,
        status: int,
        headers: tuple[tuple[str, str], ...],
        *,
        content_type: str,
        length: int | None,
        connection: str,
    ) -> bytes:
        """Return status line and headers, with the empty line that ends them.

        `connection` may be empty, and so may `content_type` where no body follows.
        """
        self._written(status)
        now = int(self._clock())
        if now != self._second:
            self._second = now
            self._common = f"Server: tmd\r\nDate: {http_date(now)}\r\n{_FOR_BROWSERS}"
        text = f"HTTP/1.1 {status} {REASONS[status]}\r\n{self._common}"
        if content_type:
            text += f"Content-Type: {content_type}\r\n"
        if length is not None:
            text += f"Content-Length: {length}\r\n"
        if connection:
            text += f"Connection: {connection}\r\n"
        for name, value in headers:
            text += f"{name}: {value}\r\n"
        return f"{text}\r\n".encode("latin-1")
