"""Connections with one deadline for all of it: finding the address, connecting, TLS, and every byte both ways.

Time-outs of sockets count anew for each byte that drips in, and looking up a name has none at all; so sockets made here
know when everything has to be over, and names are looked up on a thread that is given up when that moment comes. How
much the other side may say until then is bounded, too: protocols have places where it may go on for ever, and what
reads those keeps all of it. Knows no protocol, and nothing about alerts.
"""

import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tmd.daemon.sinks import NotDelivered
from tmd.daemon.workers import NO_THREAD

if TYPE_CHECKING:
    import ssl

MAX_HEARD = 256 * 1024
"""bytes that are taken from the other side in one conversation"""

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


class Flooded(OSError):
    """The other side does not stop talking."""

    def __init__(self) -> None:
        super().__init__(f"it does not stop talking ({MAX_HEARD // 1024} KB were read)")


class Deadline:
    """The moment by which all must be over, `seconds` from now, and how much may be said until then."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._ends_at = clock() + seconds
        self._heard = 0

    @property
    def passed(self) -> bool:
        """Whether it is too late."""
        return self._clock() >= self._ends_at

    def hurry(self, seconds: float) -> None:
        """Bring it forward, to `seconds` from now at the latest."""
        self._ends_at = min(self._ends_at, self._clock() + seconds)

    def left(self) -> float:
        """Return the seconds that are left, more than 0; raises TimeoutError when none are."""
        left_s = self._ends_at - self._clock()
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s

    def hear(self, count: int) -> int:
        """Note so many bytes from the other side, and return the number; raises Flooded when it is too much."""
        self._heard += count
        if self._heard > MAX_HEARD:
            raise Flooded
        return count


class TimedSocket(socket.socket):
    """A socket none of whose calls outlasts its deadline, and which hears no more than that allows."""

    deadline: Deadline

    def recv_into(self, *arguments: Any) -> int:
        """Receive, as a socket does."""
        self.settimeout(self.deadline.left())
        return self.deadline.hear(super().recv_into(*arguments))

    def sendall(self, *arguments: Any) -> None:
        """Send, as a socket does."""
        self.settimeout(self.deadline.left())
        super().sendall(*arguments)


def dial(host: str, port: int, deadline: Deadline) -> TimedSocket:
    """Connect to the first address of a name that takes it; raises NotDelivered."""
    addresses = _look_up(host, port, deadline)
    trouble = "it has no address"
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = TimedSocket(family, kind, protocol)
        sock.deadline = deadline
        try:
            # A share of the time: the next address may answer where this one is silent.
            sock.settimeout(deadline.left() / (len(addresses) - number))
            sock.connect(address)
        except OSError as why:
            sock.close()
            trouble = explained(why, deadline)
        else:
            return sock
    raise NotDelivered(f"cannot connect to {place(host, port)}: {trouble}")


def place(host: str, port: int) -> str:
    """Return `host:port` as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tls(deadline: Deadline) -> "ssl.SSLContext":
    """Return a context that verifies against the system's authorities and keeps to the deadline."""
    import ssl  # noqa: PLC0415 - 4 MB that only who speaks TLS needs

    class TimedTls(ssl.SSLSocket):
        """The same for TLS. Its handshake keeps to the time-out that the socket had as a whole."""

        def recv_into(self, *arguments: Any, **more: Any) -> int:
            self.settimeout(deadline.left())
            return deadline.hear(super().recv_into(*arguments, **more))

        def send(self, *arguments: Any, **more: Any) -> int:  # `sendall` calls it as often as it takes
            self.settimeout(deadline.left())
            return super().send(*arguments, **more)

    context = ssl.create_default_context()
    context.sslsocket_class = TimedTls
    return context


def secured(sock: socket.socket, host: str, deadline: Deadline) -> "ssl.SSLSocket":
    """Return the connection with TLS on it, the other side verified; raises an OSError. The old one is used up."""
    context = tls(deadline)
    sock.settimeout(deadline.left())
    return context.wrap_socket(sock, server_hostname=host)


def explained(why: BaseException, deadline: Deadline) -> str:
    """Return in plain words why a conversation failed."""
    if deadline.passed:
        return f"no answer within {deadline.seconds:g} s"
    verification = getattr(why, "verify_message", None)
    if verification is not None:
        return f"its certificate is not valid: {verification}"
    if type(why).__module__ == "ssl" and isinstance(why, OSError):
        reason = str(getattr(why, "reason", None) or why.strerror or why)
        return f"TLS failed: {reason.replace('_', ' ').lower()}"
    match why:
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return "it broke the connection off"
        case TimeoutError():
            return "it does not answer"
        case Flooded():
            return str(why)
        case OSError():
            return (why.strerror or str(why)).lower()
        case _:
            return str(why) or type(why).__name__


def _look_up(host: str, port: int, deadline: Deadline) -> Sequence[Address]:
    if _is_number(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    answers: queue.SimpleQueue[Sequence[Address] | str] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as why:
            answers.put((why.strerror if isinstance(why, OSError) else None) or str(why))

    try:
        threading.Thread(target=ask, name="tmd-lookup", daemon=True).start()
    except RuntimeError:
        raise NotDelivered(f"cannot find '{host}': {NO_THREAD}") from None
    try:
        found = answers.get(timeout=deadline.left())
    except (queue.Empty, TimeoutError):
        raise NotDelivered(f"cannot find '{host}': no answer from the name server in {deadline.seconds:g} s") from None
    if isinstance(found, str):
        raise NotDelivered(f"cannot find '{host}': {found[:1].lower()}{found[1:]}")
    return found


def _is_number(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return True
