"""The difference between the groups that are active and the groups a configuration asks for."""

from zlib import crc32

import msgspec

from tmd.config.option import Effect
from tmd.config.program_options import PROGRAM
from tmd.config.settings import DaemonSettings, GroupSpec, ProcessSpec, Settings
from tmd.wire.names import ProcessId


class GroupChange(msgspec.Struct, frozen=True, kw_only=True):
    """One group that stays but differs. Every process of old and new is in at most one of the four lists."""

    old: GroupSpec
    new: GroupSpec
    added: tuple[ProcessSpec, ...] = ()
    removed: tuple[ProcessId, ...] = ()
    restart: tuple[ProcessSpec, ...] = ()
    """the new spec differs in something that only a new process can have"""
    live: tuple[ProcessSpec, ...] = ()
    """the new spec differs only in what applies without a restart"""

    @property
    def name(self) -> str:
        """The group's name."""
        return self.new.name

    @property
    def kept(self) -> tuple[ProcessId, ...]:
        """The processes that go on as they are, under the new settings or untouched."""
        touched = {*self.removed, *(spec.id for spec in self.restart)}
        stay = {spec.id for spec in self.new.processes}
        return tuple(spec.id for spec in self.old.processes if spec.id in stay and spec.id not in touched)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an update would do. `added` and `changed` in configured order, `removed` in active order."""

    added: tuple[GroupSpec, ...] = ()
    changed: tuple[GroupChange, ...] = ()
    removed: tuple[str, ...] = ()
    held: tuple[tuple[ProcessId, str], ...] = ()
    """once it was applied: the restarts that a hook has refused, with its reason; the new settings wait"""

    @property
    def empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.changed or self.removed)


_OPTIONS = {option.name: option for option in PROGRAM}
_LABELS = {"name", "group", "program", "process_num", "user", "environment_own"}
"""fields that say what a process is called, or how its other fields came about, not what it is"""
_RESTART_FIELDS = tuple(
    field
    for field in ProcessSpec.__struct_fields__
    if field not in _LABELS and (field not in _OPTIONS or _OPTIONS[field].effect is Effect.RESTART)
)
"""what only a new process can have; a field that is no option of its own (uid, gid...) belongs here, too"""
_DEFAULTS = {
    field.name: {} if field.name == "environment" else field.default for field in msgspec.structs.fields(ProcessSpec)
}


def plan_update(active: tuple[GroupSpec, ...], wanted: tuple[GroupSpec, ...]) -> Plan:
    """Return what it takes to get from the active groups to the wanted ones."""
    active_by_name = {group.name: group for group in active}
    wanted_names = {group.name for group in wanted}
    changed = []
    for group in wanted:
        old = active_by_name.get(group.name)
        if old is not None and old != group:
            changed.append(_group_change(old, group))
    return Plan(
        added=tuple(group for group in wanted if group.name not in active_by_name),
        changed=tuple(changed),
        removed=tuple(group.name for group in active if group.name not in wanted_names),
    )


def _group_change(old: GroupSpec, new: GroupSpec) -> GroupChange:
    old_specs = {spec.id: spec for spec in old.processes}
    new_ids = {spec.id for spec in new.processes}
    differing = [spec for spec in new.processes if spec.id in old_specs and old_specs[spec.id] != spec]
    return GroupChange(
        old=old,
        new=new,
        added=tuple(spec for spec in new.processes if spec.id not in old_specs),
        removed=tuple(spec.id for spec in old.processes if spec.id not in new_ids),
        restart=tuple(spec for spec in differing if needs_restart(old_specs[spec.id], spec)),
        live=tuple(spec for spec in differing if not needs_restart(old_specs[spec.id], spec)),
    )


def needs_restart(old: ProcessSpec, new: ProcessSpec) -> bool:
    """Return whether two specs of one process differ in something that only a new process can have."""
    return any(getattr(old, field) != getattr(new, field) for field in _RESTART_FIELDS)


def fingerprint(spec: ProcessSpec) -> str:
    """Return a short word that differs where `needs_restart` would, for comparisons with what is no longer there.

    It stays the same over versions of the program: a setting that is not set adds nothing to it.
    """
    said = [(field, value) for field in _RESTART_FIELDS if (value := getattr(spec, field)) != _DEFAULTS.get(field)]
    data = repr([(field, sorted(value.items()) if isinstance(value, dict) else value) for field, value in said])
    return f"{crc32(data.encode(errors='surrogatepass')):08x}-{len(data):x}"


def daemon_changes(old: Settings, new: Settings) -> tuple[str, ...]:
    """Return the names of the daemon's own settings that differ: they want a new daemon.

    `servers` and `rpcinterfaces` are among them.
    """
    fields = DaemonSettings.__struct_fields__
    names = [field for field in fields if getattr(old.daemon, field) != getattr(new.daemon, field)]
    names += [field for field in ("servers", "rpcinterfaces") if getattr(old, field) != getattr(new, field)]
    return tuple(names)
