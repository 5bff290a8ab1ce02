"""Notices: something to know. Frozen, self-contained: a reader never has to look back at the process."""

import msgspec

from tmd.core.inputs import ExitStatus, StopCause
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState


class ProcessAdded(msgspec.Struct, frozen=True):
    """A process joined a group; it is STOPPED and was never started."""

    id: ProcessId


class ProcessRemoved(msgspec.Struct, frozen=True):
    """A process left for good; it was at rest."""

    id: ProcessId


class ProcessStarting(msgspec.Struct, frozen=True):
    """Entered STARTING. `tries`: failed starts so far; `again`: to restart it, once it was down."""

    id: ProcessId
    from_state: ProcessState
    tries: int
    again: bool = False


class ProcessSpawned(msgspec.Struct, frozen=True):
    """It has a pid; the state is STARTING."""

    id: ProcessId
    pid: int


class ProcessRestored(msgspec.Struct, frozen=True):
    """It was started by an earlier daemon and goes on under this one, or its end is told now. No state was entered.

    `started`: epoch seconds, `started_at`: monotonic; the state follows from what is told next, if anything is.
    """

    id: ProcessId
    pid: int
    started: float
    started_at: float


class ProcessRunning(msgspec.Struct, frozen=True):
    """Entered RUNNING."""

    id: ProcessId
    from_state: ProcessState
    pid: int


class ProcessBackoff(msgspec.Struct, frozen=True):
    """Entered BACKOFF. `tries`: failed starts including this one; `retry_at` monotonic, None before FATAL.

    `pid` and `status` are None when the program could not be spawned at all.
    """

    id: ProcessId
    from_state: ProcessState
    tries: int
    reason: str
    pid: int | None
    status: ExitStatus | None
    retry_at: float | None


class ProcessStopping(msgspec.Struct, frozen=True):
    """Entered STOPPING: the stop signal goes out."""

    id: ProcessId
    from_state: ProcessState
    pid: int
    cause: StopCause = "asked"


class ProcessKilled(msgspec.Struct, frozen=True):
    """It outlived `stopwaitsecs`: SIGKILL goes out. The state stays STOPPING."""

    id: ProcessId
    pid: int
    waited_s: float


class ProcessStopped(msgspec.Struct, frozen=True):
    """Entered STOPPED. `pid` 0 and `status` None when nothing ran (a stop in BACKOFF).

    `restarts`: it was stopped only to be started again, which happens at once.
    """

    id: ProcessId
    from_state: ProcessState
    pid: int
    status: ExitStatus | None
    restarts: bool = False
    cause: StopCause = "asked"


class ProcessExited(msgspec.Struct, frozen=True):
    """Entered EXITED by itself. `expected`: the code is in `exitcodes`; `restarts`: it is started again at once."""

    id: ProcessId
    from_state: ProcessState
    expected: bool
    pid: int
    status: ExitStatus
    uptime_s: float
    restarts: bool


class ProcessFatal(msgspec.Struct, frozen=True):
    """Entered FATAL: no more retries. `tries`: the failed starts that led here."""

    id: ProcessId
    from_state: ProcessState
    tries: int
    reason: str


class ProcessUnknown(msgspec.Struct, frozen=True):
    """Entered UNKNOWN: the kernel refused to signal it."""

    id: ProcessId
    from_state: ProcessState
    reason: str


class ProcessPaused(msgspec.Struct, frozen=True):
    """Suspended by a job-control signal; the state does not change."""

    id: ProcessId
    pid: int


class ProcessResumed(msgspec.Struct, frozen=True):
    """Continued."""

    id: ProcessId
    pid: int


class ProcessSpared(msgspec.Struct, frozen=True):
    """A stop that waited for its turn was dropped: in the meantime somebody asked for a start."""

    id: ProcessId


class ProcessStopAborted(msgspec.Struct, frozen=True):
    """A stop or restart was given up because the hook before it failed: it goes on running."""

    id: ProcessId
    pid: int
    reason: str


class GroupAdded(msgspec.Struct, frozen=True):
    """A group is active."""

    name: str


class GroupRemoved(msgspec.Struct, frozen=True):
    """A group is gone, all its processes with it."""

    name: str


class GroupChanged(msgspec.Struct, frozen=True):
    """A group has new settings in force; processes to be restarted may still be on their way."""

    name: str


class DaemonRunning(msgspec.Struct, frozen=True):
    """The daemon is up and about to start what wants to be started. `resumed`: it was up before, and goes on."""

    resumed: bool = False


class DaemonStopping(msgspec.Struct, frozen=True):
    """The daemon is going down."""


class ConfigReloaded(msgspec.Struct, frozen=True):
    """A configuration was read and is now the one that `update` applies."""

    path: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


class ConfigRejected(msgspec.Struct, frozen=True):
    """A configuration was refused; everything goes on as before."""

    path: str
    problems: tuple[str, ...]


class ProcessSaid(msgspec.Struct, frozen=True):
    """Output of a program whose `*_events_enabled` is on."""

    id: ProcessId
    pid: int
    channel: str
    data: bytes


class ProcessCommunicated(msgspec.Struct, frozen=True):
    """Text a program sent between the capture tokens."""

    id: ProcessId
    pid: int
    channel: str
    data: bytes


class RemoteCommunicated(msgspec.Struct, frozen=True):
    """A client called `sendRemoteCommEvent`."""

    kind: str
    data: str


class LogDropped(msgspec.Struct, frozen=True):
    """Bytes of a log could not be kept. `count` since the last such notice for that target."""

    target: str
    count: int
    reason: str


class EventEmitted(msgspec.Struct, frozen=True):
    """An extension has something to tell event listeners. `name`: one of the known types or one of its own."""

    name: str
    payload: str


class ListenerStuck(msgspec.Struct, frozen=True):
    """An event listener did not answer in time and is restarted. `event`: the type it was given, empty for none."""

    id: ProcessId
    event: str
    waited_s: float


class EventsDropped(msgspec.Struct, frozen=True):
    """Events did not reach the listeners of a pool. `count` since the last such notice for that pool."""

    pool: str
    count: int
    reason: str


Notice = (
    ProcessAdded
    | ProcessRemoved
    | ProcessStarting
    | ProcessSpawned
    | ProcessRestored
    | ProcessRunning
    | ProcessBackoff
    | ProcessStopping
    | ProcessKilled
    | ProcessStopped
    | ProcessExited
    | ProcessFatal
    | ProcessUnknown
    | ProcessPaused
    | ProcessResumed
    | ProcessSpared
    | ProcessStopAborted
    | GroupAdded
    | GroupRemoved
    | GroupChanged
    | DaemonRunning
    | DaemonStopping
    | ConfigReloaded
    | ConfigRejected
    | ProcessSaid
    | ProcessCommunicated
    | RemoteCommunicated
    | LogDropped
    | EventEmitted
    | ListenerStuck
    | EventsDropped
)
