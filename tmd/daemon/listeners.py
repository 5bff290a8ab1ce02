"""Event listeners: notices become events, pools decide who gets which, and here it is done.

Promises that no listener, whatever it does or leaves undone, can delay, fill or end the daemon: what it says is read at
a bounded rate, what it is given waits in bounded buffers, what it does not read waits in a queue of its own. Knows no
protocol and no policy: these are the pool's. Nothing here wakes up for events while there is no pool.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from tmd.config.settings import GroupSpec, PoolSpec
from tmd.core import effects as e
from tmd.core import notices as n
from tmd.core.delivery import PoolView
from tmd.core.events import EVENTFUL, Event, event_of, tick
from tmd.core.listener import ListenerState
from tmd.core.pool import Deliver, Hold, Pool, PoolEffect, Restart, Settle
from tmd.daemon.answers import Answers
from tmd.daemon.bus import Told
from tmd.daemon.journal import Journal
from tmd.daemon.judges import Judge, NumberedEvent, find_judge
from tmd.daemon.mainlog import MainLog
from tmd.daemon.seats import ListenersState, Seat, Talk
from tmd.daemon.ticks import Ticks
from tmd.posix.drain import Drain, LogTarget
from tmd.posix.loop import Loop
from tmd.posix.stdin import StdinWriter
from tmd.wire.events import TICK_PERIODS
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId

ANSWER_BYTES = 1024
"""what an answer and what leads to the next one may take at most; a result that is longer is still being read"""
OVERSLEPT_S = 1.0
"""a timer that is so late says that the daemon slept, and could hear nobody meanwhile"""
LAST_EVENTS_S = 1.0
"""how long the end of the daemon waits for a listener to take what there is for it"""
SERIALS_AT_ONCE = 10_000
"""so many numbers are set apart in the journal at a time"""
NONSENSE_LINE_EVERY_S = 1.0
"""how often nonsense is copied into the log at level debug"""
_OF_POOLS = (n.GroupAdded, n.GroupChanged, n.GroupRemoved, n.DaemonRunning, n.DaemonStopping, n.ProcessRemoved)
"""what decides which pools there are, and what they have; the rest is for these to hear"""


class Listeners:
    """All pools of event listeners.

    `group` and `stdin` look up what is now; `log_target` where the output of a listener goes; `restart` has a process
    ended and started again; `publish` tells a notice; `journal` is told what they have in hand.
    """

    HEARS: ClassVar[tuple[type[n.Notice], ...]] = (*EVENTFUL, n.GroupChanged, n.ProcessRemoved)

    def __init__(
        self,
        *,
        loop: Loop,
        drain: Drain,
        mainlog: MainLog,
        wall: Callable[[], float],
        identifier: str,
        strip_ansi: bool,
        group: Callable[[str], GroupSpec | None],
        stdin: Callable[[ProcessId], StdinWriter | None],
        log_target: Callable[[ProcessId], LogTarget | None],
        restart: Callable[[ProcessId], None],
        publish: Callable[[n.Notice], None],
        journal: Journal,
    ) -> None:
        self._loop, self._drain, self._mainlog = loop, drain, mainlog
        self._identifier, self._strip_ansi = identifier, strip_ansi
        self._group, self._stdin, self._log_target = group, stdin, log_target
        self._restart, self._publish = restart, publish
        self._ticks = Ticks(loop.call_later, wall, lambda name, when: self._offer(tick(name, when)))
        self._seats: dict[str, Seat] = {}
        self._takers: dict[str, tuple[Seat, ...]] = {}
        """by event type, as far as asked for so far"""
        self._talks: dict[ProcessId, Talk] = {}
        self._logs: dict[ProcessId, LogTarget] = {}
        self._serial = 0
        self._dropped_earlier = 0
        self._agenda: deque[tuple[Seat, PoolEffect]] = deque()
        self._performing = False
        self._ending = False
        self._journal = journal
        self._flush_asked = False
        self.deaf = False
        """what is told now was told to listeners before"""

    # --- what is to be seen ----------------------------------------------------------------------------------

    def views(self) -> list[PoolView]:
        """Return the pools, by name."""
        now = self._loop.now()
        return [self._seats[name].pool.view(now) for name in sorted(self._seats)]

    @property
    def dropped(self) -> int:
        """How many events were dropped, by pools that are gone too."""
        return self._dropped_earlier + sum(view.dropped for view in self.views())

    # --- what happens ----------------------------------------------------------------------------------------

    def hear(self, told: Told) -> None:
        """Take a notice from the bus."""
        notice = told.notice
        if type(notice) in _OF_POOLS:
            self._keep_pools(notice)
        if not self._seats or self.deaf:
            return
        match notice:
            case n.ProcessRunning(id=id_):
                if seat := self._seats.get(id_.group):
                    seat.running.add(id_)
                    self._perform(seat, seat.pool.running(id_, self._loop.now()))
            case n.ProcessStopping(id=id_) | n.ProcessUnknown(id=id_) if not self._ending:
                if seat := self._seats.get(id_.group):
                    self._perform(seat, seat.pool.not_running(id_, self._loop.now()))
        event = event_of(notice)
        if event is not None:
            self._offer(event, _group_of(notice))

    def _keep_pools(self, notice: n.Notice) -> None:
        match notice:
            case n.GroupAdded(name=name) | n.GroupChanged(name=name):
                self._set_up(name)
            case n.DaemonRunning():
                self._forget_events()
            case n.DaemonStopping():
                self._ending = True
            case n.GroupRemoved(name=name):
                self._take_down(name)
            case n.ProcessRemoved(id=id_):
                if target := self._logs.pop(id_, None):
                    self._drain.release(target)

    def opened(self, id_: ProcessId, fd: int) -> None:
        """Read what a new life of a listener says from now on."""
        self._listen_to(id_, fd)
        if seat := self._seats.get(id_.group):
            self._perform(seat, seat.pool.began(id_, self._loop.now()))

    def _listen_to(self, id_: ProcessId, fd: int | None) -> Talk:
        talk = Talk(self._strip_ansi)
        talk.answers = Answers(self._loop, fd, partial(self._said, id_, talk), partial(self._hung_up, id_))
        self._talks[id_] = talk
        if target := self._target(id_):
            self._drain.prepare(target)
        return talk

    def ended(self, id_: ProcessId) -> int | None:
        """Take in the last words of a listener that is gone; return its pipe if somebody else still holds it."""
        talk = self._talks.pop(id_, None)
        if talk is None:
            return None
        left = talk.answers.finish()
        if seat := self._seats.get(id_.group):
            seat.running.discard(id_)
            if going := seat.leaving.pop(id_, None):
                going[0].cancel()
            self._perform(seat, seat.pool.ended(id_, self._loop.now()))
        return left

    def let_go(self, id_: ProcessId, stop: Callable[[], None]) -> None:
        """Have a listener stopped by `stop`: at once, but at the end of the daemon only when it is through with events.

        Pools are the last to be stopped. What there is for them then is given out, within `LAST_EVENTS_S`.
        """
        seat = self._seats.get(id_.group)
        if seat is None or not self._ending:
            stop()
            return
        if id_ in seat.leaving:
            self._stop(seat, id_)  # asked for a second time: now
            return
        timer = self._loop.call_later(LAST_EVENTS_S, partial(self._stop, seat, id_))
        seat.leaving[id_] = (timer, stop)
        self._stop_who_is_through(seat)

    def _stop_who_is_through(self, seat: Seat) -> None:
        facts = seat.pool.view(self._loop.now())
        speaking = (ListenerState.READY.name, ListenerState.ACKNOWLEDGED.name)
        for one in facts.listeners:
            next_one = facts.waiting and one.id in seat.running and one.state in speaking and not one.note
            if one.id in seat.leaving and one.state != ListenerState.BUSY.name and not next_one:
                self._stop(seat, one.id)

    def _stop(self, seat: Seat, id_: ProcessId) -> None:
        timer, stop = seat.leaving.pop(id_)
        timer.cancel()
        self._perform(seat, seat.pool.not_running(id_, self._loop.now()))
        stop()

    def close(self) -> None:
        """Let go of everything."""
        self._ticks.want(())
        for talk in self._talks.values():
            talk.answers.close()
        for name, seat in self._seats.items():
            seat.disarm()
            if lost := seat.lost(self._seats):
                self._mainlog.warn(f"pool {name} ends, discarding {lost} events that no listener has accepted")
        self._talks.clear()
        self._seats.clear()
        self._takers.clear()

    # --- pools come, change and go ---------------------------------------------------------------------------

    def _set_up(self, name: str) -> None:
        group = self._group(name)
        if group is None or group.pool is None:
            self._take_down(name)
            return
        members = [spec.id for spec in group.processes]
        seat = self._seats.get(name)
        if seat is None:
            judge = self._find_judge(name, group.pool)
            pool = Pool(name, group.pool, members, self._identifier, judge)
            self._recall(pool)
            self._seats[name] = Seat(pool)
        else:
            same = group.pool.result_handler == seat.pool.spec.result_handler
            judge_or_same = None if same else self._find_judge(name, group.pool)
            self._perform(seat, seat.pool.respec(group.pool, members, judge_or_same))
        self._pools_changed()

    def _find_judge(self, name: str, spec: PoolSpec) -> Judge:
        return find_judge(
            spec.result_handler, lambda text: self._mainlog.error(f"pool '{name}': {text}"), self._loop.now
        )

    def _take_down(self, name: str) -> None:
        seat = self._seats.pop(name, None)
        if seat is None:
            return
        seat.disarm()
        lost = seat.lost((name,))
        self._dropped_earlier += seat.pool.view(self._loop.now()).dropped + lost
        if lost:
            self._mainlog.warn(f"pool {name} was removed, discarding {lost} events")
        self._forget_events(of=name)
        self._journal.set_serials_apart(name, 0)
        self._pools_changed()

    def _pools_changed(self) -> None:
        self._takers.clear()
        self._ticks.want([name for name in TICK_PERIODS if self._who_takes(name)])

    # --- events ----------------------------------------------------------------------------------------------

    def _who_takes(self, name: str) -> tuple[Seat, ...]:
        takers = self._takers.get(name)
        if takers is None:
            takers = tuple(seat for seat in self._seats.values() if seat.pool.takes(name))
            if len(self._takers) < 1000:  # extensions may make up names without end
                self._takers[name] = takers
        return takers

    def _offer(self, event: Event, group: str = "") -> None:
        takers = self._who_takes(event.name)
        if not takers:
            return
        numbered = NumberedEvent(event.name, event.payload, self._serial, group)
        self._serial += 1
        for seat in takers:
            self._perform(seat, seat.pool.offer(numbered.serial, numbered, self._loop.now()))

    # --- what listeners say ----------------------------------------------------------------------------------

    def _said(self, id_: ProcessId, talk: Talk, data: bytes) -> bool:
        """Pass on what a listener said; return whether it made sense."""
        if target := self._target(id_):
            self._drain.write(target, talk.stripper.feed(data) if talk.stripper else data)
        now = self._loop.now()
        if self._mainlog.level <= Level.DEBG and (talk.sensible or now >= talk.copied_at + NONSENSE_LINE_EVERY_S):
            talk.copied_at = now
            self._mainlog.debug(f"'{id_.process}' stdout output:\n{data!r}")
        seat = self._seats.get(id_.group)
        if seat is None:
            return False
        self._perform(seat, seat.pool.said(id_, data, now))
        state = seat.pool.state_of(id_)
        long = len(data) > ANSWER_BYTES and state is not ListenerState.BUSY
        talk.sensible = not long and state is not ListenerState.UNKNOWN
        return talk.sensible

    def _hung_up(self, id_: ProcessId) -> None:
        if seat := self._seats.get(id_.group):
            self._perform(seat, seat.pool.hung_up(id_, self._loop.now()))

    def _target(self, id_: ProcessId) -> LogTarget | None:
        """Return where the output of a listener goes now; what it went to before is closed."""
        target = self._log_target(id_)
        before = self._logs.get(id_)
        if before != target:
            if before is not None:
                self._drain.release(before)
                del self._logs[id_]
            if target is not None:
                self._logs[id_] = target
        return target

    # --- what is to be done ----------------------------------------------------------------------------------

    def _perform(self, seat: Seat, effects: Sequence[PoolEffect]) -> None:
        """Carry out what a pool asks for, and all that follows, one after the other."""
        self._agenda.extend((seat, effect) for effect in effects)
        if not self._performing:
            self._performing = True
            try:
                while self._agenda:
                    self._carry_out(*self._agenda.popleft())
            finally:
                self._performing = False
        self._arm(seat)
        if seat.leaving:
            self._stop_who_is_through(seat)

    def _carry_out(self, seat: Seat, effect: PoolEffect) -> None:
        match effect:
            case Deliver(id=id_, data=data):
                self._deliver(seat, id_, data)
            case Hold(serial=serial, poolserial=poolserial, event=event):
                self._keep(seat, serial, poolserial, event)
            case Settle(serial=serial):
                self._journal.forget_event(seat.pool.name, serial)
                self._flush_soon()
            case e.Log(level=level, text=text):
                self._mainlog.log(level, text)
            case e.Tell(notice=notice):
                self._publish(notice)
            case Restart(id=id_):
                self._restart(id_)

    def _deliver(self, seat: Seat, id_: ProcessId, data: bytes) -> None:
        stdin = self._stdin(id_)
        try:
            if stdin is None:
                raise BrokenPipeError
            through = stdin.deliver(data, partial(self._delivered, seat, id_))
        except BrokenPipeError:
            self._delivered(seat, id_, False)
        else:
            if through:
                self._delivered(seat, id_, True)

    def _delivered(self, seat: Seat, id_: ProcessId, through: bool) -> None:
        now = self._loop.now()
        self._perform(seat, seat.pool.flushed(id_, now) if through else seat.pool.refused(id_, now))

    # --- what is to be remembered -----------------------------------------------------------------------------

    def resume(self) -> None:
        """Number events on from where an earlier daemon may have been; before there are any."""
        self._serial = max(self._serial, self._journal.serials.get("", 0))

    def _recall(self, pool: Pool) -> None:
        """Have a new pool go on where an earlier daemon was: what its listeners had in hand comes first."""
        pool.resume(self._journal.serials.get(pool.name, 0))
        for held in list(self._journal.events.values()):
            if held.pool == pool.name:
                event = NumberedEvent(held.event.name, held.event.payload, held.serial)
                pool.recall(held.serial, held.poolserial, event)

    def _forget_events(self, *, of: str | None = None) -> None:
        """Let go of what was kept of a pool, or of all that are none."""
        for pool, serial in list(self._journal.events):
            if pool == of or (of is None and pool not in self._seats):
                self._journal.forget_event(pool, serial)

    def _keep(self, seat: Seat, serial: int, poolserial: int, event: Event) -> None:
        """Have the next daemon know of an event before a listener does."""
        pool = seat.pool
        for name, needed in (("", self._serial), (pool.name, pool.next_poolserial)):
            if needed > self._journal.serials.get(name, 0):
                self._journal.set_serials_apart(name, needed + SERIALS_AT_ONCE)
        self._journal.note_event(pool.name, serial, Event(event.name, event.payload), poolserial)
        self._journal.flush()

    def _flush_soon(self) -> None:
        if not self._flush_asked:
            self._flush_asked = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_asked = False
        self._journal.flush()

    def hold(self) -> None:
        """Hear no answers and wait for none any more."""
        for seat in self._seats.values():
            seat.disarm()
        for talk in self._talks.values():
            talk.answers.hold()

    def state(self) -> ListenersState:
        """Return all there is, for another daemon to go on with."""
        seats = {name: seat.state() for name, seat in self._seats.items()}
        talks = [talk.state(id_) for id_, talk in self._talks.items()]
        return ListenersState(self._serial, self._dropped_earlier, seats, talks, self._ticks.told)

    def take_over(self, state: ListenersState) -> None:
        """Go on where an earlier daemon was, with the same pools."""
        self._serial, self._dropped_earlier = state.serial, state.dropped_earlier
        self._ticks.resume(state.ticks)
        for told in state.talks:
            talk = self._listen_to(told.id, told.fd)
            talk.sensible = told.sensible
            if talk.stripper is not None:
                talk.stripper.held = told.held
        for name, kept in state.seats.items():
            if (seat := self._seats.get(name)) is not None:
                seat.resume(kept)
                for parcel in kept.pool.parcels:
                    if parcel.held:
                        self._keep(seat, parcel.serial, parcel.poolserial, parcel.event)
                for link in kept.pool.links:
                    if not link.flushed and not link.closed:
                        self._deliver(seat, link.id, b"")
                self._arm(seat)
        self.deaf = False

    # --- time ------------------------------------------------------------------------------------------------

    def _arm(self, seat: Seat) -> None:
        """See to it that the pool is called when it wants to be; a timer that comes too early is left to fire."""
        due = seat.pool.next_due
        if due is None or self._seats.get(seat.pool.name) is not seat:
            return
        if seat.timer is not None:
            if seat.timer_at <= due:
                return
            seat.timer.cancel()
        seat.timer_at = max(due, self._loop.now())
        seat.timer = self._loop.call_at(due, partial(self._due, seat))

    def _due(self, seat: Seat) -> None:
        """Call a pool that wants to be called; before it gives up on somebody, hear what lies in the pipe."""
        seat.timer = None
        now = self._loop.now()
        if self._ending or now > seat.timer_at + OVERSLEPT_S:  # at the end nobody is restarted
            seat.pool.overslept(now)
        for id_ in seat.pool.overdue(now):
            if talk := self._talks.get(id_):
                talk.answers.read_now()
        self._perform(seat, seat.pool.due(self._loop.now()))


def _group_of(notice: n.Notice) -> str:
    """Return the group that a notice is about, empty for none."""
    match notice:
        case n.GroupAdded(name=name) | n.GroupRemoved(name=name):
            return name
    about = getattr(notice, "id", None)
    return about.group if isinstance(about, ProcessId) else ""
