"""The history of ends: from notices to what is remembered, over a restart of the daemon too."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.posix.station import Station
from tmd.config.settings import ProcessSpec
from tmd.core import notices as n
from tmd.core.ends import End
from tmd.core.inputs import ExitStatus, LastWords
from tmd.daemon.bus import Told
from tmd.daemon.ends_file import EndsFile, Record
from tmd.daemon.history import History
from tmd.daemon.surface import Operation
from tmd.posix.loop import Loop
from tmd.posix.oom import OomWitness, Places
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

WEB = ProcessId("web", "web")


class World:
    """One daemon after the other on one file, in a time of their own."""

    def __init__(self, directory: Path, station: Station) -> None:
        self.directory, self.station = directory, station
        self.now, self.ahead = 1000.0, 1_000_000.0
        self.loop = Loop(clock=lambda: self.now)
        self.warnings: list[str] = []
        self.asked: list[tuple[Callable[[], Any], Operation[Any]]] = []
        self.running: list[tuple[int, float]] = []
        """processes that outlived a daemon: pid, when they began"""
        self.counters = directory / "vmstat"
        self.counters.write_text("oom_kill 1\n")
        self.spec: ProcessSpec | None = ProcessSpec(
            name="web", group="web", program="web", command="web", exitcodes=(0, 4)
        )
        self.boot()

    def boot(self, *known: ProcessId, then: tuple[n.Notice, ...] = ()) -> None:
        self.station.settle()
        self.file = EndsFile(str(self.directory / "tmd.ends"), self.station.drain, self.warnings.append)
        places = Places(str(self.counters), "/nowhere/kmsg", "/nowhere/cgroup", "/nowhere", "/nowhere/ns")
        self.history = History(
            loop=self.loop,
            wall=lambda: self.now + self.ahead,
            spec_of=lambda _: self.spec,
            ask=self.ask,
            file=self.file,
            witness=OomWitness(places, lambda: self.now),
            still_runs=lambda pid, at: (pid, at) in self.running,
        )
        for id_ in known or (WEB,):
            self.hear(n.ProcessAdded(id_))
        self.hear(*then, n.DaemonRunning())

    def ask(self, work: Callable[[], Any]) -> Operation[Any]:
        operation: Operation[Any] = Operation()
        self.asked.append((work, operation))
        return operation

    def hear(self, *notices: n.Notice, after_s: float = 0.0) -> None:
        for notice in notices:
            self.now += after_s
            self.history.hear(Told(1, self.now, self.now + self.ahead, notice))

    def life(self, status: ExitStatus, lasts_s: float = 5.0, pid: int = 7) -> None:
        self.hear(n.ProcessSpawned(WEB, pid))
        self.hear(n.ProcessExited(WEB, S.RUNNING, False, pid, status, lasts_s, False), after_s=lasts_s)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.loop.call_soon(self.loop.stop)
        self.loop.run()
        self.station.settle()

    def set_clock(self, seconds: float) -> None:
        self.ahead += seconds
        self.history.shift(seconds)

    def text(self) -> str:
        self.station.settle()
        return (self.directory / "tmd.ends").read_text()

    def ends(self) -> list[End]:
        return self.history.ends(WEB)


@pytest.fixture
def world(tmp_path: Path, station: Station) -> Iterator[World]:
    world = World(tmp_path, station)
    yield world
    world.history.close()
    world.loop.close()
    assert world.warnings == []


def test_ends_are_remembered_with_the_rules_in_force(world: World) -> None:
    world.life(ExitStatus(code=3, last_words=LastWords(b"out", b"err")))
    (end,) = world.ends()
    assert (end.code, end.uptime_s, end.stderr, end.rules.exitcodes) == (3, 5.0, b"err", (0, 4))
    assert world.history.life_began(WEB) == 0
    world.hear(n.ProcessSpawned(WEB, 8))
    assert world.history.life_began(WEB) == world.now + 1_000_000
    world.spec = None
    world.hear(n.ProcessUnknown(WEB, S.RUNNING, "not permitted"))
    assert world.history.trouble(WEB) == "not permitted"
    assert world.history.trouble(ProcessId("a", "b")) == ""
    assert world.history.life_began(ProcessId("a", "b")) == 0


def test_an_orderly_end_of_the_daemon_loses_nothing(world: World) -> None:
    world.life(ExitStatus(code=3))
    world.life(ExitStatus(code=4, last_words=LastWords(stderr=b"\xff\n")))
    before = world.ends()
    world.history.close()
    world.pass_time(10)
    world.boot()
    assert world.ends() == before
    assert world.history.starts == [world.history.started_at, 1_001_000.0]


def test_a_sigkill_of_the_daemon_loses_the_last_second_at_most(world: World) -> None:
    world.life(ExitStatus(code=3))
    world.pass_time(0.1)
    world.life(ExitStatus(code=4), lasts_s=0.1)
    world.pass_time(1.0)
    world.life(ExitStatus(code=5), lasts_s=0.1)
    world.boot()
    assert [end.code for end in world.ends()] == [4, 3]


def test_a_life_nobody_saw_the_end_of(world: World) -> None:
    world.hear(n.ProcessSpawned(WEB, 7))
    world.pass_time(0.1)
    world.pass_time(60)
    world.boot()
    (lost,) = world.ends()
    assert (lost.how, lost.pid, lost.started_at, lost.boundary) == ("lost", 7, 1_001_000, world.history.started_at)
    assert lost.at < lost.boundary
    assert not lost.rebooted
    assert not lost.orphaned
    world.pass_time(0.1)
    world.boot()
    assert [end.how for end in world.ends()] == ["lost"], "once is enough"


def test_a_life_that_goes_on_although_the_daemon_was_killed(world: World) -> None:
    world.hear(n.ProcessSpawned(WEB, 7))
    world.pass_time(0.1)
    world.running.append((7, 1_001_000))
    world.boot()
    assert world.ends()[0].orphaned


@pytest.mark.parametrize("at", [1e300, -1e18, 1_000_000 + 1000 + 400 * 86_400.0])
def test_moments_that_cannot_have_been_are_passed_over(world: World, at: float) -> None:
    world.life(ExitStatus(code=3))
    world.pass_time(0.1)
    end = End(at=at, how="exited", code=9)
    world.file.write(Record(at=1_001_006, id=WEB, ends=[end]))
    world.file.write(Record(at=at, id=WEB, ends=[End(at=1_001_007, how="exited", code=8)]))
    world.boot()
    assert [end.code for end in world.ends()] == [3]


def test_a_clock_that_was_set_does_not_change_the_order(world: World) -> None:
    world.file.write(Record(at=1_001_000, id=WEB, ends=[End(at=1_001_900, how="exited", code=1)]))
    world.file.write(Record(at=1_001_001, id=WEB, ends=[End(at=1_001_000, how="exited", code=2)]))
    world.boot()
    assert [end.code for end in world.ends()] == [2, 1]


def test_a_life_that_ended_with_the_machine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.hear(n.ProcessSpawned(WEB, 7))
    world.pass_time(0.1)
    monkeypatch.setattr("tmd.daemon.history.boot_id", lambda: "another")
    world.boot()
    assert world.ends()[0].rebooted


def test_who_left_the_configuration_is_forgotten(world: World) -> None:
    world.life(ExitStatus(code=3))
    world.history.close()
    world.boot(ProcessId("other", "other"))
    assert world.ends() == []
    world.hear(n.ProcessAdded(WEB))
    assert world.ends() == [], "its time to come back is over once the daemon runs"
    world.boot()
    assert len(world.ends()) == 1
    world.hear(n.ProcessRemoved(WEB))
    assert world.ends() == []
    world.boot()
    assert world.ends() == []


def test_a_crash_loop_costs_a_line_a_second(world: World) -> None:
    world.pass_time(1)
    before = world.text().count("\n")
    for _ in range(500):
        world.life(ExitStatus(code=1), lasts_s=0.01)
        world.pass_time(0.0)
    assert world.text().count("\n") - before <= 6
    world.pass_time(1)
    world.history.close()
    count = world.text().count("\n")
    world.boot()
    assert world.ends()[0].more + len(world.ends()) > 9
    assert count < 20


def test_of_different_ends_within_a_second_each_is_written(world: World) -> None:
    world.life(ExitStatus(code=1), lasts_s=0.01)
    world.pass_time(0.1)
    world.life(ExitStatus(code=2), lasts_s=0.01)
    world.life(ExitStatus(signal=11), lasts_s=0.01)
    world.pass_time(1.0)
    world.boot()
    assert [(end.code, end.signal) for end in world.ends()] == [(None, 11), (2, None), (1, None)]


def test_what_is_learnt_later_is_written_too(world: World) -> None:
    world.hear(n.ProcessBackoff(WEB, S.STARTING, 1, "no such thing", None, None, 1001.0))
    world.pass_time(0.2)
    world.hear(n.ProcessFatal(WEB, S.BACKOFF, 4, "no such thing"))
    world.pass_time(1.0)
    world.boot()
    assert [end.then for end in world.ends()] == ["fatal"]


def test_nothing_wakes_up_when_nothing_happens(world: World) -> None:
    world.life(ExitStatus(code=1))
    world.pass_time(0.2)
    world.pass_time(2)
    before = world.loop.figures["callbacks"]
    text = world.text()
    world.pass_time(100)
    assert world.loop.figures["callbacks"] == before + 1, "but the end of the test's own turn"
    assert world.text() == text


def test_everything_is_told_again_before_it_rotates_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmd.daemon.ends_file.SNAPSHOT_AFTER_BYTES", 2000)
    old = ProcessId("old", "old")
    world.hear(n.ProcessAdded(old), n.ProcessSpawned(old, 9))
    world.pass_time(0.1)
    for _ in range(30):
        world.life(ExitStatus(code=1))
        world.pass_time(1)
    assert world.text().count('"id":["old","old"]') > 1
    world.boot(old, WEB)
    assert [end.how for end in world.history.ends(old)] == ["lost"]


def test_a_signal_somebody_asked_for(world: World) -> None:
    world.history.relayed(WEB, 9)
    world.hear(n.ProcessSpawned(WEB, 7))
    world.history.relayed(WEB, 9)
    world.hear(n.ProcessExited(WEB, S.RUNNING, False, 7, ExitStatus(signal=9), 1.0, False))
    assert world.ends()[0].relayed
    assert world.asked == []


# --- out of memory ---------------------------------------------------------------------------------------------------


def test_a_sigkill_while_the_counter_stood_still(world: World) -> None:
    world.life(ExitStatus(signal=9))
    assert world.ends()[0].oom == "no"
    assert world.asked == []


def test_the_kernels_log_is_asked_and_the_end_amended(world: World) -> None:
    world.counters.write_text("oom_kill 2\n")
    world.life(ExitStatus(signal=9), pid=7)
    world.counters.write_text("oom_kill 4\n")
    world.life(ExitStatus(signal=9), pid=8)
    world.life(ExitStatus(code=1))
    assert len(world.asked) == 1, "one question at a time"
    world.asked[0][1].resolve({7: 2_000_000_000})
    assert [(end.oom, end.oom_detail) for end in world.ends()] == [("", ""), ("", ""), ("yes", "process 7, 2.0 GB")]
    assert len(world.asked) == 2
    world.asked[1][1].resolve({})
    assert [end.oom for end in world.ends()] == ["", "no", "yes"]
    world.pass_time(2)
    world.boot()
    assert [end.oom for end in world.ends()] == ["", "no", "yes"]


def test_a_log_that_cannot_be_read(world: World) -> None:
    world.counters.write_text("oom_kill 2\n")
    world.life(ExitStatus(signal=9))
    work, operation = world.asked[0]
    operation.resolve(work())
    assert world.ends()[0].oom == "perhaps"


def test_an_answer_about_a_process_that_is_gone_is_dropped(world: World) -> None:
    world.counters.write_text("oom_kill 2\n")
    world.life(ExitStatus(signal=9))
    world.hear(n.ProcessRemoved(WEB))
    world.asked[0][1].resolve(None)
    assert world.ends() == []


def test_a_life_that_is_taken_back_was_never_lost(world: World) -> None:
    world.life(ExitStatus(code=3))
    world.hear(n.ProcessSpawned(WEB, 8), after_s=5)
    began, began_wall = world.now, world.now + 1_000_000
    world.pass_time(2)
    world.station.settle()
    world.running.append((8, began_wall))
    world.now += 60
    world.boot(then=(n.ProcessRestored(WEB, 8, began_wall, began),))
    assert [end.how for end in world.ends()] == ["exited"]
    assert world.history.life_began(WEB) == began_wall
    world.hear(n.ProcessExited(WEB, S.RUNNING, False, 8, ExitStatus(signal=11), 0.0, False), after_s=10)
    (end, _) = world.ends()
    assert (end.how, end.pid, end.signal, end.started_at) == ("exited", 8, 11, began_wall)
    assert end.uptime_s == pytest.approx(world.now - began)


# --- the clock is set ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [10 * 365 * 86400.0, -700_000.0])
def test_when_the_clock_is_set_all_times_are_told_by_it(world: World, seconds: float) -> None:
    world.life(ExitStatus(code=3))
    world.hear(n.ProcessSpawned(WEB, 8))
    before, began, started = world.ends(), world.history.life_began(WEB), world.history.started_at
    world.set_clock(seconds)
    (end,) = world.ends()
    assert (end.at, end.started_at) == (before[0].at + seconds, before[0].started_at + seconds)
    assert end.uptime_s == before[0].uptime_s
    assert world.history.life_began(WEB) == began + seconds
    assert (world.history.started_at, world.history.starts[0]) == (started + seconds, started + seconds)
    world.hear(n.ProcessExited(WEB, S.RUNNING, True, 8, ExitStatus(code=0), 4.0, False), after_s=4)
    assert world.ends()[0].uptime_s == 4
    assert world.ends()[0].started_at == began + seconds


@pytest.mark.parametrize("seconds", [10 * 365 * 86400.0, -700_000.0])
def test_the_next_daemon_knows_them_by_the_new_clock_too(world: World, seconds: float) -> None:
    world.life(ExitStatus(code=3))
    world.pass_time(10)
    world.set_clock(seconds)
    known = world.ends()
    world.pass_time(10)
    world.life(ExitStatus(code=0))
    known = world.ends()
    world.pass_time(10)
    world.history.close()
    world.boot()
    assert [(end.at, end.code) for end in world.ends()] == [(end.at, end.code) for end in known]


def test_what_the_kernel_says_later_finds_its_end(world: World) -> None:
    world.counters.write_text("oom_kill 2\n")
    world.life(ExitStatus(signal=9))
    world.set_clock(1000.0)
    world.asked[0][1].resolve({7: 2_000_000_000})
    (end,) = world.ends()
    assert end.oom == "yes"
