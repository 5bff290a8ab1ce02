"""A small world for the overseer: programs, signals and timers in virtual time.

Time jumps from one thing due to the next; things due at the same instant come in an order that the seed decides. Every
effect is carried out here as the real shell would do it, and on the way each one is held against what may never happen.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from tmd.config.settings import GroupSpec, ProcessSpec
from tmd.core.effects import Arm, ArmOverseer, Effect, Halt, Log, RunPrestop, SendSignal, Spawn, Tell
from tmd.core.group import Member
from tmd.core.inputs import (
    AddGroupAsked,
    DaemonStarted,
    Exited,
    ExitStatus,
    ForProcess,
    LevelDue,
    OverseerInput,
    Paused,
    PrestopEnded,
    ProcessInput,
    Resumed,
    SignalFailed,
    Spawned,
    SpawnFailed,
    TimerFired,
)
from tmd.core.notices import (
    GroupAdded,
    GroupRemoved,
    Notice,
    ProcessAdded,
    ProcessBackoff,
    ProcessExited,
    ProcessFatal,
    ProcessRemoved,
    ProcessRunning,
    ProcessStarting,
    ProcessStopped,
    ProcessStopping,
    ProcessUnknown,
)
from tmd.core.operations import Awaiting
from tmd.core.overseer import Overseer
from tmd.core.process import LEGAL
from tmd.core.records import Entry, Life
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

KILL, CONT, STOP = 9, 18, 19

ENTERS: dict[type, ProcessState] = {
    ProcessStarting: ProcessState.STARTING,
    ProcessRunning: ProcessState.RUNNING,
    ProcessBackoff: ProcessState.BACKOFF,
    ProcessStopping: ProcessState.STOPPING,
    ProcessStopped: ProcessState.STOPPED,
    ProcessExited: ProcessState.EXITED,
    ProcessFatal: ProcessState.FATAL,
    ProcessUnknown: ProcessState.UNKNOWN,
}


class Behaviour(NamedTuple):
    """How a program behaves. None: never."""

    lives_s: float | None = None
    """exits by itself after this long"""
    status: ExitStatus = ExitStatus(code=0)
    """with this"""
    stops_in_s: float | None = 0.0
    """after the stop signal"""
    dies_in_s: float | None = 0.0
    """after SIGKILL"""
    spawns: bool = True
    signallable: bool = True
    prestop_s: float = 0.0
    """how long its prestop takes, if it has one"""
    prestop_failure: str = ""


class Child:
    """A process of the fake OS."""

    def __init__(self, id: ProcessId, pid: int, spec: ProcessSpec, behaviour: Behaviour, born: float) -> None:  # noqa: A002
        self.id = id
        self.pid = pid
        self.spec = spec
        self.behaviour = behaviour
        self.born = born
        self.alive = True
        self.suspended = False
        self.pending_stop = False
        self.got: list[tuple[float, int]] = []


def process(name: str, group: str = "", **fields: Any) -> ProcessSpec:
    """Return a process that is up after a second."""
    settings: dict[str, Any] = {"program": name, "command": f"/bin/{name}", "startsecs": 1.0} | fields
    return ProcessSpec(name=name, group=group or name, **settings)


def program(name: str, group_priority: int = 999, **fields: Any) -> GroupSpec:
    """Return a group of one process of the same name."""
    return GroupSpec(name=name, priority=group_priority, processes=(process(name, **fields),))


class World:
    """An overseer in its world. `notices` and `logs` are (time, what)."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.overseer = Overseer()
        self.now = 1000.0
        self.began = self.now
        self.behaviours: dict[str, Behaviour] = {}
        self.children: dict[int, Child] = {}
        self.spawns: list[tuple[float, ProcessSpec]] = []
        self.notices: list[tuple[float, Notice]] = []
        self.logs: list[tuple[float, Level, str]] = []
        self.halted_at: float | None = None
        self.operations: list[Awaiting] = []
        self._agenda: list[tuple[float, float, int, Callable[[], None]]] = []
        self._count = 0
        self._pid = 100
        self._timers: dict[ProcessId, int] = {}
        self._inbox: deque[OverseerInput] = deque()
        self._states: dict[ProcessId, ProcessState] = {}
        self._groups: set[str] = set()

    # --- for tests

    def start(self, *groups: GroupSpec) -> None:
        """Add groups and start the daemon."""
        for group in groups:
            self.feed(AddGroupAsked(group))
        self.feed(DaemonStarted())

    def ask(self, name: str, input: ProcessInput) -> None:  # noqa: A002
        """Feed an input to a process, given as `name` or `group:name`."""
        self.feed(ForProcess(self.id(name), input))

    def id(self, name: str) -> ProcessId:
        group, _, process_name = name.partition(":")
        return ProcessId(group, process_name or group)

    def state(self, name: str) -> str:
        """Return the state of a process, `gone` when it is not in view."""
        member = self.overseer.member(self.id(name))
        return "gone" if member is None else member.process.state.name

    def child(self, name: str) -> Child:
        """Return the living child of a process."""
        wanted = self.id(name)
        (found,) = [child for child in self.children.values() if child.alive and child.id == wanted]
        return found

    def await_all(self, kind: str, *ids: ProcessId) -> Awaiting:
        """Return an operation that hears everything from now on."""
        operation = Awaiting(kind, ids)  # type: ignore[arg-type]
        self.operations.append(operation)
        return operation

    def told(self, kind: type[Notice], since: float = 0) -> list[str]:
        """Return whom notices of a kind were about, in order."""
        found = []
        for at, notice in self.notices:
            if isinstance(notice, kind) and at - self.began >= since:
                about = getattr(notice, "id", None)
                found.append(about.namespec if about is not None else getattr(notice, "name", ""))
        return found

    def told_at(self, kind: type[Notice], name: str) -> list[float]:
        """Return when notices of a kind about a process came, in seconds since the beginning."""
        wanted = self.id(name)
        return [at - self.began for at, notice in self.notices if isinstance(notice, kind) and notice.id == wanted]  # type: ignore[union-attr]

    def lines(self, text: str) -> list[str]:
        """Return the log lines that contain a text."""
        return [line for _, _, line in self.logs if text in line]

    # --- time

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self._work()
        end = self.now + seconds
        while self._agenda and self._agenda[0][0] <= end:
            self.now, _, _, what = heapq.heappop(self._agenda)
            what()
            self._work()
        self.now = end

    def run_until_halt(self, bound_s: float = 10_000) -> float:
        """Let time pass until the daemon may go; return how long that took."""
        since = self.now
        while self.halted_at is None and self._agenda and self._agenda[0][0] <= since + bound_s:
            self.run(max(0.0, self._agenda[0][0] - self.now))
        assert self.halted_at is not None, "no end to the shutdown"
        return self.halted_at - since

    def _at(self, when: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (when, self.random.random(), self._count, what))

    def _while_it_lives(self, what: Callable[[], None]) -> Callable[[], None]:
        """Return what only the present daemon would do."""
        daemon = self.overseer
        return lambda: what() if self.overseer is daemon else None

    # --- another daemon

    def replace_daemon(self, groups: Iterable[GroupSpec], down_s: float) -> None:
        """Kill the daemon; after a time another one takes over, which has these groups.

        All it gets from the first one is what can be written down. Its own timers and orders are gone with it.
        """
        entries = [self._entry(member) for group in self.overseer.groups.values() for member in group.members.values()]
        known = msgspec.json.decode(msgspec.json.encode(entries), type=list[Entry])
        self.overseer = Overseer()
        self.operations = [operation for operation in self.operations if operation.done]
        self._states, self._groups = {}, set()
        self.run(down_s)
        for group in groups:
            self.feed(AddGroupAsked(group))
        for entry in known:
            if self.overseer.member(entry.id) is not None:
                self._restore(entry)
        self.feed(DaemonStarted())
        for entry in known:
            self._tell_what_happened(entry)

    def _entry(self, member: Member) -> Entry:
        pid = member.process.pid
        return Entry(id=member.id, process=member.process, life=Life(token="k.1", pid=pid) if pid else None)

    def _restore(self, entry: Entry) -> None:
        self._states[entry.id] = entry.process.state
        for effect in self.overseer.restore(entry, self.now):
            if not isinstance(effect, RunPrestop) or self.children[effect.pid].alive:
                self._perform(effect)
        self._work()

    def _tell_what_happened(self, entry: Entry) -> None:
        """Tell the news of a process that nobody heard."""
        child = self.children.get(entry.process.pid)
        if child is None:
            return
        if not child.alive:
            self.feed(ForProcess(entry.id, Exited(ExitStatus())))
        elif child.suspended != entry.process.paused:
            self.feed(ForProcess(entry.id, Paused() if child.suspended else Resumed()))

    # --- inputs and effects

    def feed(self, input: OverseerInput) -> None:  # noqa: A002
        """Feed an input, and everything that follows at once."""
        self._inbox.append(input)
        self._work()

    def _work(self) -> None:
        while self._inbox:
            for effect in self.overseer.step(self._inbox.popleft(), self.now):
                self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        assert self.halted_at is None or isinstance(effect, Tell | Log), "something to do after the end"
        match effect:
            case Spawn():
                self._spawn(effect)
            case SendSignal():
                self._signal(effect)
            case RunPrestop():
                self._run_prestop(effect)
            case Arm():
                self._arm(effect)
            case ArmOverseer(token=token, at=at):
                assert at >= self.now
                self._at(at, self._while_it_lives(lambda: self._inbox.append(LevelDue(token))))
            case Tell():
                self._tell(effect.notice)
            case Log():
                self.logs.append((self.now - self.began, effect.level, effect.text))
            case Halt():
                self.halted_at = self.now

    def _answer(self, id: ProcessId, input: ProcessInput) -> None:  # noqa: A002
        self._inbox.append(ForProcess(id, input))

    def _arm(self, effect: Arm) -> None:
        self._count += 1
        mine = self._timers[effect.id] = self._count

        def fire() -> None:
            if self._timers[effect.id] == mine:
                self._answer(effect.id, TimerFired(effect.epoch))

        self._at(max(self.now, effect.at), self._while_it_lives(fire))

    def _spawn(self, effect: Spawn) -> None:
        assert not [child for child in self.children.values() if child.alive and child.id == effect.id], "two lives"
        assert not self.overseer.stopping, "a start while the daemon goes down"
        self.spawns.append((self.now - self.began, effect.spec))
        behaviour = self.behaviours.get(effect.spec.name, Behaviour())
        if not behaviour.spawns:
            self._answer(effect.id, SpawnFailed("broken"))
            return
        self._pid += 1
        child = self.children[self._pid] = Child(effect.id, self._pid, effect.spec, behaviour, self.now)
        self._answer(effect.id, Spawned(child.pid))
        if behaviour.lives_s is not None:
            self._at(self.now + behaviour.lives_s, lambda: self.end(child, behaviour.status))

    def _run_prestop(self, effect: RunPrestop) -> None:
        assert self.children[effect.pid].alive, "a prestop for nobody"
        behaviour = self.behaviours[effect.spec.name]
        answer = PrestopEnded(effect.epoch, behaviour.prestop_failure)
        answered = self._while_it_lives(lambda: self._answer(effect.id, answer))
        self._at(self.now + behaviour.prestop_s, answered)

    def end(self, child: Child, status: ExitStatus) -> None:
        """Let a child end, unless it is suspended (then only SIGKILL ends it)."""
        if child.alive and (not child.suspended or status.signal == KILL):
            child.alive = False
            self._answer(child.id, Exited(status))

    def _signal(self, effect: SendSignal) -> None:
        child = self.children[effect.pid]
        assert child.id == effect.id, "a signal to somebody else"
        if not child.alive:
            return
        if not child.behaviour.signallable:
            self._answer(effect.id, SignalFailed(effect.signum, "Operation not permitted"))
            return
        child.got.append((self.now - self.began, effect.signum))
        if effect.signum == KILL:
            if child.behaviour.dies_in_s is not None:
                self._at(self.now + child.behaviour.dies_in_s, lambda: self.end(child, ExitStatus(signal=KILL)))
        elif effect.signum == STOP:
            self.suspend(child)
        elif effect.signum == CONT:
            self._continue(child)
        elif effect.signum == child.spec.stopsignal:
            child.pending_stop = True
            self._deliver(child)

    def suspend(self, child: Child) -> None:
        """Suspend a child, as Ctrl-Z would."""
        if child.alive and not child.suspended:
            child.suspended = True
            self._answer(child.id, Paused())
            self._work()

    def _continue(self, child: Child) -> None:
        if child.suspended:
            child.suspended = False
            self._answer(child.id, Resumed())
            self._deliver(child)

    def _deliver(self, child: Child) -> None:
        takes_s = child.behaviour.stops_in_s
        if child.pending_stop and not child.suspended and takes_s is not None:
            self._at(self.now + takes_s, lambda: self.end(child, ExitStatus(signal=child.spec.stopsignal)))

    # --- what may never happen

    def _tell(self, notice: Notice) -> None:
        self.notices.append((self.now, notice))
        for operation in self.operations:
            operation.hear(notice)
        match notice:
            case GroupAdded(name=name):
                assert name not in self._groups
                self._groups.add(name)
            case GroupRemoved(name=name):
                self._groups.remove(name)
                assert not [id for id in self._states if id.group == name], "a group gone before its processes"  # noqa: A001
            case ProcessAdded(id=added):
                assert added not in self._states
                assert added.group in self._groups
                self._states[added] = ProcessState.STOPPED
            case ProcessRemoved(id=removed):
                del self._states[removed]
                assert not [c for c in self.children.values() if c.alive and c.id == removed], "removed while alive"
            case _ if (entered := ENTERS.get(type(notice))) is not None:
                about, from_state = notice.id, notice.from_state  # type: ignore[union-attr]
                assert self._states[about] is from_state, "a notice skips a state"
                assert entered in LEGAL[from_state]
                self._states[about] = entered

    def check_view(self) -> None:
        """Hold what can be seen against what was told."""
        seen = {
            member.id: member.process.state
            for group in self.overseer.groups.values()
            for member in group.members.values()
        }
        assert seen == self._states
        assert set(self.overseer.groups) == self._groups
        for child in self.children.values():
            if child.alive:
                member = self.overseer.member(child.id)
                assert member is not None, "a living child nobody knows"
                assert member.process.pid == child.pid, "a living child of another life"
