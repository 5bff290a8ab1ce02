"""A service manager: listens where it says, keeps what it is told, and orders it like systemd does."""

import socket
from pathlib import Path

from tests.support import eventually


class ServiceManager:
    """`address` is what goes into NOTIFY_SOCKET: a path, or `@name`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.messages: list[dict[str, str]] = []

    def receive(self) -> list[dict[str, str]]:
        """Return all messages so far."""
        while True:
            try:
                message = self._socket.recv(65536).decode()
            except BlockingIOError:
                return self.messages
            pairs = (line.partition("=") for line in message.split("\n"))
            self.messages.append({name: value for name, _, value in pairs})

    def said(self, name: str) -> list[str]:
        """Return every value of a variable, in order."""
        return [message[name] for message in self.receive() if name in message]

    def until(self, name: str, value: str | None = None, count: int = 1, deadline_s: float = 20.0) -> dict[str, str]:
        """Wait for the `count`th message that has `name` (with that value); return it."""

        def found() -> dict[str, str] | None:
            matching = [m for m in self.receive() if name in m and value in (None, m[name])]
            return matching[count - 1] if len(matching) >= count else None

        try:
            message = eventually(found, deadline_s, what=f"{count} x {name}={value}")
        except AssertionError as late:
            raise AssertionError(f"{late}; told: {self.messages}") from None
        assert message is not None
        return message

    def close(self) -> None:
        """Go away, with the socket's file."""
        self._socket.close()
        if self.address.startswith("/"):
            Path(self.address).unlink(missing_ok=True)
