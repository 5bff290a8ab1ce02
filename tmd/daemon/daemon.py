"""The daemon as the floor above sees it: requests in, results and operations out."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tmd.config.plan import Plan
from tmd.config.settings import Dialect, ProcessSpec, ServerSpec, Settings
from tmd.core import inputs as i
from tmd.core import notices as n
from tmd.core.delivery import PoolView
from tmd.daemon.alerts import Alerts
from tmd.daemon.bus import emitted, events_only
from tmd.daemon.configuration import Configuration
from tmd.daemon.counters import Counters
from tmd.daemon.gauges import Gauges
from tmd.daemon.history import History
from tmd.daemon.joining import Joining
from tmd.daemon.operations import refused
from tmd.daemon.requests import Requests
from tmd.daemon.runtime import Runtime
from tmd.daemon.service import ServiceReports
from tmd.daemon.surface import GroupView, Operation, ProcessView, Result
from tmd.daemon.terminals import Terminal
from tmd.daemon.troubles import Troubles
from tmd.daemon.upgrading import Upgrading
from tmd.daemon.workers import Workers
from tmd.posix.logfiles import LogTarget
from tmd.posix.succession import Succession
from tmd.tree.node import Origin
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import RUNNING_STATES, SIGNALLABLE_STATES, DaemonState, ProcessState

T = TypeVar("T")

JOB_CONTROL = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGCONT})
"""signals that suspend or resume a job: they go to the whole process group"""


class Daemon:
    """Implements `DaemonSurface` on top of the runtime and the configuration."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        service: ServiceReports,
        configuration: Configuration,
        history: History,
        gauges: Gauges,
        counters: Counters,
        workers: Workers,
        main_target: LogTarget | None,
        servers: Sequence[ServerSpec],
        figures: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._runtime = runtime
        self._service = service
        self._configuration = configuration
        self._history = history
        self._gauges = gauges
        self._counters = counters
        self.requests = Requests(runtime)
        self.upgrading: Upgrading
        """set before anybody can ask"""
        self._given: Operation[Any] | None = None
        self._joining = Joining(runtime, configuration)
        self._workers = workers
        self._main_target = main_target
        self._servers = tuple(servers)
        self._figures = figures
        self._state = DaemonState.RUNNING

    # --- facts ------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._runtime.settings

    @property
    def available(self) -> Settings:
        """The settings last read."""
        return self._configuration.available

    @property
    def state(self) -> DaemonState:
        """RUNNING, RESTARTING or SHUTDOWN."""
        return self._state

    @property
    def pid(self) -> int:
        """The daemon's pid."""
        return os.getpid()

    @property
    def config_path(self) -> str:
        """The file the next reread reads."""
        return self._configuration.path

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Where the values last read stand."""
        return self._configuration.origins

    @property
    def running(self) -> bool:
        """Whether the daemon is not on its way down."""
        return self._state is DaemonState.RUNNING

    def groups(self) -> list[GroupView]:
        """Return the active groups in (priority, name) order."""
        return [
            GroupView(group.spec, tuple(member.spec.id for member in group.members.values()))
            for group in self._runtime.overseer.ordered_groups()
        ]

    def group(self, name: str) -> GroupView | None:
        """Return one active group."""
        group = self._runtime.overseer.groups.get(name)
        return GroupView(group.spec, tuple(m.spec.id for m in group.members.values())) if group else None

    def view(self, id: ProcessId) -> ProcessView | None:  # noqa: A002 - the surface's word
        """Return one process."""
        return self._runtime.views.of(id)

    def views(self) -> list[ProcessView]:
        """Return all processes, sorted by group name, then process name."""
        return self._runtime.views.all()

    def opened(self, servers: Sequence[ServerSpec]) -> None:
        """Take note of which listeners are open, of those that were to be."""
        self._servers = tuple(servers)

    def servers(self) -> Sequence[ServerSpec]:
        """Return the listeners that are open."""
        return self._servers

    def figures(self) -> dict[str, Any]:
        """Return the daemon's own counters."""
        return {
            **self._figures(),
            **self._runtime.lives.trees.figures(),
            **self.upgrading.figures(),
            **{f"journal_{name}": count for name, count in self._runtime.journal.figures._asdict().items()},
            "notices": self._runtime.bus.serial,
            "children": len(self._runtime.lives),
            "events_dropped": self._runtime.listeners.dropped,
            "alerts_dropped": self._runtime.alerts.dropped,
            "faults": dict(self.troubles.counts),
        }

    # --- processes --------------------------------------------------------------------------------------------

    def start(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Start processes in the order given."""
        return self._handed() or self.requests.start(ids, wait=wait)

    def stop(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Stop processes: falling priority, each level awaited; within a level all at once."""
        return self._handed() or self.requests.stop(ids, wait=wait)

    def restart_processes(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Stop what runs and start all; goes on whatever becomes of the client."""
        return self._handed() or self.requests.restart(ids, wait=wait, still=lambda: self.running)

    def signal(self, ids: Sequence[ProcessId], signum: int) -> list[Result]:
        """Send a signal; job-control signals go to the whole process group."""
        results = []
        for id_ in ids:
            if self.requests.state_of(id_) not in SIGNALLABLE_STATES:
                results.append(refused(id_, Fault.NOT_RUNNING))
                continue
            self._history.relayed(id_, signum)
            self._runtime.tell(id_, i.SignalAsked(signum, whole_group=signum in JOB_CONTROL))
            results.append(Result(id_))
        return results

    def send_stdin(self, id: ProcessId, data: bytes) -> None:  # noqa: A002 - the surface's word
        """Queue bytes for a process's stdin."""
        life = self._runtime.lives.get(id)
        if life is None or self.requests.state_of(id) is ProcessState.STOPPING:
            raise RpcFault(Fault.NOT_RUNNING, id.namespec)
        try:
            taken = life.stdin.offer(data)
        except BrokenPipeError as why:
            raise RpcFault(Fault.NO_FILE, id.namespec) from why
        if taken:
            self.troubles.over("stdin", id.namespec, f"'{id.namespec}' reads its stdin again")
        if not taken:
            reads_not = f"cannot write to stdin of '{id.namespec}': it does not read, and a megabyte waits"
            self.troubles.happened("stdin", id.namespec, reads_not)
            raise RpcFault(Fault.FAILED, f"cannot write to stdin of {id.namespec}: it does not read (nothing was sent)")

    def terminal(self, id: ProcessId) -> Terminal | None:  # noqa: A002 - the surface's word
        """Return the terminal of a process."""
        life = self._runtime.lives.get(id)
        return life.terminal if life is not None else None

    def remote_event(self, kind: str, data: str) -> None:
        """Publish `RemoteCommunicated`."""
        self._runtime.bus.offer(n.RemoteCommunicated(kind, data))

    def emit(self, name: str, payload: str) -> bool:
        """Publish `EventEmitted`; `name` in whatever case, subscriptions know one only."""
        return self._runtime.bus.offer(emitted(name, payload))

    def subscribe(self, callback: Callable[[str, str], None]) -> Callable[[], None]:
        """Call back with name and payload of every event, but for TICKs."""
        return self._runtime.bus.subscribe(events_only(callback))

    def on_notice(self, callback: Callable[[n.Notice], None]) -> Callable[[], None]:
        """Call back with every notice as it is told."""
        return self._runtime.bus.subscribe(lambda told: callback(told.notice))

    @property
    def history(self) -> History:
        """The last ends of each process."""
        return self._history

    @property
    def gauges(self) -> Gauges:
        """What processes use."""
        return self._gauges

    @property
    def counters(self) -> Counters:
        """What happened."""
        return self._counters

    def pools(self) -> list[PoolView]:
        """Return the pools of event listeners, by name."""
        return self._runtime.listeners.views()

    @property
    def alerts(self) -> Alerts:
        """The sinks of alerts."""
        return self._runtime.alerts

    # --- logs -------------------------------------------------------------------------------------------------

    def clear_logs(self, ids: Sequence[ProcessId]) -> Operation[list[Result]]:
        """Empty the logs of processes, running or not."""
        targets = {id_: list(self._runtime.logbook.targets(id_)) for id_ in ids}
        operation: Operation[list[Result]] = Operation()

        def done(errors: Mapping[LogTarget, str]) -> None:
            results = []
            for id_, mine in targets.items():
                why = next((errors[target] for target in mine if target in errors), None)
                results.append(Result(id_) if why is None else Result(id_, Fault.FAILED, f"{id_.namespec}: {why}"))
            operation.resolve(results)

        self._runtime.drain.clear([target for mine in targets.values() for target in mine], done)
        return operation

    def clear_main_log(self) -> Operation[bool]:
        """Empty the daemon's own log."""
        if self._main_target is None or not os.path.exists(self._main_target.path):
            raise RpcFault(Fault.NO_FILE)
        operation: Operation[bool] = Operation()

        def done(errors: Mapping[LogTarget, str]) -> None:
            if errors:
                operation.refuse(RpcFault(Fault.FAILED, "; ".join(errors.values())))
                return
            self._runtime.mainlog.info("reopening log file")
            operation.resolve(True)

        self._runtime.drain.clear([self._main_target], done)
        return operation

    def main_logfile(self) -> str | None:
        """Return the path of the daemon's own log."""
        return self._main_target.path if self._main_target else None

    def follow(self, path: str, wake: Callable[[], None]) -> Succession:
        """Tell which files follow one another at a log's path."""
        return self._runtime.drain.follow(LogTarget(path), wake)

    # --- configuration ----------------------------------------------------------------------------------------

    def reread(self, path: str | None = None) -> Plan:
        """Read the configuration; change no process."""
        return self._configuration.reread(self._runtime, path)

    def update(self, names: Sequence[str] = ()) -> Operation[Plan]:
        """Apply what was last read to the named groups, or to all."""
        if (handed := self._handed()) is not None:
            return handed
        self._refuse_when_stopping()
        plan = self._configuration.plan(self._runtime)
        if names:
            known = {group.name for group in self.available.groups} | set(self._runtime.overseer.groups)
            for name in names:
                if name not in known:
                    raise RpcFault(Fault.BAD_NAME, name)
            plan = Plan(
                added=tuple(group for group in plan.added if group.name in names),
                changed=tuple(change for change in plan.changed if change.name in names),
                removed=tuple(name for name in plan.removed if name in names),
            )
        return self._apply(plan)

    def reload(self) -> Operation[Plan | None]:
        """Do what SIGHUP does in the file's dialect."""
        if (handed := self._handed()) is not None:
            return handed
        self._refuse_when_stopping()
        operation: Operation[Plan | None] = Operation()
        if self.settings.dialect is Dialect.SUPERVISOR:
            self.restart()
            operation.resolve(None)
            return operation
        self._service.reloading()
        try:
            self.reread()
        except RpcFault:
            self._service.ready()
            raise

        def done(update: Operation[Plan]) -> None:
            self._service.ready()
            if update.fault is not None:
                operation.refuse(update.fault)
            else:
                operation.resolve(update.value)

        update = self.update()
        operation.awaited = update.awaited
        update.then(done)
        return operation

    def add_group(self, name: str) -> None:
        """Activate an available group."""
        active = name in self._runtime.overseer.groups
        spec = self.available.group(name) if active else self._configuration.put_back(name)
        if spec is None or active:
            raise RpcFault(Fault.ALREADY_ADDED if spec else Fault.BAD_NAME, name)
        self._runtime.feed(i.AddGroupAsked(spec))

    def remove_group(self, name: str) -> None:
        """Remove an active group whose processes are all at rest."""
        group = self._runtime.overseer.groups.get(name)
        if group is None:
            raise RpcFault(Fault.BAD_NAME, name)
        if not all(member.process.at_rest for member in group.members.values()):
            raise RpcFault(Fault.STILL_RUNNING, name)
        self._configuration.set_aside(name)
        self._runtime.feed(i.RemoveGroupAsked(name))

    def read_program(self, group: str, name: str, options: Mapping[str, str]) -> Sequence[ProcessSpec]:
        """Return what `add_program` would add."""
        return self._joining.read(group, name, options).processes

    def add_program(self, group: str, name: str, options: Mapping[str, str]) -> Sequence[ProcessId]:
        """Add a program to a group, which is made if there is none."""
        self._refuse_when_stopping()
        return self._joining.add(group, name, options)

    def remove_process(self, id: ProcessId) -> None:  # noqa: A002 - the surface's word
        """Remove a process that was added at run time and is at rest."""
        self._refuse_when_stopping()
        self._joining.remove(id)

    def shutdown(self) -> None:
        """Stop everything in order and end."""
        if self._state is not DaemonState.SHUTDOWN:  # a restart under way becomes an end
            self._state = DaemonState.SHUTDOWN
            self._service.stopping()
            self._runtime.feed(i.ShutdownAsked())

    def restart(self) -> None:
        """Stop everything in order, start again from what the files say; refused when they are broken."""
        self._refuse_when_stopping()
        self._configuration.prepare_restart(self._runtime)
        self._state = DaemonState.RESTARTING
        self._service.restarting()
        self._runtime.feed(i.ShutdownAsked())

    def upgrade(self) -> Operation[Mapping[str, Any]]:
        """Make way for a new version in the same process."""
        return self.upgrading.ask()

    def hand(self, operation: Operation[Any] | None) -> None:
        """Have the next request return this."""
        self._given = operation

    def _handed(self) -> Operation[Any] | None:
        given, self._given = self._given, None
        return given

    # --- service to handlers ----------------------------------------------------------------------------------

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back on the loop after a delay; returns a function that cancels."""
        return self._runtime.loop.call_later(delay_s, callback).cancel

    @property
    def troubles(self) -> Troubles:
        """What the machine does to us."""
        return self._runtime.troubles

    def room_for_files(self) -> bool:
        """Tell whether clients may have more files opened for them."""
        return self._runtime.lives.room_for_files()

    def in_worker(self, work: Callable[[], T]) -> Operation[T]:
        """Run something that may block on a worker thread."""
        return self._workers.run(work)

    def post(self, callback: Callable[[], None]) -> None:
        """Call back on the loop in its next turn; from any thread."""
        self._runtime.loop.post(callback)

    def log(self, level: Level, text: str) -> None:
        """Write a line for an extension."""
        self._runtime.mainlog.log(level, text)

    def log_trace(self, text: str) -> None:
        """Write a TRAC line."""
        self._runtime.mainlog.log(Level.TRAC, text)

    def log_error(self, text: str) -> None:
        """Write an ERRO line."""
        self._runtime.mainlog.error(text)

    # --- inside -----------------------------------------------------------------------------------------------

    def _apply(self, plan: Plan) -> Operation[Plan]:
        running = frozenset(
            member.spec.id
            for group in self._runtime.overseer.groups.values()
            for member in group.members.values()
            if member.process.state in RUNNING_STATES
        )
        operation = self._runtime.waiting.for_plan(plan, running)
        for name in plan.removed:
            self._runtime.feed(i.RemoveGroupAsked(name))
        for change in plan.changed:
            self._runtime.feed(i.ChangeGroupAsked(change))
        for group in plan.added:
            self._runtime.feed(i.AddGroupAsked(group))
        self._configuration.apply_live(self._runtime)
        return operation

    def _refuse_when_stopping(self) -> None:
        if not self.running:
            raise RpcFault(Fault.SHUTDOWN_STATE)
