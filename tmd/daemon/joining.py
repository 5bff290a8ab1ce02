"""Programs that join and processes that leave while the daemon runs, without a line in any file."""

import itertools
import os
from collections.abc import Mapping

import msgspec

from tmd.config.additions import Addition
from tmd.config.plan import GroupChange
from tmd.config.settings import AUTO, Dialect, GroupSpec, ProcessSpec
from tmd.core import inputs as i
from tmd.daemon.configuration import Configuration
from tmd.daemon.logbook import CHANNELS, stream_options
from tmd.daemon.runtime import Runtime
from tmd.tree.problems import ConfigRefused
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId


class Joining:
    """Reads, checks, and tells both the core and the configuration."""

    def __init__(self, runtime: Runtime, configuration: Configuration) -> None:
        self._runtime, self._configuration = runtime, configuration

    def read(self, group: str, name: str, options: Mapping[str, str]) -> Addition:
        """Return what a section would mean. INCORRECT_PARAMETERS with all problems."""
        try:
            return self._configuration.read_addition(group, name, options)
        except ConfigRefused as refusal:
            told = (str(problem).removeprefix(f"{problem.origin}: ") for problem in refusal.problems)
            raise RpcFault(Fault.INCORRECT_PARAMETERS, "; ".join(told)) from refusal

    def add(self, group: str, name: str, options: Mapping[str, str]) -> list[ProcessId]:
        """Add a program. BAD_NAME, FAILED, INCORRECT_PARAMETERS."""
        addition = self.read(group, name, options)
        active = self._active(group)
        configured = self._configuration.available.group(group)
        _check_room(addition.processes, active, configured)
        for warning in addition.warnings:
            self._runtime.mainlog.warn(warning)
        if not addition.processes:
            return []
        base = active or configured or _new_group(group, name, addition.processes)
        self._configuration.add(base, addition.processes)
        ids = [spec.id for spec in addition.processes]
        self._runtime.mainlog.info(f"added at run time: {', '.join(id_.namespec for id_ in ids)}")
        if active is None:
            self._runtime.feed(i.AddGroupAsked(msgspec.structs.replace(base, processes=addition.processes)))
        else:
            new = msgspec.structs.replace(active, processes=(*active.processes, *addition.processes))
            self._runtime.feed(i.ChangeGroupAsked(GroupChange(old=active, new=new, added=addition.processes)))
        return ids

    def remove(self, id_: ProcessId) -> None:
        """Remove a process that was added, and with the last one a group that was made for it."""
        member = self._runtime.overseer.member(id_)
        group = self._active(id_.group)
        if member is None or member.leaving or group is None:
            raise RpcFault(Fault.BAD_NAME, id_.namespec)
        if id_ not in self._configuration.additions:
            why = "it is in the configuration (take it out there, then update)"
            raise RpcFault(Fault.FAILED, f"cannot remove {id_.namespec}: {why}")
        if not member.process.at_rest:
            raise RpcFault(Fault.STILL_RUNNING, id_.namespec)
        self._configuration.remove_addition(id_)
        self._runtime.mainlog.info(f"removed at run time: {id_.namespec}")
        generated = self._generated_logs(member.spec)
        self._drop(id_, group)
        for path in generated:
            _unlink_log(path)

    def _generated_logs(self, spec: ProcessSpec) -> list[str]:
        """Return the logs of a process that get a new name each time it is added: nobody would come back to them."""
        if self._runtime.settings.dialect is not Dialect.SUPERVISOR:
            return []
        paths = (
            self._runtime.logbook.path(spec.id, channel)
            for channel in CHANNELS
            if stream_options(spec, channel)[0] == AUTO
        )
        return [path for path in paths if path]

    def _drop(self, id_: ProcessId, group: GroupSpec) -> None:
        left = tuple(spec for spec in group.processes if spec.id != id_)
        if not left and self._configuration.available.group(id_.group) is None:
            self._runtime.feed(i.RemoveGroupAsked(id_.group))
            return
        new = msgspec.structs.replace(group, processes=left)
        self._runtime.feed(i.ChangeGroupAsked(GroupChange(old=group, new=new, removed=(id_,))))

    def _active(self, name: str) -> GroupSpec | None:
        group = self._runtime.overseer.groups.get(name)
        return None if group is None or group.leaving else group.spec


def _unlink_log(path: str) -> None:
    """Remove a log and its rotated backups, which have no holes."""
    for name in itertools.chain((path,), (f"{path}.{number}" for number in itertools.count(1))):
        try:
            os.unlink(name)
        except OSError:
            return  # that was the last one; one that cannot be removed is a file too many, and no harm


def _check_room(processes: tuple[ProcessSpec, ...], *groups: GroupSpec | None) -> None:
    for group in groups:
        if group is None:
            continue
        if group.pool is not None:
            raise RpcFault(Fault.FAILED, f"cannot add to '{group.name}': it is a pool of event listeners")
        taken = {spec.name for spec in group.processes}
        for spec in processes:
            if spec.name in taken:
                raise RpcFault(Fault.BAD_NAME, spec.id.namespec)


def _new_group(name: str, program: str, processes: tuple[ProcessSpec, ...]) -> GroupSpec:
    """Return the group that the file would have: a program by itself has its own priority."""
    if name == program:
        return GroupSpec(name=name, kind="program", priority=processes[0].priority)
    return GroupSpec(name=name, kind="group")
