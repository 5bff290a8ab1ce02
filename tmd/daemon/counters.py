"""Counters: what happened to each process since it was added, as numbers that only grow. Fed by the bus.

A notice costs a few additions, whatever the number of processes.
"""

from collections.abc import Callable
from typing import ClassVar

import msgspec

from tmd.core import notices as n
from tmd.core.gauge import Counts, ExitKind, RestartReason
from tmd.core.inputs import ExitStatus, StopCause
from tmd.core.traffic import Traffic, TrafficState
from tmd.daemon.bus import Told
from tmd.daemon.surface import Channel
from tmd.posix.drain import Tally
from tmd.wire.names import ProcessId

_REASONS: dict[StopCause, RestartReason] = {
    "asked": "asked",
    "restart": "asked",
    "removed": "changed",
    "changed": "changed",
    "shutdown": "asked",
    "listener": "listener",
    "poststart": "hook",
    "outlived": "changed",
}


class CountersState(msgspec.Struct):
    """What was counted beside the `Counts` of each process, as another daemon goes on with it."""

    reasons: list[tuple[ProcessId, RestartReason]] = []
    output: list[tuple[ProcessId, Channel, int]] = []
    log_losses: dict[str, int] = {}
    traffic: TrafficState = msgspec.field(default_factory=TrafficState)


class Counters:
    """Implements `CountersSurface`. `spent(id, pid)`: the processor time that was last shown of the life of a pid."""

    HEARS: ClassVar[tuple[type[n.Notice], ...]] = (
        n.ProcessAdded,
        n.ProcessStarting,
        n.ProcessSpawned,
        n.ProcessExited,
        n.ProcessStopped,
        n.ProcessBackoff,
        n.ProcessFatal,
        n.ProcessRemoved,
        n.LogDropped,
    )

    def __init__(self, spent: Callable[[ProcessId, int], float]) -> None:
        self._spent = spent
        self._counts: dict[ProcessId, Counts] = {}
        self._reasons: dict[ProcessId, RestartReason] = {}
        """why a process that is down comes up again"""
        self._tallies: dict[tuple[ProcessId, Channel], Tally] = {}
        self.traffic = Traffic()
        self.log_losses: dict[str, int] = {}
        """bytes that could not be kept, by log"""

    def of(self, id_: ProcessId) -> Counts:
        """Return the counts of a process; all 0 for one that was never heard of."""
        return self._counts.get(id_) or Counts()

    def restore(self, id_: ProcessId, counts: Counts) -> None:
        """Take what an earlier daemon has counted of a process that has joined."""
        self._counts[id_] = counts

    def state(self) -> CountersState:
        """Return all there is, for another daemon to go on with."""
        output = [(id_, channel, tally.count) for (id_, channel), tally in self._tallies.items()]
        return CountersState(list(self._reasons.items()), output, self.log_losses, self.traffic.state())

    def take_over(self, state: CountersState) -> None:
        """Go on counting where an earlier daemon was; before anything is drained."""
        self._reasons |= dict(state.reasons)
        for id_, channel, count in state.output:
            self.tally(id_, channel).count = count
        self.log_losses |= state.log_losses
        self.traffic.resume(state.traffic)

    def log_bytes(self, id_: ProcessId, channel: Channel) -> int:
        """Return how many bytes of output were taken from all lives of a process, wherever they went."""
        tally = self._tallies.get((id_, channel))
        return tally.count if tally is not None else 0

    def tally(self, id_: ProcessId, channel: Channel) -> Tally:
        """Return what counts the output of one stream, the same one for every life."""
        tally = self._tallies.get((id_, channel))
        if tally is None:
            tally = self._tallies[(id_, channel)] = Tally()
        return tally

    def hear(self, told: Told) -> None:
        """Take a notice."""
        match told.notice:
            case n.ProcessAdded(id=id_):
                self._counts[id_] = Counts()
            case n.ProcessStarting(id=id_, again=True) if self.of(id_).starts:
                self._reasons.setdefault(id_, "asked")
            case n.ProcessSpawned(id=id_):
                self._started(id_)
            case n.ProcessExited(id=id_, pid=pid, status=status, expected=expected, restarts=restarts):
                kind: ExitKind = "signal" if status.signal is not None else "expected" if expected else "unexpected"
                self._ended(id_, pid, status, kind)
                if restarts:
                    self._reasons[id_] = "exited" if expected else "unexpected"
            case n.ProcessStopped(id=id_, pid=pid, status=status, restarts=restarts, cause=cause):
                self._reasons.pop(id_, None)
                if status is not None:
                    self._ended(id_, pid, status, "stopped")
                if restarts or cause == "restart":
                    self._reasons[id_] = _REASONS[cause]
            case n.ProcessBackoff(id=id_, pid=pid, status=status):
                if pid is None or status is None:
                    self._known(id_).spawn_failures += 1
                else:
                    self._ended(id_, pid, status, "failed")
                self._reasons[id_] = "failed"
            case n.ProcessFatal(id=id_):
                self._reasons.pop(id_, None)
            case n.ProcessRemoved(id=id_):
                self._forget(id_)
            case n.LogDropped(target=target, count=count):
                self.log_losses[target] = self.log_losses.get(target, 0) + count

    def _known(self, id_: ProcessId) -> Counts:
        return self._counts.setdefault(id_, Counts())

    def _started(self, id_: ProcessId) -> None:
        counts = self._known(id_)
        counts.starts += 1
        reason = self._reasons.pop(id_, None)
        if reason is not None:
            counts.restarts[reason] = counts.restarts.get(reason, 0) + 1

    def _ended(self, id_: ProcessId, pid: int, status: ExitStatus, kind: ExitKind) -> None:
        counts = self._known(id_)
        counts.exits[kind] = counts.exits.get(kind, 0) + 1
        counts.left_behind += status.left.count
        counts.last_exit = 128 + status.signal if status.signal is not None else status.code
        # The kernel knows of all that was waited for, the last sample also of what others have inherited.
        counts.ended_cpu_s += max(status.cpu_s, self._spent(id_, pid))

    def _forget(self, id_: ProcessId) -> None:
        self._counts.pop(id_, None)
        self._reasons.pop(id_, None)
        for channel in ("stdout", "stderr"):
            self._tallies.pop((id_, channel), None)
