"""What waits for the listeners of one pool, oldest first, and how what is lost is told.

An event that a listener could not take in waits apart for its next try, and the others pass it by. Promises order to
all others, bounds in number and memory, and that every loss is counted in a line of the log and a notice, however many
there are at a time. Knows nothing of listeners but their names.
"""

import heapq
from collections import deque
from collections.abc import Iterator

import msgspec

from tmd.core.effects import Log, Tell
from tmd.core.events import Event
from tmd.core.notices import EventsDropped
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId

MAX_WAITING_BYTES = 16 * 1024 * 1024
TELL_EVERY_S = 1.0
"""no more than one line of a kind in this time"""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
"""between two tries of an event that is rejected"""
LONGEST_STRIKE_PAUSE_S = 10.0
"""between two tries of an event that listeners end over"""
PARCEL_BYTES = 300
"""about what an event takes beside its text"""
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
    struck_at: float = LONG_AGO
    """when that happened for the first time"""
    failed: frozenset[ProcessId] = frozenset()
    """to whom it happened"""
    tries_by: dict[ProcessId, int] = msgspec.field(default_factory=dict)
    """how often each listener rejected it or failed over it"""
    tries: int = 0
    """how often that was in all"""
    not_before: float = LONG_AGO
    """when it may be given again"""
    lost_with_listener: bool = False
    """the listener that held it is gone"""
    held: bool = False
    """it was given to a listener before"""

    def reject(self, by: ProcessId, now: float) -> None:
        """Note a rejection."""
        self.rejections += 1
        self._put_off(by, now, LONGEST_PAUSE_S)

    def strike(self, by: ProcessId, now: float) -> None:
        """Note that a listener failed over it."""
        if not self.strikes:
            self.struck_at = now
        self.strikes += 1
        self.failed |= {by}
        self._put_off(by, now, LONGEST_STRIKE_PAUSE_S)

    def _put_off(self, by: ProcessId, now: float, longest_s: float) -> None:
        """The next try may follow at once, each later one after a pause twice as long."""
        pause_s = min(longest_s, FIRST_PAUSE_S * 2 ** min(self.tries - 1, 10)) if self.tries else 0.0
        self.tries += 1
        self.tries_by[by] = self.tries_by.get(by, 0) + 1
        self.not_before = now + pause_s

    def trouble(self, now: float) -> str:
        """Return what came of its tries so far and when the next one is, empty for none so far."""
        said = []
        if self.rejections:
            said.append(f"rejected {_times(self.rejections)}")
        if self.strikes:
            said.append(f"listeners failed {_times(self.strikes)} over it")
        if not said:
            return ""
        left_s = self.not_before - now
        said.append(
            f"next try in {max(left_s, 0.1):.1f} s" if left_s > 0 else "next try with the next listener that is READY"
        )
        return f"event {self.serial} ({self.event.name}): {', '.join(said)}"


def parcel(serial: int, poolserial: int, event: Event) -> Parcel:
    """Return an event made ready for its way."""
    return Parcel(serial, poolserial, event, PARCEL_BYTES + text_bytes(event.payload))


def text_bytes(text: str) -> int:
    """Return about how much memory a text takes: one character that is far out makes all of them wider."""
    if text.isascii():
        return len(text)
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        units = len(text.encode("utf-16-le", "surrogatepass")) // 2
        return len(text) * (2 if units == len(text) else 4)
    return len(text)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


class Backlog:
    """Parcels that wait, by pool serial. `max_events`: how many may, once `trim` was called."""

    def __init__(self, max_events: int) -> None:
        self.max_events = max_events
        self.size_bytes = 0
        self._parcels: deque[Parcel] = deque()
        self._paused: list[tuple[float, int, Parcel]] = []
        """a heap: when its pause ends, pool serial, parcel"""

    def __len__(self) -> int:
        return len(self._parcels) + len(self._paused)

    def __iter__(self) -> Iterator[Parcel]:
        return iter(sorted([*self._parcels, *(each for _, _, each in self._paused)], key=_age))

    @property
    def head(self) -> Parcel | None:
        """The oldest that may be given."""
        return self._parcels[0] if self._parcels else None

    @property
    def oldest(self) -> Parcel | None:
        """The oldest of all."""
        heads = [*self._oldest_paused(), *([self._parcels[0]] if self._parcels else [])]
        return min(heads, key=_age, default=None)

    @property
    def next_due(self) -> float | None:
        """When the next pause ends."""
        return self._paused[0][0] if self._paused else None

    def put(self, parcel: Parcel) -> None:
        """Add one, new or brought back. One that is in its pause waits apart until `wake`."""
        self.size_bytes += parcel.size_bytes
        if parcel.not_before != LONG_AGO:
            heapq.heappush(self._paused, (parcel.not_before, parcel.poolserial, parcel))
        else:
            self._line_up(parcel)

    def wake(self, now: float) -> None:
        """Let those whose pause is over take their places again."""
        while self._paused and self._paused[0][0] <= now:
            _, _, woken = heapq.heappop(self._paused)
            woken.not_before = LONG_AGO
            self._line_up(woken)

    def take(self) -> Parcel:
        """Remove and return the head."""
        taken = self._parcels.popleft()
        self.size_bytes -= taken.size_bytes
        return taken

    def remove(self, parcel: Parcel) -> bool:
        """Remove one; return whether it was here."""
        paused = [entry for entry in self._paused if entry[2] is not parcel]
        if len(paused) < len(self._paused):
            self._keep_paused(paused)
        elif parcel in self._parcels:
            self._parcels.remove(parcel)
        else:
            return False
        self.size_bytes -= parcel.size_bytes
        return True

    def trim(self) -> list[Parcel]:
        """Remove and return the oldest that are too many, in a pause or not. The last one stays, however big."""
        gone: list[Parcel] = []
        if not self._too_much(len(self)):
            return gone
        paused = sorted(self._paused, key=lambda entry: entry[1], reverse=True)
        while self._too_much(len(self._parcels) + len(paused)):
            if paused and not (self._parcels and self._parcels[0].poolserial < paused[-1][1]):
                gone.append(paused.pop()[2])
            else:
                gone.append(self._parcels.popleft())
            self.size_bytes -= gone[-1].size_bytes
        self._keep_paused(paused)
        return gone

    def _too_much(self, count: int) -> bool:
        return count > self.max_events or (self.size_bytes > MAX_WAITING_BYTES and count > 1)

    def _oldest_paused(self) -> list[Parcel]:
        return [min(self._paused, key=lambda entry: entry[1])[2]] if self._paused else []

    def _keep_paused(self, paused: list[tuple[float, int, Parcel]]) -> None:
        heapq.heapify(paused)
        self._paused = paused

    def _line_up(self, parcel: Parcel) -> None:
        place = len(self._parcels)
        if self._parcels and self._parcels[-1].poolserial > parcel.poolserial:
            place = next(at for at, other in enumerate(self._parcels) if other.poolserial > parcel.poolserial)
        self._parcels.insert(place, parcel)


def _age(parcel: Parcel) -> int:
    return parcel.poolserial


class Losses:
    """Tells of one kind of loss in one pool: the first at once, what follows within a second together."""

    def __init__(self, pool: str, reason: str) -> None:
        self._pool, self._reason = pool, reason
        self._told_at = LONG_AGO
        self._untold = 0
        self._text = ""

    @property
    def state(self) -> tuple[float, int, str]:
        """When it was told last, how many were counted since, and the line for them; may be set to go on from there."""
        return self._told_at, self._untold, self._text

    @state.setter
    def state(self, state: tuple[float, int, str]) -> None:
        self._told_at, self._untold, self._text = state

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
