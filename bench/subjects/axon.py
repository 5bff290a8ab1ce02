"""The protocol between pm2 and its clients: calls in JSON, framed as AMP messages, over the daemon's unix socket.

A message is a byte (version in the high half, number of parts in the low), then each part behind its length in four
bytes, the highest first. A part begins with `j:` (JSON) or `s:` (a string). A call is a JSON object and the id its
answer will carry; answers come in the order in which the daemon has them ready.
"""

import itertools
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from bench.subjects.waiting import until

_VERSION = 1 << 4
_LENGTH = struct.Struct(">I")


class Refused(Exception):
    """The daemon answered a call with an error."""


class Axon:
    """A kept connection."""

    def __init__(self, path: Path, timeout_s: float = 120.0) -> None:
        """Connect to the socket of a daemon that may still be coming up. Raises TimeoutError."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._ids = itertools.count()
        self._received = bytearray()
        try:
            until(lambda: self._connects(path), timeout_s, f"something listens on {path}")
        except TimeoutError:
            self._socket.close()
            raise
        self._socket.settimeout(timeout_s)

    def _connects(self, path: Path) -> bool:
        try:
            self._socket.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def call(self, method: str, argument: Any) -> Any:
        """Call, and return the first value of the answer. Raises `Refused`, OSError, TimeoutError."""
        return self.calls(method, (argument,), 1)[0]

    def calls(self, method: str, arguments: Iterable[Any], at_once: int) -> list[Any]:
        """Call once with each argument, at most so many at a time; return the values as they came."""
        waiting: set[str] = set()
        values: list[Any] = []
        left = iter(arguments)
        while True:
            for argument in itertools.islice(left, at_once - len(waiting)):
                waiting.add(self.send(method, argument))
            if not waiting:
                return values
            answer, of = self._receive()
            waiting.discard(of)
            if answer.get("error") is not None:
                raise Refused(f"cannot {method}: {answer['error']}")
            values.append((answer.get("args") or [None])[0])

    def send(self, method: str, argument: Any) -> str:
        """Send a call without waiting for its answer; returns its id."""
        of = f"bench:{next(self._ids)}"
        call = {"type": "call", "method": method, "args": [argument]}
        self._socket.sendall(encode((b"j:" + msgspec.json.encode(call), b"s:" + of.encode())))
        return of

    def _receive(self) -> tuple[dict[str, Any], str]:
        head = self._take(1)[0]
        parts = [self._take(*_LENGTH.unpack(self._take(_LENGTH.size))) for _ in range(head & 0xF)]
        return msgspec.json.decode(parts[0][2:]), parts[-1][2:].decode()

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            chunk = self._socket.recv(1 << 20)
            if not chunk:
                raise ConnectionResetError("the daemon has closed the connection")
            self._received += chunk
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def close(self) -> None:
        """Give the connection up."""
        self._socket.close()


def encode(parts: Iterable[bytes]) -> bytes:
    """Return the message of these parts."""
    parts = tuple(parts)
    return bytes((_VERSION | len(parts),)) + b"".join(_LENGTH.pack(len(part)) + part for part in parts)
