"""What was added at run time beside what the files say."""

from typing import Any

import pytest

from tmd.config.settings import DaemonSettings, Dialect, GroupSpec, PoolSpec, ProcessSpec, Settings
from tmd.daemon.additions import Additions
from tmd.wire.names import ProcessId


def spec(name: str, group: str = "g") -> ProcessSpec:
    return ProcessSpec(name=name, group=group, program=name, command="/bin/true")


def group(name: str, *names: str, **more: Any) -> GroupSpec:
    return GroupSpec(name=name, processes=tuple(spec(each, name) for each in names), **more)


def settings(*groups: GroupSpec) -> Settings:
    daemon = DaemonSettings(logfile="/l", pidfile="/p", childlogdir="/c")
    return Settings(dialect=Dialect.NATIVE, daemon=daemon, groups=groups)


def names(merged: Settings) -> dict[str, list[str]]:
    return {each.name: [process.name for process in each.processes] for each in merged.groups}


@pytest.fixture
def additions() -> Additions:
    additions = Additions()
    additions.add(group("g", "x", priority=5), [spec("a"), spec("b")])
    additions.add(group("made", priority=1), [spec("m", "made")])
    additions.add(group("g"), [spec("c")])
    return additions


def test_additions_come_after_what_the_file_has(additions: Additions) -> None:
    merged = additions.merged(settings(group("g", "x", "y", priority=3), group("h", "z", priority=0)))
    assert names(merged) == {"h": ["z"], "made": ["m"], "g": ["x", "y", "a", "b", "c"]}
    assert merged.groups[2].priority == 3
    empty = settings()
    assert Additions().merged(empty) is empty


def test_a_group_that_leaves_the_file_stays_with_what_was_added(additions: Additions) -> None:
    assert names(additions.merged(settings())) == {"made": ["m"], "g": ["a", "b", "c"]}


def test_what_is_removed_is_forgotten(additions: Additions) -> None:
    assert ProcessId("g", "a") in additions
    assert ProcessId("g", "x") not in additions
    additions.remove(ProcessId("g", "a"))
    additions.remove(ProcessId("made", "m"))
    assert ProcessId("g", "a") not in additions
    assert names(additions.merged(settings())) == {"g": ["b", "c"]}


def test_what_a_group_took_with_it_comes_back_with_it(additions: Additions) -> None:
    file = settings(group("g", "x"))
    additions.set_aside("g")
    additions.set_aside("unknown")
    assert names(additions.merged(file)) == {"made": ["m"], "g": ["x"]}
    assert ProcessId("g", "a") not in additions
    additions.put_back("g")
    additions.put_back("unknown")
    assert names(additions.merged(file)) == {"made": ["m"], "g": ["x", "a", "b", "c"]}
    additions.set_aside("g")
    additions.forget_aside()
    additions.put_back("g")
    assert names(additions.merged(file)) == {"made": ["m"], "g": ["x"]}


def test_a_group_that_begins_anew_does_not_get_back_what_an_earlier_one_took_with_it(additions: Additions) -> None:
    additions.set_aside("g")
    additions.add(group("g"), [spec("a")])
    additions.set_aside("g")
    additions.put_back("g")
    assert names(additions.merged(settings())) == {"made": ["m"], "g": ["a"]}
    additions.set_aside("made")
    additions.add(group("made"), [spec("n", "made")])
    additions.put_back("made")
    assert names(additions.merged(settings())) == {"made": ["n"], "g": ["a"]}


def test_the_file_wins(additions: Additions) -> None:
    file = settings(group("g", "b", "z"), group("made", "l", pool=PoolSpec(events=("EVENT",)), kind="eventlistener"))
    assert additions.give_way(file) == [ProcessId("g", "b"), ProcessId("made", "m")]
    assert names(additions.merged(file)) == {"g": ["b", "z", "a", "c"], "made": ["l"]}
    assert additions.give_way(file) == []
