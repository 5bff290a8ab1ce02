"""The last output of a program on a terminal, for who joins it: bounded, numbered, and written by another thread.

The drain's thread writes, the loop's reads. Neither waits for the other: the writer only appends at one end of a queue
of pieces and takes off the other, which are single steps in Python; the reader works on a copy and looks again when a
piece went while it was copying. A reader who is too slow finds a gap, and never holds up the writer.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tmd.wire.modes import Modes

KEPT_BYTES = 256 * 1024
SCREEN_BYTES = 64 * 1024
"""of the last output, what an emulator gets to draw a screen from"""
PIECE_BYTES = 4096
"""pieces shorter than this are put together"""
LINE_BYTES = 4096
"""within so much the beginning of a line, or of a sequence, is looked for"""


class _Piece(NamedTuple):
    start: int
    data: bytes


class _Before(NamedTuple):
    """What was there before the first piece: their number, and in which modes the terminal was after them."""

    length: int
    modes: Modes


class Tape:
    """Output of one life. Positions count its bytes from the first. `wake` is called in the writer's thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._pieces: deque[_Piece] = deque()
        self._size = 0
        self._before = _Before(0, Modes())
        self._asleep = False
        self.end = 0
        """position behind the last byte"""

    # --- the drain's thread --------------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Add output."""
        pieces = self._pieces
        if pieces and len(pieces[-1].data) + len(data) <= PIECE_BYTES:
            pieces[-1] = _Piece(pieces[-1].start, pieces[-1].data + data)
        else:
            pieces.append(_Piece(self.end, data))
        self._size += len(data)
        self.end += len(data)
        while self._size > KEPT_BYTES and len(pieces) > 1:
            self._size -= len(pieces[0].data)
            gone = pieces.popleft()
            modes = self._before.modes.copy()
            modes.feed(gone.data)
            self._before = _Before(gone.start + len(gone.data), modes)
        if self._asleep:
            self._asleep = False
            self._wake()

    # --- the loop's thread ---------------------------------------------------------------------------------------

    def rouse_me(self) -> None:
        """Have `wake` called once, at the next output."""
        self._asleep = True

    def read(self, position: int, at_most: int) -> bytes | None:
        """Return what follows a position; empty when nothing does yet, None when it is gone already."""
        if position >= self.end:
            return b""
        found = bytearray()
        for piece in self._pieces.copy():
            if piece.start > position + len(found):
                return None
            behind = position + len(found) - piece.start
            found += piece.data[behind : behind + at_most - len(found)]
            if len(found) >= at_most:
                break
        return bytes(found) or None

    def screenful(self) -> tuple[bytes, int]:
        """Return what an emulator needs to draw the screen, and the position behind it."""
        before, pieces = self._consistent()
        if not pieces:
            return b"", self.end
        end = pieces[-1].start + len(pieces[-1].data)
        cut = max(before.length, end - SCREEN_BYTES)
        modes = before.modes.copy()
        text = bytearray()
        for piece in pieces:
            inside = max(0, min(cut - piece.start, len(piece.data)))
            modes.feed(piece.data[:inside])
            text += piece.data[inside:]
        if cut:
            begin = _beginning(text)
            modes.feed(bytes(text[:begin]))
            del text[:begin]
        return modes.restore() + bytes(text), end

    def _consistent(self) -> tuple[_Before, list[_Piece]]:
        while True:
            before = self._before
            pieces = list(self._pieces.copy())
            if not pieces or pieces[0].start == before.length:
                return before, pieces


def _beginning(text: bytearray) -> int:
    """Return where in a text that was cut anywhere something whole begins."""
    line = text.find(b"\n", 0, LINE_BYTES) + 1
    sequence = text.find(b"\x1b", 0, LINE_BYTES)
    return line or max(sequence, 0)
