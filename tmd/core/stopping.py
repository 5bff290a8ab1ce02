"""Stopping many processes in order: level by level, each level gone before the next is asked.

Holds who is still to be asked and who is waited for. The asking is the overseer's.
"""

from collections.abc import Collection

import msgspec

from tmd.core.group import Group, Member, in_order
from tmd.core.process import Process, Wanted
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

REPORT_EVERY_S = 3.0
"""How often a waiting stop looks round, and a shutdown says whom it waits for."""

SURVIVOR_GRACE_S = 10.0
"""How long after the first SIGKILL a process is still waited for. What lives on is stuck in the kernel: nothing that
anybody could do from outside would end it, so everything else goes on without it."""


class UnfinishedStop(msgspec.Struct, frozen=True):
    """A stop of several levels as another daemon goes on with it; fields as in `StopPlan`."""

    levels: list[list[ProcessId]]
    waiting: list[ProcessId]
    by_hand: bool


class StopPlan:
    """A stop of several levels. `levels`: still to be asked; `waiting`: asked and not down yet, in the order asked."""

    def __init__(self, levels: list[list[ProcessId]], *, by_hand: bool) -> None:
        self.levels = levels
        self.by_hand = by_hand
        self.at_once = False
        """no level waits for another one any more"""
        self.waiting: dict[ProcessId, None] = {}
        self.abandoned: set[ProcessId] = set()
        self.token: int | None = None
        """of the timer that is armed for this plan"""

    @property
    def done(self) -> bool:
        """Whether nobody is left to ask or to wait for."""
        return not self.levels and not self.waiting

    def spare(self, id: ProcessId) -> bool:  # noqa: A002
        """Take a process out that was not asked yet; return whether there was one."""
        planned = any(id in level for level in self.levels)
        self.levels = [[other for other in level if other != id] for level in self.levels]
        return planned


def is_going(process: Process) -> bool:
    """Whether it is on its way down. No longer when it is down, and not when the kernel refuses to signal it."""
    return (
        process.state is ProcessState.STOPPING
        or process.prestopping
        or (process.in_flight and process.wanted is not Wanted.UP)
    )


def survives(process: Process, now: float) -> bool:
    """Whether it outlived SIGKILL for longer than anybody should wait."""
    return process.kill_sent_at is not None and now >= process.kill_sent_at + SURVIVOR_GRACE_S


def next_look(members: Collection[Member], now: float) -> float:
    """Return when a plan that waits for these has to look round again."""
    kills = [member.process.kill_sent_at for member in members if member.process.kill_sent_at is not None]
    return min([now + REPORT_EVERY_S, *(max(now, at + SURVIVOR_GRACE_S) for at in kills)])


def shutdown_levels(groups: dict[str, Group]) -> list[list[ProcessId]]:
    """Return one level for each group priority, falling; inside a group falling process priority."""
    levels: dict[int, list[ProcessId]] = {}
    for group in reversed(in_order(groups)):
        level = levels.setdefault(group.spec.priority, [])
        level.extend(member.id for member in group.stop_order())
    return list(levels.values())


def process_levels(groups: dict[str, Group], ids: Collection[ProcessId]) -> list[list[ProcessId]]:
    """Return one level for each (group priority, process priority) among `ids`, falling."""
    wanted = set(ids)
    levels: dict[tuple[int, int], list[ProcessId]] = {}
    for group in reversed(in_order(groups)):
        for member in group.stop_order():
            if member.id in wanted:
                levels.setdefault((group.spec.priority, member.spec.priority), []).append(member.id)
    return [levels[key] for key in sorted(levels, reverse=True)]
