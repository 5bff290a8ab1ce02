"""Replies too large to be made at once: piece after piece, as fast as the connection takes them, others in between."""

from collections.abc import Callable, Generator

from tmd.http.replies import Stream


class Unrolled:
    """Sends `pieces` and ends the stream; a piece that raises OSError cuts it off.

    `later`: calls back in the next turn of the loop. `at_once`: so many pieces are made in one turn.
    """

    def __init__(
        self,
        pieces: Generator[bytes, None, None],
        stream: Stream,
        later: Callable[[Callable[[], None]], object],
        at_once: int = 1,
    ) -> None:
        self._pieces, self._later, self._at_once = pieces, later, at_once
        self._waiting = False
        self._over = False
        self.stream = stream
        stream.on_room = self.pump

    def pump(self) -> None:
        """Send the next pieces; those after them follow when these have gone out, and others had their turn."""
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
        if not self._waiting:
            self._waiting = True
            self._later(self.pump)

    def finish(self) -> None:
        """Cut it off: half a reply must not look like a whole one."""
        self.stream.drop()

    def close(self) -> None:
        """Let go of what the pieces are made of; the stream has ended."""
        self._over = True
        self._pieces.close()
