"""The grace of an end: whoever runs the daemon kills it after so many seconds, so what is left goes before that.

Without a grace only a hurry does anything. Signals only; what follows from them is heard as any other end.
"""

import signal
from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from tmd.config.settings import DaemonSettings
from tmd.core import notices as n
from tmd.daemon.bus import Told
from tmd.posix.loop import Loop

CONTAINER_S = 7.0
"""of the ten seconds that container runtimes wait, the rest is for logs, alerts and answers"""
SHARE = 0.3
"""what is left of the time that each of these has, once there is a grace"""
IN_ORDER = 0.7
"""of the grace; then whose turn has not come is told to stop all the same, for killed it would be without a warning"""
AGAIN_S = 0.2
"""how often it is looked again: what is started by an end, a hook, ends soon, too"""
TWICE_S = 0.5
"""a second request to end within this time is the first one, sent twice: to the process and to its group"""


def grace_of(daemon: DaemonSettings) -> float:
    """Return the seconds in force, 0 for no limit."""
    if daemon.stop_grace is not None:
        return daemon.stop_grace
    return CONTAINER_S if daemon.container else 0.0


class Grace:
    """Hears the bus. `left()`: pids of what runs, programs and their hooks; `send(pid, signum, whole_group)`, OSError.

    `grace_s()`: 0 for none. `hurry()`: has all that is left stop at once, in no order. `restarting()`: the daemon goes
    down only to start again, which nobody cuts short; it may still become an end.
    """

    HEARS: ClassVar[tuple[type[n.Notice], ...]] = (n.DaemonStopping,)

    def __init__(
        self,
        loop: Loop,
        grace_s: Callable[[], float],
        *,
        left: Callable[[], Iterable[int]],
        send: Callable[[int, int, bool], None],
        hurry: Callable[[], None],
        restarting: Callable[[], bool],
        warn: Callable[[str], None],
    ) -> None:
        self._loop, self._grace_s, self._warn = loop, grace_s, warn
        self._left, self._send, self._hurry, self._restarting = left, send, hurry, restarting
        self._asked_at: float | None = None
        self._killing = False

    def hear(self, told: Told) -> None:
        """Take a notice."""
        if isinstance(told.notice, n.DaemonStopping) and self._grace_s():
            self._begin()

    def at_most(self, limit_s: float) -> float:
        """Return how long something at the end may take that could take `limit_s` if nobody waited."""
        return limit_s * SHARE if self._grace_s() or self._killing else limit_s

    def asked(self, *, may_hurry: bool) -> None:
        """Somebody asks for the end, maybe not for the first time: the second time he cannot wait, if he may hurry."""
        now = self._loop.now()
        if self._asked_at is None:
            self._asked_at = now
        elif may_hurry and now - self._asked_at >= TWICE_S and not self._killing:
            self._kill("asked again to end")

    def _begin(self) -> None:
        if self._restarting():
            self._loop.call_later(AGAIN_S, self._begin)
        else:
            reason = f"the end has taken {self._grace_s():g} s (stop_grace)"
            self._loop.call_later(self._grace_s() * IN_ORDER, self._hurry)
            self._loop.call_later(self._grace_s(), partial(self._kill, reason))

    def _kill(self, reason: str) -> None:
        left = list(self._left())
        if left and not self._killing:
            self._warn(f"{reason}: killing {len(left)} that still run{'s' if len(left) == 1 else ''}")
        self._killing = True
        for pid in left:
            for whole_group in (True, False):  # it may have left its group, or have made a group of its own
                try:
                    self._send(pid, signal.SIGKILL, whole_group)
                except OSError:
                    continue  # the stop itself tells what cannot be signalled
        self._loop.call_later(AGAIN_S, partial(self._kill, reason))
