"""One process of a pool of event listeners, and what the pool has to do with it. Decides nothing."""

import msgspec

from tmd.core.backlog import LONG_AGO, Parcel
from tmd.core.listener import Listener, ListenerState
from tmd.wire.names import ProcessId


class ListenerFacts(msgspec.Struct, frozen=True):
    """One process of a pool. `state`: of the protocol, `-` when it does not run; `for_s`: how long so."""

    id: ProcessId
    state: str
    for_s: float


class Link:
    """One process of the pool, and what the pool has to do with it."""

    def __init__(self, id: ProcessId) -> None:  # noqa: A002
        self.id = id
        self.listener: Listener | None = None
        """None: it does not exist"""
        self.running = False
        self.flushed = True
        self.closed = False
        """its stdin takes nothing any more"""
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

    @property
    def in_service(self) -> bool:
        """Whether it is there to work: it runs, and nobody is about to end it."""
        return self.listener is not None and self.running and not self.restarting

    @property
    def available(self) -> bool:
        """Whether it can be given an event now."""
        if not self.in_service or not self.flushed or self.closed:
            return False
        return self.listener is not None and self.listener.state is ListenerState.READY

    @property
    def complaint(self) -> str:
        """What keeps it from taking an event."""
        if self.closed:
            return "closed its stdin"
        if not self.flushed:
            return "has not read its stdin"
        if self.listener is not None and self.listener.state is ListenerState.UNKNOWN:
            return "broke the protocol and has not been READY"
        return "has not been READY"

    def facts(self, now: float) -> ListenerFacts:
        """Return it as it is now."""
        state = "-" if self.listener is None else self.listener.state.name
        return ListenerFacts(self.id, state, 0.0 if self.state_since is None else now - self.state_since)
