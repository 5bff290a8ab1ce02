"""A group: processes that join, leave, start and stop under one name, and the orders they do it in.

Says in which order; never who, when or whether: that is the overseer's.
"""

from tmd.config.settings import GroupSpec, ProcessSpec
from tmd.core.process import Process


class Member:
    """One process in its group, named by `id`.

    `spec`: the settings of its present life. `next_spec`: those of its next one, when a change waits for the present
    life to end. `leaving`: it disappears as soon as it is at rest. `restored`: what it was under an earlier daemon goes
    on, and nothing of it starts on its own.
    """

    __slots__ = ("id", "leaving", "next_spec", "process", "restored", "spec")

    def __init__(self, spec: ProcessSpec) -> None:
        self.id = spec.id
        self.spec = spec
        self.process = Process()
        self.next_spec: ProcessSpec | None = None
        self.leaving = False
        self.restored = False


class Group:
    """Members by name, in configured order; those on their way out come last."""

    __slots__ = ("leaving", "members", "spec")

    def __init__(self, spec: GroupSpec) -> None:
        self.spec = spec
        self.members: dict[str, Member] = {}
        self.leaving = False

    def start_order(self) -> list[Member]:
        """Return the order of automatic starts: of a program by (priority, name), of a group as configured."""
        members = list(self.members.values())
        if self.spec.kind == "group":
            return members
        return sorted(members, key=lambda member: (member.spec.priority, member.spec.name))

    def stop_order(self) -> list[Member]:
        """Return the order of stops: falling priority, of equals the last configured first."""
        return sorted(self.members.values(), key=lambda member: member.spec.priority)[::-1]


def in_order(groups: dict[str, Group]) -> list[Group]:
    """Return groups by (priority, name): the order of starts; stops go the other way."""
    return sorted(groups.values(), key=lambda group: (group.spec.priority, group.spec.name))
