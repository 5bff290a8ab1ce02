"""One process of a pool of event listeners, what the pool has to do with it and says of it. Decides nothing."""

from collections.abc import Callable, Sequence

import msgspec

from tmd.core.backlog import LONG_AGO, TELL_EVERY_S, Parcel
from tmd.core.effects import Log
from tmd.core.events import shown
from tmd.core.listener import Fell, Listener, ListenerState
from tmd.core.pool_state import LinkState
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId


class ListenerView(msgspec.Struct, frozen=True):
    """One process of a pool. `state`: ACKNOWLEDGED, READY, BUSY or UNKNOWN, `-` when it does not run."""

    id: ProcessId
    state: str
    for_s: float
    """how long it has been in this state"""
    note: str = ""
    """what keeps it from being given an event although its state would allow it"""


class Link:
    """One process of the pool, and what the pool has to do with it."""

    def __init__(self, id: ProcessId, hang_ups: int = 0) -> None:  # noqa: A002
        self.id = id
        self.hang_ups = hang_ups
        """so many lives in a row closed their stdout, none of which answered anything"""
        self.listener: Listener | None = None
        """None: it does not exist"""
        self.running = False
        self.flushed = True
        self.closed = False
        """its stdin takes nothing any more"""
        self.hung_up = False
        """its stdout is closed: whatever it is given, it cannot answer"""
        self.restarting = False
        self.parcel: Parcel | None = None
        """given to it and not answered"""
        self.blamed: Parcel | None = None
        """was on its way to it when its stdin closed"""
        self.stepped_at = LONG_AGO
        """its last step forward"""
        self.state_since: float | None = None
        self.fall_told_at = LONG_AGO
        self.falls_untold = 0

    def state(self, number: Callable[[Parcel | None], int | None]) -> LinkState:
        """Return all of it, for another daemon to go on with; `number` gives a parcel's place in a list."""
        return LinkState(
            id=self.id,
            hang_ups=self.hang_ups,
            speech=None if self.listener is None else self.listener.speech(),
            running=self.running,
            flushed=self.flushed,
            closed=self.closed,
            hung_up=self.hung_up,
            restarting=self.restarting,
            parcel=number(self.parcel),
            blamed=number(self.blamed),
            stepped_at=self.stepped_at,
            state_since=self.state_since,
            fall_told_at=self.fall_told_at,
            falls_untold=self.falls_untold,
        )

    def resume(self, state: LinkState, listener: Listener, parcels: Sequence[Parcel]) -> None:
        """Go on where an earlier daemon was. `listener`: what is to be its machine, if it has one."""
        self.hang_ups = state.hang_ups
        if state.speech is not None:
            listener.resume(state.speech)
            self.listener = listener
        self.running, self.flushed, self.closed = state.running, state.flushed, state.closed
        self.hung_up, self.restarting = state.hung_up, state.restarting
        self.parcel = None if state.parcel is None else parcels[state.parcel]
        self.blamed = None if state.blamed is None else parcels[state.blamed]
        self.stepped_at, self.state_since = state.stepped_at, state.state_since
        self.fall_told_at, self.falls_untold = state.fall_told_at, state.falls_untold

    @property
    def in_service(self) -> bool:
        """Whether it is there to work: it runs, and nobody is about to end it."""
        return self.listener is not None and self.running and not self.restarting

    @property
    def available(self) -> bool:
        """Whether it can be given an event now."""
        if not self.in_service or not self.takes_in or self.hung_up:
            return False
        return self.listener is not None and self.listener.state is ListenerState.READY

    @property
    def takes_in(self) -> bool:
        """Whether its stdin can take something. As long as it cannot, saying `READY` is no step forward."""
        return self.flushed and not self.closed

    @property
    def complaint(self) -> str:
        """What keeps it from taking an event."""
        if trouble := self._trouble:
            return trouble
        if self.listener is not None and self.listener.state is ListenerState.UNKNOWN:
            return "broke the protocol and has not been READY"
        return "has not been READY"

    @property
    def _trouble(self) -> str:
        """What is wrong with its pipes."""
        if self.hung_up:
            return "has closed its stdout"
        if self.closed:
            return "has closed its stdin"
        return "" if self.flushed else "has not read its stdin"

    def facts(self, now: float) -> ListenerView:
        """Return it as it is now."""
        for_s = 0.0 if self.state_since is None else now - self.state_since
        if self.listener is None:
            return ListenerView(self.id, "-", for_s)
        note = self._trouble
        if self.restarting:
            note = "is being restarted"
        elif not self.running:
            note = "is not RUNNING"
        return ListenerView(self.id, self.listener.state.name, for_s, note)

    def moved_lines(self, before: ListenerState, after: ListenerState) -> list[Log]:
        """Return what the log says of a step, nothing of one that belongs to falls it is silent about."""
        if before is ListenerState.UNKNOWN and self.falls_untold:
            return []
        return [Log(Level.DEBG, f"{self.id.process}: {before.name} -> {after.name}")]

    def hung_up_line(self) -> Log:
        """Return what the log says of a closed stdout."""
        held = self.parcel
        fate = "" if held is None else f", event {held.serial} ({held.event.name}) is given again"
        return Log(Level.WARN, f"{self.id.process}: closed its stdout and can answer no more{fate}")

    def fall_lines(self, fell: Fell, now: float) -> list[Log]:
        """Return what the log says of a fall, nothing a moment after another: it can fall as fast as it can write."""
        if now < self.fall_told_at + TELL_EVERY_S:
            self.falls_untold += 1
            return []
        name = self.id.process
        more = f" ({self.falls_untold} more times since the last such line)" if self.falls_untold else ""
        self.fall_told_at, self.falls_untold = now, 0
        lines = []
        if fell.line is not None:
            lines.append(Log(Level.WARN, f"{name}: bad result line: '{shown(fell.line)}'"))
        lines.append(Log(Level.DEBG, f"{name}: {fell.before.name} -> {ListenerState.UNKNOWN.name}"))
        text = (
            f"{name}: has entered the UNKNOWN state and will no longer receive events until it says READY again, "
            "this usually indicates the process violated the eventlistener protocol"
        )
        return [*lines, Log(Level.WARN, text + more)]
