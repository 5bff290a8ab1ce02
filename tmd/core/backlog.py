"""What waits for the listeners of one pool, oldest first, and how what is lost is told.

Promises order, bounds in number and bytes, and that every loss is counted in a line of the log and a notice, however
many there are at a time. Knows nothing of listeners.
"""

from collections import deque
from collections.abc import Iterator

import msgspec

from tmd.core.effects import Log, Tell
from tmd.core.events import Event
from tmd.core.notices import EventsDropped
from tmd.wire.levels import Level

MAX_WAITING_BYTES = 16 * 1024 * 1024
TELL_EVERY_S = 1.0
"""no more than one line of a kind in this time"""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
LONG_AGO = float("-inf")


class Parcel(msgspec.Struct, eq=False):
    """One event on its way through one pool."""

    serial: int
    poolserial: int
    event: Event
    size_bytes: int
    rejections: int = 0
    strikes: int = 0
    """listeners that ended, got stuck or broke the protocol over it"""
    not_before: float = LONG_AGO
    """when it may be given again"""
    lost_with_listener: bool = False
    """the listener that held it is gone"""

    def reject(self, now: float) -> None:
        """Note a rejection: the next try may follow at once, each later one after a pause twice as long."""
        pause_s = 0.0
        if self.rejections:
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.rejections - 1, 10))
        self.rejections += 1
        self.not_before = now + pause_s


def parcel(serial: int, poolserial: int, event: Event) -> Parcel:
    """Return an event made ready for its way."""
    payload = event.payload
    size = len(payload) if payload.isascii() else len(payload.encode(errors="replace"))
    return Parcel(serial, poolserial, event, size)


class Backlog:
    """Parcels that wait, by pool serial. `max_events`: how many may, once `trim` was called."""

    def __init__(self, max_events: int) -> None:
        self.max_events = max_events
        self.size_bytes = 0
        self._parcels: deque[Parcel] = deque()

    def __len__(self) -> int:
        return len(self._parcels)

    def __iter__(self) -> Iterator[Parcel]:
        return iter(self._parcels)

    @property
    def head(self) -> Parcel | None:
        """The oldest."""
        return self._parcels[0] if self._parcels else None

    def put(self, parcel: Parcel) -> None:
        """Add one, new or brought back. One brought back is older than any that was never given."""
        place = len(self._parcels)
        if self._parcels and self._parcels[-1].poolserial > parcel.poolserial:
            place = next(at for at, other in enumerate(self._parcels) if other.poolserial > parcel.poolserial)
        self._parcels.insert(place, parcel)
        self.size_bytes += parcel.size_bytes

    def take(self) -> Parcel:
        """Remove and return the oldest."""
        taken = self._parcels.popleft()
        self.size_bytes -= taken.size_bytes
        return taken

    def remove(self, parcel: Parcel) -> bool:
        """Remove one; return whether it was here."""
        if parcel not in self._parcels:
            return False
        self._parcels.remove(parcel)
        self.size_bytes -= parcel.size_bytes
        return True

    def trim(self) -> list[Parcel]:
        """Remove and return the oldest that are too many. The last one stays, however big."""
        gone = []
        while len(self) > self.max_events or (self.size_bytes > MAX_WAITING_BYTES and len(self) > 1):
            gone.append(self.take())
        return gone


class Losses:
    """Tells of one kind of loss in one pool: the first at once, what follows within a second together."""

    def __init__(self, pool: str, reason: str) -> None:
        self._pool, self._reason = pool, reason
        self._told_at = LONG_AGO
        self._untold = 0
        self._text = ""

    @property
    def next_due(self) -> float | None:
        """When there is something to tell that was held back."""
        return self._told_at + TELL_EVERY_S if self._untold else None

    def add(self, text: str, now: float) -> list[Log | Tell]:
        """Count a loss. `text`: the line for it, should it be the one that is told."""
        self._untold += 1
        self._text = text
        return self.due(now)

    def due(self, now: float) -> list[Log | Tell]:
        """Tell what was counted, if it is time."""
        if not self._untold or now < self._told_at + TELL_EVERY_S:
            return []
        count, self._untold, self._told_at = self._untold, 0, now
        more = f" (and {count - 1} more)" if count > 1 else ""
        return [Log(Level.ERRO, self._text + more), Tell(EventsDropped(self._pool, count, self._reason))]
