"""What goes out on a connection and has not gone yet, in the order in which it was given."""

import socket
from collections import deque
from collections.abc import Callable

PIECE_BYTES = 4096
"""smaller pieces are put together: each costs the memory of hundreds of bytes"""


class Outgoing:
    """`now`: monotonic seconds; `counted(change)`: so many bytes more wait, or fewer."""

    def __init__(self, now: Callable[[], float], counted: Callable[[int], None]) -> None:
        self._now, self._counted = now, counted
        self._pieces: deque[memoryview] = deque()
        self.size = 0
        """bytes"""
        self._progress_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces)

    @property
    def stalled_s(self) -> float:
        """For how long nothing has gone out although something should."""
        return self._now() - self._progress_at if self._pieces else 0.0

    def send(self, sock: socket.socket, data: bytes) -> bool:
        """Send what can be sent at once and keep the rest; tell whether there is any. OSError: the client is gone."""
        sent = 0
        if not self._pieces:
            self._progress_at = self._now()
            try:
                sent = sock.send(data)
            except BlockingIOError:
                sent = 0
        if sent == len(data):
            return False
        rest = memoryview(data)[sent:]
        if self._pieces and len(self._pieces[-1]) + len(rest) <= PIECE_BYTES:
            rest = memoryview(bytes(self._pieces.pop()) + rest)
        self._pieces.append(rest)
        self._count(len(data) - sent)
        return True

    def go_on(self, sock: socket.socket, at_most: int) -> None:
        """Send more of it. OSError: the client is gone."""
        while self._pieces and at_most > 0:
            piece = self._pieces[0]
            try:
                sent = sock.send(piece)
            except BlockingIOError:
                return
            self._progress_at = self._now()
            self._count(-sent)
            at_most -= sent
            if sent < len(piece):
                self._pieces[0] = piece[sent:]
            else:
                self._pieces.popleft()

    def clear(self) -> None:
        """Forget it all."""
        self._pieces.clear()
        self._count(-self.size)

    def _count(self, change: int) -> None:
        self.size += change
        self._counted(change)
