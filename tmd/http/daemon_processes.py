"""Groups and processes as an extension sees them: live, under the names that Supervisor's own objects have.

Nothing here is kept: each value is looked up when it is asked for, and each verb goes the way of the RPC method. What
is written into a list or a dict that was handed out reaches nobody.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from tmd.config.settings import AUTO, Autorestart, GroupSpec, ProcessSpec
from tmd.daemon.surface import DaemonSurface, ProcessView, Result
from tmd.http.lookup import verdict
from tmd.http.own_thread import OwnThread
from tmd.http.supervisor_api import signal_number
from tmd.wire.names import ProcessId
from tmd.wire.states import STOPPED_STATES, ProcessState

_FIELDS = frozenset(ProcessSpec.__struct_fields__)


class Reach(NamedTuple):
    """What all of these look things up with."""

    daemon: DaemonSurface
    own_thread: OwnThread
    options: Any
    """Supervisor's objects have it all over the place"""
    group: Callable[[str], GroupSpec | None]


class ProcessConfig:
    """The settings of a process: every option of its section by name, as it is in force."""

    __slots__ = ("_batch", "_reach", "_spec")

    def __init__(self, reach: Reach, spec: ProcessSpec, batch: "Batch | None" = None) -> None:
        self._reach, self._spec, self._batch = reach, spec, batch

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(f"the settings of a process have no {name!r}")
        value = getattr(self._spec, name)
        if isinstance(value, dict):
            return dict(value)
        return list(value) if isinstance(value, tuple) else value

    @property
    def options(self) -> Any:
        """The daemon's options."""
        return self._reach.options

    @property
    def autorestart(self) -> bool | str:
        """False, True or `unexpected`."""
        value = self._spec.autorestart
        return value.value if value is Autorestart.UNEXPECTED else value is Autorestart.ALWAYS

    @property
    def stdout_logfile(self) -> str | None:
        """The real path, None for none."""
        return self._logfile(self._spec.stdout_logfile, "stdout_logfile")

    @property
    def stderr_logfile(self) -> str | None:
        """The real path, None for none."""
        return self._logfile(self._spec.stderr_logfile, "stderr_logfile")

    def _logfile(self, configured: str | None, name: str) -> str | None:
        if configured != AUTO:
            return configured
        view = self._reach.daemon.view(self._spec.id)
        return (getattr(view, name) or None) if view is not None else None

    def create_autochildlogs(self) -> None:
        """Do nothing: a process that joins gets its logs."""

    def make_process(self, _group: Any = None) -> "NewProcess":
        """Return what makes a group take up a process that `processes_from_section` read."""
        if self._batch is None:
            raise ValueError(f"{self._spec.id.namespec} is there already")
        return NewProcess(self, self._batch)


class Batch:
    """The processes of one section that was read at run time; they join together."""

    def __init__(self, reach: Reach, group: str, program: str, options: Mapping[str, str]) -> None:
        self._reach, self.group, self._program, self._options = reach, group, program, options
        self._added = False

    def configs(self) -> list[ProcessConfig]:
        """Return what the section asks for. INCORRECT_PARAMETERS."""
        daemon = self._reach.daemon
        specs = self._reach.own_thread.run(lambda: daemon.read_program(self.group, self._program, self._options))
        return [ProcessConfig(self._reach, spec, self) for spec in specs]

    def add(self) -> None:
        """Add them, once."""
        if not self._added:
            self._added = True
            daemon = self._reach.daemon
            self._reach.own_thread.run(lambda: daemon.add_program(self.group, self._program, self._options))


class NewProcess:
    """A process that has not joined its group: `group.processes[name] = this` does it."""

    def __init__(self, config: ProcessConfig, batch: Batch) -> None:
        self.config = config
        self.batch = batch


class ProcessObject:
    """One process. Once it has been removed, it is as if it had never been started."""

    __slots__ = ("_id", "_reach", "_spec", "group")

    def __init__(self, reach: Reach, spec: ProcessSpec, group: "GroupObject") -> None:
        self._reach, self._spec, self._id = reach, spec, spec.id
        self.group = group

    def __repr__(self) -> str:
        return f"<process {self._id.namespec}, {self.state.name}>"

    @property
    def config(self) -> ProcessConfig:
        """Its settings."""
        view = self._view()
        return ProcessConfig(self._reach, view.spec if view is not None else self._spec)

    @property
    def pid(self) -> int:
        """0 when there is none."""
        view = self._view()
        return view.pid if view is not None else 0

    @property
    def state(self) -> ProcessState:
        """Supervisor's number for its state."""
        view = self._view()
        return view.state if view is not None else ProcessState.STOPPED

    @property
    def laststart(self) -> float:
        """Epoch seconds of the last start, 0 for never."""
        view = self._view()
        return view.start if view is not None else 0

    @property
    def laststop(self) -> float:
        """Epoch seconds of the last end, 0 for never."""
        view = self._view()
        return view.stop if view is not None else 0

    @property
    def spawnerr(self) -> str | None:
        """What went wrong with the last start."""
        view = self._view()
        return (view.spawnerr or None) if view is not None else None

    @property
    def exitstatus(self) -> int:
        """The last exit status, -1 for a signal, 0 if there was none."""
        view = self._view()
        return view.exitstatus if view is not None else 0

    @property
    def killing(self) -> bool:
        """Whether it is being stopped."""
        return self.state is ProcessState.STOPPING

    @property
    def administrative_stop(self) -> bool:
        """Whether somebody asked for it to be stopped."""
        view = self._view()
        return view is not None and view.stopped_by_hand

    def get_state(self) -> ProcessState:
        """Return `state`."""
        return self.state

    def get_execv_args(self) -> tuple[str, list[str]]:
        """Return the program as written and its argument list."""
        words = shlex.split(self.config.command)
        return words[0], words

    def spawn(self) -> None:
        """Start it, without waiting; raises the fault that startProcess would give."""
        self._do(lambda daemon: daemon.start([self._id], wait=False).value)

    def stop(self) -> None:
        """Stop it, without waiting."""
        self._do(lambda daemon: daemon.stop([self._id], wait=False).value)

    def signal(self, signal: int | str) -> None:
        """Send a signal, by number or name."""
        self._do(lambda daemon: daemon.signal([self._id], signal_number(signal)))

    def write(self, chars: str | bytes) -> None:
        """Write to its stdin."""
        data = chars.encode() if isinstance(chars, str) else chars
        self._reach.own_thread.run(lambda: self._reach.daemon.send_stdin(self._id, data))

    def removelogs(self) -> None:
        """Empty its logs."""
        self._reach.own_thread.run(lambda: self._reach.daemon.clear_logs([self._id]))

    def transition(self) -> None:
        """Do nothing: a state is up to date whenever it is looked at."""

    def stop_report(self) -> None:
        """Do nothing: the log says by itself whom is waited for."""

    def _do(self, verb: Callable[[DaemonSurface], Sequence[Result] | None]) -> None:
        results = self._reach.own_thread.run(lambda: verb(self._reach.daemon))
        verdict(results or (), self._id.namespec)

    def _view(self) -> ProcessView | None:
        return self._reach.daemon.view(self._id)


class Processes(MutableMapping[str, ProcessObject]):
    """The processes of a group by name, in configured order.

    Setting takes what `make_process` returned, and adds it; deleting removes one that was added at run time.
    """

    def __init__(self, reach: Reach, group: "GroupObject") -> None:
        self._reach, self._group = reach, group

    def __getitem__(self, name: str) -> ProcessObject:
        view = self._reach.daemon.view(ProcessId(self._group.name, name))
        if view is not None:
            return ProcessObject(self._reach, view.spec, self._group)
        for spec in self._group.specs():
            if spec.name == name:
                return ProcessObject(self._reach, spec, self._group)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter([spec.name for spec in self._group.specs()])

    def __len__(self) -> int:
        return len(self._group.specs())

    def __setitem__(self, name: str, process: Any) -> None:
        if not isinstance(process, NewProcess) or process.batch.group != self._group.name:
            raise TypeError(f"cannot set process {name!r}: not what make_process returned for this group")
        process.batch.add()

    def __delitem__(self, name: str) -> None:
        id_ = ProcessId(self._group.name, name)
        self._reach.own_thread.run(lambda: self._reach.daemon.remove_process(id_))


class GroupConfig:
    """The settings of a group."""

    __slots__ = ("_reach", "_spec")

    def __init__(self, reach: Reach, spec: GroupSpec) -> None:
        self._reach, self._spec = reach, spec

    @property
    def name(self) -> str:
        """The group's name."""
        return self._spec.name

    @property
    def priority(self) -> int:
        """The group's priority."""
        return self._spec.priority

    @property
    def process_configs(self) -> list[ProcessConfig]:
        """The settings of its processes, in configured order; a list of one's own."""
        return [ProcessConfig(self._reach, spec) for spec in self._spec.processes]

    @property
    def options(self) -> Any:
        """The daemon's options."""
        return self._reach.options


class GroupObject:
    """One group. Once it has been removed, it is as it last was."""

    __slots__ = ("_last", "_reach", "name")

    def __init__(self, reach: Reach, spec: GroupSpec) -> None:
        self._reach, self._last = reach, spec
        self.name = spec.name

    def specs(self) -> Sequence[ProcessSpec]:
        """Return the specs of its processes."""
        return self._spec().processes

    @property
    def config(self) -> GroupConfig:
        """Its settings."""
        return GroupConfig(self._reach, self._spec())

    @property
    def processes(self) -> Processes:
        """Its processes by name."""
        return Processes(self._reach, self)

    def get_unstopped_processes(self) -> list[ProcessObject]:
        """Return those that are up, on the way up, or on the way down."""
        return [process for process in self.processes.values() if process.state not in STOPPED_STATES]

    def transition(self) -> None:
        """Do nothing: states are up to date whenever they are looked at."""

    def _spec(self) -> GroupSpec:
        found = self._reach.group(self.name)
        if found is not None:
            self._last = found
        return self._last


class Groups(Mapping[str, GroupObject]):
    """The active groups by name, in order of priority, then name."""

    def __init__(self, reach: Reach, names: Callable[[], list[str]]) -> None:
        self._reach, self._names = reach, names

    def __getitem__(self, name: str) -> GroupObject:
        spec = self._reach.group(name)
        if spec is None:
            raise KeyError(name)
        return GroupObject(self._reach, spec)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())
