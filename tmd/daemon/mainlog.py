"""The daemon's own log: one fact a line, `YYYY-MM-DD HH:MM:SS,mmm LEVL text` (Supervisor's form, contract 6.1).

Lines go through the drain, never straight to a disk: a full or hung one must not delay supervision. A line that comes
again and again is folded, unless the level is debug, where everything is wanted.
"""

import time
from collections.abc import Callable, Sequence

from tmd.daemon.folding import Cancellable, Folding
from tmd.wire.levels import Level
from tmd.wire.visible import visible

FOLDED = (Level.INFO, Level.WARN)
"""what is worse is written, however often"""
_NAMES = {level: level.name for level in Level}
_DETAILS = Level.DEBG
_VISIBLE = Level.INFO


class MainLog:
    """Formats lines and hands them to `outlets`, each a function of (level, whole line as bytes, bare text)."""

    def __init__(
        self, level: Level, outlets: Sequence[Callable[[Level, bytes, str], object]], wall: Callable[[], float]
    ) -> None:
        self.level = level
        self._outlets = tuple(outlets)
        self._wall = wall
        self._cached = (-1, "")
        """the last stamp, and the millisecond it is of"""
        self._second = (-1, "")
        self._folding: Folding | None = None

    def fold(self, clock: Callable[[], float], call_later: Callable[[float, Callable[[], None]], Cancellable]) -> None:
        """Fold lines of level info and warn from now on; in the thread of those timers."""
        self._folding = Folding(clock, call_later, self._write)

    def close(self) -> None:
        """Write what stands for lines that were folded; fold no more."""
        if self._folding is not None:
            self._folding.close()
            self._folding = None

    def log(self, level: Level, text: str) -> None:
        """Write a line if its level is wanted. Line breaks inside `text` stay (a traceback is one record).

        Other control characters are spelled out, for names and reasons are written by others; but for what is copied at
        level debug, which is the output of programs as it is.
        """
        if level < self.level:
            return
        folding = self._folding
        if folding is not None and level in FOLDED and self.level > _DETAILS and folding.folds(level, text):
            return
        self._write(level, text)

    def _write(self, level: Level, text: str) -> None:
        if level >= _VISIBLE:
            text = visible(text)
        line = f"{self._stamp()} {_NAMES[level]} {text}\n".encode("utf-8", "backslashreplace")
        for outlet in self._outlets:
            outlet(level, line, text)

    def _stamp(self) -> str:
        # Called from the drain's thread too (output copied at level debug): what is kept is one value, swapped whole.
        ms = int(self._wall() * 1000)
        kept, stamp = self._cached
        if kept != ms:
            second, prefix = self._second
            if second != ms // 1000:
                second = ms // 1000
                prefix = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
                self._second = (second, prefix)
            stamp = f"{prefix},{ms % 1000:03d}"
            self._cached = (ms, stamp)
        return stamp

    def critical(self, text: str) -> None:
        """Write a CRIT line."""
        self.log(Level.CRIT, text)

    def error(self, text: str) -> None:
        """Write an ERRO line."""
        self.log(Level.ERRO, text)

    def warn(self, text: str) -> None:
        """Write a WARN line."""
        self.log(Level.WARN, text)

    def info(self, text: str) -> None:
        """Write an INFO line."""
        self.log(Level.INFO, text)

    def debug(self, text: str) -> None:
        """Write a DEBG line."""
        self.log(Level.DEBG, text)
