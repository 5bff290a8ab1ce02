"""What every condition of the machine must be worth to another daemon: written down, read back and restored.

Where nothing was overruled the process that comes out is the one that went in. The machine is a function of process and
input, so its whole future is the same, provided that what was under way is under way again: that is checked here.
"""

import signal
from types import ModuleType
from typing import Any

import msgspec

from tests.model.walk_hooks import condemns
from tmd.config.settings import Autorestart, ProcessSpec
from tmd.core import restoring
from tmd.core.effects import Arm, Effect, RunPrestop, SendSignal, Spawn
from tmd.core.inputs import ProcessInput, Quiesced, Spawned, StopAsked
from tmd.core.notices import ProcessExited, ProcessFatal
from tmd.core.records import Life
from tmd.wire.states import ProcessState as S

LATER = 50.0
PID = 300
UP, AGAIN = 1, 2
AT_REST = (S.STOPPED, S.EXITED, S.FATAL)


def owes(spec: ProcessSpec, node: Any, happened: ProcessInput, told: dict[type, Any], failed: int) -> int:
    """Return what the daemon's end, or rather its undoing, owes a process after a step. `failed`: starts in a row."""
    before, world = node
    match happened:
        case Quiesced() if not before.quiesced:
            if before.state in AT_REST or (world.down and not world.again):
                return 0
            return AGAIN if world.again else UP
        case StopAsked(cause=cause) if cause != "shutdown":
            return 0
        case _ if condemns(node, happened) and world.owed == UP:
            return 0
    if exited := told.get(ProcessExited):
        again = spec.autorestart is Autorestart.ALWAYS or (
            spec.autorestart is Autorestart.UNEXPECTED and not exited.expected
        )
        if not again or exited.from_state is not S.RUNNING:
            return 0
    if ProcessFatal in told and told[ProcessFatal].tries > spec.startretries:
        return 0
    return int(world.owed)


def check_restoring(machine: ModuleType, spec: ProcessSpec, node: Any) -> None:
    """Hold the restoring of one condition against every claim."""
    process, world = node
    restored = getattr(machine, "restored", restoring.restored)
    back = msgspec.json.decode(msgspec.json.encode(process), type=type(process))
    assert back == process, "it is not what was written down"
    assert getattr(machine, "sound", restoring.sound)(back), "a condition of the machine is thought impossible"
    assert restored(back, spec, None, LATER, same_daemon=True) == (process, under_way(spec, process)), "handed over"
    after, effects = restored(back, spec, None, LATER)
    assert not after.quiesced, "the end of one daemon is no end of the next"
    assert after.put_off is None
    spawns = [effect for effect in effects if isinstance(effect, Spawn)]
    assert len(spawns) <= 1, "started twice"
    assert (len(spawns) == 1) == after.in_flight, "a start is under way, or it is not"
    assert not (process.pid and spawns), "started beside the one that runs"
    if world.owed:
        check_undone(process, after)
        return
    same = msgspec.structs.replace(process, quiesced=False, put_off=None)
    assert after == same, "it goes on as another one"
    assert effects == (*signals(spec, process), *under_way(spec, process)), "what was under way is not"
    if process.in_flight:
        check_found(machine, spec, process)


def under_way(spec: ProcessSpec, process: Any) -> tuple[Effect, ...]:
    """Return what has to be asked for anew."""
    if process.in_flight:
        return (Spawn(spec.id, spec),)
    if process.prestopping:
        return (RunPrestop(spec.id, spec, process.epoch, process.pid, process.cause),)
    return () if process.deadline is None else (Arm(spec.id, process.epoch, process.deadline),)


def signals(spec: ProcessSpec, process: Any) -> tuple[Effect, ...]:
    """Return the signals of a stop under way, which its daemon may not have come to send."""
    if process.state is not S.STOPPING:
        return ()
    if process.kill_sent_at is not None:
        return (SendSignal(spec.id, process.pid, signal.SIGKILL, spec.killasgroup),)
    asked = SendSignal(spec.id, process.pid, spec.stopsignal, spec.stopasgroup)
    woken = SendSignal(spec.id, process.pid, signal.SIGCONT, True)
    return (asked, woken) if process.paused else (asked,)


def check_undone(process: Any, after: Any) -> None:
    """What the end of the daemon kept down comes up."""
    if not process.pid:
        assert after.in_flight, "what the daemon's end kept down stays down"
        assert after.wanted.value == "up"
        return
    assert (after.pid, after.epoch, after.state) == (process.pid, process.epoch, process.state), "another life"
    stays = process.wanted.value == "up"
    assert after.wanted.value == ("up" if stays else "again"), "stopped for the daemon's end, and nothing else follows"


def check_found(machine: ModuleType, spec: ProcessSpec, process: Any) -> None:
    """A start under way that has worked meanwhile is as good as one that has just worked."""
    restored = getattr(machine, "restored", restoring.restored)
    begun = msgspec.structs.replace(process, started_at=LATER - 10, quiesced=False, put_off=None)
    found, effects = restored(begun, spec, Life(token="k.1", pid=PID), LATER)
    assert found == machine.step(begun, spec, Spawned(PID), LATER - 10)[0], "not the one that was started"
    assert not any(isinstance(effect, Spawn) for effect in effects), "started a second time"
