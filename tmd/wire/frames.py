"""What passes between `tmctl attach` and the daemon once a connection has been given over to a terminal.

A frame is one byte (what it is), four bytes (how long its payload is, big-endian), the payload. Both sides skip kinds
they do not know. Pure: bytes in, frames out; the same frames however the bytes were cut.

    kind      from      payload
    DATA      both      bytes of the terminal: what was typed, what the program wrote
    RESIZE    both      columns and rows, two bytes each: of the client's terminal, of the program's
    SCREEN    daemon    columns and rows as above, then the last output: what an emulator needs to draw the screen
    SEATS     daemon    who is at the terminal, as UTF-8 lines: what you are, who has the keyboard, who watches...
    ENDED     daemon    how the program ended, UTF-8
    REFUSED   daemon    why the daemon ends the connection, UTF-8
    PING      both      anything; the daemon sends it back
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

UPGRADE = "taskmaster-attach"
"""the protocol named in the Upgrade header"""
MAKING_WAY = "the daemon is being replaced (attach again)"
"""why it ends a connection that may begin again at once"""
MAX_PAYLOAD_BYTES = 1 << 20
PING_EVERY_S = 15.0
"""a client from which nothing has come for so long asks whether the daemon is still there"""
SILENCE_S = 60.0
"""the other side is gone when nothing has come from it for so long"""
HEAD_BYTES = 5
MAX_SIDE = 4096
"""columns or rows of a terminal"""


class Kind(IntEnum):
    """What a frame is."""

    DATA = 1
    RESIZE = 2
    SCREEN = 3
    SEATS = 4
    ENDED = 5
    REFUSED = 6
    PING = 7


class Frame(NamedTuple):
    """One frame; `kind` may be a number that is no `Kind`."""

    kind: int
    payload: bytes


class TooLong(Exception):
    """A frame claims more than `MAX_PAYLOAD_BYTES`: whoever sent it speaks something else."""


class Frames:
    """The receiving side of one connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take in bytes and yield the frames that are whole now; raises `TooLong`."""
        self._buffer += data
        while len(self._buffer) >= HEAD_BYTES:
            kind, length = struct.unpack_from("!BI", self._buffer)
            if length > MAX_PAYLOAD_BYTES:
                raise TooLong(f"a frame of {length} bytes")
            end = HEAD_BYTES + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[HEAD_BYTES:end])
            del self._buffer[:end]
            yield Frame(kind, payload)


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    """Return a frame as it is sent."""
    return struct.pack("!BI", kind, len(payload)) + payload


class Size(NamedTuple):
    """Columns and rows of a terminal."""

    columns: int
    rows: int


USUAL_SIZE = Size(80, 24)


def sane_size(columns: int, rows: int) -> Size | None:
    """Return the size, cut to what any program can bear; None when there is none (0: the terminal does not know)."""
    if columns < 1 or rows < 1:
        return None
    return Size(min(columns, MAX_SIDE), min(rows, MAX_SIDE))


def packed_size(size: Size) -> bytes:
    """Return a size as a payload."""
    return struct.pack("!HH", size.columns, size.rows)


def read_size(payload: bytes) -> Size | None:
    """Return the size a payload begins with, None when there is none."""
    if len(payload) < 4:
        return None
    return sane_size(*struct.unpack_from("!HH", payload))


class Seats(NamedTuple):
    """Who is at a terminal."""

    writes: bool
    """whether the one who is told has the keyboard"""
    writer: str
    """who has it, empty for nobody"""
    watchers: tuple[str, ...]
    """everybody else, the one who is told among them"""


def packed_seats(seats: Seats) -> bytes:
    """Return seats as a payload."""
    lines = ("writes" if seats.writes else "watches", seats.writer, *seats.watchers)
    return "\n".join(line.replace("\n", " ") for line in lines).encode(errors="replace")


def read_seats(payload: bytes) -> Seats:
    """Return the seats in a payload."""
    you, _, others = payload.decode(errors="replace").partition("\n")
    writer, *watchers = others.split("\n")
    return Seats(you == "writes", writer, tuple(watchers))
