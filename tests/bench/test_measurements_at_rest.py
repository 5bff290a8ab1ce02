"""Idle cost, questions, reload: what the measurements make of a subject whose answers are known."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.measurements import asking, idle, procfs, reload, rpc, running
from bench.stamping import Stamps
from bench.subjects.base import Ability, Program, Rpc, Subject
from tests.bench.fakes import Bare, Fake, FakeRpc
from tests.support import eventually

FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
"""a turn has one thread when it forks; the runner of the tests may have more"""


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (idle, reload, rpc):
        monkeypatch.setattr(module, "_REST_S", 0.0)


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "3600"]) as child:
        yield child.pid
        child.kill()


# procfs


def test_cpu_is_that_of_all_threads_ended_ones_too() -> None:
    def work() -> None:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass

    before = procfs.cpu_s([os.getpid()])
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert procfs.cpu_s([os.getpid()]) - before >= 0.02


def test_switches_count_every_wait(sleeper: int) -> None:
    before = procfs.switches([os.getpid()])
    for _ in range(5):
        running.settle(0.0005)
    assert procfs.switches([os.getpid()]) - before >= 5

    def rests() -> bool:
        before = procfs.switches([sleeper])
        running.settle(0.01)
        return procfs.switches([sleeper]) == before > 0

    eventually(rests, what="the sleeper, once it sleeps, costs nothing")


def test_memory_is_summed_and_the_shared_part_shared(sleeper: int) -> None:
    one = procfs.memory([sleeper])
    assert 0 < one.pss_kib <= one.rss_kib
    both = procfs.memory([sleeper, os.getpid()])
    assert both.rss_kib > one.rss_kib


def test_who_is_gone_costs_nothing() -> None:
    with subprocess.Popen(["true"]) as child:
        pass
    assert procfs.cpu_s([child.pid]) == 0.0
    assert procfs.switches([child.pid]) == 0
    assert procfs.memory([child.pid]) == (0, 0)
    assert not procfs.alive(child.pid)


# idle


def test_idle_programs_cost_next_to_nothing(tmp_path: Path) -> None:
    found = idle.Case(3, logged=True).look(Fake, tmp_path / "h", 0.02)
    assert {*found} == {"cpu_3_logged", "wakeups_3_logged", "rss_3_logged", "pss_3_logged"}
    assert found["cpu_3_logged"] == 0.0
    assert found["wakeups_3_logged"] == 0.0
    assert 0 < found["pss_3_logged"] <= found["rss_3_logged"]
    assert [*(tmp_path / "h").iterdir()] == [tmp_path / "h/stamps"]


def test_idle_leaves_out_the_logs_of_who_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "_LOOK_S", 0.01)
    monkeypatch.setattr(idle.Idle, "cases", (idle.Case(1, logged=False), idle.Case(2, logged=True)))
    assert {*idle.Idle().turn(Bare, tmp_path, quick=False)} == {"cpu_1", "wakeups_1", "rss_1", "pss_1"}


def test_idle_spares_some_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "_LOOK_S", 0.01)
    monkeypatch.setattr(idle.Idle, "cases", (idle.Case(1, logged=True),))
    assert idle.Idle().turn(type("Spared", (Fake,), {"name": "s6"}), tmp_path, quick=False) == {}


# rpc


@FORKS
def test_questions_yield_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_ASK_S", 0.002)
    monkeypatch.setattr(rpc, "_SIZES", (10, 100))
    monkeypatch.setattr(rpc, "_STATUS_RUNS", {10: 2})
    found = rpc.Questions().turn(Fake, tmp_path, quick=False)
    keys = {
        f"{call}_{manner}_{size}"
        for call in ("state", "all")
        for manner in ("kept", "each", "many")
        for size in (10, 100)
    }
    assert {*found} == keys | {"status_10"}
    assert keys | {"status_10"} <= {figure.key for figure in rpc.Questions.figures}
    assert len(found["status_10"]) == 2
    assert all(sample > 0 for samples in found.values() for sample in samples)


@FORKS
def test_one_is_spared_the_questions_about_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_ASK_S", 0.002)
    monkeypatch.setattr(rpc, "_SIZES", (2, 10))
    monkeypatch.setattr(rpc, "_FEW", 2)
    monkeypatch.setattr(rpc, "_STATUS_RUNS", {})
    found = rpc.Questions().turn(type("Spared", (Fake,), {"name": "pm2"}), tmp_path, quick=False)
    assert {key.rpartition("_")[2] for key in found} == {"2"}


def test_who_answers_nothing_is_not_even_launched(tmp_path: Path) -> None:
    assert rpc.Questions().turn(Bare, tmp_path, quick=True) == {}
    assert [*tmp_path.iterdir()] == []


def test_a_status_that_lacks_programs_is_no_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_SIZES", (10,))

    class Mute(Fake):
        def status(self) -> list[str]:
            return ["echo", "p0"]

    with pytest.raises(running.Broken, match="cannot read the status of fake"):
        rpc.Questions().turn(Mute, tmp_path, quick=False)


class Slow(Fake):
    """Answers the first to ask, and the others never."""

    def rpc(self) -> Rpc:
        lock = self.home / "answered"

        class SlowRpc(FakeRpc):
            def state(self, name: str | None = None) -> str:
                try:
                    lock.touch(exist_ok=False)
                except FileExistsError:
                    threading.Event().wait()
                return "RUNNING"

        return SlowRpc(())


@FORKS
def test_a_crowd_counts_all_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "CONNECTIONS", 5)

    def call(one: Rpc) -> None:
        running.settle(0.01)

    crowd = asking.many(Fake(tmp_path), call, 0.05)
    assert not crowd.stuck
    assert 5 / 0.2 < crowd.rate <= 5 / 0.01


@FORKS
def test_answers_that_are_due_for_long_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(asking, "CONNECTIONS", 3)
    rate, stuck = asking.many(Slow(tmp_path), lambda one: one.state(), 0.01)
    assert rate > 0
    assert stuck


@FORKS
def test_what_is_asked_without_an_answer_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_FIRST_WITHIN_S", 0.01)
    monkeypatch.setattr(asking, "CONNECTIONS", 3)
    (tmp_path / "answered").touch()
    with pytest.raises(running.Broken, match="does not answer 3 connections within"):
        asking.many(Slow(tmp_path), lambda one: one.state(), 0.01)


@FORKS
@pytest.mark.parametrize("late", [False, True])
def test_an_error_of_a_connection_is_told(tmp_path: Path, late: bool) -> None:
    class Refusing(Fake):
        def rpc(self) -> Rpc:
            if not late:
                raise ConnectionRefusedError("no")
            return super().rpc()

    def refuse(one: Rpc) -> None:
        raise ConnectionRefusedError("no")

    with pytest.raises(running.Broken, match="connections failed: ConnectionRefusedError: no"):
        asking.many(Refusing(tmp_path), refuse, 0.05)


def test_a_connection_per_call_is_one_per_call(tmp_path: Path) -> None:
    opened: list[FakeRpc] = []

    class Counted(Fake):
        def rpc(self) -> Rpc:
            opened.append(FakeRpc(()))
            return opened[-1]

    calls: list[Any] = []
    assert asking.each(Counted(tmp_path), calls.append, 0.002) > 0
    assert calls == opened
    assert all(one.closed for one in opened)
    assert asking.kept(Counted(tmp_path), calls.append, 0.002) > 0
    assert len({*map(id, calls)}) == len(opened)


# reload


class Nervous(Fake):
    """Restarts a second one at each reload."""

    def reload(self) -> None:
        super().reload()
        name = next(iter(self.children))
        self.end(name)
        self.spawn(self.running[name])


class Forgetful(Fake):
    """Loses one at each reload."""

    def reload(self) -> None:
        super().reload()
        self.end(next(iter(self.children)))


@pytest.mark.parametrize(("kind", "others"), [(Fake, 0.0), (Nervous, 1.0), (Forgetful, 1.0)])
def test_a_reload_tells_who_else_was_touched(
    kind: type[Subject], others: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "_COUNT", 6)
    monkeypatch.setattr(reload, "_REST_S", 0.1)
    found = reload.Reload().turn(kind, tmp_path, quick=True)
    assert {*found} == {figure.key for figure in reload.Reload.figures}
    assert found["others"] == [others]
    assert found["changed"][0] > 0
    assert found["took"][0] > 0


def test_each_reload_changes_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "_COUNT", 4)
    monkeypatch.setattr(reload, "_REST_S", 0.05)
    found = reload.Reload().turn(Fake, tmp_path, quick=False)
    assert found["others"] == [0.0] * 3
    assert len(found["changed"]) == len(found["took"]) == 3


def test_idlers_stamp_their_index(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path / "stamps")
    programs: tuple[Program, ...] = running.idlers(stamps, 2, logged=True)
    assert [program.name for program in programs] == ["p0", "p1"]
    assert all(program.logged and program.startsecs == 0 for program in programs)


def test_every_promise_is_about_a_figure() -> None:
    for measurement in (idle.Idle, rpc.Questions, reload.Reload):
        keys = {figure.key for figure in measurement.figures}
        assert len(keys) == len(measurement.figures)
        assert {promise.figure for promise in measurement.promises} <= keys
        assert not measurement.needs - frozenset(Ability)
