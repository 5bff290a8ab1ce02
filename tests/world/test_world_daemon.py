"""The overseer in its world: starting, stopping in order, going down."""

import time
from typing import Any

import pytest

from tests.world.fake_os import KILL, STOP, Behaviour, World, process, program
from tmd.config.settings import Autorestart, GroupSpec
from tmd.core.effects import Halt
from tmd.core.inputs import (
    AddGroupAsked,
    DaemonStarted,
    ExitStatus,
    ForProcess,
    LevelDue,
    RemoveGroupAsked,
    RestartAsked,
    ShutdownAsked,
    SignalAsked,
    StartAsked,
    StopAsked,
    StopInOrderAsked,
)
from tmd.core.notices import (
    DaemonRunning,
    DaemonStopping,
    GroupAdded,
    ProcessAdded,
    ProcessFatal,
    ProcessKilled,
    ProcessRunning,
    ProcessSpared,
    ProcessStarting,
    ProcessStopped,
    ProcessStopping,
)
from tmd.core.stopping import SURVIVOR_GRACE_S
from tmd.wire.faults import Fault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId


def group(name: str, *names: str, priority: int = 999, **fields: Any) -> GroupSpec:
    processes = tuple(process(member, name, **fields) for member in names)
    return GroupSpec(name=name, kind="group", priority=priority, processes=processes)


# --- starting


def test_groups_start_by_priority_then_name_and_nothing_waits() -> None:
    world = World()
    world.start(program("late", 5), program("b", 1), program("a", 1))
    assert world.told(ProcessStarting) == ["a", "b", "late"]
    assert [at for at, _ in world.spawns] == [0, 0, 0]
    assert world.told(GroupAdded) == ["late", "b", "a"]


def test_the_daemon_tells_it_runs_before_anything_starts() -> None:
    world = World()
    world.start(program("a"))
    kinds = [type(notice) for _, notice in world.notices]
    assert kinds.index(DaemonRunning) > kinds.index(ProcessAdded)
    assert kinds.index(DaemonRunning) < kinds.index(ProcessStarting)
    world.feed(DaemonStarted())
    assert len(world.told(DaemonRunning)) == 1


def test_a_program_starts_its_processes_by_priority_and_name_a_group_as_configured() -> None:
    members = (process("p_1", "p"), process("p_10", "p"), process("p_0", "p"), process("p_2", "p", priority=1))
    world = World()
    world.start(GroupSpec(name="p", processes=members))
    assert [spec.name for _, spec in world.spawns] == ["p_2", "p_0", "p_1", "p_10"]
    world = World()
    world.start(GroupSpec(name="p", kind="group", processes=members))
    assert [spec.name for _, spec in world.spawns] == ["p_1", "p_10", "p_0", "p_2"]


def test_nothing_starts_before_the_daemon_and_nothing_without_autostart() -> None:
    world = World()
    world.feed(AddGroupAsked(program("a")))
    world.feed(AddGroupAsked(program("b", autostart=False)))
    assert world.spawns == []
    world.feed(DaemonStarted())
    assert [spec.name for _, spec in world.spawns] == ["a"]
    world.feed(AddGroupAsked(program("c")))
    world.feed(AddGroupAsked(program("c")))
    world.run(2)
    assert [world.state(name) for name in "abc"] == ["RUNNING", "STOPPED", "RUNNING"]
    assert world.told(GroupAdded) == ["a", "b", "c"]


def test_a_crash_looping_program_is_tried_startretries_plus_one_times() -> None:
    world = World(seed=3)
    world.behaviours["a"] = Behaviour(lives_s=0.25, status=ExitStatus(code=1))
    world.behaviours["b"] = Behaviour(spawns=False)
    world.start(program("a", startretries=3), program("b", startretries=2))
    world.run(1000)
    assert [at for at, spec in world.spawns if spec.name == "a"] == [0, 1.25, 3.5, 6.75]
    assert [at for at, spec in world.spawns if spec.name == "b"] == [0, 1, 3]
    assert sorted(world.told(ProcessFatal)) == ["a", "b"]


def test_a_program_that_ends_after_startsecs_restarts_at_once() -> None:
    world = World()
    world.behaviours["a"] = Behaviour(lives_s=1.5, status=ExitStatus(signal=11))
    world.start(program("a", autorestart=Autorestart.UNEXPECTED))
    world.run(4)
    assert [at for at, _ in world.spawns] == [0, 1.5, 3.0]


def test_who_is_not_known_is_ignored() -> None:
    world = World()
    world.start(program("a"))
    before = len(world.notices)
    for id_ in (ProcessId("a", "x"), ProcessId("x", "a")):
        world.feed(ForProcess(id_, StartAsked()))
    world.feed(RemoveGroupAsked("x"))
    world.feed(LevelDue(99))
    world.feed(StopInOrderAsked((ProcessId("x", "x"),)))
    assert len(world.notices) == before


def test_groups_and_members_are_seen_in_order() -> None:
    world = World()
    world.start(group("z", "b", "a", priority=1), program("y", 2), program("x", 2))
    assert [each.spec.name for each in world.overseer.ordered_groups()] == ["z", "x", "y"]
    assert list(world.overseer.groups["z"].members) == ["b", "a"]
    world.feed(RemoveGroupAsked("x"))
    assert [spec.name for spec in world.overseer.active()] == ["z", "y"]
    assert [each.spec.name for each in world.overseer.ordered_groups()] == ["z", "x", "y"]


# --- stopping in order


def test_a_stop_in_order_awaits_each_level() -> None:
    world = World()
    world.behaviours |= {name: Behaviour(stops_in_s=0.5) for name in ("app", "app2", "db", "cache")}
    world.start(program("app", 100), program("app2", 100), group("data", "db", "cache", priority=1))
    world.run(2)
    ids = tuple(member.id for each in world.overseer.groups.values() for member in each.members.values())
    operation = world.await_all("stop", *ids)
    world.feed(StopInOrderAsked(ids))
    world.run(5)
    assert world.told(ProcessStopping) == ["app2", "app", "data:cache", "data:db"]
    assert world.told_at(ProcessStopping, "app") == world.told_at(ProcessStopping, "app2") == [2.0]
    assert world.told_at(ProcessStopping, "data:db") == [2.5]
    assert operation.done
    assert {fault for _, fault, _ in operation.results} == {Fault.SUCCESS}
    assert all(world.overseer.member(id_).process.stopped_by_hand for id_ in ids)  # type: ignore[union-attr]


def test_levels_go_by_the_process_priority_inside_a_group() -> None:
    world = World()
    spec = GroupSpec(
        name="g",
        processes=(process("one", "g", priority=1), process("two", "g", priority=2), process("also", "g", priority=2)),
    )
    world.behaviours |= {name: Behaviour(stops_in_s=1) for name in ("one", "two", "also")}
    world.start(spec)
    world.run(2)
    world.feed(StopInOrderAsked(tuple(each.id for each in spec.processes), by_hand=False))
    world.run(5)
    assert world.told_at(ProcessStopping, "g:two") == world.told_at(ProcessStopping, "g:also") == [2]
    assert world.told_at(ProcessStopping, "g:one") == [3]
    assert not world.overseer.groups["g"].members["one"].process.stopped_by_hand


@pytest.mark.parametrize("asked", [StartAsked(), RestartAsked()])
def test_a_start_takes_a_process_out_of_a_stop_that_has_not_reached_it(asked: StartAsked | RestartAsked) -> None:
    world = World()
    world.behaviours["app"] = Behaviour(stops_in_s=2)
    world.start(program("app", 2), program("db", 1))
    world.run(2)
    operation = world.await_all("stop", world.id("app"), world.id("db"))
    world.feed(StopInOrderAsked((world.id("app"), world.id("db"))))
    world.ask("db", asked)
    world.run(10)
    assert (world.state("app"), world.state("db")) == ("STOPPED", "RUNNING")
    assert world.told(ProcessSpared) == ["db"]
    assert operation.results == [(world.id("db"), Fault.FAILED, "db"), (world.id("app"), Fault.SUCCESS, "")]


def test_a_restart_while_a_level_is_awaited_does_not_open_the_next_before_the_stop() -> None:
    world = World()
    world.behaviours["app"] = Behaviour(stops_in_s=2)
    world.start(program("app", 2), program("db", 1))
    world.run(2)
    world.feed(StopInOrderAsked((world.id("app"), world.id("db"))))
    world.ask("app", RestartAsked())
    world.run(1)
    assert world.state("db") == "RUNNING"
    world.run(5)
    assert (world.state("app"), world.state("db")) == ("RUNNING", "STOPPED")


def test_a_survivor_of_sigkill_does_not_hold_up_a_stop_in_order_for_ever() -> None:
    world = World()
    world.behaviours["app"] = Behaviour(stops_in_s=None, dies_in_s=None)
    world.start(program("app", 2, stopwaitsecs=5), program("db", 1))
    world.run(2)
    world.feed(StopInOrderAsked((world.id("app"), world.id("db"))))
    world.run(5 + SURVIVOR_GRACE_S - 0.1)
    assert world.state("db") == "RUNNING"
    world.run(3.2)
    assert world.state("db") == "STOPPED"
    assert world.state("app") == "STOPPING"
    assert len(world.lines("cannot stop 'app'")) == 1


def test_a_program_that_may_not_be_signalled_does_not_hold_up_a_stop_in_order() -> None:
    world = World()
    world.behaviours["foreign"] = Behaviour(signallable=False)
    world.start(program("foreign", 2), program("db", 1))
    world.run(2)
    operation = world.await_all("stop", world.id("foreign"), world.id("db"))
    world.feed(StopInOrderAsked((world.id("foreign"), world.id("db"))))
    world.run(0)
    assert (world.state("foreign"), world.state("db")) == ("UNKNOWN", "STOPPED")
    assert operation.results[0] == (world.id("foreign"), Fault.FAILED, "Operation not permitted")
    assert world.lines("foreign' (pid") == ["cannot send SIGTERM to 'foreign' (pid 102): Operation not permitted"]


# --- going down


def test_shutdown_stops_groups_by_falling_priority_each_level_awaited() -> None:
    world = World()
    names = ["first", "second", "third", "mate"]
    world.behaviours |= {name: Behaviour(stops_in_s=1) for name in names}
    world.start(program("third", 1), program("second", 2), program("first", 3), program("mate", 2))
    world.run(2)
    world.feed(ShutdownAsked())
    assert world.told(DaemonStopping) == [""]
    assert world.run_until_halt() == 3
    assert world.told(ProcessStopping) == ["first", "second", "mate", "third"]
    world.feed(ShutdownAsked())
    assert world.told(DaemonStopping) == [""]
    assert all(world.state(name) == "STOPPED" for name in names)


def test_a_shutdown_in_a_hurry_waits_for_no_level() -> None:
    world = World()
    world.behaviours |= {name: Behaviour(stops_in_s=5) for name in "abc"}
    world.start(program("a", 1), program("b", 2), program("c", 3))
    world.run(2)
    world.feed(ShutdownAsked())
    assert world.told(ProcessStopping) == ["c"]
    world.feed(ShutdownAsked(at_once=True))
    assert world.told(ProcessStopping) == ["c", "b", "a"]
    assert world.told(DaemonStopping) == [""]
    assert world.run_until_halt() == 5


def test_a_shutdown_may_be_in_a_hurry_from_the_beginning() -> None:
    world = World()
    world.start(program("a", 1), program("b", 2))
    world.run(2)
    world.feed(ShutdownAsked(at_once=True))
    assert world.told(ProcessStopping) == ["b", "a"]


def test_inside_a_group_shutdown_goes_by_process_priority_without_waiting() -> None:
    world = World()
    world.behaviours |= {name: Behaviour(stops_in_s=1) for name in "abc"}
    members = (process("a", "g", priority=1), process("b", "g", priority=3), process("c", "g", priority=2))
    world.start(GroupSpec(name="g", processes=members))
    world.run(2)
    world.feed(ShutdownAsked())
    assert world.told(ProcessStopping) == ["g:b", "g:c", "g:a"]
    assert world.run_until_halt() == 1


def test_twenty_programs_of_one_priority_take_as_long_as_one() -> None:
    world = World()
    names = [f"p{number}" for number in range(20)]
    world.behaviours |= {name: Behaviour(stops_in_s=1) for name in names}
    world.start(*(program(name) for name in names))
    world.run(2)
    world.feed(ShutdownAsked())
    assert world.run_until_halt() == 1


def test_a_program_that_ignores_the_stop_signal_is_killed_at_stopwaitsecs() -> None:
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=None)
    world.start(program("a", stopwaitsecs=3))
    world.run(2)
    world.feed(ShutdownAsked())
    assert world.run_until_halt() == 3
    assert world.told_at(ProcessKilled, "a") == [5]
    assert world.lines("killing 'a' (101) with SIGKILL")


def test_a_suspended_program_runs_its_handler_when_stopped() -> None:
    world = World()
    world.start(program("a"))
    world.run(2)
    world.ask("a", SignalAsked(STOP, whole_group=True))
    assert world.overseer.groups["a"].members["a"].process.paused
    world.ask("a", StopAsked())
    world.run(0)
    assert world.state("a") == "STOPPED"
    assert KILL not in [signum for child in world.children.values() for _, signum in child.got]


def test_a_shutdown_is_bounded_and_names_whom_it_leaves_behind() -> None:
    world = World()
    world.behaviours["stuck"] = Behaviour(stops_in_s=None, dies_in_s=None)
    world.start(program("stuck", 2, stopwaitsecs=4), program("db", 1))
    world.run(2)
    world.feed(ShutdownAsked())
    assert world.run_until_halt() == 4 + SURVIVOR_GRACE_S
    assert [text for _, level, text in world.logs if level is Level.CRIT] == [
        "cannot stop 'stuck' (pid 102): it survives SIGKILL; leaving it behind"
    ]
    assert world.state("db") == "STOPPED"


def test_a_program_that_may_not_be_signalled_is_left_behind_at_once() -> None:
    world = World()
    world.behaviours["foreign"] = Behaviour(signallable=False)
    world.start(program("foreign", 2), program("db", 1))
    world.run(2)
    world.feed(ShutdownAsked())
    assert world.run_until_halt() == 0
    assert world.lines("cannot stop 'foreign' (pid 102): the kernel refuses to signal it; leaving it behind")
    assert world.state("db") == "STOPPED"


def test_whom_a_shutdown_waits_for_is_told_every_three_seconds() -> None:
    world = World()
    world.behaviours |= {"a": Behaviour(stops_in_s=3.5), "b": Behaviour(stops_in_s=5)}
    world.start(program("a", 1), program("b", 2))
    world.run(2)
    world.feed(ShutdownAsked())
    world.run_until_halt()
    said = [(at, text) for at, _, text in world.logs if text.startswith("waiting")]
    assert said == [
        (2, "waiting for a, b to die"),
        (5, "waiting for a, b to die"),
        (8, "waiting for a to die"),
    ]


def test_a_shutdown_with_nothing_up_halts_in_the_same_step() -> None:
    world = World()
    world.start(program("a", autostart=False))
    effects = world.overseer.step(ShutdownAsked(), world.now)
    assert effects[-1] == Halt()
    for late in (ShutdownAsked(), AddGroupAsked(program("b")), ForProcess(world.id("a"), StartAsked())):
        assert world.overseer.step(late, world.now) == []
    assert not world.lines("waiting")


def test_nothing_starts_while_the_daemon_goes_down() -> None:
    world = World()
    world.behaviours |= {"a": Behaviour(stops_in_s=2), "b": Behaviour(spawns=False), "c": Behaviour(lives_s=5)}
    world.start(program("a", 2), program("b"), program("c", 1, autorestart=Autorestart.ALWAYS))
    world.run(4)
    spawns = len(world.spawns)
    world.feed(ShutdownAsked())
    world.feed(AddGroupAsked(program("d")))
    world.feed(RemoveGroupAsked("c"))
    world.feed(StopInOrderAsked((world.id("c"),)))
    for name in "abc":
        world.ask(name, StartAsked())
        world.ask(name, RestartAsked())
    assert world.state("b") == "FATAL"
    world.run(1.5)
    assert world.state("c") == "EXITED"
    world.run_until_halt()
    assert len(world.spawns) == spawns
    assert world.state("d") == "gone"
    world.feed(DaemonStarted())
    assert len(world.told(DaemonRunning)) == 1


@pytest.mark.parametrize("asked", [StartAsked(), RestartAsked()])
def test_a_start_does_not_take_anything_out_of_a_shutdown(asked: StartAsked | RestartAsked) -> None:
    world = World()
    world.behaviours["app"] = Behaviour(stops_in_s=1)
    world.start(program("app", 2), program("db", 1))
    world.run(2)
    world.feed(ShutdownAsked())
    world.ask("db", asked)
    world.run_until_halt()
    assert world.state("db") == "STOPPED"
    assert world.told(ProcessSpared) == []


def test_a_shutdown_takes_over_stops_in_order() -> None:
    world = World()
    world.behaviours |= {"app": Behaviour(stops_in_s=2), "db": Behaviour(stops_in_s=2)}
    world.start(program("app", 2), program("db", 1))
    world.run(2)
    operation = world.await_all("stop", world.id("app"), world.id("db"))
    world.feed(StopInOrderAsked((world.id("app"), world.id("db"))))
    world.run(1)
    world.feed(ShutdownAsked())
    assert world.run_until_halt() == 3
    assert operation.done


def test_a_restart_under_way_is_answered_by_the_shutdown() -> None:
    world = World()
    world.behaviours["a"] = Behaviour(stops_in_s=2)
    world.start(program("a"))
    world.run(2)
    operation = world.await_all("restart", world.id("a"))
    world.ask("a", RestartAsked())
    world.feed(ShutdownAsked())
    world.run_until_halt()
    assert operation.results == [(world.id("a"), Fault.ABNORMAL_TERMINATION, "a")]
    assert world.told(ProcessStopped) == ["a"]


def test_a_thousand_programs_come_and_go_in_reasonable_time() -> None:
    world = World()
    began = time.monotonic()
    world.start(*(program(f"p{number}") for number in range(1000)))
    world.run(2)
    assert len(world.told(ProcessRunning)) == 1000
    world.feed(ShutdownAsked())
    world.run_until_halt()
    assert time.monotonic() - began < 10
