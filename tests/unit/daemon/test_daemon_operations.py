"""Requests that wait for notices."""

from tmd.config.plan import GroupChange, Plan
from tmd.config.settings import GroupSpec, ProcessSpec
from tmd.core import notices as n
from tmd.core.inputs import ExitStatus
from tmd.daemon.bus import Told
from tmd.daemon.operations import Waiting, refused
from tmd.daemon.surface import Operation, Result
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

A, B = ProcessId("a", "a"), ProcessId("g", "b")


def hear(waiting: Waiting, *notices: n.Notice) -> None:
    for notice in notices:
        waiting.hear(Told(1, 0.0, 0.0, notice))


def running(id_: ProcessId) -> n.ProcessRunning:
    return n.ProcessRunning(id_, ProcessState.STARTING, 7)


def stopped(id_: ProcessId) -> n.ProcessStopped:
    return n.ProcessStopped(id_, ProcessState.STOPPING, 7, ExitStatus(0))


def test_a_start_is_answered_once_all_are_up() -> None:
    waiting = Waiting()
    early = refused(ProcessId("c", "c"), Fault.NO_FILE, "can't find command 'c'")
    operation = waiting.for_processes("start", [A, B], [early])
    hear(waiting, running(B))
    assert not operation.done
    hear(waiting, running(A))
    assert operation.value == [early, Result(B), Result(A)]
    assert len(waiting) == 0


def test_nothing_to_wait_for_is_answered_at_once() -> None:
    waiting = Waiting()
    assert waiting.for_processes("stop", [], []).value == []
    assert len(waiting) == 0


def test_a_failed_start_says_the_name() -> None:
    waiting = Waiting()
    operation = waiting.for_processes("start", [B], [])
    hear(waiting, n.ProcessBackoff(B, ProcessState.STARTING, 1, "why", 7, ExitStatus(1), 1.0))
    assert operation.value == [Result(B, Fault.SPAWN_ERROR, "g:b")]


def test_an_outcome_may_begin_the_next_operation() -> None:
    waiting = Waiting()
    later: list[Operation[list[Result]]] = []
    first = waiting.for_processes("stop", [A], [])
    first.then(lambda _: later.append(waiting.for_processes("start", [A], [])))
    hear(waiting, stopped(A), running(A))
    assert later[0].value == [Result(A)]


def plan() -> Plan:
    def spec(name: str) -> ProcessSpec:
        return ProcessSpec(name=name, group="g", program="g", command="true")

    old = GroupSpec(name="g", processes=(spec("gone"), spec("again"), spec("idle")))
    new = GroupSpec(name="g", processes=(spec("again"), spec("idle")))
    change = GroupChange(old=old, new=new, removed=(ProcessId("g", "gone"),), restart=(spec("again"), spec("idle")))
    return Plan(changed=(change,), removed=("x",))


def test_a_plan_is_done_when_all_is_where_it_belongs() -> None:
    waiting = Waiting()
    operation = waiting.for_plan(plan(), frozenset({ProcessId("g", "again")}))
    hear(waiting, n.GroupRemoved("x"), n.ProcessRemoved(ProcessId("g", "gone")))
    assert not operation.done
    hear(waiting, n.ProcessStarting(ProcessId("g", "again"), ProcessState.STOPPED, 0))
    assert operation.value == plan()


def test_a_shutdown_does_not_leave_a_plan_waiting_for_restarts() -> None:
    waiting = Waiting()
    operation = waiting.for_plan(plan(), frozenset({ProcessId("g", "again")}))
    hear(waiting, n.GroupRemoved("x"), n.ProcessRemoved(ProcessId("g", "gone")), n.DaemonStopping())
    assert operation.done


def test_an_empty_plan_is_done_at_once() -> None:
    assert Waiting().for_plan(Plan(), frozenset()).value == Plan()


def test_a_later_change_of_the_group_ends_the_wait() -> None:
    waiting = Waiting()
    operation = waiting.for_plan(plan(), frozenset({ProcessId("g", "again")}))
    hear(waiting, n.GroupChanged("g"), n.GroupRemoved("x"))
    assert not operation.done
    hear(waiting, n.GroupChanged("g"))
    assert operation.done


def test_a_removed_group_that_is_added_again_ends_the_wait() -> None:
    waiting = Waiting()
    operation = waiting.for_plan(Plan(removed=("x",)), frozenset())
    hear(waiting, n.GroupChanged("x"))
    assert operation.done


def test_a_process_stopped_by_hand_meanwhile_is_not_waited_for() -> None:
    waiting = Waiting()
    operation = waiting.for_plan(plan(), frozenset({ProcessId("g", "again")}))
    hear(waiting, n.GroupRemoved("x"), n.ProcessRemoved(ProcessId("g", "gone")))
    hear(waiting, n.ProcessStopped(ProcessId("g", "again"), ProcessState.STOPPING, 7, ExitStatus(0), True))
    assert not operation.done
    hear(waiting, n.ProcessStopped(ProcessId("g", "again"), ProcessState.STOPPING, 7, ExitStatus(0), False))
    assert operation.done


def test_the_end_refuses_what_still_waits() -> None:
    waiting = Waiting()
    waits = waiting.for_processes("stop", [A], [])
    plans = waiting.for_plan(Plan(removed=("x",)), frozenset())
    done = waiting.for_processes("stop", [], [])
    waiting.abandon(RpcFault(Fault.SHUTDOWN_STATE))
    assert waits.fault is not None
    assert waits.fault.code is Fault.SHUTDOWN_STATE
    assert plans.fault is not None
    assert done.fault is None
    assert len(waiting) == 0
