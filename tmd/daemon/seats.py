"""Seats: what belongs to one pool at work and to one listener that talks, and how another daemon goes on with it."""

from collections.abc import Callable, Container

import msgspec

from tmd.core.ansi import AnsiStripper
from tmd.core.pool import Pool
from tmd.core.pool_state import PoolState
from tmd.daemon.answers import Answers
from tmd.daemon.judges import NumberedEvent
from tmd.posix.loop import Timer
from tmd.wire.names import ProcessId


class SeatState(msgspec.Struct):
    """A pool at work. `groups`: of each of its parcels, the group that its event is about."""

    pool: PoolState
    groups: list[str]
    running: list[ProcessId]


class TalkState(msgspec.Struct):
    """What one life of a listener says. `fd`: where it is read from, None once it has closed its stdout."""

    id: ProcessId
    fd: int | None
    held: bytes = b""
    sensible: bool = True


class ListenersState(msgspec.Struct):
    """All pools of a daemon."""

    serial: int = 0
    dropped_earlier: int = 0
    seats: dict[str, SeatState] = {}
    talks: list[TalkState] = []
    ticks: dict[str, int] = {}
    """the latest of each kind that was told"""


class Seat:
    """A pool at work, and its timer."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.timer: Timer | None = None
        self.timer_at = 0.0
        self.running: set[ProcessId] = set()
        self.leaving: dict[ProcessId, tuple[Timer, Callable[[], None]]] = {}
        """who is to be stopped once it has taken what there is: at the latest, and how"""

    def lost(self, groups: Container[str]) -> int:
        """Count the events that it leaves behind, but for those about `groups`, which nobody was there to be told."""
        events = self.pool.unheard()
        return sum(not (isinstance(event, NumberedEvent) and event.group in groups) for event in events)

    def disarm(self) -> None:
        """Let all timers go."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for timer, _ in self.leaving.values():
            timer.cancel()
        self.leaving.clear()

    def state(self) -> SeatState:
        """Return all of it."""
        pool = self.pool.state()
        events = [parcel.event for parcel in pool.parcels]
        groups = [event.group if isinstance(event, NumberedEvent) else "" for event in events]
        return SeatState(pool, groups, list(self.running))

    def resume(self, state: SeatState) -> None:
        """Go on where an earlier daemon was."""
        for parcel, group in zip(state.pool.parcels, state.groups, strict=True):
            parcel.event = NumberedEvent(parcel.event.name, parcel.event.payload, parcel.serial, group)
        self.pool.take_over(state.pool)
        self.running = set(state.running)


class Talk:
    """What one life of a listener says: who reads it, how it gets to its log, whether it makes sense."""

    def __init__(self, strip_ansi: bool) -> None:
        self.answers: Answers
        self.stripper = AnsiStripper() if strip_ansi else None
        self.sensible = True
        self.copied_at = 0.0

    def state(self, id_: ProcessId) -> TalkState:
        """Return all of it."""
        held = self.stripper.held if self.stripper is not None else b""
        return TalkState(id_, self.answers.fd, held, self.sensible)
