"""What is on disk at each moment of a turn: never less than what was done or told by then."""

from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.daemon.virtual import VirtualClock
from tmd.config.plan import plan_update
from tmd.config.settings import Dialect, GroupSpec, ProcessSpec
from tmd.core.effects import Effect, SendSignal, Spawn
from tmd.core.gauge import Counts
from tmd.core.inputs import (
    AddGroupAsked,
    ChangeGroupAsked,
    DaemonStarted,
    Exited,
    ExitStatus,
    ForProcess,
    OverseerInput,
    RemoveGroupAsked,
    Spawned,
    StopAsked,
    TimerFired,
)
from tmd.core.overseer import Overseer
from tmd.core.records import Entry
from tmd.daemon.journal import Journal
from tmd.daemon.ledger import Ledger
from tmd.daemon.life_records import LifeRecords
from tmd.daemon.logbook import Logbook
from tmd.daemon.remembering import FIGURES_S, RETRY_S, Remembering
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

A, B = ProcessId("g", "a"), ProcessId("g", "b")


def group(*names: str, command: str = "x") -> GroupSpec:
    specs = tuple(
        ProcessSpec(name=name, group="g", program="g", command=command if name == "b" else "x") for name in names
    )
    return GroupSpec(name="g", processes=specs)


class Stage:
    """An overseer whose effects are carried out by the test."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "j"
        self.clock = VirtualClock()
        self.warnings: list[str] = []
        self.journal = Journal(str(self.path), self.warnings.append)
        self.overseer = Overseer()
        self.records = LifeRecords()
        self.counts: dict[ProcessId, Counts] = {}
        self.remembering = Remembering(
            loop=cast("Any", self.clock),
            journal=self.journal,
            overseer=self.overseer,
            ledger=Ledger(),
            logbook=Logbook(Dialect.NATIVE, str(directory), "t", print),
            lives=self.records,
            counts=lambda id_: self.counts.get(id_) or Counts(),
        )

    def step(self, input_: OverseerInput) -> list[Effect]:
        effects = self.overseer.step(input_, self.clock.time)
        self.remembering.decided(effects)
        return effects

    def spawn(self, spec: ProcessSpec, pid: int) -> None:
        token = self.journal.next_token()
        self.remembering.intend(spec, token)
        self.journal.flush()
        self.records.began(spec, token, pid, 0)
        self.step(ForProcess(spec.id, Spawned(pid)))

    def up(self, *names: str) -> None:
        """Bring programs up; pids count from 100."""
        self.step(AddGroupAsked(group(*names)))
        effects = self.step(DaemonStarted())
        for number, effect in enumerate(each for each in effects if isinstance(each, Spawn)):
            self.spawn(effect.spec, 100 + number)
        for name in names:
            member = self.overseer.member(ProcessId("g", name))
            assert member is not None
            self.step(ForProcess(member.id, TimerFired(member.process.epoch)))
        self.remembering.turned()

    @property
    def known(self) -> dict[ProcessId, Entry]:
        """What the next daemon would know."""
        return {entry.id: entry for entry in Journal(str(self.path), print).read()}


@pytest.fixture
def stage(tmp_path: Path) -> Any:
    made = Stage(tmp_path)
    yield made
    made.journal.close()


def test_a_start_is_known_before_there_is_a_process(stage: Stage) -> None:
    stage.step(AddGroupAsked(group("a")))
    (spawn,) = [each for each in stage.step(DaemonStarted()) if isinstance(each, Spawn)]
    stage.clock.advance(3)  # a hook before the start took its time
    stage.remembering.intend(spawn.spec, "k.1")
    stage.journal.flush()
    entry = stage.known[A]
    assert entry.life is not None
    assert (entry.life.token, entry.life.pid, entry.process.in_flight) == ("k.1", 0, True)
    assert entry.process.started_at == stage.clock.time


def test_its_pid_is_known_before_anything_follows_from_it(stage: Stage) -> None:
    stage.up("a")
    entry = stage.known[A]
    assert entry.life is not None
    assert (entry.process.state, entry.process.pid, entry.life.pid) == (S.RUNNING, 100, 100)


def test_a_start_that_has_to_wait_is_known_at_the_end_of_the_turn(stage: Stage) -> None:
    stage.step(AddGroupAsked(group("a", "b")))
    stage.step(DaemonStarted())
    stage.remembering.turned()
    assert {id_: entry.process.in_flight for id_, entry in stage.known.items()} == {A: True, B: True}


def test_a_stop_is_known_before_its_signal_goes_out(stage: Stage) -> None:
    stage.up("a")
    effects = stage.step(ForProcess(A, StopAsked()))
    assert any(isinstance(each, SendSignal) for each in effects)
    assert (stage.known[A].process.state, stage.known[A].process.stopped_by_hand) == (S.STOPPING, True)


def test_so_it_is_when_others_start_in_the_same_step(stage: Stage) -> None:
    stage.up("a", "b")
    stage.step(ForProcess(B, Exited(ExitStatus(code=0))))
    old, new = group("a", "b"), group("b", command="y")
    stage.step(RemoveGroupAsked("h"))
    (change,) = plan_update((old,), (new,)).changed
    effects = stage.step(ChangeGroupAsked(change))
    assert [each.id for each in effects if isinstance(each, Spawn)] == [B]
    assert [each.id for each in effects if isinstance(each, SendSignal)] == [A]
    assert stage.known[A].process.state is S.STOPPING
    assert stage.known[B].process.state is S.EXITED, "a start costs no write of its own"


def test_a_crash_and_the_start_after_it_cost_two_writes(stage: Stage) -> None:
    stage.up("a")
    stage.remembering.catch_up()
    before = stage.journal.figures.writes
    (spawn,) = [each for each in stage.step(ForProcess(A, Exited(ExitStatus(code=1)))) if isinstance(each, Spawn)]
    stage.spawn(spawn.spec, 200)
    stage.remembering.turned()
    assert stage.journal.figures.writes == before + 2
    assert stage.known[A].process.pid == 200


def test_figures_follow_a_little_later(stage: Stage) -> None:
    stage.up("a")
    stage.remembering.catch_up()
    stage.step(ForProcess(A, StopAsked()))
    stage.counts[A] = Counts(starts=7)
    stage.remembering.turned()
    assert stage.known[A].counts == Counts()
    assert stage.clock.armed == 1
    stage.clock.advance(FIGURES_S)
    assert stage.known[A].counts == Counts(starts=7)
    assert stage.clock.armed == 0, "an idle daemon is woken"


def test_what_is_gone_is_forgotten(stage: Stage) -> None:
    stage.up("a", "b")
    stage.step(RemoveGroupAsked("g"))
    stage.step(ForProcess(A, Exited(ExitStatus(code=0))))
    assert set(stage.known) == {B}
    stage.step(ForProcess(B, Exited(ExitStatus(code=0))))
    stage.remembering.turned()
    stage.clock.advance(1)
    assert stage.known == {}


def test_whom_nobody_took_over_is_forgotten(stage: Stage, tmp_path: Path) -> None:
    stage.up("a", "b")
    stage.journal.close()
    later = Stage(tmp_path)
    entries = {entry.id: entry for entry in later.journal.read()}
    later.step(AddGroupAsked(GroupSpec(name="g", processes=tuple(
        ProcessSpec(name=name, group="g", program="g", command="x", autostart=False) for name in "abc"
    ))))  # fmt: skip
    later.records.put(A, entries[A].life or pytest.fail("no life"))
    later.overseer.restore(entries[A], later.clock.time)
    later.remembering.forget_others()
    later.step(DaemonStarted())
    assert later.known == {A: entries[A]}
    later.journal.close()


def test_a_disk_that_works_again_is_found_without_anything_happening(stage: Stage) -> None:
    stage.up("a")
    stage.clock.advance(1)
    assert (stage.clock.armed, stage.journal.behind) == (0, False)
    gone = stage.path.parent.rename(stage.path.parent.with_name("gone"))
    for path in gone.iterdir():
        path.unlink()
    stage.step(ForProcess(A, StopAsked()))
    stage.remembering.turned()
    stage.clock.advance(3 * RETRY_S)
    assert stage.journal.behind
    gone.rename(stage.path.parent)
    stage.clock.advance(RETRY_S)
    assert stage.known[A].process.state is S.STOPPING
    assert (stage.clock.armed, stage.journal.behind) == (0, False)


def test_closing_writes_what_is_left_and_an_end_leaves_nothing(stage: Stage) -> None:
    stage.up("a")
    stage.counts[A] = Counts(starts=7)
    stage.remembering.close()
    assert stage.known[A].counts == Counts(starts=7)
    assert stage.clock.armed == 0
    stage.remembering.end()
    assert not stage.path.exists()
    stage.remembering.close()
    assert not stage.path.exists()
