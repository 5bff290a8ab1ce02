"""Notices of a stop say what it was for."""

from typing import Any

from tests.world.fake_os import Behaviour, World, process, program
from tmd.config.plan import GroupChange
from tmd.config.settings import GroupSpec
from tmd.core.inputs import (
    ChangeGroupAsked,
    RemoveGroupAsked,
    RestartAsked,
    ShutdownAsked,
    StopAsked,
    StopCause,
    StopInOrderAsked,
)
from tmd.core.notices import ProcessStopped, ProcessStopping


def running(**fields: Any) -> World:
    world = World()
    world.start(program("web", **fields))
    world.run(5)
    assert world.state("web") == "RUNNING"
    return world


def causes(world: World) -> list[tuple[str, bool, StopCause]]:
    return [
        (type(notice).__name__, getattr(notice, "restarts", False), notice.cause)
        for _, notice in world.notices
        if isinstance(notice, ProcessStopping | ProcessStopped)
    ]


def told(cause: StopCause, *, restarts: bool = False) -> list[tuple[str, bool, StopCause]]:
    return [("ProcessStopping", False, cause), ("ProcessStopped", restarts, cause)]


def test_somebody_asked() -> None:
    world = running()
    world.feed(StopInOrderAsked((world.id("web"),)))
    world.run(5)
    assert causes(world) == told("asked")
    world = running()
    world.ask("web", RestartAsked())
    world.run(5)
    assert causes(world) == told("asked", restarts=True)


def test_a_restart_of_several_stops_first() -> None:
    world = running()
    world.feed(StopInOrderAsked((world.id("web"),), by_hand=False))
    world.run(5)
    assert causes(world) == told("restart")


def test_the_configuration_changed() -> None:
    world = running()
    old = world.overseer.groups["web"].spec
    new = process("web", command="/bin/other")
    group = GroupSpec(name="web", processes=(new,))
    world.feed(ChangeGroupAsked(GroupChange(old=old, new=group, restart=(new,))))
    world.run(5)
    assert causes(world) == told("changed", restarts=True)
    world.feed(RemoveGroupAsked("web"))
    world.run(5)
    assert causes(world)[2:] == told("removed")


def test_the_daemon_goes_down() -> None:
    world = running()
    world.feed(ShutdownAsked())
    world.run(5)
    assert causes(world) == told("shutdown")


def test_a_listener_in_trouble() -> None:
    world = running()
    world.ask("web", RestartAsked("listener"))
    world.run(5)
    assert causes(world) == told("listener", restarts=True)


def test_of_a_stop_under_way_the_first_reason_stands() -> None:
    world = World()
    world.behaviours["web"] = Behaviour(stops_in_s=3.0)
    world.start(program("web"))
    world.run(5)
    world.ask("web", StopAsked())
    world.run(1)
    world.feed(ShutdownAsked())
    world.run(5)
    assert causes(world) == told("asked")


def test_a_later_stop_has_a_reason_of_its_own() -> None:
    world = running()
    world.ask("web", RestartAsked("changed"))
    world.run(5)
    world.ask("web", StopAsked())
    world.run(5)
    assert causes(world) == [*told("changed", restarts=True), *told("asked")]
