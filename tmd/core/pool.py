"""One pool of event listeners: which of them gets which event, and what becomes of an event that nobody took.

Promises that an event given to the pool is accepted by a listener, still waits, or is counted as dropped and told of;
that no listener holds two; that they are given in order; and that nothing a listener does or leaves undone keeps the
pool from working with the others. Whoever runs a pool carries out the effects and calls `due` at `next_due`.

Knows nothing of pipes and of how processes are run, only what it is told of them. All times are monotonic seconds.
"""

from collections.abc import Callable, Sequence

import msgspec

from tmd.config.settings import PoolSpec
from tmd.core import words
from tmd.core.backlog import TELL_EVERY_S, Backlog, Losses, Parcel, parcel
from tmd.core.effects import Log, Tell
from tmd.core.events import Event, envelope, text_of
from tmd.core.link import Link, ListenerFacts
from tmd.core.listener import Fell, Judged, Listener, ListenerState, Moved, Verdict
from tmd.core.notices import ListenerStuck
from tmd.wire.events import covers
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId

__all__ = [
    "Deliver",
    "ListenerFacts",
    "Pool",
    "PoolEffect",
    "PoolFacts",
    "Restart",
    "Verdict",
    "default_judge",
]

MAX_STRIKES = 3
"""so many listeners may end, get stuck or break the protocol over one event, then it is dropped"""
AT_ONCE = 0.0


class Deliver(msgspec.Struct, frozen=True):
    """Write these bytes, one whole event, to the stdin of a listener; tell `flushed`, or `refused`."""

    id: ProcessId
    data: bytes


class Restart(msgspec.Struct, frozen=True):
    """Stop a listener, by force if need be, and start it anew. It is given nothing until it `began`."""

    id: ProcessId
    reason: str


PoolEffect = Deliver | Restart | Log | Tell
Judge = Callable[[Event, bytes], Verdict]


class PoolFacts(msgspec.Struct, frozen=True):
    """A pool as it is now; the counts are since it was made."""

    name: str
    events: tuple[str, ...]
    buffer_size: int
    waiting: int
    delivered: int
    rejected: int
    redelivered: int
    dropped: int
    listeners: tuple[ListenerFacts, ...]


def default_judge(event: Event, result: bytes) -> Verdict:
    """Accept what was answered with OK."""
    return Verdict.ACCEPTED if result == b"OK" else Verdict.REJECTED


class Pool:
    """The pool of one event listener section. `judge` says what a result means; it must not raise."""

    def __init__(
        self,
        name: str,
        spec: PoolSpec,
        members: Sequence[ProcessId],
        identifier: str,
        judge: Judge = default_judge,
    ) -> None:
        self.name = name
        self.spec = spec
        self._identifier = identifier
        self._judge = judge
        self._links = {id_: Link(id_) for id_ in members}
        self._backlog = Backlog(spec.buffer_size)
        self._next_poolserial = 0
        self._overflow = Losses(name, "the buffer overflowed")
        self._poison = Losses(name, f"listeners failed {MAX_STRIKES} times over an event")
        self._starved_since: float | None = None
        """since when events wait and nobody can take one"""
        self._unsettled = False
        self._delivered = self._rejected = self._redelivered = self._dropped = 0

    # --- what is in force

    def respec(self, spec: PoolSpec, members: Sequence[ProcessId], judge: Judge | None = None) -> list[PoolEffect]:
        """Put new settings in force. What follows from them is done by `due`, which wants to be called at once.

        Members that stay notice nothing; an event that a former member holds goes back. `judge`: None is the same.
        """
        self.spec = spec
        self._judge = judge or self._judge
        self._backlog.max_events = spec.buffer_size
        former = self._links
        self._links = {id_: former.pop(id_) if id_ in former else Link(id_) for id_ in members}
        for link in former.values():
            held = link.parcel
            if held is not None:
                held.lost_with_listener = True
                self._backlog.put(held)
        self._unsettled = True
        return []

    def takes(self, event_name: str) -> bool:
        """Tell whether the pool subscribed to a type, or to one that covers it."""
        return any(covers(subscribed, event_name) for subscribed in self.spec.events)

    # --- what happens

    def offer(self, serial: int, event: Event, now: float) -> list[PoolEffect]:
        """Take an event of a type that the pool takes. `serial`: the same in all pools."""
        out: list[PoolEffect] = []
        self._backlog.put(parcel(serial, self._next_poolserial, event))
        self._next_poolserial += 1
        return self._settle(now, out, trim=True)

    def began(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process has a pid: it speaks the protocol from its beginning."""
        out: list[PoolEffect] = []
        if id in self._links:
            self._forget_life(self._links[id], now, out)
            link = self._links[id] = Link(id)
            link.listener = Listener(lambda result: self._judged(link, result))
            link.stepped_at = link.state_since = now
        return self._settle(now, out)

    def running(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process entered RUNNING: it may be given events."""
        link = self._links.get(id)
        if link is not None and not link.running:
            link.running = True
            link.stepped_at = now
        return self._settle(now, [])

    def not_running(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process left RUNNING on the way to its end: it is given nothing more, but may still answer.

        Called before `ended` only if somebody asked for its end: its event is not to blame then.
        """
        link = self._links.get(id)
        if link is not None:
            link.running = False
        return self._settle(now, [])

    def said(self, id: ProcessId, data: bytes, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process wrote something to its stdout."""
        out: list[PoolEffect] = []
        link = self._links.get(id)
        if link is None or link.listener is None or link.restarting:
            return out
        for outcome in link.listener.feed(data):
            match outcome:
                case Judged():
                    self._answered(link, outcome.verdict, now, out)
                case Fell():
                    self._fell(link, outcome, now, out)
                case Moved():
                    link.stepped_at = link.state_since = now
                    if outcome.before is not ListenerState.UNKNOWN or not link.falls_untold:
                        _log_move(id, outcome.before, outcome.after, out)
        return self._settle(now, out)

    def flushed(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """All bytes of what was last delivered to a process are in its stdin."""
        link = self._links.get(id)
        if link is not None:
            link.flushed = True
        return self._settle(now, [])

    def refused(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """The stdin of a process is closed: it can be given nothing in this life."""
        out: list[PoolEffect] = []
        link = self._links.get(id)
        if link is not None and link.listener is not None:
            link.closed = True
            held, link.parcel = link.parcel, None
            if held is not None:
                link.blamed = held
                link.listener.took_back()
                link.state_since = now
                text = f"epipe occurred while sending event {held.serial} to listener {id.process}, "
                out.append(Log(Level.DEBG, f"{text}listener state unchanged"))
                self._bring_back(held, out)
        return self._settle(now, out)

    def ended(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process is gone, and all it ever said was told."""
        out: list[PoolEffect] = []
        if id in self._links:
            self._forget_life(self._links[id], now, out)
            link = self._links[id] = Link(id)
            link.state_since = now
        return self._settle(now, out)

    # --- time

    @property
    def next_due(self) -> float | None:
        """When `due` wants to be called, None when nothing is waited for."""
        if self._unsettled:
            return AT_ONCE
        times = [losses.next_due for losses in (self._overflow, self._poison)]
        head = self._backlog.head
        if head is not None and self._available() is not None:
            times.append(head.not_before)
        if self.spec.ackwaitsecs:
            times += [self._deadline(link) for link in self._links.values()]
        return min((time for time in times if time is not None), default=None)

    def due(self, now: float) -> list[PoolEffect]:
        """Do what it is time for."""
        out: list[PoolEffect] = [*self._overflow.due(now), *self._poison.due(now)]
        self._settle(now, out, trim=self._unsettled)
        if self.spec.ackwaitsecs:
            for link in self._links.values():
                deadline = self._deadline(link)
                if deadline is not None and now >= deadline:
                    self._stuck(link, now, out)
        return self._settle(now, out)

    def view(self, now: float) -> PoolFacts:
        """Return the pool as it is now."""
        return PoolFacts(
            name=self.name,
            events=self.spec.events,
            buffer_size=self.spec.buffer_size,
            waiting=len(self._backlog),
            delivered=self._delivered,
            rejected=self._rejected,
            redelivered=self._redelivered,
            dropped=self._dropped,
            listeners=tuple(link.facts(now) for link in self._links.values()),
        )

    # --- giving

    def _settle(self, now: float, out: list[PoolEffect], *, trim: bool = False) -> list[PoolEffect]:
        """Give what can be given; the end of whatever happened.

        `trim`: drop what is too much. Not when events only come back: nobody is to lose one by another's failure.
        """
        head, link = self._backlog.head, self._available()
        while head is not None and link is not None and now >= head.not_before:
            self._give(link, self._backlog.take(), now, out)
            head, link = self._backlog.head, self._available()
        for gone in self._backlog.trim() if trim else ():
            self._dropped += 1
            text = f"pool {self.name} event buffer overflowed, discarding event {gone.serial}"
            out += self._overflow.add(text, now)
        self._unsettled = self._unsettled and not trim
        if not self._backlog or link is not None:
            self._starved_since = None
        elif self._starved_since is None:
            self._starved_since = now
        return out

    def _available(self) -> Link | None:
        return next((link for link in self._links.values() if link.available), None)

    def _give(self, link: Link, given: Parcel, now: float, out: list[PoolEffect]) -> None:
        assert link.listener is not None
        link.listener.gave()
        link.parcel, link.flushed = given, False
        link.stepped_at = link.state_since = now
        self._redelivered += given.lost_with_listener
        given.lost_with_listener = False
        data = envelope(
            given.event,
            identifier=self._identifier,
            serial=given.serial,
            pool=self.name,
            poolserial=given.poolserial,
        )
        out.append(Deliver(link.id, data))
        out.append(Log(Level.DEBG, f"event {given.serial} sent to listener {link.id.process}"))

    def _bring_back(self, held: Parcel, out: list[PoolEffect]) -> None:
        size, most = len(self._backlog), self.spec.buffer_size
        text = f"rebuffering event {held.serial} for pool {self.name} (buf size={size}, max={most})"
        out.append(Log(Level.DEBG, text))
        self._backlog.put(held)

    # --- answers

    def _judged(self, link: Link, result: bytes) -> Verdict:
        return Verdict.REJECTED if link.parcel is None else self._judge(link.parcel.event, result)

    def _answered(self, link: Link, verdict: Verdict, now: float, out: list[PoolEffect]) -> None:
        held, link.parcel = link.parcel, None
        name = link.id.process
        if verdict is Verdict.ACCEPTED:
            self._delivered += 1
            out.append(Log(Level.DEBG, f"{name}: event was processed"))
            return
        what = "was rejected" if verdict is Verdict.REJECTED else "caused an error"
        out.append(Log(Level.WARN, f"{name}: event {what}"))
        if held is not None:
            self._reject(held, now, out)

    def _reject(self, held: Parcel, now: float, out: list[PoolEffect]) -> None:
        self._rejected += 1
        held.reject(now)
        self._bring_back(held, out)

    def _fell(self, link: Link, fell: Fell, now: float, out: list[PoolEffect]) -> None:
        link.state_since = now
        self._log_fall(link, fell, now, out)
        held, link.parcel = link.parcel, None
        if held is not None:
            self._reject(held, now, out)
            self._strike(held, now, out)

    def _log_fall(self, link: Link, fell: Fell, now: float, out: list[PoolEffect]) -> None:
        """Log a fall, unless there was one a moment ago: a listener can fall as fast as it can write."""
        if now < link.fall_told_at + TELL_EVERY_S:
            link.falls_untold += 1
            return
        name = link.id.process
        more = f" ({link.falls_untold} more times since the last such line)" if link.falls_untold else ""
        link.fall_told_at, link.falls_untold = now, 0
        if fell.line is not None:
            out.append(Log(Level.WARN, f"{name}: bad result line: '{text_of(fell.line)}'"))
        _log_move(link.id, fell.before, ListenerState.UNKNOWN, out)
        text = (
            f"{name}: has entered the UNKNOWN state and will no longer receive events, "
            "this usually indicates the process violated the eventlistener protocol"
        )
        out.append(Log(Level.WARN, text + more))

    # --- listeners that end or do not answer

    def _forget_life(self, link: Link, now: float, out: list[PoolEffect]) -> None:
        """Take back what a life that is over held."""
        held = link.parcel
        if held is not None:
            held.lost_with_listener = True
            self._bring_back(held, out)
        to_blame = held or link.blamed
        if to_blame is not None and link.in_service:
            self._strike(to_blame, now, out)

    def _strike(self, held: Parcel, now: float, out: list[PoolEffect]) -> None:
        """Count a listener lost over an event; too many, and the event goes."""
        held.strikes += 1
        if held.strikes >= MAX_STRIKES and self._backlog.remove(held):
            self._dropped += 1
            what = f"event {held.serial} ({held.event.name})"
            text = f"pool {self.name} discarding {what}: listeners failed {held.strikes} times over it"
            out += self._poison.add(text, now)

    def _deadline(self, link: Link) -> float | None:
        """Return when a listener counts as stuck: too long over its event, or unable to take one that waits."""
        if not link.in_service:
            return None
        if link.parcel is not None:
            return link.stepped_at + self.spec.ackwaitsecs
        if self._starved_since is None:
            return None
        return max(link.stepped_at, self._starved_since) + self.spec.ackwaitsecs

    def _stuck(self, link: Link, now: float, out: list[PoolEffect]) -> None:
        held, link.parcel = link.parcel, None
        waited_s = self.spec.ackwaitsecs
        if held is None:
            reason = f"{link.complaint} for {words.seconds(waited_s)} seconds while {len(self._backlog)} events wait"
        else:
            what = f"event {held.serial} ({held.event.name})"
            reason = f"has not answered {what} for {words.seconds(waited_s)} seconds"
        link.restarting = True
        out.append(Log(Level.WARN, f"{link.id.process}: {reason}, restarting it"))
        out.append(Tell(ListenerStuck(link.id, held.event.name if held else "", now - link.stepped_at)))
        out.append(Restart(link.id, reason))
        if held is not None:
            held.lost_with_listener = True
            self._bring_back(held, out)
            self._strike(held, now, out)


def _log_move(id: ProcessId, before: ListenerState, after: ListenerState, out: list[PoolEffect]) -> None:  # noqa: A002
    out.append(Log(Level.DEBG, f"{id.process}: {before.name} -> {after.name}"))
