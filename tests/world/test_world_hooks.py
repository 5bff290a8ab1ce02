"""Programs with a prestop among others: what waits for it, and what a veto does to those who wait."""

import pytest

from tests.world.fake_os import Behaviour, World, process, program
from tmd.config.plan import GroupChange
from tmd.config.settings import GroupSpec
from tmd.core.inputs import (
    ChangeGroupAsked,
    ExitStatus,
    RemoveGroupAsked,
    RestartAsked,
    ShutdownAsked,
    StopAsked,
    StopInOrderAsked,
)
from tmd.core.notices import ProcessStopAborted, ProcessStopped, ProcessStopping
from tmd.wire.faults import Fault


def two(failure: str = "", **fields: object) -> World:
    """Return a world where `app`, with a prestop of 3 s, stops before `db`; both RUNNING, 2 s after the start."""
    world = World()
    world.behaviours["app"] = Behaviour(stops_in_s=1, prestop_s=3, prestop_failure=failure)
    world.start(program("app", 2, prestop="drain", **fields), program("db", 1))
    world.run(2)
    return world


def test_the_next_level_waits_for_prestop_and_stop() -> None:
    world = two()
    operation = world.await_all("stop", world.id("app"), world.id("db"))
    world.feed(StopInOrderAsked((world.id("app"), world.id("db"))))
    world.run(2.5)
    assert (world.state("app"), world.state("db")) == ("RUNNING", "RUNNING")
    world.run(10)
    assert world.told_at(ProcessStopping, "app") == [5]
    assert world.told_at(ProcessStopping, "db") == world.told_at(ProcessStopped, "app") == [6]
    assert [fault for _, fault, _ in operation.results] == [Fault.SUCCESS, Fault.SUCCESS]


def test_a_veto_gives_up_one_stop_and_lets_the_others_go_on() -> None:
    world = two("prestop hook failed: exit status 1", hook_failure="abort")
    operation = world.await_all("stop", world.id("app"), world.id("db"))
    world.feed(StopInOrderAsked((world.id("app"), world.id("db"))))
    world.run(10)
    assert (world.state("app"), world.state("db")) == ("RUNNING", "STOPPED")
    reason = "cannot stop 'app': prestop hook failed: exit status 1 (it goes on running)"
    assert operation.results == [(world.id("app"), Fault.FAILED, reason), (world.id("db"), Fault.SUCCESS, "")]
    assert world.told(ProcessStopAborted) == ["app"]


def test_who_waits_for_a_restart_is_told_of_a_veto() -> None:
    world = two("no", hook_failure="abort")
    operation = world.await_all("restart", world.id("app"))
    world.ask("app", RestartAsked())
    world.run(5)
    assert operation.results == [(world.id("app"), Fault.FAILED, "cannot restart 'app': no (it goes on running)")]


@pytest.mark.parametrize("before_s", [0, 1])
def test_the_end_of_the_daemon_waits_for_a_prestop_and_takes_no_veto(before_s: float) -> None:
    world = two("no", hook_failure="abort")
    if before_s:
        world.ask("app", StopAsked())
        world.run(before_s)
    world.feed(ShutdownAsked())
    assert world.run_until_halt() == 4 - before_s
    assert world.told(ProcessStopAborted) == []
    assert world.told_at(ProcessStopping, "db") == [6]


def test_what_leaves_waits_for_its_prestop_and_goes_whatever_it_says() -> None:
    world = two("no", hook_failure="abort")
    world.feed(RemoveGroupAsked("app"))
    world.run(3.9)
    assert world.state("app") == "STOPPING"
    world.run(1)
    assert world.state("app") == "gone"


def test_settings_whose_restart_is_given_up_wait_for_the_next_life() -> None:
    world = two("no", hook_failure="abort")
    old = world.overseer.groups["app"].spec
    (spec,) = old.processes
    new = process("app", prestop="drain", hook_failure="abort", command="/bin/other")
    group = GroupSpec(name="app", priority=2, processes=(new,))
    world.feed(ChangeGroupAsked(GroupChange(old=old, new=group, restart=(new,))))
    world.run(5)
    assert sorted(each.command for _, each in world.spawns) == [spec.command, "/bin/db"]
    world.end(world.child("app"), ExitStatus(signal=9))
    world.run(1)
    assert [each.command for _, each in world.spawns][2:] == ["/bin/other"]


def test_who_ends_during_its_prestop_frees_the_next_level() -> None:
    world = two()
    world.feed(StopInOrderAsked((world.id("app"), world.id("db"))))
    world.run(1)
    world.end(world.child("app"), ExitStatus(code=0))
    world.run(0)
    assert (world.state("app"), world.state("db")) == ("STOPPED", "STOPPED")
