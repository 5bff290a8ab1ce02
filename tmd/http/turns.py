"""Whose turn it is: what clients cost in one turn of the loop is bounded, however much they ask for at once.

Promises that after some milliseconds everything else has its turn, that those who then wait go on in the order in which
they came, and that at least one goes on in each turn. Who asks something does not wait for long replies to others, nor
these for him: they go on by turns. Refuses to know what the steps are.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

AT_ONCE_S = 0.005
"""in one turn of the loop; a step that was begun is not cut short"""


class Turning(Protocol):
    """A loop, as far as needed."""

    @property
    def turn(self) -> int:
        """The number of the turn."""

    def now(self) -> float:
        """Return the time in monotonic seconds."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call back in the next turn."""


class Turns:
    """The turns of all clients of one listener."""

    def __init__(self, loop: Turning) -> None:
        self._loop = loop
        self._turn = -1
        self._until = 0.0
        self._asking: deque[Callable[[], None]] = deque()
        self._sending: deque[Callable[[], None]] = deque()
        self._called = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._asking) + len(self._sending)

    def free(self) -> bool:
        """Tell whether a request may be answered at once: no other waits, and there is time left."""
        return not self._asking and self._in_time()

    def ask(self, step: Callable[[], None]) -> None:
        """Have a request answered when it is its turn, never at once."""
        self._asking.append(step)
        self._call()

    def send(self, step: Callable[[], None]) -> None:
        """Have the next piece of a long reply made when it is its turn, never at once."""
        self._sending.append(step)
        self._call()

    def _call(self) -> None:
        if len(self) and not self._called:
            self._called = True
            self._loop.call_soon(self._go_on)

    def _in_time(self) -> bool:
        now = self._loop.now()
        if self._loop.turn != self._turn:
            self._turn, self._until = self._loop.turn, now + AT_ONCE_S
        return now < self._until

    def _go_on(self) -> None:
        self._called = False
        in_time = True
        try:
            while len(self) and in_time:
                self._in_time()  # the time of this turn begins with its first step
                for waiting in (self._asking, self._sending):
                    if waiting:
                        waiting.popleft()()
                in_time = self._in_time()
        finally:
            self._call()
