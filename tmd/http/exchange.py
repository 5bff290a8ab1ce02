"""One request and the way its answer takes: what handlers hold while the connection goes on living, or does not."""

from collections.abc import Callable
from typing import Any, Protocol

from tmd.daemon.surface import Operation
from tmd.http.protocol import Head
from tmd.http.replies import Reply


class Line(Protocol):
    """A connection, as far as answers are concerned."""

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not gone out."""

    @property
    def stalled_s(self) -> float:
        """For how long nothing has gone out although something should."""

    def answer(self, exchange: "HttpExchange", reply: Reply) -> None:
        """Send the reply to a request."""

    def begin_stream(
        self, exchange: "HttpExchange", content_type: str, headers: tuple[tuple[str, str], ...]
    ) -> "HttpStream":
        """Begin the reply to a request as a stream."""

    def begin_tunnel(self, exchange: "HttpExchange", protocol: str) -> "HttpStream":
        """Give the connection over to another protocol."""

    @property
    def hung_up(self) -> bool:
        """Whether the client has ended the connection."""

    def listen_again(self) -> None:
        """Look whether the stream is still deaf."""

    def write_stream(self, stream: "HttpStream", data: bytes) -> None:
        """Send bytes of a stream."""

    def end_stream(self, stream: "HttpStream") -> None:
        """End a stream in order."""

    def close(self) -> None:
        """End the connection."""


class HttpExchange:
    """One request of a connection."""

    __slots__ = ("_connection", "body", "head", "operation")

    def __init__(self, connection: Line, head: Head, body: bytes) -> None:
        self._connection = connection
        self.head = head
        self.body = body
        self.operation: Operation[Any] | None = None
        """what the answer waits for, if that is all it takes"""

    def reply(self, reply: Reply) -> None:
        """Answer; a second answer, or one to a client that has gone, is dropped."""
        self._connection.answer(self, reply)

    def stream(self, content_type: str, headers: tuple[tuple[str, str], ...]) -> "HttpStream":
        """Begin an answer without an end."""
        return self._connection.begin_stream(self, content_type, headers)

    def tunnel(self, protocol: str) -> "HttpStream":
        """Answer that the connection goes on in another protocol, and hand it over."""
        return self._connection.begin_tunnel(self, protocol)


class HttpStream:
    """A reply without an end. HTTP/1.1 gets it in chunks, HTTP/1.0 until the connection closes."""

    def __init__(self, connection: Line, *, chunked: bool, early: bytes = b"") -> None:
        self._connection = connection
        self._chunked = chunked
        self.on_room: Callable[[], None] | None = None
        self.on_gone: Callable[[], None] | None = None
        self._on_data: Callable[[bytes], None] | None = None
        self._early = early
        """came before somebody listened"""
        self._deaf = False

    def listen(self, on_data: Callable[[bytes], None]) -> None:
        """Have what the client sends passed on, from now on and what has come already."""
        self._on_data = on_data
        early, self._early = self._early, b""
        if early:
            on_data(early)

    @property
    def deaf(self) -> bool:
        """Whether nothing is read from the client: whoever takes it has enough for the moment."""
        return self._deaf

    @deaf.setter
    def deaf(self, deaf: bool) -> None:
        if deaf != self._deaf:
            self._deaf = deaf
            self._connection.listen_again()

    @property
    def hung_up(self) -> bool:
        """Whether the client has ended the connection, whatever of it is unread: who is deaf has to ask."""
        return self._connection.hung_up

    @property
    def backlog(self) -> int:
        """Bytes that were written and have not gone out."""
        return self._connection.unsent_bytes

    @property
    def stalled_s(self) -> float:
        """For how long nothing has gone out although there is a backlog."""
        return self._connection.stalled_s

    def write(self, data: bytes) -> None:
        """Send bytes; never blocks."""
        if data:
            framed = b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
            self._connection.write_stream(self, framed)

    def end(self) -> None:
        """End the reply in order."""
        if self._chunked:
            self._connection.write_stream(self, b"0\r\n\r\n")
        self._connection.end_stream(self)

    def drop(self) -> None:
        """Cut the connection."""
        self._connection.close()

    def received(self, data: bytes) -> None:
        """The client has sent something."""
        if self._on_data is not None:
            self._on_data(data)

    def has_room(self) -> None:
        """Everything has gone out."""
        if self.on_room is not None:
            self.on_room()

    def gone(self) -> None:
        """The connection has ended."""
        on_gone, self.on_gone = self.on_gone, None
        if on_gone is not None:
            on_gone()
