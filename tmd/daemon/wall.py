"""The wall clock, and what is done to it: somebody sets it, or the machine sleeps and it goes on alone.

All deadlines are monotonic; this is for what people read. Each time it is asked it is held against the monotonic
clock, which nobody can set. Promises that whoever wants to know hears of a change before the first time of day after
it is given out, and that a clock which is only made to go a little faster or slower is none.
"""

import time
from collections.abc import Callable

STEP_S = 1.0
"""what is less is no step"""
SURE_S = 0.05
"""two clocks that were not read within this time cannot be compared"""


def boottime() -> float:
    """Return seconds of a clock that goes on while the machine sleeps, and that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class WallClock:
    """Gives epoch seconds when called. `on_set(seconds)`, `on_sleep(seconds)`: it was set by so much, forward or back;
    the machine has slept for so long.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        boot: Callable[[], float] = boottime,
    ) -> None:
        self._wall, self._clock, self._boot = wall, clock, boot
        self.on_set: Callable[[float], object] = lambda seconds: None
        self.on_sleep: Callable[[float], object] = lambda seconds: None
        self._ahead = wall() - clock()
        self._slept = boot() - clock()

    def __call__(self) -> float:
        """Return epoch seconds."""
        now = self._wall()
        moved = now - self._clock() - self._ahead
        if abs(moved) <= STEP_S:
            self._ahead += moved
            return now
        return self._moved(now)

    def _moved(self, now: float) -> float:
        before = self._clock()
        now, boot = self._wall(), self._boot()
        after = self._clock()
        if after - before > SURE_S:
            return now  # we stood still in between: next time
        moved = now - after - self._ahead
        slept = boot - after - self._slept
        self._ahead += moved
        self._slept += slept
        if slept > STEP_S:
            self.on_sleep(slept)
            moved -= slept
        if abs(moved) > STEP_S:
            self.on_set(moved)
        return now
