"""Ticks: the events that tell listeners the time, every 5, 60 and 3600 seconds of the wall clock.

Nothing wakes up while nobody wants a tick. One comes at each multiple of the period, in wall time; those that were
slept through are not made up for. The wall clock may jump: a tick is late by `LOOK_S` at most, and never comes twice
because the clock was set back a little.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from tmd.wire.events import TICK_PERIODS

LOOK_S = 10.0
"""how long the wall clock is trusted to go as fast as the monotonic one"""
SHORTEST_S = 0.001


class Cancellable(Protocol):
    """A timer."""

    def cancel(self) -> None:
        """Make it never fire."""


class Ticks:
    """`call_later(seconds, callback)` sets a timer, `wall` gives epoch seconds, `emit(name, when)` takes the ticks."""

    def __init__(
        self,
        call_later: Callable[[float, Callable[[], None]], Cancellable],
        wall: Callable[[], float],
        emit: Callable[[str, int], None],
    ) -> None:
        self._call_later, self._wall, self._emit = call_later, wall, emit
        self._last: dict[str, int] = {}
        """the wanted ticks: the latest multiple of the period that was seen"""
        self._timer: Cancellable | None = None

    def want(self, names: Collection[str]) -> None:
        """Emit these from now on, and no others; the first at the next multiple of its period."""
        now = self._wall()
        self._last = {name: self._last.get(name, _slice(name, now)) for name in TICK_PERIODS if name in names}
        self._arm()

    @property
    def told(self) -> dict[str, int]:
        """The latest of each kind that was wanted."""
        return dict(self._last)

    def resume(self, told: Mapping[str, int]) -> None:
        """Go on where an earlier daemon was: what came due since is emitted soon."""
        self._last |= {name: when for name, when in told.items() if name in self._last}
        if self._last and self._timer is not None:
            self._timer.cancel()
            self._timer = self._call_later(SHORTEST_S, self._look)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._last:
            now = self._wall()
            left_s = min(_slice(name, now) + TICK_PERIODS[name] - now for name in self._last)
            self._timer = self._call_later(min(max(left_s, SHORTEST_S), LOOK_S), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._wall()
        for name, last in list(self._last.items()):
            when = _slice(name, now)
            if when > last:
                self._last[name] = when
                self._emit(name, when)
            elif when < last - TICK_PERIODS[name]:
                self._last[name] = when  # set back by far: the time counts from there
        self._arm()


def _slice(name: str, now: float) -> int:
    period = TICK_PERIODS[name]
    return int(now // period) * period
