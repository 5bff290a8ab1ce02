"""Effects: what is to be done, in the imperative. The core never does anything itself."""

from typing import Literal, TypeAlias

import msgspec

from tmd.config.settings import ProcessSpec
from tmd.core.inputs import StopCause
from tmd.core.notices import Notice
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId

StartReason: TypeAlias = Literal["start", "restart", "retry"]
"""Why a program is started: somebody asked; it ended, or was stopped only for that; the last try failed."""


class Spawn(msgspec.Struct, frozen=True):
    """Start the program; answer with `Spawned` or `SpawnFailed`, now or later."""

    id: ProcessId
    spec: ProcessSpec
    reason: StartReason = "start"


class DropSpawn(msgspec.Struct, frozen=True):
    """Nobody wants the spawn under way any more: what has not happened yet is answered with `SpawnFailed` now."""

    id: ProcessId


class RunPrestop(msgspec.Struct, frozen=True):
    """Run the hook that comes before a stop; answer with `PrestopEnded` of the same epoch."""

    id: ProcessId
    spec: ProcessSpec
    epoch: int
    pid: int
    cause: StopCause


class SendSignal(msgspec.Struct, frozen=True):
    """Send a signal; a refusal other than ESRCH comes back as `SignalFailed`."""

    id: ProcessId
    pid: int
    signum: int
    whole_group: bool


class Arm(msgspec.Struct, frozen=True):
    """Feed `TimerFired(epoch)` to the process at `at` (monotonic seconds). Replaces its earlier timer."""

    id: ProcessId
    epoch: int
    at: float


class ArmOverseer(msgspec.Struct, frozen=True):
    """Feed `LevelDue(token)` at `at` (monotonic seconds)."""

    token: int
    at: float


class Tell(msgspec.Struct, frozen=True):
    """Publish a notice on the bus."""

    notice: Notice


class Log(msgspec.Struct, frozen=True):
    """Write one line to the daemon's own log."""

    level: Level
    text: str


class Halt(msgspec.Struct, frozen=True):
    """Everything asked by `ShutdownAsked` is done; the daemon may go."""


Effect = Spawn | DropSpawn | RunPrestop | SendSignal | Arm | ArmOverseer | Tell | Log | Halt
