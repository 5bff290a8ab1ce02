"""The lookout: every few seconds it is seen to that what others can take away is there, and what the clock says.

Finds nothing out that somebody else tells: only what is noticed by nobody until it is needed.
"""

import os
from collections.abc import Callable

from tmd.core.why import duration
from tmd.daemon.runtime import Runtime
from tmd.daemon.wall import WallClock
from tmd.posix.loop import Timer
from tmd.posix.pidfile import PidFile, PidFileHeld
from tmd.wire.levels import Level

LOOK_EVERY_S = 2.0


def next_look_s(now: float) -> float:
    """Return the seconds until the next look: all who look do so in one wake-up."""
    return LOOK_EVERY_S - now % LOOK_EVERY_S


class Lookout:
    """Looks after pid file and journal, listens to clock and loop. `was_set(seconds)`: who else keeps times of day."""

    def __init__(self, runtime: Runtime, wall: WallClock, pidfile: PidFile, was_set: Callable[[float], None]) -> None:
        self._runtime, self._loop, self._troubles = runtime, runtime.loop, runtime.troubles
        self._wall, self._pidfile, self._was_set = wall, pidfile, was_set
        self._timer: Timer | None = None
        wall.on_set, wall.on_sleep, self._loop.on_stall = self._set, self._slept, self._stood_still
        self._look_later()

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(next_look_s(self._loop.now()), self._look)

    def _look(self) -> None:
        self._look_later()
        self._wall()
        self._look_at_pidfile()
        self._look_at_journal()

    def _look_at_journal(self) -> None:
        journal = self._runtime.journal
        if journal.look():
            self._troubles.once("journal", f"the journal '{journal.path}' was taken away: it was made again")

    def _look_at_pidfile(self) -> None:
        path = self._pidfile.path
        try:
            made_again = self._pidfile.look(os.getpid())
        except PidFileHeld as why:
            self._pidfile_lost(f"the pid file '{path}' was taken away, and is another daemon's by now: {why}")
        except OSError as why:
            self._pidfile_lost(f"cannot keep the pid file '{path}': {why.strerror} (it is tried again)")
        else:
            if self._troubles.is_in("pidfile", path):
                self._troubles.over("pidfile", path, f"the pid file '{path}' is as it should be again")
            elif made_again:
                self._troubles.once("pidfile", f"the pid file '{path}' was taken away or changed: it was made again")

    def _pidfile_lost(self, text: str) -> None:
        self._troubles.happened("pidfile", self._pidfile.path, text, level=Level.CRIT)

    def _set(self, seconds: float) -> None:
        self._runtime.clock_was_set(seconds)
        self._was_set(seconds)
        way = "forward" if seconds > 0 else "back"
        self._troubles.once("clock", f"the clock of the machine was set {way} by {duration(abs(seconds))}")

    def _slept(self, seconds: float) -> None:
        self._troubles.once("sleep", f"the machine was asleep for {duration(seconds)}", level=Level.INFO)

    def _stood_still(self, seconds: float) -> None:
        self._troubles.once(
            "standstill",
            f"tmd stood still for {duration(seconds)} (suspended, or kept from its work by the machine): "
            "programs that were asked to stop get that time again",
        )
