"""Calls to a supervisor: XML-RPC methods, and the log streams beside them.

Promises: one kept connection, basic authentication, deadlines, and five ways to fail: `ServerFault`, `HttpStatus`,
`Unreachable`, `BadReply`, and KeyboardInterrupt, after any of which the next call starts on a fresh connection.
Knows nothing about commands.
"""

import binascii
import socket
import time
from typing import Any, NamedTuple

from tmctl.connection import Address, Body, Connection
from tmctl.marshal import Argument, BadReply, decode_reply, encode_call

ASK_AGAIN = 5
"""so often a server is asked again that wants to be"""
LONGEST_PAUSE_S = 5.0
ANSWER_S = 60.0
"""How long a call that waits for nothing may take."""


class HttpStatus(Exception):
    """The server answered with a status other than 200."""

    def __init__(self, url: str, status: int, reason: str) -> None:
        self.url = url
        self.status = status
        self.reason = reason
        super().__init__(f"{url}: {status} {reason}")


class _AskAgain(HttpStatus):
    """It asked to be asked again, after so long."""

    def __init__(self, url: str, status: int, reason: str, after_s: float) -> None:
        super().__init__(url, status, reason)
        self.after_s = after_s


class Refused(NamedTuple):
    """An answer in place of an upgrade; `text` is for people, empty when the server did not understand."""

    status: int
    reason: str
    text: str


class Client:
    """A server at an address, as somebody."""

    def __init__(self, address: Address, username: str | None = None, password: str | None = None) -> None:
        self.address = address
        self.username = address.username if username is None else username
        self.password = address.password if password is None else password
        self._connection = Connection(address)

    def close(self) -> None:
        """Drop the connection; the next call opens one."""
        self._connection.close()

    def call(self, method: str, *params: Argument) -> Any:
        """Call a method that answers at once."""
        return self._call(method, params, ANSWER_S)

    def wait(self, method: str, *params: Argument) -> Any:
        """Call a method that answers when something has happened, however long that takes."""
        return self._call(method, params, None)

    def stream(self, path: str) -> "Stream":
        """Open a stream such as `/logtail/web/stdout`, on a connection of its own."""
        return Stream(Connection(self.address), path, self._authorization())

    def upgrade(self, path: str) -> "tuple[socket.socket, bytes] | Refused":
        """Ask for a connection in the protocol of terminals; return it, with what came at once."""
        from tmd.wire.frames import UPGRADE  # noqa: PLC0415  few ask for it

        connection = Connection(self.address)
        headers = {
            "User-Agent": "tmctl",
            "Connection": "Upgrade",
            "Upgrade": UPGRADE,
            "Content-Length": "0",
            **self._authorization(),
        }
        try:
            connection.send("POST", path, headers, b"", ANSWER_S)
            head = connection.head()
            if head.status == 101:
                early = connection.buffered()
                return connection.take_over(), early
            known = head.headers.get("content-type", "").startswith("text/plain")
            text = connection.body(head).decode(errors="replace") if known else ""
            return Refused(head.status, head.reason, text)
        finally:
            connection.close()

    def _call(self, method: str, params: tuple[Argument, ...], read_s: float | None) -> Any:
        return decode_reply(self.post(encode_call(method, params), read_s))

    def post(self, body: bytes, read_s: float | None) -> bytes:
        """Send an XML-RPC call and return the reply, both as they are on the wire; `read_s` bounds each wait.

        A server that is just being replaced asks to be asked again; it is, some times.
        """
        for _ in range(ASK_AGAIN):
            try:
                return self._post(body, read_s)
            except _AskAgain as later:
                time.sleep(later.after_s)
        return self._post(body, read_s)

    def _post(self, body: bytes, read_s: float | None) -> bytes:
        headers = {
            "User-Agent": "tmctl",
            "Content-Type": "text/xml",
            "Accept": "text/xml",
            **self._authorization(),
            "Content-Length": str(len(body)),
        }
        finished = False
        try:
            self._connection.send("POST", "/RPC2", headers, body, read_s)
            head = self._connection.head()
            if head.status != 200:
                after = head.headers.get("retry-after", "")
                if head.status == 503 and after.isdigit():
                    raise _AskAgain(self.address.url, head.status, head.reason, min(float(after), LONGEST_PAUSE_S))
                raise HttpStatus(self.address.url, head.status, head.reason)
            reply = self._connection.body(head)
            finished = True
        except ValueError as error:
            raise BadReply(f"the reply is not HTTP: {error}") from error
        finally:
            if not finished:
                self.close()
        return reply

    def _authorization(self) -> dict[str, str]:
        if self.username is None or self.password is None:
            return {}
        token = binascii.b2a_base64(f"{self.username}:{self.password}".encode(), newline=False).decode()
        return {"Authorization": f"Basic {token}"}


class Stream:
    """Bytes that go on coming until somebody closes."""

    def __init__(self, connection: Connection, path: str, authorization: dict[str, str]) -> None:
        self.url = connection.address.url + path
        self._connection = connection
        self._first: bytes | None = None
        try:
            connection.send("GET", path, {"Accept": "*/*", "User-Agent": "tmctl", **authorization}, b"", ANSWER_S)
            head = connection.head()
            if head.status != 200:
                raise HttpStatus(self.url, head.status, head.reason)
        except BaseException:
            connection.close()
            raise
        self.headers = head.headers
        self._body = Body(head.headers)
        self._first = self._body.feed(connection.buffered())
        connection.unhurried()

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        return self._connection.fileno()

    def first(self) -> bytes:
        """Return what came together with the answer's head."""
        first, self._first = self._first, b""
        return first or b""

    def read(self) -> bytes | None:
        """Wait for more and return it (it may be empty); None at the end."""
        if self._body.done:
            return None
        data = self._connection.receive()
        return self._body.feed(data) if data else None

    def close(self) -> None:
        """Stop."""
        self._connection.close()
