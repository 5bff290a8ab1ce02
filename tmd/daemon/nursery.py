"""The nursery: lives that are too young for a control group of their own.

To make a group, put a process into it and look for what that has started costs as much as to start it, and ten times as
much when it is done for one at a time. What ends soon needs none: marks tell enough of it. So all who have begun wait
here together until nobody has begun for a moment. Knows nothing of groups.
"""

from collections.abc import Callable

from tmd.daemon.clerk import Admission
from tmd.posix.loop import Loop

QUIET_S = 0.25
"""so long nobody has begun when those who wait are admitted"""
LONGEST_S = 2.0
"""and so long the first of them waits at most"""


class Nursery:
    """`admit` gets those who have lived long enough, one by one."""

    def __init__(self, loop: Loop, admit: Callable[[Admission], None]) -> None:
        self._loop, self._admit = loop, admit
        self._young: list[Admission] = []
        self._first = self._last = 0.0
        """when those who wait have begun"""

    def add(self, admission: Admission) -> None:
        """Have a life admitted in its time, unless it is over by then."""
        self._last = self._loop.now()
        if not self._young:
            self._first = self._last
            self._loop.call_later(QUIET_S, self._look)
        self._young.append(admission)

    def _look(self) -> None:
        self._young = [admission for admission in self._young if not admission.over]
        if not self._young:
            return
        due = min(self._last + QUIET_S, self._first + LONGEST_S)
        if self._loop.now() < due:
            self._loop.call_at(due, self._look)
            return
        grown, self._young = self._young, []
        for admission in grown:
            self._admit(admission)
