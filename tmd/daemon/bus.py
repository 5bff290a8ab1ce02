"""The bus: notices, numbered and stamped, to whoever subscribed.

Subscribers run on the loop's thread, in order of subscription, and must not block. One that raises is reported
and the others still hear the notice. A notice published while another is being told waits its turn, so that
everybody hears everything in the same order.
"""

import traceback
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tmd.core.events import event_of
from tmd.core.notices import Notice


class Told(NamedTuple):
    """A notice as published: its number (from 1, no holes), when (monotonic and epoch seconds), and the notice."""

    serial: int
    at: float
    wall: float
    notice: Notice


Subscriber = Callable[[Told], None]


def events_only(callback: Callable[[str, str], None]) -> Subscriber:
    """Return a subscriber that passes on name and payload of what is an event for listeners, and nothing else."""

    def hear(told: Told) -> None:
        event = event_of(told.notice)
        if event is not None:
            callback(event.name, event.payload)

    return hear


class Bus:
    """Fan-out of notices. `clock` and `wall` give the two stamps; `report` gets tracebacks of subscribers."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float], report: Callable[[str], None]) -> None:
        self._clock, self._wall, self._report = clock, wall, report
        self._subscribers: list[Subscriber] = []
        self._waiting: deque[Told] = deque()
        self._telling = False
        self.serial = 0

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have `subscriber` called with every notice from now on; returns a function that ends that."""
        self._subscribers.append(subscriber)

        def unsubscribe() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        return unsubscribe

    def publish(self, notice: Notice) -> None:
        """Number, stamp and tell a notice."""
        self.serial += 1
        self._waiting.append(Told(self.serial, self._clock(), self._wall(), notice))
        if self._telling:
            return
        self._telling = True
        try:
            while self._waiting:
                self._tell(self._waiting.popleft())
        finally:
            self._telling = False

    def _tell(self, told: Told) -> None:
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(told)
            except Exception:  # noqa: BLE001 - the border of a sink: one bad reader must not silence the others
                self._report(traceback.format_exc())
