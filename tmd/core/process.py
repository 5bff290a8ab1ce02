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
  but the answer, however late it comes. So two spawns are never under way at once, and no pid is ever forgotten.

A hook before the stop is one more wait inside RUNNING, which is the truth: the program still serves. Its answer carries
the epoch as a timer does. What is remembered between two inputs is in `tmd.core.condition`.
"""

from typing import assert_never

from msgspec.structs import replace

from tmd.config.settings import Autorestart, ProcessSpec
from tmd.core import words
from tmd.core.condition import (
    BACKOFF,
    EXITED,
    FATAL,
    LEGAL,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    UNKNOWN,
    Process,
    Wanted,
)
from tmd.core.effects import Arm, DropSpawn, Effect, Log, RunPrestop, SendSignal, Spawn, StartReason, Tell
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
    StopCause,
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
    ProcessStopAborted,
    ProcessStopped,
    ProcessStopping,
    ProcessUnknown,
)
from tmd.wire.faults import GOES_ON
from tmd.wire.levels import Level
from tmd.wire.states import ProcessState

__all__ = ["KILL_AGAIN_MIN_S", "LEGAL", "TRANSIENT_RETRY_S", "Process", "Wanted", "step"]

TRANSIENT_RETRY_S = 2.0
"""How long to wait after a spawn that failed for want of the system's means."""

KILL_AGAIN_MIN_S = 1.0
"""SIGKILL is repeated every `stopwaitsecs`, but never faster than this."""

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
            process = _start_asked(process, spec, "restart" if input.again else "start", now, out)
        case StopAsked():
            process = _stop_asked(process, spec, input, now, out)
        case RestartAsked():
            process = _restart_asked(process, spec, input.cause, now, out)
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
        case PrestopEnded():
            process = _prestop_ended(process, spec, input, now, out)
        case PoststartFailed():
            process = _poststart_failed(process, spec, input, now, out)
        case SpecReplaced():
            return process, ()  # the next step gets the new spec from the caller; a deadline already set stays
        case _:
            assert_never(input)
    return process, tuple(out)


# --- what was asked ------------------------------------------------------------------------------------------


def _start_asked(process: Process, spec: ProcessSpec, reason: StartReason, now: float, out: Out) -> Process:
    if process.quiesced:
        return process
    if process.at_rest:
        process = replace(process, stopped_by_hand=False)
        return _launch(process, spec, reason, now, out, again=reason == "restart")
    if process.state is not BACKOFF:
        out.append(Log(Level.WARN, f"process '{spec.name}' already running"))
    return process


def _stop_asked(process: Process, spec: ProcessSpec, asked: StopAsked, now: float, out: Out) -> Process:
    by_hand = process.stopped_by_hand or asked.by_hand
    if asked.cause != "shutdown":
        process = replace(process, put_off=None)
    stands = process.stop_stands or asked.cause == "removed"
    process = _because(process, asked.cause)
    process = replace(process, wanted=Wanted.DOWN, stopped_by_hand=by_hand, stop_stands=stands)
    if process.state is BACKOFF:
        return _come_to_stop(process, spec, 0, None, now, out)
    return _stop_if_up(process, spec, now, out)


def _restart_asked(process: Process, spec: ProcessSpec, cause: StopCause, now: float, out: Out) -> Process:
    if process.quiesced:
        return process
    process = replace(_because(process, cause), stopped_by_hand=False)
    if process.at_rest or process.state is BACKOFF:
        return _launch(process, spec, "restart", now, out)
    return _stop_if_up(replace(process, wanted=Wanted.AGAIN), spec, now, out)


def _because(process: Process, cause: StopCause) -> Process:
    """Note why it is to stop; of a stop that is under way the first reason stands."""
    under_way = process.state is STOPPING or process.prestopping
    return process if under_way else replace(process, cause=cause)


def _signal_asked(process: Process, spec: ProcessSpec, asked: SignalAsked, out: Out) -> None:
    if process.pid and process.state is not UNKNOWN:
        name = words.signal_name(asked.signum)
        out.append(Log(Level.DEBG, f"sending {spec.name} (pid {process.pid}) sig {name}"))
        out.append(SendSignal(spec.id, process.pid, asked.signum, asked.whole_group))


def _quiesced(process: Process, spec: ProcessSpec, out: Out) -> Process:
    if not process.quiesced:
        process = replace(process, quiesced=True, put_off=None if process.at_rest else process.wanted)
    if process.in_flight:
        out.append(DropSpawn(spec.id))  # nothing is started now, not even what is about to be
    if process.in_flight or process.then_start:
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
    return _arm(process, spec, now + spec.startsecs, out)


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
    if process.prestopping:  # it did by itself what it was about to be asked for
        out.append(Tell(ProcessStopping(spec.id, process.state, process.pid, process.cause)))
        process = _move(process, STOPPING)
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


def _prestop_ended(process: Process, spec: ProcessSpec, ended: PrestopEnded, now: float, out: Out) -> Process:
    if ended.epoch != process.epoch or not process.prestopping:
        return process
    if not ended.failure or spec.hook_failure != "abort" or process.stop_stands or process.quiesced:
        return _signal_to_stop(process, spec, now, out)
    verb = "restart" if process.then_start or process.cause == "restart" else "stop"
    reason = f"cannot {verb} '{spec.name}': {ended.failure} {GOES_ON}"
    out.append(Log(Level.CRIT, reason))
    out.append(Tell(ProcessStopAborted(spec.id, process.pid, reason)))
    return replace(process, wanted=Wanted.UP, stopped_by_hand=False, prestopping=False)


def _poststart_failed(process: Process, spec: ProcessSpec, failed: PoststartFailed, now: float, out: Out) -> Process:
    if process.state is not RUNNING or process.pid != failed.pid:
        return process
    out.append(Log(Level.CRIT, f"cannot leave '{spec.name}' running: {failed.reason} (it is stopped)"))
    wanted = process.wanted if process.then_start else Wanted.DOWN
    put_off = None if process.put_off is Wanted.UP else process.put_off
    process = replace(_because(process, "poststart"), wanted=wanted, put_off=put_off)
    process = replace(process, spawnerr=failed.reason, stop_stands=True)
    return _stop_if_up(process, spec, now, out)


def _timer_fired(process: Process, spec: ProcessSpec, epoch: int, now: float, out: Out) -> Process:
    if epoch != process.epoch:
        return process
    if process.state is STARTING and process.pid:
        return _succeed(process, spec, out)
    if process.state is BACKOFF:
        return _launch(process, spec, "retry", now, out)
    if process.state is STOPPING:
        return _kill(process, spec, now, out)
    return process


# --- the transitions -----------------------------------------------------------------------------------------


def _move(process: Process, state: ProcessState) -> Process:
    return replace(process, state=state, epoch=process.epoch + 1, deadline=None, prestopping=False)


def _arm(process: Process, spec: ProcessSpec, at: float, out: Out) -> Process:
    """Set the deadline of the present epoch."""
    out.append(Arm(spec.id, process.epoch, at))
    return replace(process, deadline=at)


def _launch(
    process: Process, spec: ProcessSpec, reason: StartReason, now: float, out: Out, *, again: bool = False
) -> Process:
    """Enter STARTING, with a spawn in flight."""
    out.append(Tell(ProcessStarting(spec.id, process.state, process.backoff, again)))
    out.append(Spawn(spec.id, spec, reason))
    fresh = replace(
        process,
        wanted=Wanted.UP,
        spawnerr="",
        exitstatus=0,
        started_at=now,
        stopping_at=None,
        kill_sent_at=None,
        stop_stands=False,
        cause="asked",
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
        return _arm(process, spec, retry_at, out)
    if exhausted:
        process = replace(process, put_off=None)
        out.append(Log(Level.INFO, f"gave up: {spec.name} entered FATAL state, too many start retries too quickly"))
    return _give_up(process, spec, out)


def _give_up(process: Process, spec: ProcessSpec, out: Out) -> Process:
    """Enter FATAL."""
    out.append(Tell(ProcessFatal(spec.id, process.state, process.backoff, process.spawnerr)))
    return _move(replace(process, backoff=0), FATAL)


def _stop_if_up(process: Process, spec: ProcessSpec, now: float, out: Out) -> Process:
    """Begin to stop what is there to be stopped and not being stopped already."""
    if process.in_flight:
        out.append(DropSpawn(spec.id))
        return process
    if not process.pid or process.state is STOPPING or process.prestopping:
        return process
    if process.state is not RUNNING or not spec.prestop:
        return _signal_to_stop(process, spec, now, out)
    process = replace(process, prestopping=True, epoch=process.epoch + 1, deadline=None)
    out.append(RunPrestop(spec.id, spec, process.epoch, process.pid, process.cause))
    return process


def _signal_to_stop(process: Process, spec: ProcessSpec, now: float, out: Out) -> Process:
    """Enter STOPPING."""
    _log_kill(process, spec, spec.stopsignal, spec.stopasgroup, out)
    out.append(Tell(ProcessStopping(spec.id, process.state, process.pid, process.cause)))
    out.append(SendSignal(spec.id, process.pid, spec.stopsignal, spec.stopasgroup))
    if process.paused:
        _continue(process, spec, out)  # suspended, it would sleep through the stop signal until SIGKILL
    process = _move(replace(process, stopping_at=now, kill_sent_at=None), STOPPING)
    return _arm(process, spec, now + spec.stopwaitsecs, out)


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
    return _arm(process, spec, now + max(spec.stopwaitsecs, KILL_AGAIN_MIN_S), out)


def _come_to_stop(
    process: Process, spec: ProcessSpec, pid: int, status: ExitStatus | None, now: float, out: Out
) -> Process:
    """Enter STOPPED, and STARTING at once when it was stopped only for that."""
    restarts = process.then_start
    out.append(Tell(ProcessStopped(spec.id, process.state, pid, status, restarts, process.cause)))
    process = _move(replace(process, pid=0), STOPPED)
    return _launch(process, spec, "restart", now, out) if restarts else process


def _end(process: Process, spec: ProcessSpec, status: ExitStatus, now: float, out: Out) -> Process:
    """Enter EXITED, and STARTING at once when the settings say so."""
    expected = status.code in spec.exitcodes
    wants_restart = spec.autorestart is Autorestart.ALWAYS or (
        spec.autorestart is Autorestart.UNEXPECTED and not expected
    )
    would_restart = wants_restart and process.state is RUNNING
    restarts = would_restart and not process.quiesced
    put_off = process.put_off if would_restart else None
    word = "expected" if expected else "not expected"
    level = Level.INFO if expected else Level.WARN
    out.append(Log(level, f"exited: {spec.name} ({words.ending(status)}; {word})"))
    uptime_s = _age_s(process, now)
    out.append(Tell(ProcessExited(spec.id, process.state, expected, process.pid, status, uptime_s, restarts)))
    unexpected = f"Bad exit code {status.number}" if status.known else "Ended while nobody could see how"
    spawnerr = "" if expected else unexpected
    ended = replace(process, pid=0, backoff=0, exitstatus=status.number, spawnerr=spawnerr, put_off=put_off)
    process = _move(ended, EXITED)
    return _launch(process, spec, "restart", now, out) if restarts else process


def _log_kill(process: Process, spec: ProcessSpec, signum: int, whole_group: bool, out: Out) -> None:
    group = "process group " if whole_group else ""
    name = words.signal_name(signum)
    out.append(Log(Level.DEBG, f"killing {spec.name} (pid {process.pid}) {group}with signal {name}"))


def _age_s(process: Process, now: float) -> float:
    return 0.0 if process.started_at is None else now - process.started_at
