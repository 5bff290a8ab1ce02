"""What was added at run time and not removed since, kept beside whatever the files say.

Where a file comes to have a process of the same name, the file wins. Nothing here starts or stops anything.
"""

from collections.abc import Sequence

import msgspec

from tmd.config.settings import GroupSpec, ProcessSpec, Settings
from tmd.wire.names import ProcessId


class Additions:
    """Processes by group, in the order they came."""

    def __init__(self) -> None:
        self._groups: dict[str, GroupSpec] = {}
        """each with what was added to it, and nothing else"""
        self._aside: dict[str, GroupSpec] = {}
        """the same of groups that were removed: an update by Supervisor's client removes a group and adds it again"""

    def __contains__(self, id_: ProcessId) -> bool:
        group = self._groups.get(id_.group)
        return group is not None and any(spec.id == id_ for spec in group.processes)

    def add(self, group: GroupSpec, processes: Sequence[ProcessSpec]) -> None:
        """Keep processes that joined a group; should its own settings vanish, it keeps the present ones."""
        known = self._groups.get(group.name)
        earlier = known.processes if known is not None else ()
        self._groups[group.name] = msgspec.structs.replace(group, processes=(*earlier, *processes))
        self._aside.pop(group.name, None)

    def remove(self, id_: ProcessId) -> None:
        """Forget a process."""
        group = self._groups[id_.group]
        left = tuple(spec for spec in group.processes if spec.id != id_)
        self._groups[id_.group] = msgspec.structs.replace(group, processes=left)
        if not left:
            del self._groups[id_.group]

    def set_aside(self, name: str) -> None:
        """Take out all that was added to a group, for as long as it may be put back."""
        self._aside.pop(name, None)
        if (group := self._groups.pop(name, None)) is not None:
            self._aside[name] = group

    def put_back(self, name: str) -> None:
        """Take in again what was set aside."""
        if (group := self._aside.pop(name, None)) is not None:
            self._groups[name] = group

    def state(self) -> tuple[list[GroupSpec], list[GroupSpec]]:
        """Return what was added, and what is set aside, for another daemon to go on with."""
        return list(self._groups.values()), list(self._aside.values())

    def take_over(self, state: tuple[list[GroupSpec], list[GroupSpec]]) -> None:
        """Go on where an earlier daemon was."""
        self._groups, self._aside = ({group.name: group for group in groups} for groups in state)

    def forget_aside(self) -> None:
        """Forget what was set aside."""
        self._aside.clear()

    def give_way(self, settings: Settings) -> list[ProcessId]:
        """Forget what settings have themselves, or have no place for; return what was forgotten."""
        forgotten = []
        for group in list(self._groups.values()):
            configured = settings.group(group.name)
            if configured is None:
                continue
            taken = {spec.name for spec in configured.processes}
            gone = [spec.id for spec in group.processes if spec.name in taken or configured.pool is not None]
            for id_ in gone:
                self.remove(id_)
            forgotten += gone
        return forgotten

    def merged(self, settings: Settings) -> Settings:
        """Return the settings with the additions in them, groups in (priority, name) order."""
        if not self._groups:
            return settings
        groups = {group.name: group for group in settings.groups}
        for name, added in self._groups.items():
            configured = groups.get(name)
            if configured is None:
                groups[name] = added
            else:
                groups[name] = msgspec.structs.replace(configured, processes=(*configured.processes, *added.processes))
        ordered = tuple(sorted(groups.values(), key=lambda group: (group.priority, group.name)))
        return msgspec.structs.replace(settings, groups=ordered)
