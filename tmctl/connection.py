"""One HTTP/1.1 connection over a unix socket or TCP: requests out, answers in, whole or as they come.

Promises: a deadline on connecting, an optional one on reading; every failure is `Unreachable`, never a bare OSError.
Knows nothing about XML-RPC or commands.
"""

import errno
import os
import socket
import sys
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

CONNECT_S = 5.0
SUSPECT_S = 2.0
"""after so long without an answer it is looked whether there is anybody to give one"""
_CHUNK = 1 << 16
_HEAD_MAX_BYTES = 1 << 16


class Address(NamedTuple):
    """Where a server listens: a unix socket's path, or host and port."""

    url: str
    path: str = ""
    host: str = ""
    port: int = 0
    username: str | None = None
    """from the URL itself, as in `http://user:secret@host:9001`"""
    password: str | None = None

    @property
    def is_unix(self) -> bool:
        """Whether it is a path."""
        return bool(self.path)

    @property
    def authority(self) -> str:
        """What the Host header says."""
        if self.is_unix:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


class Unreachable(Exception):
    """The server cannot be talked to. `number` is the errno (0 if none), `reason` lower-case words.

    `suspended`: the pid of a server that is there, but held by a signal; 0 if it is not that.
    """

    def __init__(self, url: str, number: int, reason: str, suspended: int = 0) -> None:
        self.url = url
        self.number = number
        self.reason = reason
        self.suspended = suspended
        super().__init__(f"{url}: {reason}")


def parse_url(url: str) -> Address:
    """Return the address in `unix:///path` or `http://host[:port]`; ValueError says what is wrong with another."""
    scheme, separator, rest = url.partition("://")
    if not separator or not rest:
        raise ValueError(f"value {url!r} is not a URL")
    if scheme == "unix":
        return Address(url, path=os.path.expanduser(rest))
    if scheme != "http":
        raise ValueError(f"value {url!r} is not a URL of a known kind (unix:///path or http://host:port)")
    authority = rest.partition("/")[0]
    credentials, _, place = authority.rpartition("@")
    username, _, password = credentials.partition(":")
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = place.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise ValueError(f"value {url!r} is not a URL: no host, or a port that is not 1 to 65535")
    return Address(
        url,
        host=host,
        port=int(port or 80),
        username=_unquote(username) if credentials else None,
        password=_unquote(password) if credentials else None,
    )


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # noqa: PLC0415  rare, and dear to import

    return unquote(text)


class Head(NamedTuple):
    """Status line and headers of an answer; header names in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]


class Connection:
    """A connection that is opened at the first request and kept for the next."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._socket: socket.socket | None = None
        self._buffer = b""

    def close(self) -> None:
        """Close; the next request opens anew."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        if self._socket is None:
            raise Unreachable(self.address.url, 0, "not connected")
        return self._socket.fileno()

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes, read_s: float | None) -> None:
        """Send one request; `read_s` bounds each wait for the answer (None: no bound)."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address.authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join([*lines, "", ""]).encode() + body
        connected = self._connected()
        try:
            connected.settimeout(CONNECT_S)
            connected.sendall(request)
            connected.settimeout(read_s)
        except OSError as error:
            # A server may answer 401 or 413 and close before it has read the body: its answer is worth reading.
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                self._fail(error)

    def head(self) -> Head:
        """Return the head of the answer."""
        self._await_answer()
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _HEAD_MAX_BYTES:
                self.close()
                raise Unreachable(self.address.url, 0, "the answer has no end to its headers (is this a supervisor?)")
            data = self.receive()
            if not data:
                self.close()
                raise Unreachable(self.address.url, 0, "the server closed the connection without an answer")
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        version, _, status = lines[0].partition(" ")
        code, _, reason = status.partition(" ")
        if not version.startswith("HTTP/1.") or not code.isdigit():
            self.close()
            raise Unreachable(self.address.url, 0, f"the answer is not HTTP: {lines[0][:80]!r}")
        pairs = (line.partition(":") for line in lines[1:])
        return Head(int(code), reason, {name.strip().lower(): value.strip() for name, _, value in pairs})

    def _await_answer(self) -> None:
        """Wait for a while; should nothing come, see whether the server lives, who may as well be suspended."""
        waiting = self._socket
        if waiting is None or self._buffer or not self.address.is_unix:
            return
        read_s = waiting.gettimeout()
        if read_s is not None and read_s <= SUSPECT_S:
            return
        waiting.settimeout(SUSPECT_S)
        try:
            waiting.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            pid = peer(waiting)
            if is_suspended(pid):
                self.close()
                raise Unreachable(self.address.url, errno.ETIMEDOUT, "it is suspended", pid) from None
        except OSError:
            pass  # as the next attempt will find out
        waiting.settimeout(read_s)

    def body(self, head: Head) -> bytes:
        """Return the whole body of the answer."""
        body = Body(head.headers)
        parts = []
        data = self.buffered()
        while True:
            parts.append(body.feed(data))
            if body.done:
                break
            data = self.receive()
            if not data:
                self.close()
                if not body.until_close:
                    raise Unreachable(self.address.url, 0, "the connection broke in the middle of an answer")
                break
        self._buffer = body.rest
        if head.headers.get("connection", "").lower() == "close":
            self.close()
        return b"".join(parts)

    def unhurried(self) -> None:
        """Wait without bound from here on."""
        if self._socket is not None:
            self._socket.settimeout(None)

    def take_over(self) -> socket.socket:
        """Return the socket, the caller's from now on: it speaks another protocol. What is `buffered` belongs to it."""
        taken, self._socket = self._socket, None
        if taken is None:
            raise Unreachable(self.address.url, 0, "not connected")
        return taken

    def buffered(self) -> bytes:
        """Return what came in behind the head, and forget it."""
        data, self._buffer = self._buffer, b""
        return data

    def receive(self) -> bytes:
        """Return the next bytes; empty at the end of the connection."""
        if self._socket is None:
            return b""
        try:
            return self._socket.recv(_CHUNK)
        except OSError as error:
            self._fail(error)

    def _connected(self) -> socket.socket:
        if self._socket is not None and self._went_stale(self._socket):
            self.close()
        if self._socket is None:
            self._socket = self._open()
        return self._socket

    @staticmethod
    def _went_stale(kept: socket.socket) -> bool:
        # Between requests nothing is owed to us: readable means closed by the server, or rubbish.
        try:
            kept.settimeout(0)
            kept.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def _open(self) -> socket.socket:
        address = self.address
        if not address.is_unix:
            try:
                opened = socket.create_connection((address.host, address.port), CONNECT_S)
            except OSError as error:
                self._fail(error)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.settimeout(CONNECT_S)
            opened.connect(address.path)
        except OSError as error:
            opened.close()
            self._fail(error)
        return opened

    def _fail(self, error: OSError) -> NoReturn:
        self.close()
        if isinstance(error, TimeoutError):
            raise Unreachable(self.address.url, errno.ETIMEDOUT, "no answer in time") from error
        if isinstance(error, socket.gaierror):
            raise Unreachable(self.address.url, 0, f"unknown host {self.address.host!r}") from error
        reason = (error.strerror or str(error)).lower()
        raise Unreachable(self.address.url, error.errno or 0, reason) from error


def peer(connected: socket.socket) -> int:
    """Return the pid of who listens at the other end of a unix socket, 0 when it cannot be told."""
    try:
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # pid, uid and gid
    except (OSError, AttributeError):
        return 0
    return int.from_bytes(credentials[:4], sys.byteorder)


def is_suspended(pid: int) -> bool:
    """Tell whether a process is held by a signal."""
    return kernel_state(pid) == "T"


def kernel_state(pid: int) -> str:
    """Return the letter that the kernel gives the state of a process, empty when there is none (or no /proc)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except (OSError, IndexError):
        return ""


class Body:
    """Takes the bytes of a body apart, however they arrive: by length, in chunks, or until the end."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "")
        self.until_close = not self.chunked and not length.isdigit()
        self.done = False
        self.rest = b""
        """bytes behind the end of the body"""
        self._owed = int(length) if length.isdigit() and not self.chunked else 0
        self._state = "size"

    def feed(self, data: bytes) -> bytes:
        """Return the payload in `data`; sets `done` at the end."""
        if self.until_close:
            return data
        if not self.chunked:
            payload, self.rest = data[: self._owed], data[self._owed :]
            self._owed -= len(payload)
            self.done = self._owed == 0
            return payload
        self.rest += data
        parts: list[bytes] = []
        while not self.done and self._step(parts):
            continue
        return b"".join(parts)

    def _step(self, parts: list[bytes]) -> bool:
        if self._state == "data":
            part = self.rest[: self._owed]
            self.rest = self.rest[len(part) :]
            self._owed -= len(part)
            parts.append(part)
            if self._owed:
                return False
            self._state = "gap"
        line, end, rest = self.rest.partition(b"\r\n")
        if not end:
            return False
        self.rest = rest
        if self._state == "gap":
            self._state = "size"
        elif self._state == "trailer":
            self.done = not line
        else:
            self._owed = int(line.partition(b";")[0].strip() or b"0", 16)
            self._state = "data" if self._owed else "trailer"
        return True
