"""How a process goes on under another daemon than the one that knew it: what was remembered of it, taken up again.

Its future is the one it would have had: a timer is due when it was to be, a start and a hook before a stop that were
under way are asked for anew; so is the signal of a stop, which nobody may have sent: most programs take a second one
for nothing, and none can do without the first. Only two things end with a daemon: its own end, so that whatever was
stopped or not started because of that comes up again, and the second half of a restart, which is done here. What has
happened to the process in between is no matter of this module: that follows as inputs.
"""

from msgspec.structs import replace

from tmd.config.settings import ProcessSpec
from tmd.core import words
from tmd.core.condition import BACKOFF, RUNNING, STARTING, STOPPING, UNKNOWN, Process, Wanted
from tmd.core.effects import Arm, Effect, RunPrestop, SendSignal, Spawn
from tmd.core.inputs import Spawned, StartAsked
from tmd.core.process import step
from tmd.core.records import Life

MAX_PID = 2**31 - 1
_ALIVE = (RUNNING, STOPPING)
_EITHER = (STARTING, UNKNOWN)


def sound(process: Process) -> bool:
    """Tell whether the machine can be in such a condition at all."""
    if not (process.pid == 0 or 1 < process.pid <= MAX_PID) or process.epoch < 0 or process.backoff < 0:
        return False
    if process.prestopping and process.state is not RUNNING:
        return False
    return process.state in _EITHER or (process.pid != 0) == (process.state in _ALIVE)


def restored(
    process: Process, spec: ProcessSpec, life: Life | None, now: float, *, same_daemon: bool = False
) -> tuple[Process, tuple[Effect, ...]]:
    """Return a `sound` process as it goes on, and what is to be done, in order. `now`: monotonic seconds.

    `life`: the present one. Has it a pid where the process has none, then the start under way has worked.
    `same_daemon`: it was handed over, so that no end of a daemon and no half of a restart is to be made good.
    """
    process, comes_up = (process, False) if same_daemon else _without_end(process)
    if process.in_flight and life is not None and life.pid:
        began = now if process.started_at is None else process.started_at
        return step(process, spec, Spawned(life.pid), began)
    if comes_up and process.at_rest:
        return step(process, spec, StartAsked(again=True), now)
    if process.in_flight:
        return process, (Spawn(spec.id, spec),)
    if process.prestopping:
        return process, (RunPrestop(spec.id, spec, process.epoch, process.pid, process.cause),)
    if process.deadline is None and process.state in (STARTING, STOPPING, BACKOFF):
        process = replace(process, deadline=now)
    signals = () if same_daemon else _signals(process, spec)
    return process, signals if process.deadline is None else (*signals, Arm(spec.id, process.epoch, process.deadline))


def _signals(process: Process, spec: ProcessSpec) -> tuple[SendSignal, ...]:
    """Return the signals that a stop under way has sent, or was about to send, last."""
    if process.state is not STOPPING:
        return ()
    signum, whole_group = spec.stopsignal, spec.stopasgroup
    if process.kill_sent:
        signum, whole_group = words.SIGKILL, spec.killasgroup
    sent = SendSignal(spec.id, process.pid, signum, whole_group)
    woken = SendSignal(spec.id, process.pid, words.SIGCONT, whole_group=True)
    return (sent, woken) if process.paused and not process.kill_sent else (sent,)


def _without_end(process: Process) -> tuple[Process, bool]:
    """Undo what only the end of the daemon has brought about, and finish what only it knew to be a half.

    Return the process, and whether it is to come up (again).
    """
    asked = process.put_off if process.quiesced else process.wanted
    halved = asked is Wanted.DOWN and process.cause == "restart" and not process.stopped_by_hand
    comes_up = halved or (process.quiesced and asked in (Wanted.UP, Wanted.AGAIN))
    process = replace(process, quiesced=False, put_off=None)
    if not comes_up:
        return process, False
    if process.in_flight or (process.pid and process.wanted is Wanted.UP):
        return replace(process, wanted=Wanted.UP), True
    if process.pid:
        return replace(process, wanted=Wanted.AGAIN), True
    return process, True
