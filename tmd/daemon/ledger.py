"""The ledger: when each process was last started and stopped, by the wall clock, for display only."""

from typing import ClassVar

from tmd.core import notices as n
from tmd.daemon.bus import Told
from tmd.wire.names import ProcessId


class Ledger:
    """Fed by the bus; answers with epoch seconds, 0 for never."""

    HEARS: ClassVar[tuple[type[n.Notice], ...]] = (
        n.ProcessStarting,
        n.ProcessExited,
        n.ProcessStopped,
        n.ProcessBackoff,
        n.ProcessRemoved,
    )

    def __init__(self) -> None:
        self._start: dict[ProcessId, float] = {}
        self._stop: dict[ProcessId, float] = {}

    def hear(self, told: Told) -> None:
        """Take note of a notice."""
        match told.notice:
            case n.ProcessStarting(id=id_):
                self._start[id_] = told.wall
            case n.ProcessExited(id=id_):
                self._stop[id_] = told.wall
            case n.ProcessStopped(id=id_, pid=pid) if pid:
                self._stop[id_] = told.wall
            case n.ProcessBackoff(id=id_, pid=int()):
                self._stop[id_] = told.wall
            case n.ProcessRemoved(id=id_):
                self._start.pop(id_, None)
                self._stop.pop(id_, None)

    def restore(self, id_: ProcessId, start: float, stop: float) -> None:
        """Take what an earlier daemon knew of a process that has joined."""
        self._start[id_], self._stop[id_] = start, stop

    def shift(self, seconds: float) -> None:
        """The clock was set: tell all times as it would have told them."""
        for times in (self._start, self._stop):
            for id_, at in times.items():
                if at:
                    times[id_] = at + seconds

    def start(self, id_: ProcessId) -> float:
        """When it was last started."""
        return self._start.get(id_, 0.0)

    def stop(self, id_: ProcessId) -> float:
        """When it last ended."""
        return self._stop.get(id_, 0.0)
