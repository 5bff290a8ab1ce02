"""The bus: notices, numbered and stamped, to whoever subscribed.

Subscribers run on the loop's thread, in order of subscription, and must not block. One that raises is reported
and the others still hear the notice. A notice published while another is being told waits its turn, so that
everybody hears everything in the same order. Who names the types it wants is never called for others: most notices are
of interest to few.

An extension that emits an event on every event it hears would go on for ever within one turn of the loop: events from
outside that echo one another too long are dropped, once with a report. Notices of the daemon's own are never dropped.
"""

import traceback
from collections import deque
from collections.abc import Callable

import msgspec

from tmd.core.events import event_of, fits_header
from tmd.core.notices import EventEmitted, Notice
from tmd.wire.faults import Fault, RpcFault

MAX_ECHOES = 50
"""so many times an event may be emitted by who hears an event that was emitted by who hears..."""
MAX_CROWD = 10_000
"""so many events may be emitted on account of one notice"""


class Told(msgspec.Struct, frozen=True):
    """A notice as published: its number (from 1, no holes), when (monotonic and epoch seconds), and the notice."""

    serial: int
    at: float
    wall: float
    notice: Notice


Subscriber = Callable[[Told], None]


def emitted(name: str, payload: str) -> EventEmitted:
    """Return the notice of an extension's own event; INCORRECT_PARAMETERS for what cannot travel to a listener."""
    if not isinstance(name, str) or not fits_header(name):
        reason = f"cannot emit event {name!r}: its name must be a text without blanks, colons and line breaks"
        raise RpcFault(Fault.INCORRECT_PARAMETERS, reason)
    if not isinstance(payload, str):
        reason = f"cannot emit event '{name}': its payload must be a text, not {type(payload).__name__}"
        raise RpcFault(Fault.INCORRECT_PARAMETERS, reason)
    return EventEmitted(name.upper(), payload)


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
        self._subscribers: list[tuple[Subscriber, tuple[type[Notice], ...]]] = []
        self._hearers: dict[type[Notice], tuple[Subscriber, ...]] = {}
        """of each type that was told since who subscribes has changed"""
        self._waiting: deque[tuple[Told, int]] = deque()
        """each with its generation: 0 came from outside, 1 was published by who heard it, and so on"""
        self._generation = -1
        """of what is being told"""
        self._emitted = 0
        self._dropping = False
        self.serial = 0

    def subscribe(self, subscriber: Subscriber, *kinds: type[Notice]) -> Callable[[], None]:
        """Have `subscriber` called with every notice of these types from now on; returns a function that ends that.

        Of every type when none is named.
        """
        entry = (subscriber, kinds)
        self._subscribers.append(entry)
        self._hearers.clear()

        def unsubscribe() -> None:
            if entry in self._subscribers:
                self._subscribers.remove(entry)
                self._hearers.clear()

        return unsubscribe

    def publish(self, notice: Notice) -> None:
        """Number, stamp and tell a notice."""
        self.serial += 1
        generation = self._generation + 1
        self._waiting.append((Told(self.serial, self._clock(), self._wall(), notice), generation))
        if generation:
            return
        try:
            while self._waiting:
                told, self._generation = self._waiting.popleft()
                self._tell(told)
        finally:
            self._generation, self._emitted, self._dropping = -1, 0, False

    def offer(self, notice: Notice) -> bool:
        """Publish what comes from outside; False when it was dropped as an endless echo."""
        if self._generation >= 0 and not self._may_echo():
            return False
        self.publish(notice)
        return True

    def _may_echo(self) -> bool:
        self._emitted += 1
        if self._generation < MAX_ECHOES and self._emitted <= MAX_CROWD:
            return True
        if not self._dropping:
            self._dropping = True
            self._report("cannot tell all events: what is emitted on events goes on without an end (it stops here)")
        return False

    def _tell(self, told: Told) -> None:
        kind = type(told.notice)
        hearers = self._hearers.get(kind)
        if hearers is None:
            hearers = tuple(each for each, kinds in self._subscribers if not kinds or kind in kinds)
            self._hearers[kind] = hearers
        for subscriber in hearers:
            try:
                subscriber(told)
            except BaseException:  # noqa: BLE001 - the border of a sink: one bad reader must not silence the others
                self._report(traceback.format_exc())
