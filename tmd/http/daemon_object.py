"""The daemon as an extension sees it: `supervisord` to what was written for Supervisor.

A view that is looked up whenever it is asked, and a few verbs that go the way of the RPC methods: nothing that an
extension can do with it harms a process table. In another thread than the daemon's own, a verb waits for its turn.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tmd.config.settings import DaemonSettings, GroupSpec
from tmd.daemon.surface import DaemonSurface, Operation
from tmd.http.daemon_processes import Batch, GroupConfig, Groups, Reach
from tmd.http.deferred import Promise, Work
from tmd.http.foreign_values import fault_in, plain
from tmd.http.own_thread import OwnThread
from tmd.http.rpc import Pending, Rpc
from tmd.http.taskmaster_api import option_text
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import DaemonState

T = TypeVar("T")
_FIELDS = frozenset(DaemonSettings.__struct_fields__)
_ENDING = frozenset({"supervisor.restart", "supervisor.shutdown", "taskmaster.reload"})
"""methods that end this run of the daemon, or may"""


class Logger:
    """The daemon's own log; keywords are filled in by `%`, as by Supervisor's loggers."""

    __slots__ = ("_daemon",)
    handlers: Sequence[Any] = ()

    def __init__(self, daemon: DaemonSurface) -> None:
        self._daemon = daemon

    @property
    def level(self) -> Level:
        """The level of the configuration."""
        return self._daemon.settings.daemon.loglevel

    def log(self, level: int, msg: str, **kw: Any) -> None:
        """Write a line of that level, or of the next one below that there is (3, 5, 10, 20, 30, 40, 50)."""
        text = str(msg)
        if kw:
            try:
                text = text % kw
            except (KeyError, TypeError, ValueError):
                text = f"{text} {kw}"  # a bad format is no reason to lose what was to be said
        self._daemon.log(max((known for known in Level if known <= level), default=Level.BLAT), text)

    def blather(self, msg: str, **kw: Any) -> None:
        """Write a BLAT line."""
        self.log(Level.BLAT, msg, **kw)

    def trace(self, msg: str, **kw: Any) -> None:
        """Write a TRAC line."""
        self.log(Level.TRAC, msg, **kw)

    def debug(self, msg: str, **kw: Any) -> None:
        """Write a DEBG line."""
        self.log(Level.DEBG, msg, **kw)

    def info(self, msg: str, **kw: Any) -> None:
        """Write an INFO line."""
        self.log(Level.INFO, msg, **kw)

    def warn(self, msg: str, **kw: Any) -> None:
        """Write a WARN line."""
        self.log(Level.WARN, msg, **kw)

    def error(self, msg: str, **kw: Any) -> None:
        """Write an ERRO line."""
        self.log(Level.ERRO, msg, **kw)

    def critical(self, msg: str, **kw: Any) -> None:
        """Write a CRIT line."""
        self.log(Level.CRIT, msg, **kw)


class Options:
    """The daemon's settings: those of its own section by name, and what else Supervisor keeps beside them."""

    __slots__ = ("_daemon", "_reach", "logger")

    def __init__(self, daemon: DaemonSurface, reach: Callable[[], Reach]) -> None:
        self._daemon, self._reach = daemon, reach
        self.logger = Logger(daemon)

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(f"the options have no {name!r}")
        return getattr(self._daemon.settings.daemon, name)

    @property
    def logfile(self) -> str | None:
        """The daemon's own log, None when it has no file."""
        return self._daemon.main_logfile()

    @property
    def mood(self) -> DaemonState:
        """1 running, 0 restarting, -1 on its way down."""
        return self._daemon.state

    @property
    def configfile(self) -> str:
        """The configuration file."""
        return self._daemon.config_path

    @property
    def here(self) -> str:
        """The directory of the configuration file."""
        return os.path.dirname(os.path.abspath(self._daemon.config_path))

    @property
    def serverurl(self) -> str | None:
        """Where the daemon is reached, as its children are told."""
        return self._daemon.settings.serverurl

    @property
    def process_group_configs(self) -> list[GroupConfig]:
        """The groups of the configuration last read, active or not."""
        return [GroupConfig(self._reach(), group) for group in self._daemon.available.groups]

    @property
    def server_configs(self) -> list[dict[str, Any]]:
        """One dict for each listener, with the passwords."""
        return [_server_config(spec) for spec in self._daemon.settings.servers]

    def get_pid(self) -> int:
        """Return the daemon's pid."""
        return self._daemon.pid

    def processes_from_section(self, parser: Any, section: str, group_name: str) -> list[Any]:
        """Return what a section of a `ConfigParser` asks for; ValueError with all problems.

        `make_process` of what is returned, set into the group's `processes`, adds it.
        """
        program = section.partition(":")[2] or section
        options = {key: option_text(value) for key, value in parser.items(section)}
        try:
            return list(Batch(self._reach(), group_name, program, options).configs())
        except RpcFault as fault:
            raise ValueError(fault.detail or fault.text) from fault


def _server_config(spec: Any) -> dict[str, Any]:
    import socket  # noqa: PLC0415 - for its two numbers

    common = {"section": spec.section, "username": spec.username, "password": spec.password}
    if spec.family == "unix":
        return {"family": socket.AF_UNIX, "file": spec.file, "chmod": spec.chmod, **common}
    return {"family": socket.AF_INET, "host": spec.host, "port": spec.port, **common}


class DaemonObject:
    """What a factory is called with."""

    __slots__ = ("_closed", "_daemon", "_loaded", "_own_thread", "_rpc", "_unsubscribes", "options")

    def __init__(self, daemon: DaemonSurface, rpc: Rpc) -> None:
        self._daemon, self._rpc = daemon, rpc
        self._own_thread = OwnThread(daemon.post)
        self._loaded = self._closed = False
        self._unsubscribes: dict[Callable[[str, str], None], Callable[[], None]] = {}
        self.options = Options(daemon, self._reach)

    # --- to look at -------------------------------------------------------------------------------------------

    @property
    def process_groups(self) -> Groups:
        """The active groups by name; while extensions are being loaded, those that are about to be active."""
        return Groups(self._reach(), lambda: self._own_thread.look(self._group_names))

    @property
    def stopping(self) -> bool:
        """Whether the daemon is on its way down."""
        return self._daemon.state < DaemonState.RUNNING

    def get_state(self) -> DaemonState:
        """Return 1 running, 0 restarting, -1 on its way down."""
        return self._daemon.state

    # --- verbs ------------------------------------------------------------------------------------------------

    def call(self, method: str, *arguments: Any) -> Any:
        """Call any RPC method: its value, or a function to return as one's own result if it has to be waited for.

        That function has `then(callback)`, too. Raises `RpcFault`.
        """
        return self._own_thread.run(lambda: self._call(method, arguments))

    def _call(self, method: str, arguments: Sequence[Any]) -> Any:
        if method in _ENDING and not self._loaded:
            # An end asked for in every start would never come to an end: nobody else is heard in between.
            raise RpcFault(Fault.FAILED, f"cannot call {method} while extensions are being made")
        value = self._rpc.call(method, arguments)
        if isinstance(value, Pending):
            if not value.operation.done:
                return Promise(value, plain, self._daemon.log_error)
            value = value.outcome()
        return plain(value)

    def add_program(self, group: str, name: str, options: Mapping[str, Any]) -> list[str]:
        """Add a program to a group, which is made if need be; returns its processes as `group:name`."""
        texts = {str(key): option_text(value) for key, value in options.items()}
        ids = self._own_thread.run(lambda: self._daemon.add_program(group, name, texts))
        return [id_.namespec for id_ in ids]

    def remove_process(self, group: str, name: str) -> None:
        """Remove a process that was added at run time and is at rest."""
        self._own_thread.run(lambda: self._daemon.remove_process(ProcessId(group, name)))

    def add_process_group(self, config: Any) -> bool:
        """Activate a group of the configuration (by its config or name); False when it is active."""
        name = str(getattr(config, "name", config))
        if name in self.process_groups:
            return False
        self._own_thread.run(lambda: self._daemon.add_group(name))
        return True

    def remove_process_group(self, name: str) -> bool:
        """Remove a group; False while something of it runs."""
        group = self.process_groups.get(name)
        if group is not None and group.get_unstopped_processes():
            return False
        self._own_thread.run(lambda: self._daemon.remove_group(name))
        return True

    def emit(self, name: str, payload: str = "") -> bool:
        """Tell event listeners that subscribed to `name`, or to EVENT; False when it was dropped as an endless echo."""
        return self._own_thread.run(lambda: self._daemon.emit(name, payload))

    def subscribe(self, callback: Callable[[str, str], None]) -> Callable[[], None]:
        """Call `callback(name, payload)` with every event but TICKs, in the daemon's thread; returns what ends that.

        Names and payloads are those that event listeners get.
        """

        def hear(name: str, payload: str) -> None:
            if not self._closed:
                callback(name, payload)

        def end() -> None:
            if (unsubscribe := self._unsubscribes.pop(hear, None)) is not None:
                self._own_thread.run(unsubscribe)

        self._unsubscribes[hear] = self._own_thread.run(lambda: self._daemon.subscribe(hear))
        return end

    def call_later(self, delay_s: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call a function in the daemon's thread after a while; returns what cancels that."""
        cancel = self._own_thread.run(lambda: self._daemon.call_later(delay_s, self._unless_closed(function)))
        return lambda: self._own_thread.run(cancel)

    def post(self, function: Callable[[], None]) -> None:
        """Call a function in the daemon's thread, soon, and do not wait for it."""
        self._daemon.post(self._unless_closed(function))

    def in_worker(self, work: Callable[[], T]) -> Operation[T]:
        """Do what blocks in a thread of its own; return the result as one's own, or give it `then(callback)`."""

        def guarded() -> T:
            try:
                return work()
            except Exception as why:
                fault = fault_in(why)
                if fault is None:
                    raise
                raise fault from why

        return self._own_thread.run(lambda: Work(self._daemon.in_worker(guarded), self._daemon.log_error))

    def reap(self, **_how: Any) -> None:
        """Do nothing: what has ended is seen as it happens."""

    # --- for the one who made it ------------------------------------------------------------------------------

    def loaded(self) -> None:
        """All extensions are there; from now on the groups are those of the running daemon."""
        self._loaded = True

    def close(self) -> None:
        """Call nothing any more that was left with us."""
        self._closed = True
        for unsubscribe in self._unsubscribes.values():
            unsubscribe()
        self._unsubscribes.clear()

    def _reach(self) -> Reach:
        return Reach(self._daemon, self._own_thread, self.options, self._group)

    def _group(self, name: str) -> GroupSpec | None:
        if not self._loaded:
            return self._daemon.settings.group(name)
        group = self._own_thread.look(lambda: self._daemon.group(name))
        return group.spec if group is not None else None

    def _group_names(self) -> list[str]:
        if self._loaded:
            return [group.spec.name for group in self._daemon.groups()]
        return [group.name for group in self._daemon.settings.groups]

    def _unless_closed(self, function: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            if not self._closed:
                function()

        return call
