"""Processes as clients may see them: put together from what the core decided, the ledger and the logbook.

Nothing is kept: a thousand of them are asked for in one go, many times a second, and take a few milliseconds.
"""

from collections.abc import Callable

from tmd.core.group import Member
from tmd.core.overseer import Overseer
from tmd.daemon.ledger import Ledger
from tmd.daemon.logbook import Logbook
from tmd.daemon.surface import ProcessView
from tmd.wire.names import ProcessId


class Views:
    """Looks at all of these; changes none. `wall`: epoch seconds."""

    def __init__(self, overseer: Overseer, ledger: Ledger, logbook: Logbook, wall: Callable[[], float]) -> None:
        self._overseer, self._ledger, self._logbook, self._wall = overseer, ledger, logbook, wall

    def of(self, id_: ProcessId) -> ProcessView | None:
        """Return one process, None when there is no such one."""
        member = self._overseer.member(id_)
        # The clock first of all: what follows is told by it as it is by now.
        return self._view(id_, member, self._wall()) if member is not None else None

    def all(self) -> list[ProcessView]:
        """Return all processes, sorted by group name, then process name."""
        now, view = self._wall(), self._view
        return [
            view(ProcessId(group, name), member, now)
            for group, each in sorted(self._overseer.groups.items())
            for name, member in sorted(each.members.items())
        ]

    def _view(self, id_: ProcessId, member: Member, now: float) -> ProcessView:
        process, path = member.process, self._logbook.path
        return ProcessView(  # by position: it is made a hundred thousand times a second
            id_,
            member.spec,
            process.state,
            process.pid,
            self._ledger.start(id_),
            self._ledger.stop(id_),
            now,
            process.spawnerr,
            process.exitstatus,
            path(id_, "stdout"),
            path(id_, "stderr"),
            process.paused,
            process.starts,
            process.stopped_by_hand,
        )
