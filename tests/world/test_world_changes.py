"""Groups that come, go and get new settings while everything runs."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.world.fake_os import Behaviour, World, process, program
from tmd.config.plan import GroupChange
from tmd.config.settings import Autorestart, GroupSpec, ProcessSpec
from tmd.core.inputs import (
    AddGroupAsked,
    ChangeGroupAsked,
    ExitStatus,
    ForProcess,
    RemoveGroupAsked,
    RestartAsked,
    SpecReplaced,
    StartAsked,
    StopAsked,
    StopInOrderAsked,
)
from tmd.core.notices import (
    GroupAdded,
    GroupChanged,
    GroupRemoved,
    ProcessAdded,
    ProcessRemoved,
    ProcessSpared,
    ProcessStarting,
    ProcessStopping,
)
from tmd.wire.faults import Fault


def numbered(count: int, **fields: Any) -> GroupSpec:
    members = tuple(process(f"w_{number}", "w", **fields) for number in range(count))
    return GroupSpec(name="w", processes=members)


def change(old: GroupSpec, new: GroupSpec, live: bool = False) -> ChangeGroupAsked:
    """Return the change from old to new; what differs needs a restart, or is `live`."""
    before = {spec.name: spec for spec in old.processes}
    after = {spec.name: spec for spec in new.processes}
    differ = tuple(spec for spec in new.processes if spec.name in before and before[spec.name] != spec)
    return ChangeGroupAsked(
        GroupChange(
            old=old,
            new=new,
            added=tuple(spec for spec in new.processes if spec.name not in before),
            removed=tuple(spec.id for spec in old.processes if spec.name not in after),
            restart=() if live else differ,
            live=differ if live else (),
        )
    )


def with_command(group: GroupSpec, command: str = "/bin/new", **fields: Any) -> GroupSpec:
    return replace(group, processes=tuple(replace(spec, command=command, **fields) for spec in group.processes))


def spec_of(world: World, name: str) -> ProcessSpec:
    member = world.overseer.member(world.id(name))
    assert member is not None
    return member.spec


# --- removing


def test_a_removed_group_is_gone_only_when_its_last_process_is_at_rest() -> None:
    world = World()
    world.behaviours |= {"w_0": Behaviour(stops_in_s=1), "w_1": Behaviour(stops_in_s=2)}
    world.start(numbered(3))
    world.run(2)
    world.feed(RemoveGroupAsked("w"))
    world.run(1.5)
    assert [world.state(f"w:w_{number}") for number in range(3)] == ["gone", "STOPPING", "gone"]
    assert world.told(GroupRemoved) == []
    world.run(1)
    assert world.told(ProcessRemoved) == ["w:w_2", "w:w_0", "w:w_1"]
    assert world.told(GroupRemoved) == ["w"]
    assert world.overseer.groups == {}


def test_an_empty_group_and_one_at_rest_go_at_once() -> None:
    world = World()
    world.start(GroupSpec(name="none", kind="group"), program("off", autostart=False))
    world.feed(RemoveGroupAsked("none"))
    world.feed(RemoveGroupAsked("off"))
    assert world.told(GroupRemoved) == ["none", "off"]


def test_what_is_being_removed_does_not_start_again() -> None:
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=2)
    world.start(program("a", autorestart=Autorestart.ALWAYS))
    world.run(2)
    world.feed(RemoveGroupAsked("a"))
    world.ask("a", StartAsked())
    world.ask("a", RestartAsked())
    assert world.lines("cannot start 'a': it is being removed")
    world.run(5)
    assert world.state("a") == "gone"
    assert len(world.spawns) == 1


def test_what_waits_for_its_next_try_is_removed_at_once() -> None:
    world = World()
    world.behaviours["a"] = Behaviour(spawns=False)
    world.start(program("a"))
    world.feed(RemoveGroupAsked("a"))
    assert world.state("a") == "gone"
    world.run(10)


# --- removed, and asked for again


def test_a_group_added_again_while_it_goes_stays_and_has_its_new_settings() -> None:
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=2)
    world.start(program("a"))
    world.run(2)
    world.feed(RemoveGroupAsked("a"))
    world.run(1)
    world.feed(AddGroupAsked(program("a", command="/bin/new")))
    assert spec_of(world, "a").command == "/bin/a"
    world.run(5)
    assert world.state("a") == "RUNNING"
    assert [(at, spec.command) for at, spec in world.spawns] == [(0, "/bin/a"), (4, "/bin/new")]
    assert world.told(GroupRemoved) == []
    assert world.told(GroupChanged) == ["a"]
    assert [spec.name for spec in world.overseer.active()] == ["a"]


def test_added_again_without_autostart_it_stays_down() -> None:
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=2)
    world.start(program("a"))
    world.run(2)
    world.feed(RemoveGroupAsked("a"))
    world.feed(AddGroupAsked(program("a", autostart=False)))
    world.run(5)
    assert world.state("a") == "STOPPED"
    assert spec_of(world, "a").autostart is False


def test_a_changed_group_that_goes_stays_with_what_the_change_says() -> None:
    world = World()
    world.behaviours |= {f"w_{number}": Behaviour(stops_in_s=2) for number in range(3)}
    world.start(numbered(2))
    world.run(2)
    world.feed(RemoveGroupAsked("w"))
    world.feed(change(numbered(2), numbered(3)))
    world.run(5)
    assert [world.state(f"w:w_{number}") for number in range(3)] == ["RUNNING"] * 3
    assert world.told(ProcessAdded) == ["w:w_0", "w:w_1", "w:w_2"]


def test_a_change_of_a_group_that_is_gone_adds_it() -> None:
    world = World()
    world.start()
    world.feed(change(numbered(1), numbered(2)))
    world.run(2)
    assert world.state("w:w_1") == "RUNNING"
    assert world.told(GroupAdded) == ["w"]


def test_a_process_removed_and_added_again_is_never_two_and_never_lost() -> None:
    world = World()
    world.behaviours["w_1"] = Behaviour(stops_in_s=3)
    world.start(numbered(2))
    world.run(2)
    world.feed(change(numbered(2), numbered(1)))
    world.run(1)
    world.feed(change(numbered(1), numbered(2)))
    world.run(1)
    world.feed(change(numbered(2), numbered(1)))
    world.feed(change(numbered(1), with_command(numbered(2))))
    world.run(5)
    assert world.state("w:w_1") == "RUNNING"
    assert [spec.command for _, spec in world.spawns if spec.name == "w_1"] == ["/bin/w_1", "/bin/new"]
    assert list(world.overseer.groups["w"].members) == ["w_0", "w_1"]
    world.check_view()


def test_what_is_added_again_is_taken_out_of_a_stop_that_has_not_reached_it() -> None:
    world = World()
    world.behaviours["app"] = Behaviour(stops_in_s=5)
    world.start(program("app", 2), program("db", 1))
    world.run(2)
    world.feed(StopInOrderAsked((world.id("app"), world.id("db"))))
    world.feed(RemoveGroupAsked("db"))
    world.run(1)
    world.feed(AddGroupAsked(program("db", 1)))
    world.run(10)
    assert (world.state("app"), world.state("db")) == ("STOPPED", "RUNNING")
    assert world.told(ProcessSpared) == ["db"]


# --- new settings


def test_a_numprocs_change_touches_the_difference_only() -> None:
    world = World()
    world.behaviours |= {f"w_{number}": Behaviour(stops_in_s=1) for number in range(5)}
    world.start(numbered(3))
    world.run(2)
    pids = {child.id: child.pid for child in world.children.values()}
    world.feed(change(numbered(3), numbered(5)))
    world.run(2)
    assert world.told(ProcessStarting) == [f"w:w_{number}" for number in range(5)]
    world.feed(change(numbered(5), numbered(2)))
    assert world.told(ProcessStopping) == ["w:w_4", "w:w_3", "w:w_2"]
    assert world.told(ProcessRemoved) == []
    world.run(2)
    assert sorted(world.told(ProcessRemoved)) == ["w:w_2", "w:w_3", "w:w_4"]
    assert {world.child(f"w:w_{number}").pid for number in range(2)} <= set(pids.values())
    assert world.told(GroupChanged) == ["w", "w"]


def test_what_needs_a_restart_is_stopped_by_the_old_settings_and_started_by_the_new() -> None:
    old = program("a", stopsignal=2, stopwaitsecs=2, killasgroup=True)
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=None)
    world.start(old)
    world.run(2)
    world.feed(change(old, with_command(old, stopsignal=15, stopwaitsecs=60)))
    assert spec_of(world, "a").stopsignal == 2
    assert world.child("a").got == [(2, 2)]
    world.run(2)
    assert [(at, spec.command) for at, spec in world.spawns] == [(0, "/bin/a"), (4, "/bin/new")]
    world.run(2)
    assert (world.state("a"), spec_of(world, "a").command) == ("RUNNING", "/bin/new")


def test_two_changes_in_a_row_end_with_the_last() -> None:
    old = program("a")
    second, third = with_command(old, "/bin/second"), with_command(old, "/bin/third")
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=2)
    world.start(old)
    world.run(2)
    world.feed(change(old, second))
    world.run(1)
    world.feed(change(second, third))
    world.feed(change(third, with_command(third, "/bin/third", priority=5), live=True))
    world.run(5)
    assert [spec.command for _, spec in world.spawns] == ["/bin/a", "/bin/third"]
    assert spec_of(world, "a").priority == 5


def test_live_settings_apply_to_the_life_that_runs() -> None:
    old = program("a", stopwaitsecs=10)
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=None)
    world.start(old)
    world.run(2)
    before = world.overseer.groups["a"].members["a"].process
    world.feed(change(old, with_command(old, "/bin/a", stopwaitsecs=1), live=True))
    assert world.overseer.groups["a"].members["a"].process is before
    world.ask("a", StopAsked())
    world.run(1)
    assert world.state("a") == "STOPPED"


def test_an_unchanged_program_does_not_notice() -> None:
    world = World()
    world.start(numbered(2), program("a"))
    world.run(2)
    before = world.overseer.groups["w"].members["w_0"].process
    changed = replace(numbered(2), processes=(numbered(2).processes[0], process("w_1", "w", command="/bin/new")))
    world.feed(change(numbered(2), changed))
    assert world.overseer.groups["w"].members["w_0"].process is before


@pytest.mark.parametrize("live", [True, False])
def test_what_an_operator_stopped_stays_stopped(live: bool) -> None:
    old = program("a")
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=1)
    world.start(old)
    world.run(2)
    world.ask("a", StopAsked())
    new = with_command(old, "/bin/new")
    world.feed(change(old, new, live))
    world.run(2)
    assert (world.state("a"), spec_of(world, "a").command) == ("STOPPED", "/bin/new")
    newer = with_command(old, "/bin/newer")
    world.feed(change(new, newer, live))
    world.run(2)
    assert (world.state("a"), spec_of(world, "a").command) == ("STOPPED", "/bin/newer")
    assert len(world.spawns) == 1


@pytest.mark.parametrize(
    ("behaviour", "before"),
    [
        (Behaviour(lives_s=1.5), "EXITED"),
        (Behaviour(spawns=False), "BACKOFF"),
        (Behaviour(lives_s=0.1), "FATAL"),
    ],
)
def test_what_ended_or_failed_tries_the_new_settings(behaviour: Behaviour, before: str) -> None:
    old = program("a", startretries=3 if before == "BACKOFF" else 0)
    world = World()
    world.behaviours["a"] = behaviour
    world.start(old)
    world.run(1.8)
    assert world.state("a") == before
    world.behaviours["a"] = Behaviour()
    world.feed(change(old, with_command(old)))
    world.run(1)
    assert (world.state("a"), world.spawns[-1][1].command) == ("RUNNING", "/bin/new")


def test_an_ended_program_stopped_by_hand_does_not_try_the_new_settings() -> None:
    old = program("a")
    world = World()
    world.behaviours["a"] = Behaviour(lives_s=1.5)
    world.start(old)
    world.run(2)
    world.ask("a", StopAsked())
    world.feed(change(old, with_command(old)))
    world.run(2)
    assert (world.state("a"), spec_of(world, "a").command) == ("EXITED", "/bin/new")
    assert len(world.spawns) == 1


@pytest.mark.parametrize("live", [True, False])
def test_a_program_that_gets_autostart_and_never_ran_is_started(live: bool) -> None:
    old, new = program("a", autostart=False), program("a", autostart=True)
    world = World()
    world.start(old)
    world.feed(change(old, new, live))
    world.run(2)
    assert world.state("a") == "RUNNING"


def test_a_program_that_gets_autostart_but_was_stopped_by_hand_is_not() -> None:
    old, new = program("a", autostart=False), program("a", autostart=True)
    world = World()
    world.start(old)
    world.ask("a", StopAsked())
    world.feed(change(old, new, live=True))
    assert world.state("a") == "STOPPED"


def test_before_the_daemon_has_started_a_change_starts_nothing() -> None:
    world = World()
    world.feed(AddGroupAsked(program("a", autostart=False)))
    world.feed(change(program("a", autostart=False), program("a")))
    assert world.spawns == []


def test_a_restart_by_change_waits_for_a_stop_that_is_under_way() -> None:
    old = program("a", 1)
    world = World()
    world.behaviours |= {"a": Behaviour(stops_in_s=2), "app": Behaviour(stops_in_s=2)}
    world.start(program("app", 2), old)
    world.run(2)
    world.feed(StopInOrderAsked((world.id("app"), world.id("a"))))
    world.feed(change(old, with_command(old)))
    world.run(20)
    assert (world.state("a"), spec_of(world, "a").command) == ("STOPPED", "/bin/new")


def test_an_update_answers_who_waits_for_a_start_of_what_it_removes() -> None:
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=2)
    world.start(program("a", autostart=False))
    operation = world.await_all("start", world.id("a"))
    world.ask("a", StartAsked())
    world.feed(RemoveGroupAsked("a"))
    world.run(5)
    assert operation.results == [(world.id("a"), Fault.ABNORMAL_TERMINATION, "a")]


def test_a_group_that_is_there_is_not_added_twice() -> None:
    world = World()
    world.start(program("a"))
    world.feed(AddGroupAsked(program("a", command="/bin/other")))
    assert spec_of(world, "a").command == "/bin/a"
    assert world.told(GroupAdded) == ["a"]


def test_new_settings_can_be_given_to_one_process() -> None:
    world = World()
    world.start(program("a"))
    new = process("a", startsecs=1.0, priority=3)
    world.feed(ForProcess(world.id("a"), SpecReplaced(new)))
    assert spec_of(world, "a") is new


def test_a_crash_at_the_moment_of_a_change_begins_the_new_life() -> None:
    old = program("a", autorestart=Autorestart.ALWAYS)
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=5)
    world.start(old)
    world.run(2)
    world.feed(change(old, with_command(old)))
    world.end(world.child("a"), ExitStatus(signal=11))
    world.run(2)
    assert [spec.command for _, spec in world.spawns] == ["/bin/a", "/bin/new"]
