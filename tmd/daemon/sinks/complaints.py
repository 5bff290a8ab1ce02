"""What the daemon's log says about a sink: that it fails, rarely, and that it works again, once."""

from collections.abc import Callable

EVERY_S = 60.0
"""a sink that goes on failing is heard of so often"""


class Complaints:
    """`whom` says which sink, `clock` gives monotonic and `wall` epoch seconds; `warn` and `info` take lines."""

    def __init__(
        self,
        *,
        whom: Callable[[], str],
        clock: Callable[[], float],
        wall: Callable[[], float],
        warn: Callable[[str], None],
        info: Callable[[str], None],
    ) -> None:
        self.last_error = ""
        self.last_error_at = 0.0
        """epoch seconds; 0: never"""
        self._whom, self._clock, self._wall, self._warn, self._info = whom, clock, wall, warn, info
        self.failing = False
        """whether the last thing heard was bad"""
        self._said_at = 0.0
        self._unsaid = 0
        """failures since then"""
        self._lost = 0
        """alerts given up since then"""

    def failed(self, reason: str, lost: int, *, last: bool = False) -> None:
        """Note a failure, after which so many alerts were given up. `last`: there will be no other chance to say so."""
        now = self._clock()
        self.last_error, self.last_error_at = reason, self._wall()
        self._unsaid += 1
        self._lost += lost
        if self.failing and now < self._said_at + EVERY_S and not last:
            return
        again = f", {self._unsaid} failures in {now - self._said_at:.0f} seconds" if self._unsaid > 1 else ""
        given_up = f" ({_alerts(self._lost)} given up)" if self._lost else ""
        self._warn(f"cannot deliver alerts to {self._whom()}: {reason}{again}{given_up}")
        self.failing, self._said_at, self._unsaid, self._lost = True, now, 0, 0

    def worked(self) -> None:
        """Note that something arrived."""
        if self.failing:
            given_up = f" ({_alerts(self._lost)} given up meanwhile)" if self._lost else ""
            self.failing, self._unsaid, self._lost = False, 0, 0
            self._info(f"alerts are delivered to {self._whom()} again{given_up}")


def _alerts(count: int) -> str:
    return f"{count} alert{'' if count == 1 else 's'}"
