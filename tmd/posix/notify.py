"""A word to the service manager that started us: datagrams of a few bytes in the manner of sd_notify(3).

Promises never to wait and never to fail the caller: a manager that is busy or gone is told so in the answer. Knows
nothing of what is worth saying. Nothing of systemd's is loaded; its library is not needed for this.
"""

import enum
import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import NamedTuple

OURS_ALONE = (
    "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID",
)  # fmt: skip
"""variables that speak to one process only: a child that took them for its own would speak in our name"""


class Contract(NamedTuple):
    """What the service manager wants of us. `address`: where to tell it, None when nobody listens."""

    address: str | None = None
    watchdog_s: float | None = None
    """a sign of life at least this often; None: none is wanted"""


class Sent(enum.Enum):
    """What became of a message."""

    TAKEN = "taken"
    LATER = "later"
    """the manager is busy; the same message may get through in a moment"""
    LOST = "lost"
    """nobody is there, or the address makes no sense"""


def take_contract(environ: MutableMapping[str, str]) -> Contract:
    """Return what is wanted of us and take all that is meant for us alone out of the environment."""
    found = {name: environ.pop(name) for name in OURS_ALONE if name in environ}
    return Contract(found.get("NOTIFY_SOCKET") or None, _watchdog_s(found))


def _watchdog_s(found: Mapping[str, str]) -> float | None:
    """Return the interval that is asked of this process; None for an interval of zero, or one that is no number."""
    if found.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = found.get("WATCHDOG_USEC", "")
    microseconds = int(text) if text.isascii() and text.isdigit() else 0
    return microseconds / 1e6 if microseconds else None


class Notifier:
    """The way to one service manager. `reason` says why the last message was lost."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self.reason = ""

    def send(self, assignments: Mapping[str, str]) -> Sent:
        """Send `NAME=value` lines as one message. Line breaks and other control characters in values become blanks."""
        lines = (f"{name}={_one_line(value)}" for name, value in assignments.items())
        try:
            self._opened().sendto("\n".join(lines).encode(errors="replace"), _kernel_address(self._address))
        except BlockingIOError:
            return Sent.LATER
        except (OSError, ValueError) as why:
            self.reason = str(why.strerror if isinstance(why, OSError) and why.strerror else why)
            return Sent.LOST
        return Sent.TAKEN

    def close(self) -> None:
        """Let go of the socket; idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        return self._socket


def _kernel_address(address: str) -> str:
    """Return the address as the kernel knows it: a path, or a name beside the file system for `@name`."""
    if address.startswith("@") and len(address) > 1:
        return "\0" + address[1:]
    if not address.startswith("/"):
        raise ValueError("neither a path nor @name")
    return address


def _one_line(value: str) -> str:
    return "".join(character if character.isprintable() else " " for character in value)
