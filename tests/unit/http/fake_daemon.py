"""A daemon that is a table of processes: what floor 5 sees, without anything being started."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tmd.config.plan import GroupChange, Plan
from tmd.config.settings import DaemonSettings, Dialect, GroupSpec, ProcessSpec, ServerSpec, Settings
from tmd.core.delivery import PoolView
from tmd.core.ends import End
from tmd.core.gauge import Counts, Gauge
from tmd.core.notices import Notice
from tmd.core.traffic import Traffic
from tmd.daemon.sinks import SinkView
from tmd.daemon.surface import Channel, GroupView, Operation, ProcessView, Result, completed
from tmd.daemon.terminals import Terminal
from tmd.daemon.troubles import Troubles
from tmd.posix.loop import Loop
from tmd.posix.succession import Succession
from tmd.tree.node import Origin
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import RUNNING_STATES, SIGNALLABLE_STATES, DaemonState, ProcessState

T = TypeVar("T")
NOW = 1_700_000_000.0


def group_of(name: str, *processes: ProcessSpec, priority: int = 999) -> GroupSpec:
    return GroupSpec(name=name, priority=priority, processes=processes, kind="group")


def spec_of(name: str, group: str = "", **settings: Any) -> ProcessSpec:
    return ProcessSpec(name=name, group=group or name, program=name, command=f"/bin/{name}", **settings)


class FakeAlerts:
    """Sinks whose samples are answered when the test says so."""

    def __init__(self) -> None:
        self.sinks: list[SinkView] = []
        self.tests: dict[str, Operation[str]] = {}

    def names(self) -> list[str]:
        return [sink.name for sink in self.sinks]

    def views(self) -> list[SinkView]:
        return self.sinks

    def test(self, name: str) -> Operation[str]:
        return self.tests.setdefault(name, Operation())


class FakeHistory:
    """Ends by process."""

    def __init__(self) -> None:
        self.started_at = NOW - 1000
        self.starts = [NOW - 1000]
        self.past: dict[ProcessId, list[End]] = {}

    def ends(self, id_: ProcessId) -> list[End]:
        return self.past.get(id_, [])

    def trouble(self, id_: ProcessId) -> str:
        return "not permitted" if id_.process == "stuck" else ""

    def life_began(self, id_: ProcessId) -> float:
        return NOW - 500


class FakeGauges:
    """Gauges a test fills; `fresh` is settled by the test when `hold` is on."""

    def __init__(self) -> None:
        self.table: dict[ProcessId, Gauge] = {}
        self.daemon: Gauge | None = None
        self.rings: dict[ProcessId, tuple[Gauge, ...]] = {}
        self.watchers = 0
        self.hold = False
        self.asked: list[Operation[None]] = []
        self.callbacks: list[Callable[[], None]] = []

    def watch(self) -> Callable[[], None]:
        self.watchers += 1

        def end() -> None:
            self.watchers -= 1

        return end

    def of(self, id_: ProcessId) -> Gauge | None:
        return self.table.get(id_)

    def own(self) -> Gauge | None:
        return self.daemon

    def history(self, id_: ProcessId) -> tuple[Gauge, ...]:
        return self.rings.get(id_, ())

    def fresh(self) -> Operation[None]:
        operation: Operation[None] = Operation()
        self.asked.append(operation)
        if not self.hold:
            operation.resolve(None)
        return operation

    def on_sample(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def sample(self) -> None:
        """Tell that a sample was taken."""
        for callback in tuple(self.callbacks):
            callback()


class FakeCounters:
    """Counts a test fills."""

    def __init__(self) -> None:
        self.table: dict[ProcessId, Counts] = {}
        self.bytes: dict[tuple[ProcessId, Channel], int] = {}
        self.traffic = Traffic()
        self.log_losses: dict[str, int] = {}

    def of(self, id_: ProcessId) -> Counts:
        return self.table.get(id_) or Counts()

    def log_bytes(self, id_: ProcessId, channel: Channel) -> int:
        return self.bytes.get((id_, channel), 0)


class FakeDaemon:
    """Implements `DaemonSurface`. What is asked of it is in `asked`; waiting operations are kept in `held`."""

    def __init__(self, directory: Path, loop: Loop | None = None) -> None:
        self.directory = directory
        self.loop = loop
        self.asked: list[tuple[Any, ...]] = []
        self.handed: Operation[Any] | None = None
        self.errors: list[str] = []
        self.traces: list[str] = []
        self.logged: list[tuple[str, str]] = []
        self.subscribers: list[Callable[[str, str], None]] = []
        self.hearers: list[Callable[[Notice], None]] = []
        self.origins: dict[str, Origin] = {}
        self.worked: list[str] = []
        self.held: list[Operation[Any]] = []
        self.timers: set[object] = set()
        """armed by `call_later` and neither fired nor cancelled"""
        self.hold = False
        self.room = True
        """there are files left for clients"""
        self.state = DaemonState.RUNNING
        self.pid = 4242
        self.config_path = "/etc/taskmaster.yaml"
        self.mainlog: str | None = str(directory / "main.log")
        self.table: dict[ProcessId, ProcessView] = {}
        self.specs: dict[str, GroupSpec] = {}
        self.outcomes: dict[ProcessId, Result] = {}
        self.plan = Plan()
        self.alerts = FakeAlerts()
        self.history = FakeHistory()
        self.gauges = FakeGauges()
        self.counters = FakeCounters()
        self.terminals: dict[ProcessId, Terminal] = {}
        self.troubles = Troubles(lambda: NOW, lambda level, text: self.logged.append((level.name, text)))
        self.settings = Settings(
            dialect=Dialect.SUPERVISOR,
            daemon=DaemonSettings(logfile=str(directory / "main.log"), pidfile="/nowhere", childlogdir="/nowhere"),
        )
        self.available = self.settings

    # --- set-up -----------------------------------------------------------------------------------------------

    def add(self, group: GroupSpec, state: ProcessState = ProcessState.STOPPED) -> None:
        self.specs[group.name] = group
        for spec in group.processes:
            self.table[spec.id] = ProcessView(
                id=spec.id,
                spec=spec,
                state=state,
                pid=100 + len(self.table) if state in SIGNALLABLE_STATES else 0,
                start=NOW - 3661 if state != ProcessState.STOPPED else 0,
                stop=NOW - 60 if state == ProcessState.EXITED else 0,
                now=NOW,
                spawnerr="",
                exitstatus=0,
                stdout_logfile=str(self.directory / f"{spec.name}.out"),
                stderr_logfile=str(self.directory / f"{spec.name}.err"),
                paused=False,
                starts=1,
                stopped_by_hand=False,
            )
        self.available = msgspec.structs.replace(self.settings, groups=tuple(self.specs.values()))

    def change(self, name: str, group: str = "", **fields: Any) -> None:
        id_ = ProcessId(group or name, name)
        self.table[id_] = msgspec.structs.replace(self.table[id_], **fields)

    # --- the surface ------------------------------------------------------------------------------------------

    def groups(self) -> Sequence[GroupView]:
        ordered = sorted(self.specs.values(), key=lambda spec: (spec.priority, spec.name))
        return [GroupView(spec, tuple(process.id for process in spec.processes)) for spec in ordered]

    def group(self, name: str) -> GroupView | None:
        return next((group for group in self.groups() if group.spec.name == name), None)

    def view(self, id: ProcessId) -> ProcessView | None:  # noqa: A002
        return self.table.get(id)

    def views(self) -> Sequence[ProcessView]:
        return [self.table[id_] for id_ in sorted(self.table)]

    def start(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        self.asked.append(("start", list(ids), wait))
        return self._operate(ids, RUNNING_STATES, Fault.ALREADY_STARTED, ProcessState.RUNNING)

    def stop(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        self.asked.append(("stop", list(ids), wait))
        resting = frozenset(ProcessState) - RUNNING_STATES
        return self._operate(ids, resting, Fault.NOT_RUNNING, ProcessState.STOPPED)

    def _operate(
        self, ids: Sequence[ProcessId], there: frozenset[ProcessState], fault: Fault, then: ProcessState
    ) -> Operation[list[Result]]:
        results = []
        for id_ in ids:
            if id_ in self.outcomes:
                results.append(self.outcomes[id_])
            elif self.table[id_].state in there:
                results.append(Result(id_, fault))
            else:
                self.table[id_] = msgspec.structs.replace(self.table[id_], state=then)
                results.append(Result(id_))
        return self._answer(results)

    def _answer(self, value: T) -> Operation[T]:
        if not self.hold:
            return completed(value)
        operation: Operation[T] = Operation()
        self.held.append(operation)
        return operation

    def restart_processes(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        self.asked.append(("restart_processes", list(ids), wait))
        return self._answer([Result(id_) for id_ in ids])

    def signal(self, ids: Sequence[ProcessId], signum: int) -> list[Result]:
        self.asked.append(("signal", list(ids), signum))
        return [
            self.outcomes.get(
                id_,
                Result(id_) if self.table[id_].state in SIGNALLABLE_STATES else Result(id_, Fault.NOT_RUNNING),
            )
            for id_ in ids
        ]

    def send_stdin(self, id: ProcessId, data: bytes) -> None:  # noqa: A002
        if self.table[id].state not in SIGNALLABLE_STATES:
            raise RpcFault(Fault.NOT_RUNNING, id.namespec)
        self.asked.append(("send_stdin", id, data))

    def terminal(self, id: ProcessId) -> Terminal | None:  # noqa: A002
        return self.terminals.get(id)

    def remote_event(self, kind: str, data: str) -> None:
        self.asked.append(("remote_event", kind, data))

    def clear_logs(self, ids: Sequence[ProcessId]) -> Operation[list[Result]]:
        self.asked.append(("clear_logs", list(ids)))
        return self._answer([self.outcomes.get(id_, Result(id_)) for id_ in ids])

    def clear_main_log(self) -> Operation[bool]:
        self.asked.append(("clear_main_log",))
        return self._answer(True)

    def main_logfile(self) -> str | None:
        return self.mainlog

    def reread(self, path: str | None = None) -> Plan:
        self.asked.append(("reread", path))
        return self.plan

    def update(self, names: Sequence[str] = ()) -> Operation[Plan]:
        self.asked.append(("update", tuple(names)))
        return self._answer(self.plan)

    def reload(self) -> Operation[Plan | None]:
        self.asked.append(("reload",))
        return self._answer(None if self.settings.dialect is Dialect.SUPERVISOR else self.plan)

    def upgrade(self) -> Operation[Mapping[str, Any]]:
        self.asked.append(("upgrade",))
        return self._answer({"from": "1", "to": "2", "upgrades": 0, "children": 3})

    def hand(self, operation: Operation[Any] | None) -> None:
        self.handed = operation

    def add_group(self, name: str) -> None:
        self.asked.append(("add_group", name))
        if name in self.specs:
            raise RpcFault(Fault.ALREADY_ADDED, name)

    def remove_group(self, name: str) -> None:
        self.asked.append(("remove_group", name))
        if name not in self.specs:
            raise RpcFault(Fault.BAD_NAME, name)

    def read_program(self, group: str, name: str, options: Mapping[str, str]) -> Sequence[ProcessSpec]:
        if "command" not in options:
            raise RpcFault(Fault.INCORRECT_PARAMETERS, f"program section program:{name} does not specify a command")
        numprocs = int(options.get("numprocs", 1))
        names = [name] if numprocs == 1 else [f"{name}_{number}" for number in range(numprocs)]
        return [spec_of(each, group) for each in names]

    def add_program(self, group: str, name: str, options: Mapping[str, str]) -> Sequence[ProcessId]:
        self.asked.append(("add_program", group, name, dict(options)))
        specs = self.read_program(group, name, options)
        old = self.specs.get(group)
        self.add(group_of(group, *(old.processes if old else ()), *specs))
        return [spec.id for spec in specs]

    def remove_process(self, id: ProcessId) -> None:  # noqa: A002
        self.asked.append(("remove_process", id))
        group = self.specs[id.group]
        left = [spec for spec in group.processes if spec.id != id]
        self.specs[id.group] = msgspec.structs.replace(group, processes=tuple(left))
        del self.table[id]

    def emit(self, name: str, payload: str) -> bool:
        self.asked.append(("emit", name, payload))
        return True

    def subscribe(self, callback: Callable[[str, str], None]) -> Callable[[], None]:
        self.subscribers.append(callback)
        return lambda: self.subscribers.remove(callback)

    def on_notice(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        self.hearers.append(callback)
        return lambda: self.hearers.remove(callback)

    def tell(self, notice: Notice) -> None:
        """Tell all who hear."""
        for callback in tuple(self.hearers):
            callback(notice)

    def pools(self) -> Sequence[PoolView]:
        return []

    def log(self, level: Level, text: str) -> None:
        self.logged.append((level.name, text))

    def post(self, callback: Callable[[], None]) -> None:
        assert self.loop is not None
        self.loop.post(callback)

    def shutdown(self) -> None:
        self.asked.append(("shutdown",))
        self.state = DaemonState.SHUTDOWN

    def restart(self) -> None:
        self.asked.append(("restart",))
        self.state = DaemonState.RESTARTING

    def follow(self, path: str, wake: Callable[[], None]) -> Succession:
        return Succession(wake, Succession.end)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Callable[[], None]:
        assert self.loop is not None
        token = object()

        def fire() -> None:
            self.timers.discard(token)
            callback()

        def cancel() -> None:
            self.timers.discard(token)
            timer.cancel()

        self.timers.add(token)
        timer = self.loop.call_later(delay_s, fire)
        return cancel

    def room_for_files(self) -> bool:
        return self.room

    def in_worker(self, work: Callable[[], T]) -> Operation[T]:
        operation: Operation[T] = Operation()
        loop = self.loop
        assert loop is not None

        def run() -> None:
            self.worked.append(threading.current_thread().name)
            try:
                value = work()
            except RpcFault as fault:
                refused = fault
                loop.post(lambda: operation.refuse(refused))
            else:
                loop.post(lambda: operation.resolve(value))

        threading.Thread(target=run, name="fake-worker", daemon=True).start()
        return operation

    def log_trace(self, text: str) -> None:
        self.traces.append(text)

    def log_error(self, text: str) -> None:
        self.errors.append(text)

    def figures(self) -> dict[str, Any]:
        return {"wakeups": 12, "lag_max_s": 0.25}

    def servers(self) -> Sequence[ServerSpec]:
        return []


def changed(old: GroupSpec, new: GroupSpec, **lists: Any) -> GroupChange:
    return GroupChange(old=old, new=new, **lists)
