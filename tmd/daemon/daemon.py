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
from tmd.daemon.bus import emitted, events_only
from tmd.daemon.configuration import Configuration
from tmd.daemon.joining import Joining
from tmd.daemon.operations import pass_on, refused
from tmd.daemon.runtime import Runtime
from tmd.daemon.surface import GroupView, Operation, ProcessView, Result, completed
from tmd.daemon.workers import Workers
from tmd.posix.children import SpawnRefused
from tmd.posix.logfiles import LogTarget
from tmd.posix.succession import Succession
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import RUNNING_STATES, SIGNALLABLE_STATES, DaemonState, ProcessState

T = TypeVar("T")

JOB_CONTROL = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGCONT})
"""signals that suspend or resume a job: they go to the whole process group"""

STOP_REPORT_S = 2.0
"""how often a waiting stop says in the log whom it waits for (contract 4.4)"""


class Daemon:
    """Implements `DaemonSurface` on top of the runtime and the configuration."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        configuration: Configuration,
        workers: Workers,
        main_target: LogTarget | None,
        servers: Sequence[ServerSpec],
        figures: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._runtime = runtime
        self._configuration = configuration
        self._joining = Joining(runtime, configuration)
        self._workers = workers
        self._main_target = main_target
        self._servers = tuple(servers)
        self._figures = figures
        self._state = DaemonState.RUNNING
        self._restarting: set[ProcessId] = set()
        """stopped only to be started again; who is stopped by hand meanwhile leaves"""

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
        return self._runtime.view(id)

    def views(self) -> list[ProcessView]:
        """Return all processes, sorted by group name, then process name."""
        ids = sorted(
            member.spec.id for group in self._runtime.overseer.groups.values() for member in group.members.values()
        )
        return [view for id_ in ids if (view := self._runtime.view(id_)) is not None]

    def servers(self) -> Sequence[ServerSpec]:
        """Return the listeners that are open."""
        return self._servers

    def figures(self) -> dict[str, Any]:
        """Return the daemon's own counters."""
        return {
            **self._figures(),
            "notices": self._runtime.bus.serial,
            "children": len(self._runtime.lives),
            "events_dropped": self._runtime.listeners.dropped,
        }

    # --- processes --------------------------------------------------------------------------------------------

    def start(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Start processes in the order given."""
        if not wait:
            return completed([self._start_now(id_) for id_ in ids])
        immediate: list[Result] = []
        asked: list[ProcessId] = []
        for id_ in ids:
            if (refusal := self._why_not_start(id_, wait=True)) is not None:
                immediate.append(refusal)
            else:
                asked.append(id_)
        operation = self._runtime.waiting.for_processes("start", asked, immediate)
        for id_ in asked:
            self._runtime.tell(id_, i.StartAsked())
        return operation

    def _start_now(self, id_: ProcessId) -> Result:
        """Start one process; return what is known of it right after."""
        if (refusal := self._why_not_start(id_, wait=False)) is not None:
            return refusal
        self._runtime.tell(id_, i.StartAsked())
        return self._after_start(id_)

    def stop(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Stop processes: falling priority, each level awaited; within a level all at once."""
        immediate: list[Result] = []
        asked: list[ProcessId] = []
        for id_ in ids:
            state = self._process_state(id_)
            if state in RUNNING_STATES or (state is ProcessState.STOPPING and id_ in self._restarting):
                asked.append(id_)
            elif id_ in self._restarting:  # down already, and now to stay down
                self._runtime.tell(id_, i.StopAsked())
                self._restarting.discard(id_)
                immediate.append(Result(id_))
            else:
                immediate.append(refused(id_, Fault.NOT_RUNNING))
        self._restarting.difference_update(asked)
        if not wait:
            self._runtime.feed(i.StopInOrderAsked(tuple(asked)))
            return completed([*immediate, *(Result(id_) for id_ in asked)])
        operation = self._runtime.waiting.for_processes("stop", asked, immediate)
        self._runtime.feed(i.StopInOrderAsked(tuple(asked)))
        self._report_stops(asked, operation)
        return operation

    def restart_processes(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Stop what runs and start all; goes on whatever becomes of the client."""
        running = [id_ for id_ in ids if self._process_state(id_) in RUNNING_STATES]
        stopping = [id_ for id_ in ids if self._process_state(id_) is ProcessState.STOPPING]
        operation: Operation[list[Result]] = Operation()
        self._restarting.update(running, stopping)
        let_go = self._runtime.sockets.keep(ids)

        def stopped(stops: Operation[list[Result]]) -> None:
            start_again(stops)
            self._runtime.loop.call_soon(let_go)  # by then they are on their way

        def start_again(stops: Operation[list[Result]]) -> None:
            if stops.fault is not None or not self.running:
                operation.refuse(stops.fault or RpcFault(Fault.SHUTDOWN_STATE))
                return
            dropped = [id_ for id_ in (*running, *stopping) if id_ not in self._restarting]
            self._restarting.difference_update(running, stopping)
            present = [id_ for id_ in ids if self._runtime.overseer.member(id_) is not None and id_ not in dropped]
            overtaken = [refused(id_, Fault.ABNORMAL_TERMINATION) for id_ in dropped]
            self.start(present, wait=wait).then(lambda starts: pass_on(starts, operation, overtaken))

        stops = self._runtime.waiting.for_processes("stop", [*running, *stopping], ())
        if running:
            self._runtime.feed(i.StopInOrderAsked(tuple(running), by_hand=False))
        self._report_stops(running, stops)
        stops.then(stopped)
        return operation if wait else completed([Result(id_) for id_ in ids])

    def signal(self, ids: Sequence[ProcessId], signum: int) -> list[Result]:
        """Send a signal; job-control signals go to the whole process group."""
        results = []
        for id_ in ids:
            if self._process_state(id_) not in SIGNALLABLE_STATES:
                results.append(refused(id_, Fault.NOT_RUNNING))
                continue
            self._runtime.tell(id_, i.SignalAsked(signum, whole_group=signum in JOB_CONTROL))
            results.append(Result(id_))
        return results

    def send_stdin(self, id: ProcessId, data: bytes) -> None:  # noqa: A002 - the surface's word
        """Queue bytes for a process's stdin."""
        life = self._runtime.lives.get(id)
        if life is None or self._process_state(id) is ProcessState.STOPPING:
            raise RpcFault(Fault.NOT_RUNNING, id.namespec)
        try:
            taken = life.stdin.offer(data)
        except BrokenPipeError as why:
            raise RpcFault(Fault.NO_FILE, id.namespec) from why
        if not taken:
            raise RpcFault(Fault.FAILED, f"cannot write to stdin of {id.namespec}: it does not read (nothing was sent)")

    def remote_event(self, kind: str, data: str) -> None:
        """Publish `RemoteCommunicated`."""
        self._runtime.bus.offer(n.RemoteCommunicated(kind, data))

    def emit(self, name: str, payload: str) -> bool:
        """Publish `EventEmitted`; `name` in whatever case, subscriptions know one only."""
        return self._runtime.bus.offer(emitted(name, payload))

    def subscribe(self, callback: Callable[[str, str], None]) -> Callable[[], None]:
        """Call back with name and payload of every event, but for TICKs."""
        return self._runtime.bus.subscribe(events_only(callback))

    def pools(self) -> list[PoolView]:
        """Return the pools of event listeners, by name."""
        return self._runtime.listeners.views()

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
        self._refuse_when_stopping()
        operation: Operation[Plan | None] = Operation()
        if self.settings.dialect is Dialect.SUPERVISOR:
            self.restart()
            operation.resolve(None)
            return operation
        self.reread()

        def done(update: Operation[Plan]) -> None:
            if update.fault is not None:
                operation.refuse(update.fault)
            else:
                operation.resolve(update.value)

        self.update().then(done)
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
            self._runtime.feed(i.ShutdownAsked())

    def restart(self) -> None:
        """Stop everything in order, start again from what the files say; refused when they are broken."""
        self._refuse_when_stopping()
        self._configuration.prepare_restart(self._runtime)
        self._state = DaemonState.RESTARTING
        self._runtime.feed(i.ShutdownAsked())

    # --- service to handlers ----------------------------------------------------------------------------------

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back on the loop after a delay; returns a function that cancels."""
        return self._runtime.loop.call_later(delay_s, callback).cancel

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

    def _process_state(self, id_: ProcessId) -> ProcessState | None:
        member = self._runtime.overseer.member(id_)
        return member.process.state if member else None

    def _why_not_start(self, id_: ProcessId, *, wait: bool) -> Result | None:
        member = self._runtime.overseer.member(id_)
        if member is None:
            return refused(id_, Fault.BAD_NAME)
        try:
            self._runtime.lives.find_command(member.spec, self.settings.serverurl)
        except SpawnRefused as refusal:
            return refused(id_, refusal.fault, refusal.reason)
        state = member.process.state
        if member.leaving:
            return refused(id_, Fault.FAILED, f"cannot start {id_.namespec}: it is being removed")
        if state in RUNNING_STATES:
            return refused(id_, Fault.ALREADY_STARTED)
        if state is ProcessState.UNKNOWN and member.process.pid:
            reason = f"pid {member.process.pid} of it still runs, and the system refuses to signal it"
            return refused(id_, Fault.FAILED, f"cannot start {id_.namespec}: {reason}")
        if state is ProcessState.STOPPING and wait:
            self._runtime.tell(id_, i.StartAsked())
            return refused(id_, Fault.ABNORMAL_TERMINATION)
        return None

    def _after_start(self, id_: ProcessId) -> Result:
        """Tell what an unawaited start led to so far: a spawn refused at once is worth saying."""
        if self._process_state(id_) in (ProcessState.BACKOFF, ProcessState.FATAL):
            return refused(id_, Fault.SPAWN_ERROR)
        return Result(id_)

    def _report_stops(self, ids: Sequence[ProcessId], operation: Operation[list[Result]]) -> None:
        if operation.done:
            return
        for id_ in ids:
            if self._process_state(id_) is ProcessState.STOPPING:
                self._runtime.mainlog.info(f"waiting for {id_.process} to stop")
        timer = self._runtime.loop.call_later(STOP_REPORT_S, lambda: self._report_stops(ids, operation))
        operation.then(lambda _: timer.cancel())

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
