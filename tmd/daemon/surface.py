"""What the floor above may ask of the daemon: the whole surface, nothing behind it.

Everything here is called on the loop's thread and answers at once. What takes time returns an `Operation`.
Refusals are `RpcFault`. The runtime implements this; handlers and extensions see nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from tmd.config.plan import Plan
from tmd.config.settings import GroupSpec, ProcessSpec, ServerSpec, Settings
from tmd.core.delivery import PoolView
from tmd.core.ends import End
from tmd.core.gauge import Counts, Gauge
from tmd.core.notices import Notice
from tmd.core.traffic import Traffic
from tmd.daemon.sinks import SinkView
from tmd.daemon.terminals import Terminal
from tmd.daemon.troubles import Troubles
from tmd.posix.succession import Succession
from tmd.tree.node import Origin
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import DaemonState, ProcessState

Channel = Literal["stdout", "stderr"]
T = TypeVar("T")


class Result(msgspec.Struct, frozen=True):
    """What became of a request for one process. `fault` is `Fault.SUCCESS` when it worked."""

    id: ProcessId
    fault: Fault = Fault.SUCCESS
    detail: str | None = None
    """what the fault's text says after its name; None: the name of the process"""


class AwaitedRestart(msgspec.Struct, frozen=True, kw_only=True):
    """A restart of processes whose stops are awaited. `ids`: all that are to be started then."""

    ids: list[ProcessId]
    running: list[ProcessId]
    stopping: list[ProcessId]
    restarting: list[ProcessId]
    """of these, who is still to come up again"""
    kept: list[Result]
    wait: bool


class AwaitedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that was applied, and what of it is not done yet."""

    plan: Plan
    groups: list[str]
    gone: list[ProcessId]
    restarting: list[ProcessId]
    to_change: list[str]
    held: list[tuple[ProcessId, str]]


class Awaited(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operation waits for, as another daemon goes on with it. `results`: what is known already."""

    verb: Literal["start", "stop"] = "stop"
    pending: list[ProcessId] = []
    results: list[Result] = []
    restart: AwaitedRestart | None = None
    plan: AwaitedPlan | None = None


class Operation(Generic[T]):
    """An accepted request until its outcome. Resolved exactly once, by a value or an `RpcFault`."""

    def __init__(self) -> None:
        self.done = False
        self.awaited: Callable[[], Awaited] | None = None
        """tells what is waited for, so that another daemon can go on waiting; None: that is not to be had"""
        self.value: T | None = None
        self.fault: RpcFault | None = None
        self._callbacks: list[Callable[[Operation[T]], None]] = []

    def resolve(self, value: T) -> None:
        """Give the outcome; a second outcome is ignored."""
        self._settle(value, None)

    def refuse(self, fault: RpcFault) -> None:
        """Give a fault as the outcome."""
        self._settle(None, fault)

    def then(self, callback: "Callable[[Operation[T]], None]") -> None:
        """Call `callback(self)` once there is an outcome: now if there is one already."""
        if self.done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def _settle(self, value: T | None, fault: RpcFault | None) -> None:
        if self.done:
            return
        self.done, self.value, self.fault = True, value, fault
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)


def completed(value: T) -> Operation[T]:
    """Return an operation that already has its outcome."""
    operation: Operation[T] = Operation()
    operation.resolve(value)
    return operation


class ProcessView(msgspec.Struct, frozen=True):
    """One process as clients may see it now. Times are epoch seconds, 0 for never."""

    id: ProcessId
    spec: ProcessSpec
    state: ProcessState
    pid: int
    start: float
    stop: float
    now: float
    spawnerr: str
    exitstatus: int
    stdout_logfile: str
    """the real path, also for an AUTO log; empty when there is none"""
    stderr_logfile: str
    paused: bool
    starts: int
    """spawns since it was added"""
    stopped_by_hand: bool


class GroupView(msgspec.Struct, frozen=True):
    """One active group; processes in configured order."""

    spec: GroupSpec
    processes: tuple[ProcessId, ...]


class StartRefused(Exception):
    """The floor above cannot serve: a listener or an extension does not come up. The text is for the operator."""


class AlertsSurface(Protocol):
    """The sinks of alerts."""

    def names(self) -> list[str]:
        """Return their names, in file order."""

    def views(self) -> list[SinkView]:
        """Return them, in file order."""

    def test(self, name: str) -> Operation[str]:
        """Send a sample past the queue of a sink; resolves with what was said there. BAD_NAME, FAILED with the why."""


class HistorySurface(Protocol):
    """How lives came to an end; times are epoch seconds."""

    @property
    def started_at(self) -> float:
        """When this daemon was started."""

    @property
    def starts(self) -> Sequence[float]:
        """When it and those before it were started, newest first."""

    def ends(self, id_: ProcessId) -> Sequence[End]:
        """Return the last ends of a process, newest first."""

    def trouble(self, id_: ProcessId) -> str:
        """Return why the kernel refuses to signal a process, empty when it does not."""

    def life_began(self, id_: ProcessId) -> float:
        """Return when the process that exists now was started, 0 when there is none."""


class GaugesSurface(Protocol):
    """What processes use. It is sampled only while somebody looks."""

    def watch(self) -> Callable[[], None]:
        """Have samples taken every 2 seconds until the function that is returned is called; it may be called twice."""

    def of(self, id_: ProcessId) -> Gauge | None:
        """Return the last sample of a process; None when it does not run or none was taken since it was started."""

    def own(self) -> Gauge | None:
        """Return the last sample of the daemon itself, without its programs."""

    def history(self, id_: ProcessId) -> tuple[Gauge, ...]:
        """Return the last samples of a process, oldest first, at most 150; of earlier lives too."""

    def fresh(self) -> Operation[None]:
        """Have a sample taken unless the last one is younger than half a second; resolves once it is there."""

    def on_sample(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after each sample; returns what ends that. This alone does not make any be taken."""


class CountersSurface(Protocol):
    """What happened since the daemon was started, as numbers that only grow."""

    @property
    def traffic(self) -> Traffic:
        """What the floor above counts about its own work."""

    def of(self, id_: ProcessId) -> Counts:
        """Return the counts of a process; all 0 for one that was never heard of."""

    @property
    def log_losses(self) -> Mapping[str, int]:
        """Bytes that could not be kept, by log; a log that lost nothing is not there."""

    def log_bytes(self, id_: ProcessId, channel: Channel) -> int:
        """Return how many bytes of output were taken from all lives of a process, wherever they went."""


class DaemonSurface(Protocol):
    """The daemon as a handler sees it."""

    @property
    def settings(self) -> Settings:
        """The settings in force (identifier, logfile, servers...)."""

    @property
    def available(self) -> Settings:
        """The settings last read; `add_group` takes from these."""

    @property
    def state(self) -> DaemonState:
        """RUNNING, RESTARTING or SHUTDOWN."""

    @property
    def pid(self) -> int:
        """The daemon's pid."""

    @property
    def config_path(self) -> str:
        """The configuration file that the next reread reads."""

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Where the values that were last read stand: `program:web.command`, `programs.web.command`... -> place."""

    def groups(self) -> Sequence[GroupView]:
        """Return the active groups in (priority, name) order."""

    def group(self, name: str) -> GroupView | None:
        """Return one active group."""

    def view(self, id: ProcessId) -> ProcessView | None:  # noqa: A002
        """Return one process."""

    def views(self) -> Sequence[ProcessView]:
        """Return all processes, sorted by group name, then process name."""

    # Each of these takes ids that exist. Processes already where they should be get ALREADY_STARTED or NOT_RUNNING;
    # NO_FILE, NOT_EXECUTABLE, SPAWN_ERROR and ABNORMAL_TERMINATION as in the contract. Results: those known at once
    # first, then in order of completion.

    def start(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Start processes in the order given."""

    def stop(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Stop processes: falling priority, each level awaited; within a level all at once."""

    def restart_processes(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Stop what runs and start all; goes on whatever becomes of the client."""

    def signal(self, ids: Sequence[ProcessId], signum: int) -> list[Result]:
        """Send a signal. STOP, CONT and TSTP go to the whole POSIX process group, others to the process."""

    def send_stdin(self, id: ProcessId, data: bytes) -> None:  # noqa: A002
        """Queue bytes for a stdin, never blocking: taken whole, or refused (NOT_RUNNING, NO_FILE, FAILED)."""

    def terminal(self, id: ProcessId) -> Terminal | None:  # noqa: A002
        """Return the terminal of a process that runs on one of its own."""

    def remote_event(self, kind: str, data: str) -> None:
        """Publish `RemoteCommunicated`."""

    def emit(self, name: str, payload: str) -> bool:
        """Publish `EventEmitted`: an extension's event for the listeners that subscribed to its type or to EVENT.

        False: it was dropped, as one of too many that are emitted on account of one another.
        """

    def subscribe(self, callback: Callable[[str, str], None]) -> Callable[[], None]:
        """Call back with (name, payload) of every event, but for TICKs, as it happens; returns what ends that."""

    def on_notice(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        """Call back with every notice as it is told, once what it tells of can be seen here; returns what ends that."""

    def pools(self) -> Sequence[PoolView]:
        """Return the pools of event listeners, by name."""

    @property
    def alerts(self) -> AlertsSurface:
        """The sinks of alerts."""

    @property
    def history(self) -> HistorySurface:
        """The last ends of each process."""

    @property
    def gauges(self) -> GaugesSurface:
        """What processes use."""

    @property
    def counters(self) -> CountersSurface:
        """What happened."""

    def clear_logs(self, ids: Sequence[ProcessId]) -> Operation[list[Result]]:
        """Empty the logs of processes, running or not."""

    def clear_main_log(self) -> Operation[bool]:
        """Empty the daemon's own log. NO_FILE, FAILED."""

    def main_logfile(self) -> str | None:
        """Return the path of the daemon's own log, None when it has no file."""

    def follow(self, path: str, wake: Callable[[], None]) -> Succession:
        """Return which files follow one another at the path of a log; `wake` is called at each. To be closed."""

    # Configuration.

    def reread(self, path: str | None = None) -> Plan:
        """Read the configuration (another file from now on, if named); change no process. Faults with CANT_REREAD."""

    def update(self, names: Sequence[str] = ()) -> Operation[Plan]:
        """Apply what was last read, to the named groups or all; touches what differs and nothing else.

        Resolves with what was done once removed and restarted processes are where they belong. BAD_NAME.
        """

    def reload(self) -> Operation[Plan | None]:
        """SIGHUP by request: native dialect, reread and update; Supervisor dialect, `restart` (resolves with None)."""

    def add_group(self, name: str) -> None:
        """Activate an available group. ALREADY_ADDED, BAD_NAME."""

    def remove_group(self, name: str) -> None:
        """Remove an active group whose processes are all at rest. STILL_RUNNING, BAD_NAME."""

    def read_program(self, group: str, name: str, options: Mapping[str, str]) -> Sequence[ProcessSpec]:
        """Return what `add_program` would add, and add nothing. INCORRECT_PARAMETERS with all problems."""

    def add_program(self, group: str, name: str, options: Mapping[str, str]) -> Sequence[ProcessId]:
        """Add a program to a group, which is made if there is none, and start it if it is to start on its own.

        `options` are those of a program's section, as text. It stays over rereads and updates, until it is removed or
        the daemon restarts. BAD_NAME if the group has such a process already; INCORRECT_PARAMETERS with all problems.
        """

    def remove_process(self, id: ProcessId) -> None:  # noqa: A002
        """Remove a process that was added at run time and is at rest. BAD_NAME, STILL_RUNNING, FAILED if configured."""

    def shutdown(self) -> None:
        """Stop everything in order and end."""

    def restart(self) -> None:
        """Stop everything in order, read everything anew, start again; same pid. CANT_REREAD if the file is broken."""

    def upgrade(self) -> Operation[Mapping[str, Any]]:
        """Make way for a new version of the daemon in the same process; resolves right before that. FAILED."""

    def hand(self, operation: Operation[Any] | None) -> None:
        """Have the next request return this, as what was already begun for it; None: it begins something anew."""

    # Service to handlers.

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back on the loop after a delay; returns a function that cancels."""

    def post(self, callback: Callable[[], None]) -> None:
        """Call back on the loop in its next turn. The one thing here that may be called from any thread."""

    @property
    def troubles(self) -> Troubles:
        """Where to tell what the machine does to us."""

    def room_for_files(self) -> bool:
        """Tell whether files may be opened for a client: no, when what is left is needed to start programs."""

    def in_worker(self, work: Callable[[], T]) -> Operation[T]:
        """Run something that may block on a worker thread. An OSError or RpcFault it raises becomes a fault."""

    def log_trace(self, text: str) -> None:
        """Write a line about a request to the daemon's log (level TRAC)."""

    def log_error(self, text: str) -> None:
        """Write an ERRO line, for a handler that raised what it should not."""

    def log(self, level: Level, text: str) -> None:
        """Write a line to the daemon's log, for an extension."""

    def figures(self) -> dict[str, Any]:
        """Return the daemon's own counters (wake-ups, loop errors, dropped log bytes...)."""

    def servers(self) -> Sequence[ServerSpec]:
        """Return the listeners that are open."""
