"""Folding: the daemon's own log is no place for one line ten thousand times.

Promises that the first `AT_ONCE` lines of a kind are written as they come, and of those that go on within `EVERY_S`
one each `EVERY_S`, the last of them, with their number: every line is written or counted in one that is. Lines are of
a kind when they differ in nothing but the number of a process. Nothing wakes up while nothing is folded.
"""

import re
from collections.abc import Callable
from typing import Protocol

from tmd.wire.levels import Level

EVERY_S = 60.0
AT_ONCE = 10
KINDS = 1000
"""so many are told apart in `EVERY_S`; of more, all are written"""
_PID = re.compile(r"pid (?<!\wpid )\d+")
_NUMBER = re.compile(r"\(\d+\)")
"""two patterns, each with a beginning that can be looked for: as one they would be tried at every character"""


def kind_of(text: str) -> str:
    """Return a line without the number of a process."""
    if "pid " in text:
        text = _PID.sub("", text)
    return _NUMBER.sub("", text) if "(" in text else text


class Cancellable(Protocol):
    """A timer."""

    def cancel(self) -> None:
        """Make it never fire."""


class _Folded:
    def __init__(self, level: Level, text: str, since: float) -> None:
        self.level, self.text, self.since = level, text, since
        self.count = 1


class Folding:
    """`call_later(seconds, callback)` sets a timer of `clock`, `write` takes what stands for folded lines."""

    def __init__(
        self,
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Cancellable],
        write: Callable[[Level, str], object],
    ) -> None:
        self._clock, self._call_later, self._write = clock, call_later, write
        self._counts: dict[int, int] = {}
        """lines of each kind that were written since `_began`; kinds by their hash"""
        self._began = -EVERY_S
        self._folded: dict[int, _Folded] = {}
        self._timer: Cancellable | None = None

    def folds(self, level: Level, text: str) -> bool:
        """Tell whether a line is not to be written now: it will be counted in another."""
        kind = hash((level, kind_of(text)))
        folded = self._folded.get(kind)
        if folded is not None:
            folded.count += 1
            folded.text = text
            return True
        now = self._clock()
        if now >= self._began + EVERY_S:
            self._counts.clear()
            self._began = now
        count = self._counts.get(kind, 0)
        if count < AT_ONCE:
            if count or len(self._counts) < KINDS:
                self._counts[kind] = count + 1
            return False
        self._folded[kind] = _Folded(level, text, now)
        if self._timer is None:
            self._timer = self._call_later(EVERY_S, self._tell)
        return True

    def close(self) -> None:
        """Write what stands for lines that were folded and not told of yet."""
        if self._timer is not None:
            self._timer.cancel()
        self._tell()
        self._folded.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        self._timer = None
        now = self._clock()
        for kind, folded in list(self._folded.items()):
            if not folded.count:
                del self._folded[kind]  # it has been quiet
                continue
            times = "once" if folded.count == 1 else f"{folded.count} times"
            self._write(folded.level, f"{folded.text} (repeated {times} in {max(1, round(now - folded.since))} s)")
            folded.count, folded.since = 0, now
        if self._folded:
            self._timer = self._call_later(EVERY_S, self._tell)
