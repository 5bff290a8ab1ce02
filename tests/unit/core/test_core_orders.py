"""Orders of starting and stopping, and how long a stop waits."""

from msgspec.structs import replace

from tmd.config.settings import GroupSpec, ProcessSpec
from tmd.core.group import Group, Member, in_order
from tmd.core.process import Process, Wanted
from tmd.core.stopping import (
    REPORT_EVERY_S,
    SURVIVOR_GRACE_S,
    StopPlan,
    is_going,
    next_look,
    process_levels,
    shutdown_levels,
    survives,
)
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S


def spec(name: str, group: str, priority: int = 999) -> ProcessSpec:
    return ProcessSpec(name=name, group=group, program=name, command=name, priority=priority)


def group(name: str, priority: int, *specs: ProcessSpec, kind: str = "program") -> Group:
    built = Group(GroupSpec(name=name, kind=kind, priority=priority, processes=specs))  # type: ignore[arg-type]
    built.members = {each.name: Member(each) for each in specs}
    return built


def names(members: list[Member]) -> list[str]:
    return [member.spec.name for member in members]


def flat(levels: list[list[ProcessId]]) -> list[str]:
    return [" ".join(id_.process for id_ in level) for level in levels]


def test_start_and_stop_order_of_a_group() -> None:
    members = (spec("b", "g", 2), spec("a", "g", 2), spec("c", "g", 1))
    assert names(group("g", 1, *members).start_order()) == ["c", "a", "b"]
    assert names(group("g", 1, *members, kind="group").start_order()) == ["b", "a", "c"]
    assert names(group("g", 1, *members).stop_order()) == ["a", "b", "c"]


def test_levels() -> None:
    one = group("one", 2, spec("low", "one", 1), spec("high", "one", 5))
    two = group("two", 2, spec("also", "two", 5))
    last = group("last", 1, spec("db", "last", 9))
    groups = {each.spec.name: each for each in (last, two, one)}
    assert [each.spec.name for each in in_order(groups)] == ["last", "one", "two"]
    assert flat(shutdown_levels(groups)) == ["also high low", "db"]
    ids = [ProcessId("one", "low"), ProcessId("last", "db"), ProcessId("two", "also"), ProcessId("one", "high")]
    assert flat(process_levels(groups, ids)) == ["also high", "low", "db"]
    assert flat(process_levels(groups, [ProcessId("one", "low"), ProcessId("no", "one")])) == ["low"]


def test_a_plan_forgets_whom_it_spares() -> None:
    low, high = ProcessId("g", "low"), ProcessId("g", "high")
    plan = StopPlan([[high], [low]], by_hand=True)
    assert plan.spare(low)
    assert not plan.spare(low)
    assert plan.levels == [[high], []]
    assert not plan.done


def test_who_is_on_the_way_down() -> None:
    assert is_going(Process(state=S.STOPPING, pid=7))
    assert is_going(Process(state=S.STARTING, wanted=Wanted.DOWN))
    assert is_going(Process(state=S.STARTING, wanted=Wanted.AGAIN))
    assert not is_going(Process(state=S.STARTING, wanted=Wanted.UP))
    assert not is_going(Process(state=S.UNKNOWN, pid=7))
    assert not is_going(Process())


def test_how_long_a_survivor_is_waited_for() -> None:
    member = Member(spec("p", "g"))
    assert next_look([member], 100) == 100 + REPORT_EVERY_S
    member.process = replace(Process(state=S.STOPPING, pid=7), kill_sent_at=95.0)
    assert not survives(member.process, 95 + SURVIVOR_GRACE_S - 0.01)
    assert survives(member.process, 95 + SURVIVOR_GRACE_S)
    assert next_look([member], 104) == 105
    assert next_look([member], 106) == 106
    assert next_look([member], 95) == 95 + REPORT_EVERY_S
    assert member.process.kill_sent
