"""Gauges: what every program uses, measured while somebody looks and not a moment longer.

A sample is taken on a worker thread: it is given the leaders and the sample before, and what it returns is posted. With
nobody looking there is no timer, no thread at work and no wake-up; of the past nothing is kept but what makes processor
time go on growing from where it was.
"""

import os
import time
from array import array
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol

from tmd.core.gauge import Gauge
from tmd.core.usage import Usage, look
from tmd.daemon.runtime import Runtime
from tmd.daemon.surface import Operation, completed
from tmd.daemon.workers import Workers
from tmd.posix import figures
from tmd.posix.loop import Loop, Timer
from tmd.wire.names import ProcessId

EVERY_S = 2.0
FRESH_S = 0.5
"""a sample younger than this is as good as a new one"""
KEPT = 150
"""samples of one process"""
LINGER_S = 60.0
"""the samples are kept so long after the last one has looked away: a page that is loaded again has its graph"""
_WIDTH = 7


class Measured(NamedTuple):
    """One process, measured: the leader it was then, what comes of it, and what the next sample builds on."""

    pid: int
    gauge: Gauge
    usage: Usage


class Sample(NamedTuple):
    """One look at everything. `own`: the daemon itself; None if it cannot be seen."""

    processes: dict[ProcessId, Measured]
    own: Measured | None


class Ask(Protocol):
    """Runs something on a worker thread."""

    def __call__(self, work: Callable[[], Sample]) -> Operation[Sample]:
        """Return what becomes of it."""


class Gauges:
    """Implements `GaugesSurface`. `pids`: all processes there are, `pid` one of them, 0 for what does not run.

    `wall` tells epoch seconds; `report` gets a sentence when measuring does not work, once until it works again.
    """

    def __init__(
        self,
        *,
        loop: Loop,
        wall: Callable[[], float],
        pids: Callable[[], Mapping[ProcessId, int]],
        pid: Callable[[ProcessId], int],
        ask: Ask,
        report: Callable[[str], None],
    ) -> None:
        self._loop, self._wall, self._pids, self._pid, self._ask, self._report = loop, wall, pids, pid, ask, report
        self._processes: dict[ProcessId, Measured] = {}
        self._own: Measured | None = None
        self._history: dict[ProcessId, array[float]] = {}
        self._watchers = 0
        self._timer: Timer | None = None
        self._linger: Timer | None = None
        self._under_way: Operation[None] | None = None
        self._taken_at = float("-inf")
        self._callbacks: list[Callable[[], None]] = []
        self._in_trouble = False

    # --- to be asked ------------------------------------------------------------------------------------------

    def of(self, id_: ProcessId) -> Gauge | None:
        """Return the last sample of a process; None when it does not run or none was taken since it was started."""
        measured = self._processes.get(id_)
        return measured.gauge if measured is not None and self._pid(id_) == measured.pid else None

    def own(self) -> Gauge | None:
        """Return the last sample of the daemon itself, without its programs."""
        return self._own.gauge if self._own is not None else None

    def history(self, id_: ProcessId) -> tuple[Gauge, ...]:
        """Return the last samples of a process, oldest first; of earlier lives too."""
        return _unpacked(self._history.get(id_, array("d")))

    def spent(self, id_: ProcessId, pid: int) -> float:
        """Return the processor time that was last told of the life of this pid, in seconds; 0 if none was."""
        measured = self._processes.get(id_)
        return measured.gauge.cpu_s if measured is not None and measured.pid == pid else 0.0

    def watch(self) -> Callable[[], None]:
        """Have samples taken every 2 seconds until the function that is returned is called; it may be called twice."""
        self._watchers += 1
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._timer is None:
            self._tick()
        watching = True

        def end() -> None:
            nonlocal watching
            if watching:
                watching = False
                self._look_away()

        return end

    def fresh(self) -> Operation[None]:
        """Have a sample taken unless the last one is young; resolves once it is there."""
        if self._under_way is not None:
            return self._under_way
        if self._loop.now() - self._taken_at < FRESH_S:
            return completed(None)
        self._under_way = operation = Operation[None]()
        before = Sample(self._processes, self._own)
        leaders = {id_: pid for id_, pid in self._pids().items() if pid}
        self._ask(partial(sample, leaders, before, self._wall)).then(self._take)
        return operation

    def on_sample(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after each sample; returns what ends that."""
        self._callbacks.append(callback)

        def end() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return end

    def close(self) -> None:
        """Take no more samples."""
        for timer in (self._timer, self._linger):
            if timer is not None:
                timer.cancel()
        self._timer = self._linger = None
        self._watchers = 0

    # --- inside -----------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._timer = self._loop.call_later(EVERY_S, self._tick)
        self.fresh()

    def _look_away(self) -> None:
        self._watchers -= 1
        if self._watchers or self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        self._linger = self._loop.call_later(LINGER_S, self._history.clear)

    def _take(self, outcome: Operation[Sample]) -> None:
        operation, self._under_way = self._under_way, None
        if outcome.value is not None:
            self._taken_at = self._loop.now()
            self._processes, self._own = outcome.value
            if self._watchers:
                self._remember()
        self._tell_trouble(outcome)
        if operation is not None:
            operation.resolve(None)
        for callback in tuple(self._callbacks):
            callback()

    def _remember(self) -> None:
        known = self._pids()
        for id_ in [id_ for id_ in self._history if id_ not in known]:
            del self._history[id_]
        for id_, measured in self._processes.items():
            ring = self._history.get(id_)
            if ring is None:
                ring = self._history[id_] = array("d")
            ring.extend(_packed(measured.gauge))
            if len(ring) > KEPT * _WIDTH:
                del ring[:_WIDTH]

    def _tell_trouble(self, outcome: Operation[Sample]) -> None:
        if outcome.fault is None:
            self._in_trouble = False
        elif not self._in_trouble:
            self._in_trouble = True
            self._report(f"cannot measure what programs use: {outcome.fault.detail or outcome.fault.text}")


def _packed(gauge: Gauge) -> tuple[float, ...]:
    return (
        gauge.at,
        gauge.cpu_percent,
        gauge.cpu_s,
        gauge.rss_bytes,
        gauge.threads,
        gauge.fds,
        gauge.processes,
    )


def _unpacked(ring: "array[float]") -> tuple[Gauge, ...]:
    rows = (ring[start : start + _WIDTH] for start in range(0, len(ring), _WIDTH))
    return tuple(
        Gauge(at, cpu_percent, cpu_s, int(rss_bytes), int(threads), int(fds), int(processes))
        for at, cpu_percent, cpu_s, rss_bytes, threads, fds, processes in rows
    )


def sample(leaders: Mapping[ProcessId, int], before: Sample, wall: Callable[[], float]) -> Sample:
    """Look at all trees; to be run where it may take a while. OSError where there is no /proc."""
    at, epoch_s = figures.now(), wall()
    everybody = figures.processes()
    trees = figures.trees(everybody, set(leaders.values()))
    found = {
        id_: _measured(at, epoch_s, tree, before.processes.get(id_))
        for id_, pid in leaders.items()
        if (tree := trees.get(pid)) is not None
    }
    daemon = everybody.get(os.getpid())
    own = None
    if daemon is not None:
        # What its children used is theirs.
        own = _measured(at, epoch_s, [daemon._replace(waited_s=0.0)], before.own)
    return Sample(found, own)


def _measured(at: float, epoch_s: float, tree: list[figures.Process], before: Measured | None) -> Measured:
    leader = tree[0]
    usage = look(at, leader, tree, before.usage if before is not None else None)
    gauge = Gauge(
        at=epoch_s,
        cpu_percent=round(usage.cpu_percent, 2),
        cpu_s=round(usage.cpu_s, 3),
        rss_bytes=sum(one.rss_bytes for one in tree),
        threads=sum(one.threads for one in tree),
        fds=figures.descriptors(one.pid for one in tree),
        processes=len(tree),
    )
    return Measured(leader.pid, gauge, usage)


def keep_gauges(runtime: Runtime, workers: Workers) -> Gauges:
    """Return the gauges of a daemon; to be closed before the workers."""

    def pids() -> dict[ProcessId, int]:
        groups = runtime.overseer.groups.values()
        return {member.spec.id: member.process.pid for group in groups for member in group.members.values()}

    def pid(id_: ProcessId) -> int:
        member = runtime.overseer.member(id_)
        return member.process.pid if member is not None else 0

    return Gauges(loop=runtime.loop, wall=time.time, pids=pids, pid=pid, ask=workers.run, report=runtime.mainlog.warn)
