"""The configuration over time: what is in force, what was last read, what a restart will begin with.

All or nothing: a file with problems changes nothing, and every problem of it is told.
"""

from collections.abc import Callable, Mapping, Sequence

from tmd.config.additions import Addition, read_addition
from tmd.config.load import Loaded
from tmd.config.plan import Plan, daemon_changes, plan_update
from tmd.config.settings import Dialect, GroupSpec, ProcessSpec, Settings
from tmd.core import notices as n
from tmd.daemon.additions import Additions
from tmd.daemon.runtime import Runtime
from tmd.tree.node import Origin
from tmd.tree.problems import ConfigRefused
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId

LIVE_DAEMON_OPTIONS = frozenset({"loglevel", "exit_on", "stop_grace"})
"""options of the daemon itself that an update applies; others wait for a restart, and that is said"""


class Configuration:
    """Reads through `load(path)`, which raises `ConfigRefused`."""

    def __init__(self, path: str, loaded: Loaded, load: Callable[[str], Loaded]) -> None:
        self.path = path
        self.available: Settings = loaded.settings
        """what was last read, with what was added at run time"""
        self.additions = Additions()
        self._read_last = loaded
        self.next: Loaded | None = None
        """what a restart that was asked for will begin with"""
        self._applied: Settings = loaded.settings
        self._load = load

    @property
    def applied(self) -> Settings:
        """What is in force, as far as it can change while the daemon runs."""
        return self._applied

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was warned of when the file was last read; it is said again only when it is new."""
        return self._read_last.warnings

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Where the values of the file last read stand."""
        return self._read_last.origins

    def reread(self, runtime: Runtime, path: str | None) -> Plan:
        """Read the file, or another one from now on; return what an update would do."""
        target = path or self.path
        loaded = self._read(runtime, target)
        for note in loaded.notes:
            runtime.mainlog.info(note)
        for warning in loaded.warnings:
            if warning not in self.warnings:
                runtime.mainlog.warn(warning)
        self.path, self._read_last = target, loaded
        self.additions.forget_aside()
        for id_ in self.additions.give_way(loaded.settings):
            runtime.mainlog.info(f"{id_.namespec} was added at run time; from now on what the file says of it counts")
        self._merge()
        plan = self.plan(runtime)
        names = (
            tuple(group.name for group in plan.added),
            tuple(change.name for change in plan.changed),
            plan.removed,
        )
        if plan.empty:
            runtime.mainlog.info(f"configuration read from {target}: no changes to programs")
        else:
            kinds = zip(("added", "changed", "removed"), names, strict=True)
            said = "; ".join(f"{kind}: {', '.join(which)}" for kind, which in kinds if which)
            runtime.mainlog.info(f"configuration read from {target}: {said}")
        runtime.bus.publish(n.ConfigReloaded(target, *names))
        return plan

    def read_addition(self, group: str, name: str, options: Mapping[str, str]) -> Addition:
        """Return what a program's section would mean in the file last read; raises `ConfigRefused`."""
        return read_addition(self._read_last.basis, group, name, options)

    def add(self, group: GroupSpec, processes: Sequence[ProcessSpec]) -> None:
        """Keep processes that joined a group at run time."""
        self.additions.add(group, processes)
        self._merge()

    def remove_addition(self, id_: ProcessId) -> None:
        """Forget a process that joined at run time."""
        self.additions.remove(id_)
        self._merge()

    def take_over(self, additions: tuple[list[GroupSpec], list[GroupSpec]]) -> list[ProcessId]:
        """Go on with what joined under an earlier daemon; return what has to give way to the file."""
        self.additions.take_over(additions)
        gone = self.additions.give_way(self._read_last.settings)
        self._merge()
        return gone

    def set_aside(self, name: str) -> None:
        """A group is removed: what joined it at run time goes with it, until it is added again or a file is read."""
        self.additions.set_aside(name)
        self._merge()

    def put_back(self, name: str) -> GroupSpec | None:
        """A group is to be added: what went with it comes back. Return it, None when there is no such group."""
        self.additions.put_back(name)
        self._merge()
        return self.available.group(name)

    def _merge(self) -> None:
        self.available = self.additions.merged(self._read_last.settings)

    def plan(self, runtime: Runtime) -> Plan:
        """Return what it takes to get from the active groups to those last read."""
        # A group on its way out is not active: wanted again, it is added again, and stays.
        return plan_update(runtime.overseer.active(), self.available.groups)

    def prepare_restart(self, runtime: Runtime) -> None:
        """Read what the restart will begin with, now, while a broken file can still be refused."""
        self.next = self._read(runtime, self.path)

    def apply_live(self, runtime: Runtime) -> None:
        """Apply what can change in the daemon itself; say what has to wait for a restart."""
        old, new = self._applied, self.available
        self._applied = new
        runtime.alerts.apply(new.alerts)
        level = new.daemon.loglevel
        if old.daemon.loglevel != level:
            runtime.mainlog.level = level
            runtime.lives.copy_output(on=level <= Level.DEBG)
            runtime.mainlog.info(f"log level is now {level.name}")
        if runtime.settings.dialect is Dialect.NATIVE:
            for name in daemon_changes(old, new):
                if name not in LIVE_DAEMON_OPTIONS:
                    runtime.mainlog.warn(f"'{name}' changed: takes effect when the daemon is restarted")

    def _read(self, runtime: Runtime, path: str) -> Loaded:
        try:
            return self._load(path)
        except ConfigRefused as refusal:
            for line in refusal.text.splitlines():
                runtime.mainlog.error(f"configuration refused, nothing changed: {line}")
            runtime.bus.publish(n.ConfigRejected(path, tuple(refusal.text.splitlines())))
            text = refusal.supervisor_text
            if runtime.settings.dialect is Dialect.NATIVE:
                text = refusal.text
            raise RpcFault(Fault.CANT_REREAD, text) from refusal
