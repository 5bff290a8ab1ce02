"""Operations in progress: requests that wait for notices, from acceptance to outcome.

Each is resolved exactly once, whatever becomes of the client that asked, also across a reload or a shutdown.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from tmd.config.plan import Plan
from tmd.core import notices as n
from tmd.core.operations import Awaiting
from tmd.daemon.bus import Told
from tmd.daemon.surface import Awaited, AwaitedPlan, Operation, Result
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId


class Waiting:
    """Listens on the bus for everybody who waits."""

    def __init__(self) -> None:
        self._hearers: list[Callable[[n.Notice], bool]] = []
        self._open: list[Operation[Any]] = []

    def __len__(self) -> int:
        return len(self._hearers)

    def hear(self, told: Told) -> None:
        """Pass a notice to all that wait; those that are done leave."""
        if not self._hearers:
            return
        # An outcome may start the next operation: who joins while this notice is told is kept, and hears the next.
        hearers, self._hearers = self._hearers, []
        kept = [hearer for hearer in hearers if not hearer(told.notice)]
        self._hearers = kept + self._hearers

    def abandon(self, fault: RpcFault) -> None:
        """Refuse whatever still waits: the daemon ends."""
        self._hearers.clear()
        waiting, self._open = self._open, []
        for operation in waiting:
            operation.refuse(fault)

    def _join(self, operation: Operation[Any], hear: Callable[[n.Notice], bool]) -> None:
        self._hearers.append(hear)
        self._open = [other for other in self._open if not other.done]
        self._open.append(operation)

    def for_processes(
        self, verb: Literal["start", "stop"], ids: Sequence[ProcessId], immediate: Sequence[Result]
    ) -> Operation[list[Result]]:
        """Wait until every process got where `verb` leads. To be called before the request is made."""
        operation: Operation[list[Result]] = Operation()
        awaiting = Awaiting(verb, ids)

        def known() -> list[Result]:
            return [*immediate, *(Result(id_, fault, detail or None) for id_, fault, detail in awaiting.results)]

        def finish() -> bool:
            if awaiting.done:
                operation.resolve(known())
            return awaiting.done

        def hear(notice: n.Notice) -> bool:
            awaiting.hear(notice)
            return finish()

        operation.awaited = lambda: Awaited(verb=verb, pending=list(awaiting.pending), results=known())
        if not finish():
            self._join(operation, hear)
        return operation

    def for_plan(self, plan: Plan, running: frozenset[ProcessId]) -> Operation[Plan]:
        """Wait until what a plan removes is gone and what it restarts is on its way up again.

        `running`: the processes that were up when the plan was made; only these can be waited for.
        """
        gone = {id_ for change in plan.changed for id_ in change.removed}
        restarting = {spec.id for change in plan.changed for spec in change.restart} & running
        return self.for_rest(
            AwaitedPlan(
                plan=plan,
                groups=list(plan.removed),
                gone=list(gone),
                restarting=list(restarting),
                to_change=[change.name for change in plan.changed],
                held=[],
            )
        )

    def for_rest(self, awaited: AwaitedPlan) -> Operation[Plan]:
        """Wait for what is not done yet of a plan that was applied."""
        operation: Operation[Plan] = Operation()
        plan, held = awaited.plan, list(awaited.held)
        groups, to_change = set(awaited.groups), set(awaited.to_change)
        gone, restarting = set(awaited.gone), set(awaited.restarting)

        def overtaken(name: str) -> None:
            """A later change concerns the group: the last wish wins, and nothing of ours is left to wait for."""
            groups.discard(name)
            for waited in (gone, restarting):
                waited -= {id_ for id_ in waited if id_.group == name}

        def hear(notice: n.Notice) -> bool:
            match notice:
                case n.GroupRemoved(name=name):
                    groups.discard(name)
                case n.GroupChanged(name=name) if name in to_change:
                    to_change.discard(name)
                case n.GroupChanged(name=name):
                    overtaken(name)
                case n.ProcessRemoved(id=id_):
                    gone.discard(id_)
                    restarting.discard(id_)
                case n.ProcessStopped(id=id_, restarts=False):
                    restarting.discard(id_)
                case n.ProcessStarting(id=id_) | n.ProcessFatal(id=id_) | n.ProcessUnknown(id=id_):
                    restarting.discard(id_)
                case n.ProcessStopAborted(id=id_, reason=reason) if id_ in restarting:
                    restarting.discard(id_)
                    held.append((id_, reason))
                case n.DaemonStopping():
                    restarting.clear()
            return finish()

        def finish() -> bool:
            if groups or gone or restarting:
                return False
            operation.resolve(replace(plan, held=tuple(held)) if held else plan)
            return True

        def rest() -> Awaited:
            return Awaited(
                plan=AwaitedPlan(
                    plan=plan,
                    groups=list(groups),
                    gone=list(gone),
                    restarting=list(restarting),
                    to_change=list(to_change),
                    held=held,
                )
            )

        operation.awaited = rest
        if not finish():
            self._join(operation, hear)
        return operation


def refused(id_: ProcessId, fault: Fault, detail: str = "") -> Result:
    """Return a result that is a fault; its detail is the process's name unless there is more to say."""
    return Result(id_, fault, detail or id_.namespec)


def pass_on(inner: Operation[list[Result]], outer: Operation[list[Result]], more: Sequence[Result]) -> None:
    """Give one operation the outcome of another, with some results added."""
    if inner.fault is not None:
        outer.refuse(inner.fault)
    else:
        outer.resolve([*more, *(inner.value or [])])
