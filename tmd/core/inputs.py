"""Inputs: what happened, in the past tense. The only way anything enters the core."""

from typing import Literal, TypeAlias

import msgspec

from tmd.config.plan import GroupChange
from tmd.config.settings import GroupSpec, ProcessSpec
from tmd.wire.names import ProcessId


class LastWords(msgspec.Struct, frozen=True):
    """The end of what a process wrote in one life, as far as its logs have it; at most `LAST_WORDS_BYTES` each."""

    stdout: bytes = b""
    stderr: bytes = b""


LAST_WORDS_BYTES = 2048


class LeftBehind(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a process had started and was still there when it had ended."""

    count: int = 0
    names: tuple[str, ...] = ()
    """of the first few"""
    killed: bool = True
    """what became of them: ended, or only told of"""
    survivors: int = 0
    """so many could not be ended"""


NOTHING_LEFT = LeftBehind()


class ExitStatus(msgspec.Struct, frozen=True):
    """How a process ended: by exit code or by signal; neither: it ended while nobody could see how."""

    code: int | None = None
    signal: int | None = None
    core: bool = False
    last_words: LastWords = LastWords()
    cpu_s: float = 0.0
    """processor time it used in its life, and its children that it waited for"""
    left: LeftBehind = NOTHING_LEFT

    @property
    def number(self) -> int:
        """The exit code, or -1 for a death by signal (Supervisor's convention) and for one that nobody saw."""
        return -1 if self.code is None else self.code

    @property
    def known(self) -> bool:
        """Whether anybody saw how it ended."""
        return self.code is not None or self.signal is not None


StopCause: TypeAlias = Literal[
    "asked", "restart", "removed", "changed", "shutdown", "listener", "poststart", "outlived"
]
"""Why a process is stopped: somebody asked (for a restart, when it is started again at once), somebody asked for a
restart, it left the configuration, its settings changed, the daemon goes down, it is a listener in trouble, its
poststart hook failed, it outlived its daemon and cannot or shall not go on under the next one."""


# --- of one process -------------------------------------------------------------------------------------------


class StartAsked(msgspec.Struct, frozen=True):
    """Somebody wants it up. `again`: it was stopped only for that."""

    again: bool = False


class StopAsked(msgspec.Struct, frozen=True):
    """Somebody wants it down. `by_hand`: an operator, whose wish outlives a reload."""

    by_hand: bool = True
    cause: StopCause = "asked"


class RestartAsked(msgspec.Struct, frozen=True):
    """Somebody wants it stopped if it is up, and then started."""

    cause: StopCause = "asked"


class SignalAsked(msgspec.Struct, frozen=True):
    """Somebody wants it to get a signal. `whole_group`: its whole POSIX process group."""

    signum: int
    whole_group: bool = False


class Spawned(msgspec.Struct, frozen=True):
    """The spawn asked for by the last `Spawn` effect worked."""

    pid: int


class SpawnFailed(msgspec.Struct, frozen=True):
    """The spawn asked for by the last `Spawn` effect did not work. `reason` is the text shown as spawnerr.

    `transient`: the system lacked something (processes, descriptors, memory); the program is not to blame.
    """

    reason: str
    transient: bool = False


class Exited(msgspec.Struct, frozen=True):
    """It was reaped; all its output up to that moment is in its log."""

    status: ExitStatus


class TimerFired(msgspec.Struct, frozen=True):
    """The timer armed in `epoch` is due. Deaf in any other epoch."""

    epoch: int


class SpecReplaced(msgspec.Struct, frozen=True):
    """Its settings changed in ways that need no restart."""

    spec: ProcessSpec


class SignalFailed(msgspec.Struct, frozen=True):
    """The kernel refused a signal for another reason than the process being gone already."""

    signum: int
    reason: str


class Paused(msgspec.Struct, frozen=True):
    """The kernel says it is stopped by a job-control signal, whoever sent that."""


class Resumed(msgspec.Struct, frozen=True):
    """The kernel says it was continued."""


class Quiesced(msgspec.Struct, frozen=True):
    """The daemon is going down: nothing is started or retried any more."""


class PrestopEnded(msgspec.Struct, frozen=True):
    """The hook of the effect `RunPrestop` with this epoch has ended. `failure`: what went wrong, empty for nothing."""

    epoch: int
    failure: str = ""


class PoststartFailed(msgspec.Struct, frozen=True):
    """The hook that runs once it is RUNNING failed, and its life `pid` is not to go on."""

    pid: int
    reason: str


ProcessInput = (
    StartAsked
    | StopAsked
    | RestartAsked
    | SignalAsked
    | Spawned
    | SpawnFailed
    | Exited
    | TimerFired
    | SpecReplaced
    | SignalFailed
    | Paused
    | Resumed
    | Quiesced
    | PrestopEnded
    | PoststartFailed
)


# --- of the whole daemon --------------------------------------------------------------------------------------


class ForProcess(msgspec.Struct, frozen=True):
    """An input for one process. For a process that no longer exists it is ignored."""

    id: ProcessId
    input: ProcessInput


class DaemonStarted(msgspec.Struct, frozen=True):
    """All groups of the configuration are added: start what wants to be started. `resumed`: it was handed over."""

    resumed: bool = False


class AddGroupAsked(msgspec.Struct, frozen=True):
    """A group joins. Before `DaemonStarted` nothing of it starts; after, what has autostart starts at once."""

    spec: GroupSpec


class RemoveGroupAsked(msgspec.Struct, frozen=True):
    """A group goes: what runs is stopped first, then it disappears."""

    name: str


class ChangeGroupAsked(msgspec.Struct, frozen=True):
    """A group gets new settings: only what differs is touched."""

    change: GroupChange


class StopInOrderAsked(msgspec.Struct, frozen=True):
    """Several processes are to stop: falling (group priority, process priority), each level awaited."""

    ids: tuple[ProcessId, ...]
    by_hand: bool = True


class LevelDue(msgspec.Struct, frozen=True):
    """The overseer's own timer (armed by `ArmOverseer`) is due."""

    token: int


class ShutdownAsked(msgspec.Struct, frozen=True):
    """The daemon is to end, or to start afresh: stop everything in order.

    `at_once`: there is no time for an order any more, also when one was begun with.
    """

    at_once: bool = False


OverseerInput = (
    ForProcess
    | DaemonStarted
    | AddGroupAsked
    | RemoveGroupAsked
    | ChangeGroupAsked
    | StopInOrderAsked
    | LevelDue
    | ShutdownAsked
)
