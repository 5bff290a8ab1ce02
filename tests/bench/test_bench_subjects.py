"""What every subject does that needs no fetching (tmd, Supervisor, the bare loop): all that measurements ask of it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.stamping import DONE, Stamp, Stamps, check, writer
from bench.subjects import KINDS
from bench.subjects.base import Ability, Plan, Program, Subject
from bench.subjects.circus import Circus
from bench.subjects.dialect import numbered
from bench.subjects.family import Family
from bench.subjects.limit import SCRIPT, Limit
from bench.subjects.supervisor import Supervisor
from bench.subjects.tmd import Tmd
from bench.subjects.xml_rpc import Fault
from tests.e2e import world
from tests.support import eventually

UP_S = 30.0
HERE = (Tmd, Supervisor, Limit)


@pytest.fixture
def stamps(tmp_path: Path) -> Stamps:
    return Stamps(tmp_path / "stamps")


@pytest.fixture(params=[*HERE, pytest.param(Circus, marks=pytest.mark.soak)], ids=lambda kind: str(kind.name))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    kind: type[Subject] = request.param
    assert kind.version()
    subject = kind(tmp_path / "home")
    yield subject
    subject.close()
    assert not list(Family(tmp_path / "home").pids())


def programs(stamps: Stamps, count: int, startsecs: int = 0) -> tuple[Program, ...]:
    return tuple(Program(f"p{index}", stamps.argv(index), startsecs=startsecs) for index in range(count))


def launched(subject: Subject, stamps: Stamps, plan: Plan) -> dict[int, Stamp]:
    subject.write(plan)
    began_ns = subject.launch()
    born = stamps.wait(sum(program.autostart for program in plan.programs), UP_S)
    assert all(stamp.ns > began_ns for stamp in born)
    eventually(subject.ready, UP_S)
    return {stamp.index: stamp for stamp in born}


def test_all_kinds_are_named_in_the_order_of_the_tables() -> None:
    assert list(KINDS) == ["tmd", "supervisor", "circus", "pm2", "runit", "s6", "limit"]
    assert all(name == kind.name for name, kind in KINDS.items())


def test_what_is_killed_is_started_again_and_the_shutdown_leaves_nothing(subject: Subject, stamps: Stamps) -> None:
    born = launched(subject, stamps, Plan(programs(stamps, 3)))
    (daemon,) = subject.daemons()
    assert world.alive(daemon)
    os.kill(born[1].pid, signal.SIGKILL)
    (again,) = stamps.wait(1, UP_S)
    assert (again.index, again.pid) != (1, born[1].pid)
    assert again.index == 1
    subject.shutdown()
    assert subject.daemons() == []
    assert not any(world.alive(stamp.pid) for stamp in (*born.values(), again))


def test_a_crash_cycle_goes_on_for_ever(subject: Subject, stamps: Stamps) -> None:
    if isinstance(subject, Supervisor | Circus):
        pytest.skip("they look once in a second or in five")
    dying = Program("dying", stamps.argv(0, exit_code=1), startsecs=1)
    subject.write(Plan((dying,), backoff=False))
    subject.launch()
    assert len(stamps.wait(30, UP_S)) >= 30


def test_it_can_be_asked(subject: Subject, stamps: Stamps) -> None:
    launched(subject, stamps, Plan(programs(stamps, 4)))
    rpc = subject.rpc()
    try:
        for _ in range(3):
            assert rpc.state()
            assert rpc.state("p3") in (b"RUNNING", "active")
            assert len(rpc.all()) == 4
        with pytest.raises(Exception, match=r"BAD_NAME|not found") as refused:
            rpc.state("nobody")
        assert isinstance(refused.value, Fault) or "Refused" in type(refused.value).__name__
    finally:
        rpc.close()


def test_programs_are_stopped_and_started(subject: Subject, stamps: Stamps) -> None:
    born = launched(subject, stamps, Plan(programs(stamps, 3)))
    subject.stop(["p0", "p2"])
    assert [world.alive(born[index].pid) for index in range(3)] == [False, True, False]
    subject.start(["p2"])
    assert [stamp.index for stamp in stamps.wait(1, UP_S)] == [2]
    subject.stop()
    subject.start()
    assert {stamp.index for stamp in stamps.wait(3, UP_S)} == {0, 1, 2}


def test_some_are_not_started_by_themselves(subject: Subject, stamps: Stamps) -> None:
    one, two = programs(stamps, 2)
    resting = Program("resting", two.argv, autostart=False, startsecs=0)
    launched(subject, stamps, Plan((one, resting)))
    subject.start(["resting"])
    assert [stamp.index for stamp in stamps.wait(1, UP_S)] == [1]


def test_output_is_rotated_and_whole(subject: Subject, stamps: Stamps) -> None:
    lines = 20_000
    argv = writer(stamps.path, lines=lines, size=100, write_bytes=0, index=5)
    plan = Plan((Program("w", argv, logged=True, startsecs=0),), log_max_bytes=1 << 18, log_backups=20)
    subject.write(plan)
    subject.launch()
    assert {stamp.index for stamp in stamps.wait(2, UP_S)} == {5, 5 + DONE}
    eventually(lambda: sum(path.stat().st_size for path in subject.logs("w")) == lines * 100, UP_S)
    assert len(subject.logs("w")) > 3
    assert check(subject.logs("w"), 5, lines).wrong == 0


def test_a_changed_plan_is_applied_and_the_rest_left_alone(subject: Subject, stamps: Stamps) -> None:
    if Ability.RELOAD not in subject.abilities:
        pytest.skip("it cannot")
    first, *others = programs(stamps, 3)
    born = launched(subject, stamps, Plan((first, *others)))
    subject.write(Plan((Program("p0", stamps.argv(70), startsecs=0), *others)))
    subject.reload()
    assert [stamp.index for stamp in stamps.wait(1, UP_S)] == [70]
    assert not world.alive(born[0].pid)
    assert world.alive(born[1].pid)


def test_its_client_shows_all(subject: Subject, stamps: Stamps) -> None:
    if Ability.STATUS not in subject.abilities:
        pytest.skip("it has none")
    launched(subject, stamps, Plan(programs(stamps, 3)))
    shown = subprocess.run(subject.status(), capture_output=True, text=True, check=False, timeout=60).stdout
    assert [f"p{index}" in shown for index in range(4)] == [True, True, True, False]


def test_the_limit_of_descriptors_is_the_one_asked_for(subject: Subject, stamps: Stamps) -> None:
    if isinstance(subject, Limit):
        pytest.skip("it takes all it can have")
    launched(subject, stamps, Plan(programs(stamps, 1), descriptors=1500))
    (line,) = (
        line
        for line in Path(f"/proc/{subject.daemons()[0]}/limits").read_text().splitlines()
        if line.startswith("Max open files")
    )
    assert int(line.split()[3]) >= 1500
    if isinstance(subject, Supervisor):
        assert int(line.split()[3]) == 1500


def test_close_ends_what_is_in_the_middle_of_everything(tmp_path: Path, stamps: Stamps) -> None:
    subject = Tmd(tmp_path / "home")
    subject.write(Plan((*programs(stamps, 3), Program("dying", stamps.argv(9, exit_code=1), startsecs=0))))
    subject.launch()
    stamps.wait(5, UP_S)
    subject.close()
    assert not list(Family(tmp_path / "home").pids())
    subject.close()


def test_backups_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("a.log", "a.log.1", "a.log.2", "a.log.10", "a.log.gz", "b.log"):
        (tmp_path / name).touch()
    assert [path.name for path in numbered(tmp_path / "a.log")] == ["a.log.10", "a.log.2", "a.log.1", "a.log"]


def test_the_bare_loop_stays_bare() -> None:
    assert len(SCRIPT.read_text().splitlines()) < 300
