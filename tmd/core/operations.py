"""Accepted requests until their outcome: told notices, they tell who has arrived and who never will.

Pure bookkeeping. Who asked, and how the answer travels, is for the floor above.
"""

from collections.abc import Iterable
from typing import Literal

from tmd.core.notices import (
    Notice,
    ProcessBackoff,
    ProcessExited,
    ProcessFatal,
    ProcessRemoved,
    ProcessRunning,
    ProcessSpared,
    ProcessStopAborted,
    ProcessStopped,
    ProcessUnknown,
)
from tmd.wire.faults import Fault
from tmd.wire.names import ProcessId

Outcome = tuple[ProcessId, Fault, str]
"""Who, `Fault.SUCCESS` or what went wrong, and the detail that follows the fault's name."""


Telling = (
    ProcessRunning
    | ProcessBackoff
    | ProcessFatal
    | ProcessStopped
    | ProcessExited
    | ProcessUnknown
    | ProcessRemoved
    | ProcessSpared
    | ProcessStopAborted
)


class Awaiting:
    """Processes that are awaited up (`start`, `restart`) or down (`stop`).

    Make it before the request is fed to the overseer and let it hear every notice from then on. Each process gets
    exactly one outcome; `results` has them in the order they came about.
    """

    def __init__(self, kind: Literal["start", "stop", "restart"], ids: Iterable[ProcessId]) -> None:
        self.kind = kind
        self.results: list[Outcome] = []
        self.pending: dict[ProcessId, None] = dict.fromkeys(ids)

    @property
    def done(self) -> bool:
        """Whether every process has its outcome."""
        return not self.pending

    def hear(self, notice: Notice) -> None:
        """Take in a notice, of whatever process."""
        if not isinstance(notice, Telling) or notice.id not in self.pending:
            return
        fault = _down(notice) if self.kind == "stop" else _up(notice)
        if fault is not None:
            detail = notice.reason if isinstance(notice, ProcessUnknown | ProcessStopAborted) else notice.id.namespec
            self.settle(notice.id, fault, "" if fault is Fault.SUCCESS else detail)

    def settle(self, id: ProcessId, fault: Fault, detail: str = "") -> None:  # noqa: A002
        """Give a process its outcome, for a reason no notice tells. A second outcome is ignored."""
        if id in self.pending:
            del self.pending[id]
            self.results.append((id, fault, detail))

    def abandon(self, fault: Fault, detail: str = "") -> None:
        """Give every process that still lacks one the same outcome: the daemon ends."""
        for waiting in list(self.pending):
            self.settle(waiting, fault, detail)


def _up(notice: Telling) -> Fault | None:
    """Return what a notice means to somebody who waits for RUNNING; None: not decided yet."""
    match notice:
        case ProcessRunning():
            return Fault.SUCCESS
        case ProcessBackoff() | ProcessFatal():
            return Fault.SPAWN_ERROR
        case ProcessStopped() | ProcessExited():
            return None if notice.restarts else Fault.ABNORMAL_TERMINATION
        case ProcessUnknown() | ProcessStopAborted():
            return Fault.FAILED
        case ProcessRemoved():
            return Fault.ABNORMAL_TERMINATION
        case ProcessSpared():
            return None


def _down(notice: Telling) -> Fault | None:
    """Return what a notice means to somebody who waits for the process to be down; None: not decided yet."""
    match notice:
        case ProcessStopped() | ProcessFatal() | ProcessRemoved():
            return Fault.SUCCESS
        case ProcessExited():
            return None if notice.restarts else Fault.SUCCESS
        case ProcessUnknown() | ProcessSpared() | ProcessStopAborted():
            return Fault.FAILED
        case ProcessRunning() | ProcessBackoff():
            return None
