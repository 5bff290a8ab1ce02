"""Trees, on a machine of paper: what is looked at, in which order, and what is told when."""

import os
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from tmd.core.inputs import NOTHING_LEFT, LeftBehind
from tmd.daemon import strays
from tmd.daemon import trees as module
from tmd.daemon.clerk import Admission
from tmd.daemon.nursery import QUIET_S
from tmd.daemon.trees import PATIENCE_S, Trees
from tmd.posix import brands, subreaper
from tmd.posix.identity import Glimpse
from tmd.wire.levels import Level

KEY = "0000beef"
LEADER, CHILD, ESCAPEE, STRANGER = 100, 2000, 30000, 40001


class Machine:
    """Processes that carry brands; the time; what was asked of the loop."""

    def __init__(self) -> None:
        self.time = 0.0
        self.soon: list[Callable[[], object]] = []
        self.later: list[tuple[float, Callable[[], object]]] = []
        self.children: list[int] = []
        self.carried: dict[int, int] = {}
        self.environments: dict[int, str] = {}
        self.groups: dict[int, int] = {}
        self.immortal: set[int] = set()
        self.looks = 0
        self.killed: list[int] = []

    # the loop

    def now(self) -> float:
        return self.time

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.soon.append(callback)

    call_last = post = call_soon

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> None:
        self.later.append((self.time + delay_s, callback))

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()

    def run(self, seconds: float) -> None:
        """Let time pass, one deadline after the other."""
        end = self.time + seconds
        self.turn()
        while self.later and min(at for at, _ in self.later) <= end:
            at, callback = min(self.later, key=lambda each: each[0])
            self.later.remove((at, callback))
            self.time = at
            callback()
            self.turn()
        self.time = end

    # the kernel

    def listed(self) -> bytes:
        self.looks += 1
        return b"".join(b"%d " % pid for pid in self.children)

    def living(self, roots: Iterable[int]) -> dict[int, Glimpse]:
        return {pid: self.glimpse(pid) for pid in roots if pid in self.children}  # type: ignore[misc]

    def end(self, roots: Iterable[int], meant: Callable[[int, Glimpse], bool]) -> dict[int, Glimpse]:
        found = {pid: seen for pid, seen in self.living(roots).items() if meant(pid, seen)}
        self.killed += found
        self.children = [pid for pid in self.children if pid not in found or pid in self.immortal]
        return found

    def name_of(self, pid: int) -> str:
        return f"p{pid}"

    def carries(self, pid: int, _: str) -> str:
        return self.environments.get(pid, "")

    def glimpse(self, pid: int) -> Glimpse | None:
        if pid not in self.children:
            return None
        group = self.groups.get(pid, pid)
        return Glimpse(ticks=pid, state="S", ppid=os.getpid(), group=group, session=group, status=None)


class Grounds:
    """A place where groups could be made."""

    def of(self, name: str) -> str:
        return f"/no/such/place/{name}"

    def tidy(self) -> None:
        return


class Stage:
    """Trees on a machine, and what they have told."""

    def __init__(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine, self._monkeypatch = machine, monkeypatch
        self.lines: list[tuple[Level, str]] = []
        self.told: list[tuple[int, LeftBehind]] = []
        for room in (module, strays):
            monkeypatch.setattr(room, "descendants", machine)
            monkeypatch.setattr(room, "brand_of", self._brand_of)
        monkeypatch.setattr(strays, "glimpse", machine.glimpse)
        monkeypatch.setattr(subreaper, "become", lambda: True)
        monkeypatch.setattr(subreaper, "resign", lambda: None)
        monkeypatch.setattr(brands, "read", lambda pid: machine.carried.get(pid, 0))
        self.admitted: list[Admission] = []
        """who was given to the clerk"""
        monkeypatch.setattr(module, "Grounds", lambda key: Grounds())
        monkeypatch.setattr(module, "Clerk", lambda *_: self)
        self.build(groups=False)

    def build(self, *, groups: bool) -> None:
        self.trees = Trees(
            cast("Any", self.machine), lambda level, text: self.lines.append((level, text)), groups=groups
        )

    def admit(self, admission: Admission) -> None:
        self.admitted.append(admission)

    def patch_glimpse(self, glimpse: Callable[[int], Glimpse | None]) -> None:
        self._monkeypatch.setattr(strays, "glimpse", glimpse)

    def _brand_of(self, pid: int) -> int:
        return self.machine.carried.get(pid, 0) or brands.of(self.machine.environments.get(pid, ""))

    def start(self, pid: int = LEADER, number: int = 1, orphans: Any = "kill") -> None:
        token = f"{KEY}.{number}"
        self.trees.marking(orphans, token)
        self.machine.children.append(pid)
        self.trees.begun("web", orphans, token, pid)

    def orphan(self, pid: int, number: int = 1, *, spared: bool = False) -> None:
        self.machine.children.append(pid)
        self.machine.carried[pid] = brands.of(f"{KEY}.{number}", spared=spared)

    def end(self, pid: int = LEADER, **how: Any) -> None:
        self.machine.children.remove(pid)
        self.trees.ended(pid, lambda left: self.told.append((pid, left)), **how)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(Machine(), monkeypatch)


def test_an_end_that_leaves_nothing_is_told_in_the_next_turn_after_one_look(stage: Stage) -> None:
    for number in range(1, 4):
        stage.start(LEADER + number, number)
    for number in range(1, 4):
        stage.end(LEADER + number)
    assert stage.told == []
    stage.machine.turn()
    assert stage.told == [(LEADER + number, NOTHING_LEFT) for number in range(1, 4)]
    assert stage.machine.looks == 1
    assert stage.lines == []


def test_of_keep_nothing_is_asked_and_it_is_told_at_once(stage: Stage) -> None:
    stage.start(orphans="keep")
    stage.orphan(CHILD)
    stage.end()
    assert stage.told == [(LEADER, NOTHING_LEFT)]
    assert stage.machine.looks == 0
    assert not stage.trees.reaps_orphans


def test_what_is_left_is_killed_before_the_end_is_told(stage: Stage) -> None:
    stage.start()
    stage.orphan(CHILD)
    stage.machine.children.append(ESCAPEE)
    stage.machine.environments[ESCAPEE] = f"{KEY}.1"
    stage.end()
    stage.machine.turn()
    assert sorted(stage.machine.killed) == [CHILD, ESCAPEE]
    assert stage.told == []
    stage.machine.run(1)
    assert stage.told == [(LEADER, LeftBehind(count=2, names=(f"p{CHILD}", f"p{ESCAPEE}")))]
    assert stage.lines == [
        (Level.INFO, f"web left 2 processes behind: killed p{CHILD} (pid {CHILD}), p{ESCAPEE} (pid {ESCAPEE})")
    ]
    assert stage.trees.figures()["orphans_killed"] == 2


def test_only_its_own_are_killed(stage: Stage) -> None:
    stage.start()
    stage.start(LEADER + 1, 2)
    stage.orphan(CHILD, 1)
    stage.orphan(ESCAPEE, 2)
    stage.machine.children.append(STRANGER)
    stage.machine.carried[STRANGER + 1] = brands.of("0000cafe.1")
    stage.machine.children.append(STRANGER + 1)
    stage.end()
    stage.machine.run(1)
    assert stage.machine.killed == [CHILD]
    stage.end(LEADER + 1)
    stage.machine.run(1)
    assert stage.machine.killed == [CHILD, ESCAPEE]


def test_one_without_a_mark_is_known_by_its_group(stage: Stage) -> None:
    stage.start()
    stage.machine.children.append(CHILD)
    stage.machine.groups[CHILD] = LEADER
    stage.end()
    stage.machine.run(1)
    assert stage.machine.killed == [CHILD]


def test_what_will_not_die_is_waited_for_and_named(stage: Stage) -> None:
    stage.start()
    stage.orphan(CHILD)
    stage.orphan(ESCAPEE)
    stage.machine.immortal = {ESCAPEE}
    stage.end()
    stage.machine.run(PATIENCE_S - 0.1)
    assert stage.told == []
    stage.machine.run(0.3)
    assert stage.told == [(LEADER, LeftBehind(count=2, names=(f"p{CHILD}", f"p{ESCAPEE}"), survivors=1))]
    assert [level for level, _ in stage.lines] == [Level.CRIT, Level.INFO]
    assert f"p{ESCAPEE} (pid {ESCAPEE}) will not die" in stage.lines[0][1]
    assert stage.trees.figures()["orphans_survived"] == 1
    looks = len(stage.machine.later)
    assert looks == 0, "and then nobody looks any more"


def test_many_are_named_by_a_few(stage: Stage) -> None:
    stage.start()
    for number in range(100):
        stage.orphan(CHILD + number)
    stage.end()
    stage.machine.run(1)
    ((_, left),) = stage.told
    assert (left.count, len(left.names)) == (100, 5)
    assert stage.lines[0][1].startswith("web left 100 processes behind: killed p2000 (pid 2000), ")
    assert stage.lines[0][1].endswith(" and 95 more")


def test_warn_tells_and_touches_nobody(stage: Stage) -> None:
    stage.start(orphans="warn")
    stage.orphan(CHILD, spared=True)
    stage.machine.children.append(ESCAPEE)
    stage.machine.groups[ESCAPEE] = LEADER
    stage.end(group_ended=True)
    stage.machine.turn()
    assert stage.machine.killed == []
    assert stage.told == [(LEADER, LeftBehind(count=1, names=(f"p{CHILD}",), killed=False))]
    assert stage.lines == [
        (Level.WARN, f"web left 1 process behind: p{CHILD} (pid {CHILD}) (orphans = warn)"),
    ]


def test_an_orphan_is_forgotten_when_it_was_reaped(stage: Stage) -> None:
    stage.start()
    stage.start(LEADER + 1, 2)
    stage.orphan(CHILD, 2)
    stage.end()
    stage.machine.run(1)
    assert stage.trees.figures()["orphans_held"] == 1
    stage.machine.children.remove(CHILD)
    stage.trees.reaped(CHILD)
    assert stage.trees.figures()["orphans_held"] == 0
    assert stage.trees.figures()["orphans_reaped"] == 1
    stage.start(CHILD, 3)  # its number was given to a program of ours
    stage.end(LEADER + 1)
    stage.machine.run(1)
    assert stage.machine.killed == []


def test_what_another_has_reaped_is_found_out(stage: Stage) -> None:
    stage.start()
    stage.start(LEADER + 1, 2)
    stage.orphan(CHILD, 2)
    stage.end()
    stage.machine.run(1)
    stage.machine.children.remove(CHILD)
    stage.end(LEADER + 1)
    stage.machine.run(1)
    assert stage.trees.figures()["orphans_held"] == 0
    assert stage.told[-1] == (LEADER + 1, NOTHING_LEFT)


def test_of_a_life_under_an_earlier_daemon_the_whole_machine_is_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = f"{KEY}.7"
    monkeypatch.setattr(brands, "carriers", lambda brand: dict(stage.machine.carried))
    assert stage.trees.taken_over("web", "kill", token, LEADER, "") == ""
    stage.machine.children += [LEADER]
    stage.orphan(CHILD, 7)
    stage.end()
    stage.machine.run(1)
    assert stage.machine.killed == [CHILD]
    stage.orphan(ESCAPEE, 8)
    stage.trees.lost("web", "kill", f"{KEY}.8", "", lambda left: stage.told.append((0, left)))
    stage.machine.run(1)
    assert stage.machine.killed == [CHILD, ESCAPEE]
    assert [left.count for _, left in stage.told] == [1, 1]


def test_a_sweep_ends_what_nobody_knows_but_spares_what_was_spared(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brands, "carriers", lambda brand: dict(stage.machine.carried))
    stage.orphan(CHILD, 1)
    stage.orphan(ESCAPEE, 2)
    stage.orphan(STRANGER, 3, spared=True)
    stage.trees.sweep(KEY, [f"{KEY}.2"])
    stage.machine.run(1)
    assert stage.machine.killed == [CHILD]


def test_one_that_is_another_process_at_each_look_is_not_thought_gone(stage: Stage) -> None:
    stage.start()
    stage.orphan(CHILD)
    last = CHILD
    looked = stage.machine.glimpse
    lives = 0

    def glimpse(pid: int) -> Glimpse | None:
        """Have it fork and end just before somebody looks at it, the first few times."""
        nonlocal last, lives
        if pid == last and lives < 20:
            lives += 1
            last = pid + 1
            stage.orphan(last)
        seen = looked(pid)
        return seen._replace(state="Z") if seen is not None and CHILD <= pid < last else seen

    stage.patch_glimpse(glimpse)
    stage.end()
    stage.machine.run(1)
    assert stage.machine.killed == [CHILD + 20]
    ((_, left),) = stage.told
    assert left.count == 1


def test_a_life_is_given_a_group_once_it_has_lasted(stage: Stage) -> None:
    stage.build(groups=True)
    stage.start(LEADER, 1)
    stage.start(LEADER + 1, 2)
    stage.machine.run(QUIET_S / 2)
    stage.end(LEADER)
    stage.machine.run(QUIET_S / 2 - 0.01)
    assert stage.admitted == []
    stage.machine.run(0.02)
    assert [(admission.pid, admission.path) for admission in stage.admitted] == [(LEADER + 1, "/no/such/place/2")]
    assert stage.told == [(LEADER, NOTHING_LEFT)]
    assert stage.machine.looks == 1, "the one that ended was looked for as one without a group"
