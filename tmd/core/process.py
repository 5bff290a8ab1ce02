"""The machine of one process: what it does next, whatever happens and in whatever order.

`step` takes a process, its settings, one input and the time, and returns the process as it is now and what is to be
done. It knows nothing of groups, of other processes, or of how anything is carried out.

Three ideas carry it:

* *Wanted* is kept apart from *state*. A wish never waits for the machine to be in a mood for it: it is noted in
  `wanted`, and every place where a process comes to rest looks there. So a stop that overtakes the spawn it is to end,
  or a restart that arrives in the middle of a stop, needs no state of its own.
* *Epoch*. It grows with every transition and every new deadline. A timer carries the epoch it was armed in and is deaf
  in any other: no timer of an earlier life can touch a later one, however late it fires, and none is ever cancelled.
* *In flight*. Between the effect `Spawn` and its answer the state is STARTING with pid 0, and nothing leaves that state
  but the answer. So two spawns are never under way at once, and no pid is ever forgotten.

Which state may follow which is `LEGAL`; the tests hold every path the machine can take against it.
"""

from enum import Enum
from typing import assert_never

import msgspec
from msgspec.structs import replace

from tmd.config.settings import Autorestart, ProcessSpec
from tmd.core import words
from tmd.core.effects import Arm, Effect, Log, SendSignal, Spawn, Tell
from tmd.core.inputs import (
    Exited,
    ExitStatus,
    Paused,
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
    ProcessPaused,
    ProcessResumed,
    ProcessRunning,
    ProcessSpawned,
    ProcessStarting,
    ProcessStopped,
    ProcessStopping,
    ProcessUnknown,
)
from tmd.wire.levels import Level
from tmd.wire.states import ProcessState

STOPPED, STARTING, RUNNING, BACKOFF = (
    ProcessState.STOPPED,
    ProcessState.STARTING,
    ProcessState.RUNNING,
    ProcessState.BACKOFF,
)
STOPPING, EXITED, FATAL, UNKNOWN = (
    ProcessState.STOPPING,
    ProcessState.EXITED,
    ProcessState.FATAL,
    ProcessState.UNKNOWN,
)

LEGAL: dict[ProcessState, frozenset[ProcessState]] = {
    STOPPED: frozenset({STARTING}),
    STARTING: frozenset({RUNNING, BACKOFF, STOPPING, STOPPED, UNKNOWN}),
    RUNNING: frozenset({EXITED, STOPPING, UNKNOWN}),
    BACKOFF: frozenset({STARTING, STOPPED, FATAL}),
    STOPPING: frozenset({STOPPED, UNKNOWN}),
    EXITED: frozenset({STARTING}),
    FATAL: frozenset({STARTING}),
    UNKNOWN: frozenset({STARTING, STOPPING, STOPPED, EXITED}),
}
"""Which state may follow which. STARTING to STOPPED: the stop overtook a spawn that then failed."""

TRANSIENT_RETRY_S = 2.0
"""How long to wait after a spawn that failed for want of the system's means."""

KILL_AGAIN_MIN_S = 1.0
"""SIGKILL is repeated every `stopwaitsecs`, but never faster than this."""


class Wanted(Enum):
    """What was last asked for. AGAIN: down first, then up."""

    DOWN = "down"
    UP = "up"
    AGAIN = "again"


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process: where it is and where it is wanted. Times are monotonic seconds, None for never."""

    state: ProcessState = STOPPED
    wanted: Wanted = Wanted.DOWN
    epoch: int = 0
    pid: int = 0
    """0 when nothing runs"""
    backoff: int = 0
    """failed starts since the last one that worked; a stop does not reset it"""
    starts: int = 0
    """spawns that worked, ever"""
    spawnerr: str = ""
    exitstatus: int = 0
    """of the last end: the exit code, -1 for a signal, 0 when it does not count"""
    started_at: float | None = None
    """the last attempt to start"""
    stopping_at: float | None = None
    """the stop signal of this life"""
    kill_sent_at: float | None = None
    """the first SIGKILL of this life"""
    stopped_at: float | None = None
    """the last reaping"""
    paused: bool = False
    stopped_by_hand: bool = False
    """an operator wants it down; that wish outlives a reload"""
    quiesced: bool = False
    """the daemon goes down: nothing is started or retried"""

    @property
    def kill_sent(self) -> bool:
        """Whether this life was sent SIGKILL."""
        return self.kill_sent_at is not None

    @property
    def then_start(self) -> bool:
        """Whether it is stopped only to be started again."""
        return self.wanted is Wanted.AGAIN

    @property
    def in_flight(self) -> bool:
        """Whether a spawn is under way."""
        return self.state is STARTING and not self.pid

    @property
    def at_rest(self) -> bool:
        """Whether nothing runs and nothing will without a new request."""
        return not self.pid and self.state in (STOPPED, EXITED, FATAL, UNKNOWN)


Out = list[Effect]


def step(
    process: Process,
    spec: ProcessSpec,
    input: ProcessInput,  # noqa: A002
    now: float,
) -> tuple[Process, tuple[Effect, ...]]:
    """Return the process after `input`, and what is to be done, in order. `now`: monotonic seconds."""
    out: Out = []
    match input:
        case TimerFired():
            process = _timer_fired(process, spec, input.epoch, now, out)
        case Exited():
            process = _exited(process, spec, input.status, now, out)
        case Spawned():
            process = _spawned(process, spec, input.pid, now, out)
        case SpawnFailed():
            process = _spawn_failed(process, spec, input, now, out)
        case StartAsked():
            process = _start_asked(process, spec, now, out)
        case StopAsked():
            process = _stop_asked(process, spec, input.by_hand, now, out)
        case RestartAsked():
            process = _restart_asked(process, spec, now, out)
        case SignalAsked():
            _signal_asked(process, spec, input, out)
        case SignalFailed():
            process = _signal_failed(process, spec, input, out)
        case Paused():
            process = _paused(process, spec, out)
        case Resumed():
            process = _resumed(process, spec, out)
        case Quiesced():
            process = _quiesced(process, spec, out)
        case SpecReplaced():
            return process, ()  # the next step gets the new spec from the caller; a deadline already set stays
        case _:
            assert_never(input)
    return process, tuple(out)


# --- what was asked ------------------------------------------------------------------------------------------


def _start_asked(process: Process, spec: ProcessSpec, now: float, out: Out) -> Process:
    if process.quiesced:
        return process
    if process.at_rest:
        return _launch(replace(process, stopped_by_hand=False), spec, now, out)
    if process.state is not BACKOFF:
        out.append(Log(Level.WARN, f"process '{spec.name}' already running"))
    return process


def _stop_asked(process: Process, spec: ProcessSpec, by_hand: bool, now: float, out: Out) -> Process:
    process = replace(process, wanted=Wanted.DOWN, stopped_by_hand=process.stopped_by_hand or by_hand)
    if process.state is BACKOFF:
        return _come_to_stop(process, spec, 0, None, now, out)
    return _stop_if_up(process, spec, now, out)


def _restart_asked(process: Process, spec: ProcessSpec, now: float, out: Out) -> Process:
    if process.quiesced:
        return process
    process = replace(process, stopped_by_hand=False)
    if process.at_rest or process.state is BACKOFF:
        return _launch(process, spec, now, out)
    return _stop_if_up(replace(process, wanted=Wanted.AGAIN), spec, now, out)


def _signal_asked(process: Process, spec: ProcessSpec, asked: SignalAsked, out: Out) -> None:
    if process.pid and process.state is not UNKNOWN:
        name = words.signal_name(asked.signum)
        out.append(Log(Level.DEBG, f"sending {spec.name} (pid {process.pid}) sig {name}"))
        out.append(SendSignal(spec.id, process.pid, asked.signum, asked.whole_group))


def _quiesced(process: Process, spec: ProcessSpec, out: Out) -> Process:
    process = replace(process, quiesced=True)
    if process.then_start:
        process = replace(process, wanted=Wanted.DOWN)
    return _give_up(process, spec, out) if process.state is BACKOFF else process


# --- what the world answered ---------------------------------------------------------------------------------


def _spawned(process: Process, spec: ProcessSpec, pid: int, now: float, out: Out) -> Process:
    if not process.in_flight:
        return process
    out.append(Log(Level.INFO, f"spawned: '{spec.name}' with pid {pid}"))
    out.append(Tell(ProcessSpawned(spec.id, pid)))
    process = replace(process, pid=pid, starts=process.starts + 1, started_at=now)
    if process.wanted is not Wanted.UP:
        return _stop_if_up(process, spec, now, out)
    if spec.startsecs <= 0:
        return _succeed(process, spec, out)
    out.append(Arm(spec.id, process.epoch, now + spec.startsecs))
    return process


def _spawn_failed(process: Process, spec: ProcessSpec, failure: SpawnFailed, now: float, out: Out) -> Process:
    if not process.in_flight:
        return process
    out.append(Log(Level.INFO, f"spawnerr: {failure.reason}"))
    process = replace(process, spawnerr=failure.reason)
    if process.wanted is not Wanted.UP:
        return _come_to_stop(process, spec, 0, None, now, out)
    return _back_off(process, spec, None, not failure.transient, now, out)


def _exited(process: Process, spec: ProcessSpec, status: ExitStatus, now: float, out: Out) -> Process:
    if not process.pid:
        return process
    process = replace(process, paused=False, stopped_at=now)
    if process.state is STOPPING or (process.state is UNKNOWN and process.wanted is not Wanted.UP):
        level = Level.INFO if status.code in spec.exitcodes else Level.WARN
        out.append(Log(level, f"stopped: {spec.name} ({words.ending(status)})"))
        process = replace(process, exitstatus=status.number)
        return _come_to_stop(process, spec, process.pid, status, now, out)
    if process.state is STARTING:
        if _age_s(process, now) < spec.startsecs:
            out.append(Log(Level.WARN, f"exited: {spec.name} ({words.ending(status)}; not expected)"))
            process = replace(process, spawnerr="Exited too quickly (process log may have details)")
            return _back_off(process, spec, status, True, now, out)
        process = _run(process, spec, out)  # it stayed up long enough, only its timer is late
    return _end(process, spec, status, now, out)


def _signal_failed(process: Process, spec: ProcessSpec, failure: SignalFailed, out: Out) -> Process:
    if not process.pid or process.state is UNKNOWN:
        return process
    verb = f"cannot send {words.signal_name(failure.signum)} to '{spec.name}' (pid {process.pid})"
    out.append(Log(Level.CRIT, f"{verb}: {failure.reason}"))
    out.append(Tell(ProcessUnknown(spec.id, process.state, failure.reason)))
    return _move(process, UNKNOWN)


def _paused(process: Process, spec: ProcessSpec, out: Out) -> Process:
    if not process.pid or process.paused:
        return process
    out.append(Tell(ProcessPaused(spec.id, process.pid)))
    if process.state is STOPPING and not process.kill_sent:
        _continue(process, spec, out)  # the news of the pause crossed with the stop
    return replace(process, paused=True)


def _resumed(process: Process, spec: ProcessSpec, out: Out) -> Process:
    if not process.pid or not process.paused:
        return process
    out.append(Tell(ProcessResumed(spec.id, process.pid)))
    return replace(process, paused=False)


def _timer_fired(process: Process, spec: ProcessSpec, epoch: int, now: float, out: Out) -> Process:
    if epoch != process.epoch:
        return process
    if process.state is STARTING and process.pid:
        return _succeed(process, spec, out)
    if process.state is BACKOFF:
        return _launch(process, spec, now, out)
    if process.state is STOPPING:
        return _kill(process, spec, now, out)
    return process


# --- the transitions -----------------------------------------------------------------------------------------


def _move(process: Process, state: ProcessState) -> Process:
    return replace(process, state=state, epoch=process.epoch + 1)


def _launch(process: Process, spec: ProcessSpec, now: float, out: Out) -> Process:
    """Enter STARTING, with a spawn in flight."""
    out.append(Tell(ProcessStarting(spec.id, process.state, process.backoff)))
    out.append(Spawn(spec.id, spec))
    fresh = replace(
        process,
        wanted=Wanted.UP,
        spawnerr="",
        exitstatus=0,
        started_at=now,
        stopping_at=None,
        kill_sent_at=None,
    )
    return _move(fresh, STARTING)


def _run(process: Process, spec: ProcessSpec, out: Out) -> Process:
    """Enter RUNNING."""
    out.append(Tell(ProcessRunning(spec.id, process.state, process.pid)))
    return _move(replace(process, backoff=0), RUNNING)


def _succeed(process: Process, spec: ProcessSpec, out: Out) -> Process:
    """Enter RUNNING in the ordinary way."""
    stayed = f"process has stayed up for > than {words.seconds(spec.startsecs)} seconds (startsecs)"
    out.append(Log(Level.INFO, f"success: {spec.name} entered RUNNING state, {stayed}"))
    return _run(process, spec, out)


def _back_off(
    process: Process, spec: ProcessSpec, status: ExitStatus | None, counted: bool, now: float, out: Out
) -> Process:
    """Enter BACKOFF after a failed start, and FATAL at once when there is no further try."""
    tries = process.backoff + 1 if counted else process.backoff
    exhausted = counted and tries > spec.startretries
    ends_here = exhausted or process.quiesced
    retry_at = None if ends_here else now + (tries if counted else TRANSIENT_RETRY_S)
    pid = process.pid or None
    out.append(Tell(ProcessBackoff(spec.id, process.state, tries, process.spawnerr, pid, status, retry_at)))
    process = _move(replace(process, pid=0, backoff=tries), BACKOFF)
    if retry_at is not None:
        out.append(Arm(spec.id, process.epoch, retry_at))
        return process
    if exhausted:
        out.append(Log(Level.INFO, f"gave up: {spec.name} entered FATAL state, too many start retries too quickly"))
    return _give_up(process, spec, out)


def _give_up(process: Process, spec: ProcessSpec, out: Out) -> Process:
    """Enter FATAL."""
    out.append(Tell(ProcessFatal(spec.id, process.state, process.backoff, process.spawnerr)))
    return _move(replace(process, backoff=0), FATAL)


def _stop_if_up(process: Process, spec: ProcessSpec, now: float, out: Out) -> Process:
    """Enter STOPPING when there is something to stop that is not being stopped already."""
    if not process.pid or process.state is STOPPING:
        return process
    _log_kill(process, spec, spec.stopsignal, spec.stopasgroup, out)
    out.append(Tell(ProcessStopping(spec.id, process.state, process.pid)))
    out.append(SendSignal(spec.id, process.pid, spec.stopsignal, spec.stopasgroup))
    if process.paused:
        _continue(process, spec, out)  # suspended, it would sleep through the stop signal until SIGKILL
    process = _move(replace(process, stopping_at=now, kill_sent_at=None), STOPPING)
    out.append(Arm(spec.id, process.epoch, now + spec.stopwaitsecs))
    return process


def _continue(process: Process, spec: ProcessSpec, out: Out) -> None:
    out.append(SendSignal(spec.id, process.pid, words.SIGCONT, whole_group=True))


def _kill(process: Process, spec: ProcessSpec, now: float, out: Out) -> Process:
    """Send SIGKILL, and set the deadline for the next one."""
    pid, since = process.pid, process.stopping_at
    out.append(Log(Level.WARN, f"killing '{spec.name}' ({pid}) with SIGKILL"))
    _log_kill(process, spec, words.SIGKILL, spec.killasgroup, out)
    out.append(Tell(ProcessKilled(spec.id, pid, 0.0 if since is None else now - since)))
    out.append(SendSignal(spec.id, pid, words.SIGKILL, spec.killasgroup))
    first = now if process.kill_sent_at is None else process.kill_sent_at
    process = _move(replace(process, kill_sent_at=first), STOPPING)
    out.append(Arm(spec.id, process.epoch, now + max(spec.stopwaitsecs, KILL_AGAIN_MIN_S)))
    return process


def _come_to_stop(
    process: Process, spec: ProcessSpec, pid: int, status: ExitStatus | None, now: float, out: Out
) -> Process:
    """Enter STOPPED, and STARTING at once when it was stopped only for that."""
    restarts = process.then_start
    out.append(Tell(ProcessStopped(spec.id, process.state, pid, status, restarts)))
    process = _move(replace(process, pid=0), STOPPED)
    return _launch(process, spec, now, out) if restarts else process


def _end(process: Process, spec: ProcessSpec, status: ExitStatus, now: float, out: Out) -> Process:
    """Enter EXITED, and STARTING at once when the settings say so."""
    expected = status.code in spec.exitcodes
    wants_restart = spec.autorestart is Autorestart.ALWAYS or (
        spec.autorestart is Autorestart.UNEXPECTED and not expected
    )
    restarts = wants_restart and process.state is RUNNING and not process.quiesced
    word = "expected" if expected else "not expected"
    level = Level.INFO if expected else Level.WARN
    out.append(Log(level, f"exited: {spec.name} ({words.ending(status)}; {word})"))
    uptime_s = _age_s(process, now)
    out.append(Tell(ProcessExited(spec.id, process.state, expected, process.pid, status, uptime_s, restarts)))
    spawnerr = "" if expected else f"Bad exit code {status.number}"
    process = _move(replace(process, pid=0, backoff=0, exitstatus=status.number, spawnerr=spawnerr), EXITED)
    return _launch(process, spec, now, out) if restarts else process


def _log_kill(process: Process, spec: ProcessSpec, signum: int, whole_group: bool, out: Out) -> None:
    group = "process group " if whole_group else ""
    name = words.signal_name(signum)
    out.append(Log(Level.DEBG, f"killing {spec.name} (pid {process.pid}) {group}with signal {name}"))


def _age_s(process: Process, now: float) -> float:
    return 0.0 if process.started_at is None else now - process.started_at
