"""An exhaustive walk through the machine of one process, under an environment that does its worst.

From a new process, every input that can happen is fed in every state that can be reached: timers fire late or stale,
exits come at any moment, stops race spawns, signals are refused, hooks fail and answer too late. Times, pids and epochs
are folded away, so what is left is finite. After each step the claims in `check` must hold; `World` remembers,
independently of the machine, what they need to know of the past.
"""

import itertools
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from tests.model.walk_hooks import check_hooks, condemns, is_answer, is_veto
from tests.model.walk_restoring import check_restoring, owes
from tmd.config.settings import Autorestart, ProcessSpec
from tmd.core.effects import Arm, Effect, Log, SendSignal, Spawn, Tell
from tmd.core.inputs import (
    Exited,
    ExitStatus,
    Paused,
    PoststartFailed,
    PrestopEnded,
    ProcessInput,
    Quiesced,
    RestartAsked,
    Resumed,
    SignalAsked,
    SignalFailed,
    Spawned,
    SpawnFailed,
    SpecReplaced,
    StartAsked,
    StopAsked,
    TimerFired,
)
from tmd.core.notices import (
    ProcessBackoff,
    ProcessExited,
    ProcessFatal,
    ProcessKilled,
    ProcessRunning,
    ProcessStarting,
    ProcessStopped,
    ProcessStopping,
    ProcessUnknown,
)
from tmd.wire.states import ProcessState as S

PID, EPOCH, USR1, KILL, CONT, STOP_SIGNAL = 100, 7, 10, 9, 18, 3
NOW_YOUNG, NOW_OLD = 0.1, 1.0
"""`startsecs` of the corners is 1 or 0: an exit at exactly `startsecs` is not too quick."""

ENTERS: dict[Any, S] = {
    ProcessStarting: S.STARTING,
    ProcessRunning: S.RUNNING,
    ProcessBackoff: S.BACKOFF,
    ProcessStopping: S.STOPPING,
    ProcessStopped: S.STOPPED,
    ProcessExited: S.EXITED,
    ProcessFatal: S.FATAL,
    ProcessUnknown: S.UNKNOWN,
}
AT_REST = (S.STOPPED, S.EXITED, S.FATAL)


class World(Struct, frozen=True):
    """What the environment remembers."""

    timer: bool = False
    """a timer of the present epoch is armed"""
    old: bool = False
    """`startsecs` have passed since the spawn"""
    flight: bool = False
    """a spawn was asked for and not answered"""
    refusable: bool = False
    """signals went out in the last step; the kernel may refuse"""
    failed: int = 0
    """starts that failed by the program's fault since the last that worked or gave up"""
    down: bool = False
    """somebody wants it down, and nobody asked for it since"""
    again: bool = False
    """a restart is owed"""
    hook: bool = False
    """prestop was asked for and did not answer"""
    stands: bool = False
    """no hook can keep this life from being stopped"""
    owed: int = 0
    """the daemon's end overruled a wish that it be up: 1, or that it be restarted: 2"""


class Node(NamedTuple):
    process: Any
    world: World


def corner(
    startsecs: float,
    startretries: int,
    autorestart: Autorestart,
    exitcodes: tuple[int, ...] = (0,),
    stopasgroup: bool = False,
    killasgroup: bool = False,
    **hooks: Any,
) -> ProcessSpec:
    return ProcessSpec(
        name="p",
        group="g",
        program="p",
        command="/bin/p",
        startsecs=startsecs,
        startretries=startretries,
        autorestart=autorestart,
        exitcodes=exitcodes,
        stopasgroup=stopasgroup,
        killasgroup=killasgroup,
        stopsignal=STOP_SIGNAL,
        stopwaitsecs=2,
        **hooks,
    )


CORNERS = [
    corner(1, 3, Autorestart.UNEXPECTED),
    corner(1, 1, Autorestart.ALWAYS, (0, 3), stopasgroup=True, killasgroup=True),
    corner(1, 0, Autorestart.NEVER, (), killasgroup=True),
    corner(0, 0, Autorestart.ALWAYS),
    corner(0, 1, Autorestart.UNEXPECTED, (0, 3), killasgroup=True),
    corner(0, 3, Autorestart.NEVER, stopasgroup=True, killasgroup=True),
    corner(1, -1, Autorestart.UNEXPECTED, ()),
    corner(1, 1, Autorestart.ALWAYS, prestop="drain", hook_failure="abort"),
    corner(0, 0, Autorestart.UNEXPECTED, prestop="drain", hook_failure="ignore"),
    corner(0, 1, Autorestart.NEVER, (), True, True, prestop="drain"),
]
"""Settings chosen so that every value occurs in several companies."""

GROUPS = ((False, False), (False, True), (True, True))
MORE_CORNERS = [
    corner(startsecs, startretries, autorestart, exitcodes, *GROUPS[number % 3])
    for number, (startsecs, startretries, autorestart, exitcodes) in enumerate(
        itertools.product((0, 1), (0, 1, 2), Autorestart, ((), (0, 3)))
    )
]
"""Every combination of what decides about starts and restarts."""

SCARCE = SpawnFailed("too many open files", transient=True)


def inputs(node: Node) -> Iterator[ProcessInput]:
    """Yield all that can happen, and some that cannot: those must change nothing."""
    process, world = node
    yield from (StartAsked(), StopAsked(by_hand=True), StopAsked(by_hand=False), RestartAsked(), SignalAsked(USR1))
    yield from (TimerFired(EPOCH - 1), Paused(), Resumed(), Quiesced(), Spawned(PID), SpawnFailed("broken"), SCARCE)
    yield from (Exited(ExitStatus(code=0)), Exited(ExitStatus(code=3)), Exited(ExitStatus(signal=9, core=True)))
    if world.timer and (process.state is not S.STARTING or world.old):
        yield TimerFired(EPOCH)
    if world.refusable:
        yield SignalFailed(15, "not permitted")
    yield from (StopAsked(by_hand=False, cause="removed"), PoststartFailed(PID, "no"), PoststartFailed(PID + 1, "no"))
    for epoch, failure in itertools.product((EPOCH, EPOCH - 1), ("", "no")):
        yield PrestopEnded(epoch, failure)
    yield SpecReplaced(CORNERS[0])
    yield StopAsked(by_hand=False, cause="shutdown")


def walk(machine: ModuleType, spec: ProcessSpec) -> tuple[int, int, set[tuple[S, S]]]:
    """Walk everywhere; return how many nodes and steps there are, and the edges taken. Raises AssertionError."""
    start = Node(machine.Process(epoch=EPOCH), World())
    seen, steps = {start}, 0
    edges: set[tuple[S, S]] = set()
    todo = [start]
    while todo:
        node = todo.pop()
        process, world = node
        check_restoring(machine, spec, node)
        if world.flight is False and process.pid and process.state is S.STARTING and not world.old:
            grown = Node(process, replace(world, old=True, refusable=False))
            if grown not in seen:
                seen.add(grown)
                todo.append(grown)
        now = NOW_OLD if world.old else NOW_YOUNG * spec.startsecs
        for happened in inputs(node):
            after, effects = machine.step(process, spec, happened, now)
            try:
                remembered = check(machine, spec, node, happened, now, after, effects, edges)
            except AssertionError as claim:
                raise AssertionError(f"{claim}\n{spec}\n{node}\n{happened}\n-> {after}\n{effects}") from claim
            steps += 1
            there = Node(fold(after), remembered)
            if there not in seen:
                seen.add(there)
                todo.append(there)
    return len(seen), steps, edges


def fold(process: Any) -> Any:
    """Fold away what must not matter: pids, epochs, counts, texts and points in time."""
    return replace(
        process,
        epoch=EPOCH,
        pid=PID if process.pid else 0,
        starts=0,
        spawnerr="",
        exitstatus=0,
        deadline=None if process.deadline is None else 0.0,
        started_at=None if process.started_at is None else 0.0,
        stopping_at=None if process.stopping_at is None else 0.0,
        kill_sent_at=None if process.kill_sent_at is None else 0.0,
        stopped_at=None,
        cause="asked",
    )


def check(
    machine: ModuleType,
    spec: ProcessSpec,
    node: Node,
    happened: ProcessInput,
    now: float,
    after: Any,
    effects: tuple[Effect, ...],
    edges: set[tuple[S, S]],
) -> World:
    """Hold one step against every claim; return the world after it."""
    before, world = node
    notices: list[Any] = [effect.notice for effect in effects if isinstance(effect, Tell)]
    path = [(notice.from_state, ENTERS[type(notice)]) for notice in notices if type(notice) in ENTERS]
    told = {type(notice): notice for notice in notices}

    # The notices are the path from the old state to the new one, every edge of it legal.
    state = before.state
    for from_state, to_state in path:
        assert from_state is state, "a notice skips a state"
        assert to_state in machine.LEGAL[from_state], f"{from_state} -> {to_state} is not legal"
        edges.add((from_state, to_state))
        state = to_state
    assert state is after.state, "a state nobody was told of"

    world = check_timers(world, node, happened, now, after, effects, len(path))
    world = check_spawns(world, node, happened, after, effects, spec)
    check_signals(spec, node, happened, after, effects, told)
    world = check_wishes(world, node, happened, after, effects, spec)
    world = check_counts(machine, world, node, happened, now, spec, told)
    check_exits(spec, node, happened, after, effects, told)
    remembered = check_hooks(machine, spec, node, happened, after, effects, told, EPOCH)
    world = replace(world, hook=remembered.hook, stands=remembered.stands)
    world = replace(world, owed=owes(spec, node, happened, told, world.failed))
    if is_nonsense(node, happened):
        assert (after, effects) == (before, ()), "something that cannot happen made a difference"
    young = after.state is not S.STARTING or after.in_flight
    sent = any(isinstance(effect, SendSignal) for effect in effects)
    return replace(world, old=False if young else world.old, refusable=sent)


def is_nonsense(node: Node, happened: ProcessInput) -> bool:
    """Whether this cannot happen here, or comes too late to mean anything."""
    process, world = node
    match happened:
        case TimerFired(epoch=epoch):
            return epoch != EPOCH
        case Exited() | Paused() | Resumed():
            return not process.pid
        case Spawned() | SpawnFailed():
            return not world.flight
        case PrestopEnded():
            return not is_answer(world, happened, EPOCH)
        case PoststartFailed():
            return not condemns(node, happened)
        case SpecReplaced():
            return True
        case _:
            return False


def check_timers(
    world: World, node: Node, happened: ProcessInput, now: float, after: Any, effects: tuple[Effect, ...], moves: int
) -> World:
    before = node.process
    arms = [effect for effect in effects if isinstance(effect, Arm)]
    assert after.epoch >= before.epoch + moves, "a transition that leaves the epoch"
    assert len(arms) <= 1, "two timers at once"
    assert all(arm.at == after.deadline for arm in arms), "the deadline is not remembered"
    assert all(arm.epoch == after.epoch and arm.at >= now for arm in arms), "a timer that is deaf from birth"
    fired = isinstance(happened, TimerFired) and happened.epoch == before.epoch
    if fired and arms:
        assert after.epoch > before.epoch, "a timer armed in the epoch of the one that fired"
    armed = bool(arms) or (world.timer and after.epoch == before.epoch and not fired)
    timed = after.state in (S.BACKOFF, S.STOPPING) or (after.state is S.STARTING and after.pid > 0)
    assert armed == timed, "a state that waits needs a timer, and no other has one"
    assert armed == (after.deadline is not None), "a deadline without a timer, or the other way round"
    return replace(world, timer=armed)


def check_spawns(
    world: World, node: Node, happened: ProcessInput, after: Any, effects: tuple[Effect, ...], spec: ProcessSpec
) -> World:
    before = node.process
    spawns = [effect for effect in effects if isinstance(effect, Spawn)]
    starting = [effect for effect in effects if isinstance(effect, Tell) and isinstance(effect.notice, ProcessStarting)]
    flight = world.flight and not isinstance(happened, Spawned | SpawnFailed)
    assert len(spawns) == len(starting) <= 1, "a start without a spawn"
    if spawns:
        assert not flight, "two spawns in flight"
        assert not before.quiesced, "a spawn while the daemon goes down"
        assert spawns[0].spec is spec, "spawned with other settings"
        assert (after.stopping_at, after.kill_sent_at) == (None, None), "a new life remembers the last one's end"
    assert (flight or bool(spawns)) == after.in_flight, "a spawn forgotten"
    if isinstance(happened, Spawned) and world.flight:
        assert after.pid == PID, "a pid forgotten"
        assert after.starts == before.starts + 1, "a start not counted"
    alive = after.state in (S.RUNNING, S.STOPPING, S.UNKNOWN) or (after.state is S.STARTING and not after.in_flight)
    assert (after.pid > 0) == alive, "pid and state disagree"
    if after.quiesced:
        assert after.state is not S.BACKOFF, "a retry is planned while the daemon goes down"
    assert after.quiesced >= before.quiesced, "the daemon goes up again"
    return replace(world, flight=after.in_flight)


def check_signals(
    spec: ProcessSpec,
    node: Node,
    happened: ProcessInput,
    after: Any,
    effects: tuple[Effect, ...],
    told: dict[type, Any],
) -> None:
    before = node.process
    sent = [(effect.signum, effect.whole_group) for effect in effects if isinstance(effect, SendSignal)]
    assert all(effect.pid == PID for effect in effects if isinstance(effect, SendSignal)), "a signal to nobody"
    expected: list[tuple[int, bool]] = []
    if ProcessStopping in told and isinstance(happened, Exited):
        expected = []
    elif ProcessStopping in told:
        expected = [(STOP_SIGNAL, spec.stopasgroup)] + ([(CONT, True)] if before.paused else [])
    elif ProcessKilled in told:
        expected = [(KILL, spec.killasgroup)]
    elif isinstance(happened, SignalAsked) and before.pid and before.state is not S.UNKNOWN:
        expected = [(USR1, False)]
    elif isinstance(happened, Paused) and before.state is S.STOPPING and not (before.paused or before.kill_sent):
        expected = [(CONT, True)]
    assert sent == expected, "wrong signals"
    if before.state is S.STOPPING:
        assert (ProcessKilled in told) == (happened == TimerFired(EPOCH)), "SIGKILL is due at the deadline only"
        if ProcessKilled in told:
            assert after.kill_sent, "SIGKILL is not remembered"
        if isinstance(happened, Exited):
            assert after.state in (S.STOPPED, S.STARTING), "STOPPING does not end"
    if ProcessStopping in told:
        assert not after.kill_sent, "a new stop remembers an old SIGKILL"
    if isinstance(happened, SignalFailed) and before.pid:
        assert after.state is S.UNKNOWN, "a refused signal makes it UNKNOWN"
    if isinstance(happened, Exited):
        assert not after.paused, "paused after its end"
    elif not isinstance(happened, Paused | Resumed):
        assert after.paused == before.paused or not after.pid, "paused by nobody"


def check_wishes(
    world: World, node: Node, happened: ProcessInput, after: Any, effects: tuple[Effect, ...], spec: ProcessSpec
) -> World:
    before = node.process
    down, again, by_hand = world.down, world.again, before.stopped_by_hand
    resting = before.state in AT_REST
    spawns = any(isinstance(effect, Spawn) for effect in effects)
    match happened:
        case StopAsked():
            down, again, by_hand = True, False, by_hand or happened.by_hand
        case RestartAsked() if not before.quiesced:
            down, again, by_hand = False, not (resting or before.state is S.BACKOFF), False
            assert spawns == (not again), "a restart of what is down starts at once"
        case StartAsked() if not before.quiesced and resting:
            down, by_hand = False, False
            assert spawns, "a start that does not start"
        case Quiesced():
            down, again = down or before.in_flight, False
        case PoststartFailed() if condemns(node, happened):
            down = not again
        case PrestopEnded() if is_veto(spec, world, before.quiesced, happened, EPOCH):
            down, again, by_hand = False, False, False
        case _:
            pass
    assert after.stopped_by_hand == by_hand, "stopped_by_hand is wrong"
    if down:
        assert not spawns, "started against the last wish"
        up = (S.RUNNING, S.BACKOFF) if not after.prestopping else (S.BACKOFF,)
        assert after.state not in up, "up against the last wish"
        assert after.state is not S.STARTING or after.in_flight, "left alone against the last wish"
    if again:
        assert spawns or after.state not in AT_REST, "a restart was forgotten"
    warned = any(isinstance(effect, Log) and effect.text == "process 'p' already running" for effect in effects)
    busy = not resting and before.state is not S.BACKOFF and not before.quiesced
    assert warned == (isinstance(happened, StartAsked) and busy), "already running"
    return replace(world, down=down, again=again and not spawns)


def check_counts(
    machine: ModuleType,
    world: World,
    node: Node,
    happened: ProcessInput,
    now: float,
    spec: ProcessSpec,
    told: dict[type, Any],
) -> World:
    """A program that cannot start is tried exactly `startretries + 1` times."""
    failed = world.failed
    if backoff := told.get(ProcessBackoff):
        counted = happened != SCARCE
        failed += counted
        gives_up = counted and failed > spec.startretries
        assert backoff.tries == failed, "failed starts miscounted"
        assert (ProcessFatal in told) == (gives_up or node.process.quiesced), "gives up too early or too late"
        wait_s = failed if counted else machine.TRANSIENT_RETRY_S
        assert backoff.retry_at == (None if ProcessFatal in told else now + wait_s), "retries at the wrong time"
    elif ProcessFatal in told:
        assert isinstance(happened, Quiesced), "FATAL out of nothing"
    if fatal := told.get(ProcessFatal):
        assert fatal.tries == failed, "failed starts misreported"
        failed = 0
    if ProcessRunning in told or ProcessExited in told:
        failed = 0
    if starting := told.get(ProcessStarting):
        assert starting.tries == failed, "the count of tries was lost or kept too long"
    return replace(world, failed=failed)


def check_exits(
    spec: ProcessSpec,
    node: Node,
    happened: ProcessInput,
    after: Any,
    effects: tuple[Effect, ...],
    told: dict[type, Any],
) -> None:
    before, world = node
    if isinstance(happened, TimerFired) and happened.epoch == EPOCH:
        due = {S.STARTING: ProcessRunning, S.BACKOFF: ProcessStarting, S.STOPPING: ProcessKilled}
        assert due[before.state] in told, "nothing came of a timer"
    if not isinstance(happened, Exited) or not before.pid:
        return
    status = happened.status
    if before.state is S.STARTING and spec.startsecs > 0 and not world.old:
        assert ProcessBackoff in told, "too quick, but not taken so"
        assert after.exitstatus == 0, "an exit that came too quickly has no status"
        return
    if before.state in (S.STARTING, S.RUNNING) and not world.hook:
        expected = status.code in spec.exitcodes
        again = spec.autorestart is Autorestart.ALWAYS or (spec.autorestart is Autorestart.UNEXPECTED and not expected)
        restarts = again and not before.quiesced
        exited = told[ProcessExited]
        assert (exited.expected, exited.restarts) == (expected, restarts), "wrong judgement of an exit"
        assert any(isinstance(effect, Spawn) for effect in effects) == restarts, "restarted against the settings"
    assert after.stopped_at is not None, "the time of the end is lost"
