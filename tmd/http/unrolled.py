"""Replies too large to be made at once: piece after piece, as fast as the connection takes them, others in between."""

from typing import Protocol

from tmd.http.replies import Stream
from tmd.http.turns import Turns


class Pieces(Protocol):
    """What a reply is made of, one after the other."""

    def __next__(self) -> bytes:
        """Return the next one; OSError when it cannot be made."""

    def close(self) -> None:
        """Let go of what they are made of, also if none was ever asked for; idempotent."""


class Unrolled:
    """Sends `pieces` and ends the stream; a piece that raises OSError cuts it off. `at_once`: made in one step."""

    def __init__(self, pieces: Pieces, stream: Stream, turns: Turns, at_once: int = 1) -> None:
        self._pieces, self._turns = pieces, turns
        self._at_once = at_once
        self._waiting = False
        self._over = False
        self.stream = stream
        stream.on_room = self.go_on

    def go_on(self) -> None:
        """Send the next pieces when it is their turn; those after them when these have gone out."""
        if not self._waiting:
            self._waiting = True
            self._turns.send(self._send)

    def _send(self) -> None:
        self._waiting = False
        for _ in range(self._at_once):
            if self._over or self.stream.backlog:
                return
            try:
                piece = next(self._pieces, None)
            except OSError:
                self.stream.drop()
                return
            if piece is None:
                self.stream.end()
                return
            self.stream.write(piece)
        self.go_on()

    def finish(self) -> None:
        """Cut it off: half a reply must not look like a whole one."""
        self.stream.drop()

    def close(self) -> None:
        """Let go of what the pieces are made of; the stream has ended."""
        self._over = True
        self._pieces.close()
