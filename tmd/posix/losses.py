"""Bad news about a log, told rarely.

Promises that every lost byte is told exactly once, that one log is heard of at most once every `EVERY_S`, and that
nothing wakes up when nothing was lost.
"""

from collections.abc import Callable

from tmd.posix.loop import Loop, Timer

EVERY_S = 1.0


class Losses:
    """Counts what one log lost and reports it as (name, bytes since the last report, reason).

    A count of 0 says that nothing is lost so far, but that something is wrong; no reason, that nothing is any more.
    """

    def __init__(self, name: str, loop: Loop, report: Callable[[str, int, str], None]) -> None:
        self.total = 0
        self._name = name
        self._loop = loop
        self._report = report
        self._untold = 0
        self._reason = ""
        self._bad = False
        self._timer: Timer | None = None

    def add(self, count: int, reason: str) -> None:
        """Count lost bytes."""
        self.total += count
        self._untold += count
        self.tell(reason)

    def tell(self, reason: str) -> None:
        """Have something told with the next report."""
        self._reason, self._bad = reason, True
        if self._timer is None:
            self._timer = self._loop.call_later(EVERY_S, self.flush)

    def heal(self) -> None:
        """Have it told, after what is not told yet, that nothing is wrong any more; if something was."""
        if self._bad:
            self._bad = False
            self.flush()
            self._report(self._name, 0, "")

    def flush(self) -> None:
        """Report now what is not told yet."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        count, self._untold = self._untold, 0
        self._report(self._name, count, self._reason)
