"""The runtime: turns the crank. Feeds the core what happened and performs what it answers, on one thread.

Inputs are taken in their order and run to completion; what performing an effect brings about (a pid, a refused
spawn) is the next input, never a call back into the core. Where many processes have one input each, as when all of them
end, the core takes in all of these before any effect is performed: one write tells the journal of all. Spawns are
spread over turns of the loop, so that a thousand programs to start never keep a client waiting.

What the core has decided is in the journal before anything of it is done or told: should the daemon be killed between
any two lines of this, the next one knows at least as much as the world.
"""

import signal
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from tmd.config.settings import ProcessSpec, Settings
from tmd.core import effects as e
from tmd.core import inputs as i
from tmd.core import notices as n
from tmd.core.overseer import Overseer
from tmd.core.process import Wanted
from tmd.core.records import Entry
from tmd.daemon.alerts import Alerts
from tmd.daemon.bus import Bus, Told
from tmd.daemon.counters import Counters
from tmd.daemon.fcgi import ListeningSockets
from tmd.daemon.hook_runs import HookRuns
from tmd.daemon.hooks import Hooks
from tmd.daemon.journal import Journal
from tmd.daemon.ledger import Ledger
from tmd.daemon.life import ChannelKey
from tmd.daemon.listeners import Listeners
from tmd.daemon.lives import Lives
from tmd.daemon.logbook import Logbook
from tmd.daemon.mainlog import MainLog
from tmd.daemon.operations import Waiting
from tmd.daemon.remembering import Remembering
from tmd.daemon.shortages import Shortages
from tmd.daemon.tenants import Tenants
from tmd.daemon.troubles import Troubles
from tmd.daemon.views import Views
from tmd.posix import children
from tmd.posix.drain import Drain, Transformed
from tmd.posix.loop import ChildEvent, Loop, Timer
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

SPAWN_BUDGET_S = 0.01
"""how long one turn of the loop may go on spawning"""
SPAWNED_TOGETHER = 8
"""so many starts are written to the journal at once, before the first of them"""
CHILD_QUIT = "received SIGCHLD indicating a child quit"


class Runtime:
    """The overseer with hands: everything the daemon does for its processes."""

    def __init__(
        self,
        *,
        settings: Settings,
        loop: Loop,
        drain: Drain,
        mainlog: MainLog,
        logbook: Logbook,
        journal: Journal,
        counters: Counters,
        lives: Callable[["Runtime"], Lives],
        alerts: Callable[["Runtime"], Alerts],
        wall: Callable[[], float],
        halted: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.loop, self.drain, self.mainlog, self.logbook = loop, drain, mainlog, logbook
        self.journal, self.counters = journal, counters
        self.overseer = Overseer()
        self.ledger = Ledger()
        self.waiting = Waiting()
        self.troubles = Troubles(loop.now, mainlog.log)
        self._shortages = Shortages(self.troubles)
        self.bus = Bus(loop.now, wall, mainlog.error)
        self.sockets = ListeningSockets(mainlog.info, Tenants(self.overseer, self._child_environment, self.tell))
        self.listeners = Listeners(
            loop=loop,
            drain=drain,
            mainlog=mainlog,
            wall=wall,
            identifier=settings.daemon.identifier,
            strip_ansi=settings.daemon.strip_ansi,
            group=lambda name: group.spec if (group := self.overseer.groups.get(name)) else None,
            stdin=lambda id_: life.stdin if (life := self.lives.get(id_)) else None,
            log_target=lambda id_: logbook.target(id_, "stdout"),
            restart=self._renew,
            publish=self.bus.publish,
            journal=journal,
        )
        self.lives = lives(self)
        self.remembering = Remembering(
            loop=loop,
            journal=journal,
            overseer=self.overseer,
            ledger=self.ledger,
            logbook=logbook,
            lives=self.lives.records,
            counts=counters.of,
        )
        self.hooks = Hooks(
            overseer=self.overseer,
            runs=HookRuns(loop, drain, self.lives, lambda: self.settings.serverurl, journal),
            mainlog=mainlog,
            tell=self.tell,
            spawn=self._spawn_now,
        )
        self.alerts = alerts(self)
        self.wall = wall
        self.views = Views(self.overseer, self.ledger, logbook, wall)
        self._halted = halted
        self._inbox: deque[i.OverseerInput] = deque()
        self._feeding = False
        self._crank_asked = False
        self._held = False
        self._timers: dict[ProcessId, Timer] = {}
        self._spawns: deque[e.Spawn] = deque()
        self._spent_in, self._spent_s = 0, 0.0
        """turn of the loop, and the time it has gone on spawning"""
        self._next_turn_asked = False
        self.bus.subscribe(self.ledger.hear, *self.ledger.HEARS)
        self.bus.subscribe(self._keep_house, n.ProcessAdded, n.GroupChanged, n.ProcessRemoved)
        self.bus.subscribe(self.waiting.hear)
        self.bus.subscribe(self.sockets.hear, *self.sockets.HEARS)
        self.bus.subscribe(self.listeners.hear, *self.listeners.HEARS)
        self.bus.subscribe(self.hooks.hear, *self.hooks.HEARS)
        self.bus.subscribe(self.alerts.hear, *self.alerts.HEARS)

    # --- the crank --------------------------------------------------------------------------------------------

    def feed(self, input_: i.OverseerInput) -> None:
        """Give the core an input and perform all that follows from it."""
        if self._held:
            return
        self._inbox.append(input_)
        self._crank()

    def _crank(self) -> None:
        if self._feeding:
            return
        self._feeding = True
        try:
            self._turn()
            self._spawn_some()
        finally:
            self._feeding = False
            self.remembering.turned()

    def _feed_last(self, input_: i.OverseerInput) -> None:
        """Give the core an input at the end of this turn of the loop, with all that come so; or before, with others."""
        if self._held:
            return
        self._inbox.append(input_)
        if not self._crank_asked:
            self._crank_asked = True
            self.loop.call_last(self._crank_last)

    def _crank_last(self) -> None:
        self._crank_asked = False
        self._crank()

    def hold(self) -> None:
        """Have nothing happen to any process any more: whatever comes, another daemon will find out by itself."""
        if self._inbox and not self._feeding:
            self._turn()
            self.remembering.turned()
        self._held = True
        self.loop.leave_children()
        self.lives.hold()
        self.listeners.hold()

    def restore(self, entry: Entry, *, same_daemon: bool = False) -> None:
        """Have a process that was just added go on as it was under an earlier daemon; before `DaemonStarted`.

        `same_daemon`: as in `Overseer.restore`.
        """
        self.ledger.restore(entry.id, entry.started, self._ended_at(entry))
        if entry.counts is not None:
            self.counters.restore(entry.id, entry.counts)
        for effect in self.overseer.restore(entry, self.loop.now(), same_daemon=same_daemon):
            self._perform(effect)

    def _ended_at(self, entry: Entry) -> float:
        """Return when a process ended last, in epoch seconds: that is told, and so written, a moment after the end."""
        ended, began = entry.process.stopped_at, entry.process.started_at
        if entry.stopped >= entry.started or ended is None or began is None or ended < began:
            return entry.stopped
        return self.wall() - (self.loop.now() - ended)

    def tell(self, id_: ProcessId, input_: i.ProcessInput) -> None:
        """Give one process an input."""
        self.feed(i.ForProcess(id_, input_))

    def _turn(self) -> None:
        while self._inbox:
            effects = self._step_some()
            self.remembering.decided(effects)
            for effect in effects:
                self._perform(effect)

    def _step_some(self) -> list[e.Effect]:
        """Have the core take in the next input, and those after it as long as each is for another one process."""
        now = self.loop.now()
        input_ = self._inbox.popleft()
        effects = self.overseer.step(input_, now)
        if isinstance(input_, i.DaemonStarted):
            self.remembering.forget_others()
        if not isinstance(input_, i.ForProcess):
            return effects
        seen = {input_.id}
        while self._inbox and isinstance(input_ := self._inbox[0], i.ForProcess) and input_.id not in seen:
            seen.add(input_.id)
            effects += self.overseer.step(self._inbox.popleft(), now)
        return effects

    def _perform(self, effect: e.Effect) -> None:
        match effect:
            case e.Tell(notice=notice):
                self.bus.publish(notice)
            case e.Log(level=level, text=text):
                self.mainlog.log(level, text)
            case e.Arm(id=id_, epoch=epoch, at=at):
                self._arm(id_, epoch, at)
            case e.Spawn():
                self._spawns.append(effect)
            case e.DropSpawn(id=id_):
                self.hooks.drop(id_)
            case e.RunPrestop():
                self.hooks.run_prestop(effect)
            case e.SendSignal():
                self._send(effect)
            case e.ArmOverseer(token=token, at=at):
                self.loop.call_at(at, partial(self.feed, i.LevelDue(token)))
            case e.Halt():
                self.remembering.end()
                self.hooks.when_idle(lambda: self.loop.call_soon(self._halted))

    # --- what is to be done -----------------------------------------------------------------------------------

    def _arm(self, id_: ProcessId, epoch: int, at: float) -> None:
        if earlier := self._timers.get(id_):
            earlier.cancel()
        member = self.overseer.member(id_)
        # Should we stand still meanwhile, it may have stood still with us, and had no time to end.
        stopping = member is not None and member.process.state is ProcessState.STOPPING
        fired = partial(self._feed_last, i.ForProcess(id_, i.TimerFired(epoch)))
        self._timers[id_] = self.loop.call_at(at, fired, patient=stopping)

    def _send(self, effect: e.SendSignal) -> None:
        life = self.lives.get(effect.id)
        if life is None or life.pid != effect.pid:
            return  # reaped already: the number may belong to a stranger by now
        if life.listens and effect.signum == life.spec.stopsignal:
            self.listeners.let_go(effect.id, partial(self._send_now, effect))
        else:
            self._send_now(effect)

    def _send_now(self, effect: e.SendSignal) -> None:
        try:
            self.lives.signal(effect.pid, effect.signum, effect.whole_group)
        except OSError as why:
            name = signal.Signals(effect.signum).name if effect.signum in signal.valid_signals() else effect.signum
            reason = f"cannot send {name} to pid {effect.pid}: {why.strerror}"
            self.mainlog.critical(f"unknown problem killing {effect.id.process} ({effect.pid}): {reason}")
            self.tell(effect.id, i.SignalFailed(effect.signum, reason))

    def _spawn_some(self) -> None:
        """Spawn what waits, for as long as this turn of the loop may take; the rest follows in later turns."""
        if self._spent_in != self.loop.turn:
            self._spent_in, self._spent_s = self.loop.turn, 0.0
        while self._spawns and self._spent_s < SPAWN_BUDGET_S and not self._held:
            began = self.loop.now()
            self._spawn_together()
            self._turn()
            self._spent_s += self.loop.now() - began
        if self._spawns and not self._next_turn_asked:
            self._next_turn_asked = True
            self.loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        """Another turn of the loop has come, and with it time for more spawns."""
        self._next_turn_asked = False
        self._feeding = True
        try:
            self._spawn_some()
        finally:
            self._feeding = False
            self.remembering.turned()

    def _spawn_together(self) -> None:
        """Spawn the next few. Before there is any of them, the journal knows what each can be found by."""
        intended: list[tuple[e.Spawn, str]] = []
        while self._spawns and len(intended) < SPAWNED_TOGETHER:
            effect = self._spawns.popleft()
            member = self.overseer.member(effect.id)
            if member is not None and member.process.wanted is not Wanted.UP:
                # It was its turn only now, and nobody wants it any more: a life of no use would only delay the end.
                self._inbox.append(i.ForProcess(effect.id, i.SpawnFailed("stopped before it was started")))
            elif not self.hooks.hold(effect):
                intended.append((effect, self._intend(effect)))
        self.journal.flush()
        for effect, token in intended:
            self._inbox.append(i.ForProcess(effect.id, self._spawned(effect, token)))

    def _spawn_now(self, effect: e.Spawn) -> None:
        """Spawn one whose hook has ended."""
        token = self._intend(effect)
        self.journal.flush()
        self.tell(effect.id, self._spawned(effect, token))

    def _intend(self, effect: e.Spawn) -> str:
        """Have it in the journal with the next flush that a life begins; return its token."""
        token = self.journal.next_token()
        self.remembering.intend(effect.spec, token)
        return token

    def _spawned(self, effect: e.Spawn, token: str) -> i.Spawned | i.SpawnFailed:
        """Spawn; return what came of it."""
        try:
            pid = self.lives.spawn(effect.spec, self.settings.serverurl, token)
        except children.SpawnRefused as refusal:
            self._shortages.refused(effect.spec, refusal)
            return i.SpawnFailed(refusal.reason, transient=refusal.transient)
        self._shortages.started(effect.spec)
        return i.Spawned(pid)

    def clock_was_set(self, seconds: float) -> None:
        """Tell all times as the clock would have told them, the next daemon too."""
        self.ledger.shift(seconds)
        for group in self.overseer.groups.values():
            for member in group.members.values():
                self.remembering.note(member.id)
        self.loop.call_soon(self.journal.flush)

    # --- what happens outside ---------------------------------------------------------------------------------

    def ended(self, id_: ProcessId, status: i.ExitStatus) -> None:
        """A process is gone and its output is in."""
        self.mainlog.debug(CHILD_QUIT)  # only now: at this level its output is in the log, too, and comes first
        self._feed_last(i.ForProcess(id_, i.Exited(status)))

    def _renew(self, id_: ProcessId) -> None:
        """End a process that is wanted up, and start it again."""
        member = self.overseer.member(id_)
        if member is not None and member.process.wanted is Wanted.UP and not member.leaving:
            self.tell(id_, i.RestartAsked("listener"))

    def child_event(self, event: ChildEvent) -> None:
        """The kernel told something about a child."""
        if self.hooks.child_event(event):
            return
        id_ = self.lives.child_event(event)
        if event.kind == "exited":
            status = event.code if event.code is not None else -(event.signal or 0)
            if id_ is None and not self.alerts.errands.reaped(event.pid, status):
                reaper = self.lives.trees.reaps_orphans
                if not reaper:
                    self.mainlog.debug(CHILD_QUIT)
                how = f"exit status {event.code}" if event.code is not None else f"terminated by signal {event.signal}"
                self.lives.trees.reaped(event.pid)
                self.mainlog.log(Level.DEBG if reaper else Level.INFO, f"reaped unknown pid {event.pid} ({how})")
        elif id_ is not None:
            self.tell(id_, i.Paused() if event.kind == "stopped" else i.Resumed())

    def heard(self, key: object, transformed: Transformed) -> None:
        """Output that somebody wants to see."""
        if not isinstance(key, ChannelKey):
            return
        if transformed.said:
            self.bus.publish(n.ProcessSaid(key.id, key.pid, key.channel, transformed.said))
        for text in transformed.communicated:
            self.bus.publish(n.ProcessCommunicated(key.id, key.pid, key.channel, text))

    def dropped(self, target: str, count: int, reason: str) -> None:
        """The drain could not keep some bytes, or has trouble with a file without having lost any; or no more."""
        if not reason:
            self.troubles.over("log", target, f"log '{target}' works again")
            return
        if not self.alerts.trouble(target, reason):
            self.troubles.happened("log", target, f"trouble with log '{target}': {reason}", lost=count)
        if not count:
            return
        self.bus.publish(n.LogDropped(target, count, reason))

    def _keep_house(self, told: Told) -> None:
        match told.notice:
            case n.ProcessAdded(id=id_):
                if member := self.overseer.member(id_):
                    self.logbook.assign(member.spec)
            case n.GroupChanged(name=name):
                if group := self.overseer.groups.get(name):
                    for spec in group.spec.processes:
                        self.logbook.assign(spec)
                        self.lives.retarget(spec)
            case n.ProcessRemoved(id=id_):
                self.logbook.forget(id_)
                self.lives.forget(id_)
                if timer := self._timers.pop(id_, None):
                    timer.cancel()

    def _child_environment(self, spec: ProcessSpec) -> dict[str, str]:
        return self.lives.launching.without_files(spec, self.settings.serverurl)

    def close(self) -> None:
        """Let go of everything; what still runs is left alone."""
        for timer in self._timers.values():
            timer.cancel()
        with ExitStack() as ends:  # from the last to the first, each whatever another one does
            for room in (
                self.journal,
                self.remembering,
                self.sockets,
                self.lives,
                self.hooks,
                self.listeners,
                self.alerts,
            ):
                ends.callback(room.close)
