"""Requests to start, stop and restart processes: who is concerned, what is refused, when it is done."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from tmd.core import inputs as i
from tmd.daemon.operations import pass_on, refused
from tmd.daemon.runtime import Runtime
from tmd.daemon.surface import Awaited, AwaitedRestart, Operation, Result, completed
from tmd.posix.children import SpawnRefused
from tmd.wire.faults import GOES_ON, Fault, RpcFault
from tmd.wire.names import ProcessId
from tmd.wire.states import RUNNING_STATES, ProcessState

STOP_REPORT_S = 2.0
"""how often a waiting stop says in the log whom it waits for (contract 4.4)"""


class Requests:
    """Takes ids that exist."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.restarts: dict[Operation[list[Result]], Callable[[], Awaited]] = {}
        """those that wait for stops; they go on whether anybody waits for them or not"""
        self._restarting: set[ProcessId] = set()
        """stopped only to be started again; who is stopped by hand meanwhile leaves"""

    def state_of(self, id_: ProcessId) -> ProcessState | None:
        """Return the state of a process, None when there is no such process."""
        member = self._runtime.overseer.member(id_)
        return member.process.state if member else None

    def start(self, ids: Sequence[ProcessId], *, wait: bool, again: bool = False) -> Operation[list[Result]]:
        """Start processes in the order given. `again`: they were stopped for that."""
        if not wait:
            return completed([self._start_now(id_, again=again) for id_ in ids])
        immediate: list[Result] = []
        asked: list[ProcessId] = []
        for id_ in ids:
            if (refusal := self._why_not_start(id_, wait=True)) is not None:
                immediate.append(refusal)
            else:
                asked.append(id_)
        operation = self._runtime.waiting.for_processes("start", asked, immediate)
        for id_ in asked:
            self._runtime.tell(id_, i.StartAsked(again))
        return operation

    def _start_now(self, id_: ProcessId, *, again: bool) -> Result:
        """Start one process; return what is known of it right after."""
        if (refusal := self._why_not_start(id_, wait=False)) is not None:
            return refusal
        self._runtime.tell(id_, i.StartAsked(again))
        return self._after_start(id_)

    def stop(self, ids: Sequence[ProcessId], *, wait: bool) -> Operation[list[Result]]:
        """Stop processes: falling priority, each level awaited; within a level all at once."""
        immediate: list[Result] = []
        asked: list[ProcessId] = []
        for id_ in ids:
            state = self.state_of(id_)
            if state in RUNNING_STATES or (state is ProcessState.STOPPING and id_ in self._restarting):
                asked.append(id_)
            elif id_ in self._restarting:  # down already, and now to stay down
                self._runtime.tell(id_, i.StopAsked())
                self._restarting.discard(id_)
                immediate.append(Result(id_))
            else:
                immediate.append(refused(id_, Fault.NOT_RUNNING))
        self._restarting.difference_update(asked)
        if not wait:
            self._runtime.feed(i.StopInOrderAsked(tuple(asked)))
            return completed([*immediate, *(Result(id_) for id_ in asked)])
        operation = self._runtime.waiting.for_processes("stop", asked, immediate)
        self._runtime.feed(i.StopInOrderAsked(tuple(asked)))
        self._report_stops(asked, operation)
        return operation

    def restart(self, ids: Sequence[ProcessId], *, wait: bool, still: Callable[[], bool]) -> Operation[list[Result]]:
        """Stop what runs and start all, `still` permitting; goes on whatever becomes of the client."""
        kept = [kept for id_ in ids if (kept := self._why_not_stop(id_)) is not None]
        ids = [id_ for id_ in ids if id_ not in {result.id for result in kept}]
        running = [id_ for id_ in ids if self.state_of(id_) in RUNNING_STATES]
        stopping = [id_ for id_ in ids if self.state_of(id_) is ProcessState.STOPPING]
        self._restarting.update(running, stopping)
        stops = self._runtime.waiting.for_processes("stop", [*running, *stopping], ())
        operation = self._start_after(
            stops,
            AwaitedRestart(ids=ids, running=running, stopping=stopping, restarting=[], kept=kept, wait=wait),
            still,
        )
        if running:
            self._runtime.feed(i.StopInOrderAsked(tuple(running), by_hand=False))
        self._report_stops(running, stops)
        return operation if wait else completed([*kept, *(Result(id_) for id_ in ids)])

    def resume(self, awaited: Awaited, still: Callable[[], bool]) -> Operation[Any]:
        """Go on waiting where an earlier daemon was; its processes are as they were."""
        if awaited.plan is not None:
            return self._runtime.waiting.for_rest(awaited.plan)
        waiting = self._runtime.waiting.for_processes(awaited.verb, awaited.pending, awaited.results)
        if awaited.verb == "stop":
            self._report_stops(awaited.pending, waiting)
        if awaited.restart is None:
            return waiting
        self._restarting.update(awaited.restart.restarting)
        return self._start_after(waiting, awaited.restart, still)

    def _start_after(
        self, stops: Operation[list[Result]], restart: AwaitedRestart, still: Callable[[], bool]
    ) -> Operation[list[Result]]:
        """Start what is to be restarted once it is down, `still` permitting."""
        operation: Operation[list[Result]] = Operation()
        ids, running, stopping, kept = restart.ids, restart.running, restart.stopping, restart.kept
        let_go = self._runtime.sockets.keep(ids)

        def rest() -> Awaited:
            assert stops.awaited is not None
            under_way = [id_ for id_ in (*running, *stopping) if id_ in self._restarting]
            return replace(stops.awaited(), restart=replace(restart, restarting=under_way))

        operation.awaited = self.restarts[operation] = rest
        operation.then(self._forget)

        def stopped(stops: Operation[list[Result]]) -> None:
            start_again(stops)
            self._runtime.loop.call_soon(let_go)  # by then they are on their way

        def start_again(stops: Operation[list[Result]]) -> None:
            if stops.fault is not None or not still():
                operation.refuse(stops.fault or RpcFault(Fault.SHUTDOWN_STATE))
                return
            dropped = [id_ for id_ in (*running, *stopping) if id_ not in self._restarting]
            self._restarting.difference_update(running, stopping)
            overtaken = [refused(id_, Fault.ABNORMAL_TERMINATION) for id_ in dropped]
            spared = [result for result in stops.value or () if self._goes_on(result) and result.id not in dropped]
            away = {*dropped, *(result.id for result in spared)}
            present = [id_ for id_ in ids if self._runtime.overseer.member(id_) is not None and id_ not in away]
            starts = self.start(present, wait=restart.wait, again=True)
            before = [*kept, *overtaken, *spared]
            self.restarts.pop(operation, None)
            operation.awaited = starts.awaited and partial(_with, starts.awaited, before)
            starts.then(lambda starts: pass_on(starts, operation, before))

        stops.then(stopped)
        return operation

    def _forget(self, operation: Operation[list[Result]]) -> None:
        self.restarts.pop(operation, None)

    def _why_not_stop(self, id_: ProcessId) -> Result | None:
        """Tell why a process that runs had better not be stopped: it could not be started again."""
        refusal = self._refusal(id_, files=True) if self.state_of(id_) is ProcessState.RUNNING else None
        if refusal is None:
            return None
        reason = f"cannot restart '{id_.process}': {refusal.reason} {GOES_ON}"
        self._runtime.mainlog.critical(reason)
        return refused(id_, Fault.FAILED, reason)

    def _refusal(self, id_: ProcessId, *, files: bool) -> SpawnRefused | None:
        member = self._runtime.overseer.member(id_)
        if member is None:
            return None
        spec = member.next_spec or member.spec
        return self._runtime.lives.launching.refusal(spec, self._runtime.settings.serverurl, files=files)

    def _goes_on(self, stop: Result) -> bool:
        """Whether a stop was given up by a hook; the reason is in its result."""
        told = stop.detail not in (None, stop.id.namespec)
        return stop.fault is Fault.FAILED and told and self.state_of(stop.id) is ProcessState.RUNNING

    def _why_not_start(self, id_: ProcessId, *, wait: bool) -> Result | None:
        member = self._runtime.overseer.member(id_)
        if member is None:
            return refused(id_, Fault.BAD_NAME)
        # What is wrong with an environment file is told by the start itself: it is tried again, and may be mended.
        refusal = self._refusal(id_, files=False)
        if refusal is not None:
            return refused(id_, refusal.fault, refusal.reason)
        state = member.process.state
        if member.leaving:
            return refused(id_, Fault.FAILED, f"cannot start {id_.namespec}: it is being removed")
        if state in RUNNING_STATES:
            return refused(id_, Fault.ALREADY_STARTED)
        if state is ProcessState.UNKNOWN and member.process.pid:
            reason = f"pid {member.process.pid} of it still runs, and the system refuses to signal it"
            return refused(id_, Fault.FAILED, f"cannot start {id_.namespec}: {reason}")
        if state is ProcessState.STOPPING and wait:
            self._runtime.tell(id_, i.StartAsked())
            return refused(id_, Fault.ABNORMAL_TERMINATION)
        return None

    def _after_start(self, id_: ProcessId) -> Result:
        """Tell what an unawaited start led to so far: a spawn refused at once is worth saying."""
        if self.state_of(id_) in (ProcessState.BACKOFF, ProcessState.FATAL):
            return refused(id_, Fault.SPAWN_ERROR)
        return Result(id_)

    def _report_stops(self, ids: Sequence[ProcessId], operation: Operation[list[Result]]) -> None:
        if operation.done:
            return
        for id_ in ids:
            if self.state_of(id_) is ProcessState.STOPPING:
                self._runtime.mainlog.info(f"waiting for {id_.process} to stop")
        timer = self._runtime.loop.call_later(STOP_REPORT_S, lambda: self._report_stops(ids, operation))
        operation.then(lambda _: timer.cancel())


def _with(awaited: Callable[[], Awaited], before: list[Result]) -> Awaited:
    """Return what is awaited, with results that come before its own."""
    rest = awaited()
    return replace(rest, results=[*before, *rest.results])
