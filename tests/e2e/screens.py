"""A terminal that understands what `tmctl top` draws: what somebody would see who looked."""

import os
import re
import termios
import time
from collections.abc import Callable
from typing import Any

import pexpect

_PIECES = re.compile(r"(\x1b\[[0-9;?]*[a-zA-Z])")


class Screen:
    """The screen of a client that runs in a pseudo-terminal."""

    def __init__(self, spawned: "pexpect.spawn[str]") -> None:
        self.spawned = spawned
        self.said = ""
        self._lines: dict[int, str] = {}
        self._row = 0
        self._rest = ""

    @property
    def lines(self) -> list[str]:
        """What is shown, without colours."""
        return [self._lines.get(number, "").rstrip() for number in range(max(self._lines, default=-1) + 1)]

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)

    def press(self, keys: str) -> None:
        """Type."""
        self.spawned.send(keys)

    def until(self, probe: Callable[["Screen"], object] | str, deadline_s: float = 30.0) -> None:
        """Read until the screen shows a text, or something is so."""
        end = time.monotonic() + deadline_s
        while not (probe in self.text if isinstance(probe, str) else probe(self)):
            if time.monotonic() > end or not self._read():
                raise AssertionError(f"never saw {probe!r}, but:\n{self.text}\n---- {self.said[-400:]!r}")

    def until_end(self) -> int:
        """Read until the client ends; return its exit status (negative: the signal that ended it)."""
        end = time.monotonic() + 30.0
        while self._read():
            assert time.monotonic() < end, self.text
        self.spawned.wait()
        if self.spawned.signalstatus is not None:
            return -int(self.spawned.signalstatus)
        return int(self.spawned.exitstatus or 0)

    def _read(self) -> bool:
        try:
            self._take(self.spawned.read_nonblocking(1 << 16, 0.1))
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True

    def _take(self, text: str) -> None:
        self.said += text
        text = self._rest + text
        cut = text.rfind("\x1b")
        unfinished = cut >= 0 and not _PIECES.match(text, cut)
        text, self._rest = (text[:cut], text[cut:]) if unfinished else (text, "")
        for piece in _PIECES.split(text):
            if place := re.fullmatch(r"\x1b\[(\d+);1H", piece):
                self._row = int(place[1]) - 1
            elif piece == "\x1b[K":
                self._lines[self._row] = ""
            elif piece in ("\x1b[2J", "\x1b[?1049h"):
                self._lines.clear()
            elif piece and not piece.startswith("\x1b"):
                self._lines[self._row] = self._lines.get(self._row, "") + piece


def attributes(spawned: "pexpect.spawn[str]") -> list[Any]:
    """Return how the terminal is set."""
    descriptor = os.dup(spawned.child_fd)
    try:
        return termios.tcgetattr(descriptor)
    finally:
        os.close(descriptor)
