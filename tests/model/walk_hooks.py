"""What the walk claims about hooks: when the one before a stop is asked for, and what its answer may change."""

from typing import Any

from msgspec.structs import replace

from tmd.config.settings import ProcessSpec
from tmd.core.effects import DropSpawn, Effect, RunPrestop, SendSignal
from tmd.core.inputs import Exited, PoststartFailed, PrestopEnded, ProcessInput, Quiesced, RestartAsked, StopAsked
from tmd.core.notices import ProcessStopAborted, ProcessStopped, ProcessStopping
from tmd.wire.states import ProcessState as S


def is_answer(world: Any, happened: ProcessInput, epoch: int) -> bool:
    """Whether this answers the hook that runs."""
    return isinstance(happened, PrestopEnded) and bool(world.hook) and happened.epoch == epoch


def is_veto(spec: ProcessSpec, world: Any, quiesced: bool, happened: ProcessInput, epoch: int) -> bool:
    """Whether this keeps the process from being stopped."""
    if not is_answer(world, happened, epoch) or not isinstance(happened, PrestopEnded):
        return False
    return bool(happened.failure) and spec.hook_failure == "abort" and not world.stands and not quiesced


def condemns(node: Any, happened: ProcessInput) -> bool:
    """Whether this is the end of a life whose poststart failed."""
    process = node.process
    return isinstance(happened, PoststartFailed) and process.state is S.RUNNING and happened.pid == process.pid


def check_hooks(
    machine: Any,
    spec: ProcessSpec,
    node: Any,
    happened: ProcessInput,
    after: Any,
    effects: tuple[Effect, ...],
    told: dict[type, Any],
    epoch: int,
) -> Any:
    """Hold one step against the claims; return the world with what it has to remember."""
    before, world = node
    asked = [effect for effect in effects if isinstance(effect, RunPrestop)]
    asks = isinstance(happened, StopAsked) or condemns(node, happened)
    asks = asks or (isinstance(happened, RestartAsked) and not before.quiesced)
    serves = before.state is S.RUNNING and not world.hook
    assert len(asked) == (asks and serves and bool(spec.prestop)), "prestop does not come before every stop, once"
    for effect in asked:
        assert effect.epoch == after.epoch > before.epoch, "an answer that is deaf from birth"
        assert after.state is S.RUNNING, "it stopped serving before its prestop"
        assert not any(isinstance(other, SendSignal) for other in effects), "signalled before its prestop"

    answered = is_answer(world, happened, epoch)
    if ProcessStopping in told and before.state is S.RUNNING and spec.prestop:
        assert answered or isinstance(happened, Exited), "stopped without its prestop"
    veto = is_veto(spec, world, before.quiesced, happened, epoch)
    assert (ProcessStopAborted in told) == veto, "a stop given up out of nothing, or not given up"
    if veto:
        assert after.state is S.RUNNING, "a veto without effect"
        assert after.wanted is machine.Wanted.UP, "kept running, and not wanted up"
    elif answered:
        assert after.state is S.STOPPING, "the stop was forgotten while its hook ran"
    if world.hook and isinstance(happened, Exited):
        stopped = told.get(ProcessStopped)
        assert stopped is not None, "what was to stop has ended, and is not STOPPED"
        assert stopped.restarts == world.again, "restarted against the last wish"
    hook = (bool(world.hook) or bool(asked)) and not answered and after.state is S.RUNNING
    assert after.prestopping == hook, "a hook forgotten"

    drops = [effect for effect in effects if isinstance(effect, DropSpawn)]
    overtakes = isinstance(happened, StopAsked | Quiesced) or (
        isinstance(happened, RestartAsked) and not before.quiesced
    )
    assert len(drops) == (before.in_flight and overtakes), "a spawn nobody wants is not called off"
    stands = world.stands or condemns(node, happened) or (isinstance(happened, StopAsked) and is_removal(happened))
    launched = after.state is S.STARTING and after.in_flight and before.epoch != after.epoch
    return replace(world, hook=hook, stands=stands and not launched)


def is_removal(asked: StopAsked) -> bool:
    """Whether a stop is for good."""
    return asked.cause == "removed"
