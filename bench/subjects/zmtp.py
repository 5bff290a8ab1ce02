"""ZMTP 3.0 over a unix socket, as a DEALER that sends and receives messages of one frame: all that circus wants.

libzmq has a thread of its own and lives in the environment of the subject, not in ours.
"""

import socket
import struct
from pathlib import Path

_MECHANISM = b"NULL".ljust(20, b"\0")
_GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + _MECHANISM + bytes(32)
_MORE, _LONG, _COMMAND = 1, 2, 4
_TIMEOUT_S = 180.0


class Dealer:
    """A connection to a ROUTER. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._heard = bytearray()
        try:
            self._socket.settimeout(_TIMEOUT_S)
            self._socket.connect(str(path))
            self._socket.sendall(_GREETING)
            greeting = self._take(len(_GREETING))
            if greeting[:1] != b"\xff" or greeting[10] < 3 or greeting[12:32] != _MECHANISM:
                raise ConnectionError(f"no ZMTP 3 without security: {greeting!r}")
            ready = b"\x05READY" + _property(b"Socket-Type", b"DEALER") + _property(b"Identity", b"")
            self._socket.sendall(_frame(_COMMAND, ready))
            flags, body = self._frame()
            if not flags & _COMMAND or not body.startswith(b"\x05READY"):
                raise ConnectionError(f"no READY: {body!r}")
        except BaseException:
            self._socket.close()
            raise

    def exchange(self, message: bytes) -> bytes:
        """Send a message and return the next one that comes."""
        self._socket.sendall(_frame(0, message))
        parts = b""
        while True:
            flags, body = self._frame()
            if flags & _COMMAND:
                continue  # pings, which need no answer when nobody asked for heartbeats
            parts += body
            if not flags & _MORE:
                return parts

    def close(self) -> None:
        """Give the connection up."""
        self._socket.close()

    def _frame(self) -> tuple[int, bytes]:
        flags = self._take(1)[0]
        (size,) = struct.unpack(">Q", self._take(8)) if flags & _LONG else self._take(1)
        return flags, self._take(size)

    def _take(self, size: int) -> bytes:
        while len(self._heard) < size:
            got = self._socket.recv(1 << 20)
            if not got:
                raise ConnectionError("the connection was closed in the middle of an answer")
            self._heard += got
        taken = bytes(self._heard[:size])
        del self._heard[:size]
        return taken


def _frame(flags: int, body: bytes) -> bytes:
    if len(body) > 255:
        return struct.pack(">BQ", flags | _LONG, len(body)) + body
    return struct.pack(">BB", flags, len(body)) + body


def _property(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + struct.pack(">I", len(value)) + value
