"""One pool of event listeners: which of them gets which event, and what becomes of an event that nobody took.

Promises that an event given to the pool is accepted by a listener, still waits, or is counted as dropped and told of;
that no listener holds two; that they are given in order, but for those that a listener rejected or failed over; and
that nothing a listener does or leaves undone, and no event that cannot be handled, keeps the pool from working with the
others. Whoever runs a pool carries out the effects and calls `due` at `next_due`.

Knows nothing of pipes and of how processes are run, only what it is told of them. All times are monotonic seconds.
"""

from collections.abc import Sequence
from functools import partial

from tmd.config.settings import PoolSpec
from tmd.core import words
from tmd.core.backlog import Backlog, Losses, Parcel, parcel
from tmd.core.delivery import Deliver, Hold, Judge, PoolEffect, PoolView, Restart, Settle, default_judge
from tmd.core.effects import Log, Tell
from tmd.core.events import Event, envelope
from tmd.core.link import Link, ListenerView
from tmd.core.listener import Fell, Judged, Listener, ListenerState, Moved, Verdict
from tmd.core.notices import ListenerStuck
from tmd.core.pool_state import PoolState
from tmd.wire.events import covers
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId

__all__ = ["Deliver", "Hold", "ListenerView", "Pool", "PoolEffect", "PoolView", "Restart", "Settle", "Verdict"]
__all__ += ["default_judge"]

MAX_STRIKES = 3
"""so many listeners at least must end, get stuck or break the protocol over an event before it is dropped"""
STRIKES_S = 60.0
"""and so long after the first: whatever ends listeners may have nothing to do with the event, and pass"""
HUNG_UP_S = 1.0
"""how long one that closed its stdout is left alone, for it may be ending; twice as long in each life that does so"""
AT_ONCE = 0.0


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
        self._leaving: dict[ProcessId, Link] = {}
        """former members that hold an event: they may still answer"""
        self._backlog = Backlog(spec.buffer_size)
        self._next_poolserial = 0
        self._overflow = Losses(name, "the buffer overflowed")
        self._poison = Losses(name, "every listener failed over an event")
        self._starved_since: float | None = None
        """since when events wait and nobody can take one"""
        self._unsettled = False
        self._delivered = self._rejected = self._redelivered = self._dropped = 0

    # --- what is in force

    def respec(self, spec: PoolSpec, members: Sequence[ProcessId], judge: Judge | None = None) -> list[PoolEffect]:
        """Put new settings in force. What follows from them is done by `due`, which wants to be called at once.

        Members that stay notice nothing. A former one may still answer until it `ended`. `judge`: None is the same.
        """
        self.spec = spec
        self._judge = judge or self._judge
        self._backlog.max_events = spec.buffer_size
        former = self._leaving | self._links
        self._links = {id_: former.pop(id_) if id_ in former else Link(id_) for id_ in members}
        self._leaving = {id_: link for id_, link in former.items() if link.parcel is not None}
        for link in former.values():
            link.running = False
        self._unsettled = True
        return []

    def takes(self, event_name: str) -> bool:
        """Tell whether the pool subscribed to a type, or to one that covers it."""
        return any(covers(subscribed, event_name) for subscribed in self.spec.events)

    def state(self) -> PoolState:
        """Return all of it, for another daemon to go on with."""
        links, leaving = list(self._links.values()), list(self._leaving.values())
        parcels = [*self._backlog, *(link.parcel for link in (*links, *leaving) if link.parcel is not None)]

        def number(parcel: Parcel | None) -> int | None:
            return next((place for place, each in enumerate(parcels) if each is parcel), None)

        counts = (self._delivered, self._rejected, self._redelivered, self._dropped)
        return PoolState(
            parcels,
            len(self._backlog),
            [link.state(number) for link in links],
            [link.state(number) for link in leaving],
            self._next_poolserial,
            (self._overflow.state, self._poison.state),
            self._starved_since,
            counts,
        )

    def take_over(self, state: PoolState) -> None:
        """Go on where an earlier daemon was; before anything else happens."""
        for waiting in state.parcels[: state.waiting]:
            self._backlog.put(waiting)
        for states, links in ((state.links, self._links), (state.leaving, self._leaving)):
            for each in states:
                link = links[each.id] = Link(each.id)
                link.resume(each, Listener(partial(self._judged, link)), state.parcels)
        self._next_poolserial, self._starved_since = state.next_poolserial, state.starved_since
        self._overflow.state, self._poison.state = state.losses
        self._delivered, self._rejected, self._redelivered, self._dropped = state.counts
        self._unsettled = True

    # --- what happens

    def offer(self, serial: int, event: Event, now: float) -> list[PoolEffect]:
        """Take an event of a type that the pool takes. `serial`: the same in all pools."""
        out: list[PoolEffect] = []
        self._backlog.put(parcel(serial, self._next_poolserial, event))
        self._next_poolserial += 1
        return self._settle(now, out, trim=True)

    def recall(self, serial: int, poolserial: int, event: Event) -> None:
        """Take back an event that a listener of an earlier daemon had, and nobody has accepted: it is given first."""
        recalled = parcel(serial, poolserial, event)
        recalled.held = recalled.lost_with_listener = True
        self._backlog.put(recalled)

    def resume(self, poolserial: int) -> None:
        """Go on numbering where an earlier daemon may have been."""
        self._next_poolserial = max(self._next_poolserial, poolserial)

    @property
    def next_poolserial(self) -> int:
        """The number that the next event gets in this pool."""
        return self._next_poolserial

    def began(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process has a pid: it speaks the protocol from its beginning."""
        out: list[PoolEffect] = []
        if id in self._links:
            self._forget_life(self._links[id], now, out)
            link = self._links[id] = Link(id, self._links[id].hang_ups)
            link.listener = Listener(lambda result: self._judged(link, result))
            link.stepped_at = link.state_since = now
        return self._settle(now, out)

    def running(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process entered RUNNING: it may be given events."""
        out: list[PoolEffect] = []
        link = self._links.get(id)
        if link is not None and not link.running:
            link.running = True
            link.stepped_at = now
            if link.hung_up:
                out.append(link.hung_up_line())
        return self._settle(now, out)

    def not_running(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process left RUNNING on the way to its end: it is given nothing more, but may still answer.

        Called before `ended` only if somebody asked for its end: its event is not to blame then.
        """
        link = self._find(id)
        if link is not None:
            link.running = False
        return self._settle(now, [])

    def said(self, id: ProcessId, data: bytes, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process wrote something to its stdout."""
        out: list[PoolEffect] = []
        link = self._find(id)
        if link is None or link.listener is None or link.restarting or link.hung_up:
            return out
        for outcome in link.listener.feed(data):
            match outcome:
                case Judged():
                    self._answered(link, outcome.verdict, now, out)
                case Fell():
                    self._fell(link, outcome, now, out)
                case Moved():
                    link.state_since = now
                    if link.takes_in:
                        link.stepped_at = now
                    out += link.moved_lines(outcome.before, outcome.after)
        return self._settle(now, out)

    def flushed(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """All bytes of what was last delivered to a process are in its stdin."""
        link = self._find(id)
        if link is not None and not link.flushed:
            link.flushed = True
            link.stepped_at = now
        return self._settle(now, [])

    def refused(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """The stdin of a process is closed: it can be given nothing in this life."""
        out: list[PoolEffect] = []
        link = self._find(id)
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

    def hung_up(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process closed its stdout, and lives: it can answer nothing in this life."""
        out: list[PoolEffect] = []
        link = self._find(id)
        if link is not None and link.listener is not None and not link.hung_up:
            link.hung_up = True
            link.hang_ups += 1
            link.stepped_at = link.state_since = now
            link.listener.took_back()
            if link.in_service:
                out.append(link.hung_up_line())
            if link.parcel is not None:
                self._lose(link, link.parcel, now, out)
        return self._settle(now, out)

    def ended(self, id: ProcessId, now: float) -> list[PoolEffect]:  # noqa: A002
        """A process is gone, and all it ever said was told."""
        out: list[PoolEffect] = []
        if id in self._links:
            self._forget_life(self._links[id], now, out)
            link = self._links[id] = Link(id, self._links[id].hang_ups)
            link.state_since = now
        elif id in self._leaving:
            self._forget_life(self._leaving.pop(id), now, out)
        return self._settle(now, out)

    def _find(self, id_: ProcessId) -> Link | None:
        return self._links.get(id_) or self._leaving.get(id_)

    # --- time

    @property
    def next_due(self) -> float | None:
        """When `due` wants to be called, None when nothing is waited for."""
        if self._unsettled:
            return AT_ONCE
        times = [losses.next_due for losses in (self._overflow, self._poison)]
        if self._is_anybody_free():
            times.append(self._backlog.next_due)
        times += [self._deadline(link) for link in self._links.values()]
        return min((time for time in times if time is not None), default=None)

    def due(self, now: float) -> list[PoolEffect]:
        """Do what it is time for."""
        out: list[PoolEffect] = [*self._overflow.due(now), *self._poison.due(now)]
        self._settle(now, out, trim=self._unsettled)
        for id_ in self.overdue(now):
            self._stuck(self._links[id_], now, out)
        return self._settle(now, out)

    def overdue(self, now: float) -> list[ProcessId]:
        """Return the listeners that `due` would call stuck, unless something is heard from them before."""
        deadlines = {id_: self._deadline(link) for id_, link in self._links.items()}
        return [id_ for id_, deadline in deadlines.items() if deadline is not None and now >= deadline]

    def overslept(self, now: float) -> None:
        """Begin all waiting for listeners anew: nobody could be heard for some time."""
        for link in self._links.values():
            link.stepped_at = now

    def unheard(self) -> list[Event]:
        """Return the events that no listener has accepted, those that are in somebody's hands included."""
        held = [link.parcel.event for link in (*self._links.values(), *self._leaving.values()) if link.parcel]
        return [*held, *(each.event for each in self._backlog)]

    def state_of(self, id: ProcessId) -> ListenerState | None:  # noqa: A002
        """Return where a process is in the protocol, None for one that does not run or is no member."""
        link = self._links.get(id)
        return link.listener.state if link is not None and link.listener is not None else None

    def view(self, now: float) -> PoolView:
        """Return the pool as it is now."""
        oldest = self._backlog.oldest
        return PoolView(
            name=self.name,
            events=self.spec.events,
            buffer_size=self.spec.buffer_size,
            waiting=len(self._backlog),
            delivered=self._delivered,
            rejected=self._rejected,
            redelivered=self._redelivered,
            dropped=self._dropped,
            listeners=tuple(link.facts(now) for link in self._links.values()),
            note="" if oldest is None else oldest.trouble(now),
        )

    # --- giving

    def _settle(self, now: float, out: list[PoolEffect], *, trim: bool = False) -> list[PoolEffect]:
        """Give what can be given; the end of whatever happened.

        `trim`: drop what is too much. Not when events only come back: nobody is to lose one by another's failure.
        """
        self._backlog.wake(now)
        while (head := self._backlog.head) is not None and (link := self._choose(head)) is not None:
            self._give(link, self._backlog.take(), now, out)
        for gone in self._backlog.trim() if trim else ():
            self._dropped += 1
            text = f"pool {self.name} event buffer overflowed, discarding event {gone.serial}"
            out += self._overflow.add(text, now)
            if gone.held:
                out.append(Settle(gone.serial))
        self._unsettled = self._unsettled and not trim
        if not self._backlog or self._is_anybody_free():
            self._starved_since = None
        elif self._starved_since is None:
            self._starved_since = now
        return out

    def _is_anybody_free(self) -> bool:
        return any(link.available for link in self._links.values())

    def _choose(self, waiting: Parcel) -> Link | None:
        """Return who is free and had the least trouble with an event so far, the first of these."""
        free = [link for link in self._links.values() if link.available]
        return min(free, key=lambda link: waiting.tries_by.get(link.id, 0), default=None)

    def _give(self, link: Link, given: Parcel, now: float, out: list[PoolEffect]) -> None:
        assert link.listener is not None
        link.listener.gave()
        link.parcel, link.flushed = given, False
        link.stepped_at = link.state_since = now
        self._redelivered += given.lost_with_listener
        given.lost_with_listener = False
        if not given.held:
            given.held = True
            out.append(Hold(given.serial, given.poolserial, given.event))
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
        link.hang_ups = 0
        name = link.id.process
        if verdict is Verdict.ACCEPTED:
            self._delivered += 1
            out.append(Log(Level.DEBG, f"{name}: event was processed"))
            if held is not None:
                out.append(Settle(held.serial))
            return
        what = "was rejected" if verdict is Verdict.REJECTED else "caused an error"
        out.append(Log(Level.WARN, f"{name}: event {what}"))
        if held is None:
            return
        self._rejected += 1
        if verdict is Verdict.ERROR:
            self._fail(link, held, now, out)
        else:
            held.reject(link.id, now)
            self._bring_back(held, out)

    def _fell(self, link: Link, fell: Fell, now: float, out: list[PoolEffect]) -> None:
        link.state_since = now
        out += link.fall_lines(fell, now)
        held, link.parcel = link.parcel, None
        if held is not None:
            self._rejected += 1
            self._fail(link, held, now, out)

    # --- listeners that end or do not answer

    def _forget_life(self, link: Link, now: float, out: list[PoolEffect]) -> None:
        """Take back what a life that is over held."""
        held, blamed = link.parcel, link.blamed
        if held is not None:
            self._lose(link, held, now, out)
        elif blamed is not None and link.in_service and self._backlog.remove(blamed):
            self._fail(link, blamed, now, out)

    def _lose(self, link: Link, held: Parcel, now: float, out: list[PoolEffect]) -> None:
        """Take an event from a listener that will not answer; it is to blame, but not if the listener was stopped."""
        link.parcel = None
        held.lost_with_listener = True
        if link.in_service:
            self._fail(link, held, now, out)
        else:
            self._bring_back(held, out)

    def _fail(self, link: Link, held: Parcel, now: float, out: list[PoolEffect]) -> None:
        """Bring back an event that a listener failed over, or drop it when that happened too often."""
        held.strike(link.id, now)
        if held.strikes < MAX_STRIKES or now < held.struck_at + STRIKES_S or self._has_hope(held):
            self._bring_back(held, out)
            return
        self._dropped += 1
        what = f"event {held.serial} ({held.event.name})"
        text = f"pool {self.name} discarding {what}: listeners failed {held.strikes} times over it"
        out += self._poison.add(text, now)
        out.append(Settle(held.serial))

    def _has_hope(self, held: Parcel) -> bool:
        """Tell whether somebody is there who did not fail over an event yet."""
        return any(link.in_service and link.id not in held.failed for link in self._links.values())

    def _deadline(self, link: Link) -> float | None:
        """Return when a listener counts as stuck: too long over its event, or unable to take one that waits."""
        if not link.in_service or not self.spec.ackwaitsecs:
            return None
        if link.hung_up:
            return link.stepped_at + min(HUNG_UP_S * (1 << min(link.hang_ups - 1, 6)), self.spec.ackwaitsecs)
        if link.parcel is not None:
            return link.stepped_at + self.spec.ackwaitsecs
        if self._starved_since is None:
            return None
        return max(link.stepped_at, self._starved_since) + self.spec.ackwaitsecs

    def _stuck(self, link: Link, now: float, out: list[PoolEffect]) -> None:
        held, waited_s = link.parcel, self.spec.ackwaitsecs
        if link.hung_up:
            reason = link.complaint
        elif held is None:
            reason = f"{link.complaint} for {words.seconds(waited_s)} seconds while {len(self._backlog)} events wait"
        else:
            what = f"event {held.serial} ({held.event.name})"
            reason = f"has not answered {what} for {words.seconds(waited_s)} seconds"
        out.append(Log(Level.WARN, f"{link.id.process}: {reason}, restarting it"))
        out.append(Tell(ListenerStuck(link.id, held.event.name if held else "", now - link.stepped_at)))
        out.append(Restart(link.id, reason))
        if held is not None:
            self._lose(link, held, now, out)
        link.restarting = True
