"""Listeners and connections as values: for another daemon to go on with, so that no client notices a change.

A connection that waits for its turn goes on as if nothing had happened: what was read of a request, what was not sent
of a reply, and a request whose answer is still to come. Replies without an end do not go on; they have ended before.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from tmd.config.settings import ServerSpec
from tmd.daemon.handover import Carried
from tmd.daemon.surface import Operation
from tmd.http.protocol import Head


class ConnectionState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One connection. `read`: came from the client and was not used yet, behind `head` if that was."""

    fd: int
    read: bytes = b""
    head: Head | None = None
    unsent: bytes = b""
    closing: bool = False
    """it ends when all is sent"""
    request: tuple[Head, bytes] | None = None
    """is being answered"""
    operation: int = -1
    """what that answer waits for: a number in a list"""


class ServerState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One listener. `identity`: of the file of its unix socket."""

    spec: ServerSpec
    fd: int
    identity: tuple[int, int] | None = None
    connections: list[ConnectionState] = []
    figures: dict[str, int] = {}

    def is_at(self, spec: ServerSpec) -> bool:
        """Tell whether it is the listener that a configuration asks for."""
        return (self.spec.family, self.spec.file, self.spec.host, self.spec.port) == (
            spec.family,
            spec.file,
            spec.host,
            spec.port,
        )

    def descriptors(self) -> list[int]:
        """Return all that are open."""
        return [self.fd, *(each.fd for each in self.connections)]


class Numbering:
    """Gives operations their numbers."""

    def __init__(self) -> None:
        self.operations: list[Operation[Any]] = []

    def of(self, operation: Operation[Any] | None) -> int:
        """Return the number of one, a new one if it has none; -1 for none."""
        if operation is None:
            return -1
        for number, known in enumerate(self.operations):
            if known is operation:
                return number
        self.operations.append(operation)
        return len(self.operations) - 1


def pack(servers: Sequence[ServerState], numbering: Numbering) -> Carried:
    """Return states as the daemon keeps them, which does not look into them."""
    fds = [fd for server in servers for fd in server.descriptors()]
    return Carried(msgspec.msgpack.encode(servers), fds, numbering.operations)


def unpacked(data: bytes) -> list[ServerState]:
    """Return states that were kept; raises `msgspec.MsgspecError` for what cannot be understood."""
    return msgspec.msgpack.decode(data, type=list[ServerState]) if data else []
