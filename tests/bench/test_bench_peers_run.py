"""pm2, runit and s6 as they are, fetched where the system has none: all that a measurement asks of them."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.stamping import DONE, Stamp, Stamps, check, helper, writer
from bench.subjects.base import Ability, Plan, Program, Subject, Unavailable
from bench.subjects.family import Family
from bench.subjects.pm2 import Pm2
from bench.subjects.runit import Runit
from bench.subjects.s6 import S6
from tests.e2e import world
from tests.support import eventually

pytestmark = pytest.mark.soak  # they are fetched from npm and Debian

UP_S = 30.0


@pytest.fixture(params=[Runit, S6, Pm2], ids=lambda kind: str(kind.name))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    kind: type[Subject] = request.param
    try:
        helper()
        assert kind.version()
    except Unavailable as error:
        pytest.skip(str(error))
    subject = kind(tmp_path)
    yield subject
    subject.close()
    assert not list(Family(tmp_path).pids())


@pytest.fixture
def stamps(tmp_path: Path) -> Stamps:
    return Stamps(tmp_path / "stamps")


def programs(stamps: Stamps, count: int) -> tuple[Program, ...]:
    return tuple(Program(f"p{index}", stamps.argv(index)) for index in range(count))


def launched(subject: Subject, stamps: Stamps, plan: Plan) -> dict[int, Stamp]:
    """Launch, and return the first birth of each program that is started by itself, by index."""
    subject.write(plan)
    began_ns = subject.launch()
    born = stamps.wait(sum(program.autostart for program in plan.programs), UP_S)
    assert all(stamp.ns > began_ns for stamp in born)
    eventually(subject.ready, UP_S)
    return {stamp.index: stamp for stamp in born}


def test_programs_come_up_and_the_supervisor_names_its_processes(subject: Subject, stamps: Stamps) -> None:
    born = launched(subject, stamps, Plan(programs(stamps, 3)))
    own = subject.daemons()
    assert sorted(born) == [0, 1, 2]
    assert not {stamp.pid for stamp in born.values()} & set(own)
    assert own
    assert all(world.alive(pid) for pid in own)
    parents = {int((world.stat(stamp.pid) or [])[1]) for stamp in born.values()}
    assert parents <= set(own)


def test_who_is_killed_comes_back(subject: Subject, stamps: Stamps) -> None:
    born = launched(subject, stamps, Plan(programs(stamps, 2)))
    os.kill(born[1].pid, signal.SIGKILL)
    (successor,) = stamps.wait(1, UP_S)
    assert successor.index == 1
    assert successor.pid != born[1].pid


def test_one_is_stopped_and_started(subject: Subject, stamps: Stamps) -> None:
    born = launched(subject, stamps, Plan(programs(stamps, 2)))
    subject.stop(["p0"])
    assert not world.alive(born[0].pid)
    assert world.alive(born[1].pid)
    assert not stamps.read()
    subject.start(["p0"])
    (successor,) = stamps.wait(1, UP_S)
    assert successor.index == 0


def test_all_are_stopped_and_started(subject: Subject, stamps: Stamps) -> None:
    born = launched(subject, stamps, Plan(programs(stamps, 5)))
    subject.stop()
    assert not any(world.alive(stamp.pid) for stamp in born.values())
    subject.start()
    assert sorted(stamp.index for stamp in stamps.wait(5, UP_S)) == [0, 1, 2, 3, 4]


def test_who_is_not_to_be_started_waits_for_a_start(subject: Subject, stamps: Stamps) -> None:
    idle = Program("idle", stamps.argv(7), autostart=False)
    born = launched(subject, stamps, Plan((*programs(stamps, 1), idle)))
    assert sorted(born) == [0]
    assert not stamps.read()
    subject.start(["idle"])
    (started,) = stamps.wait(1, UP_S)
    assert started.index == 7


def test_a_shutdown_leaves_nothing(subject: Subject, stamps: Stamps, tmp_path: Path) -> None:
    logged = Ability.LOGS in subject.abilities
    plan = Plan((*programs(stamps, 2), Program("slow", stamps.argv(2, linger_s=0.3), logged=logged)))
    born = launched(subject, stamps, plan)
    own = subject.daemons()
    began = time.monotonic()
    subject.shutdown()
    assert time.monotonic() - began >= 0.3, "the slow one had its time"
    assert not any(world.alive(pid) for pid in own)
    assert not any(world.alive(stamp.pid) for stamp in born.values())
    assert not list(Family(tmp_path).pids())


def test_closing_ends_what_was_only_launched(subject: Subject, stamps: Stamps, tmp_path: Path) -> None:
    subject.write(Plan(programs(stamps, 20)))
    subject.launch()
    stamps.wait(1, UP_S)
    subject.close()
    assert not list(Family(tmp_path).pids())
    subject.close()


def test_it_can_be_launched_again(subject: Subject, stamps: Stamps) -> None:
    plan = Plan(programs(stamps, 2))
    launched(subject, stamps, plan)
    subject.shutdown()
    stamps.read()
    assert sorted(launched(subject, stamps, plan)) == [0, 1]


def test_lines_get_into_rotated_files_whole(subject: Subject, stamps: Stamps, tmp_path: Path) -> None:
    if Ability.LOGS not in subject.abilities:
        pytest.skip(f"{subject.name} rotates no logs")
    lines, size = 60_000, 100
    argv = writer(stamps.path, lines=lines, size=size, write_bytes=65536, index=3)
    subject.write(Plan((Program("spam", argv, logged=True),), log_max_bytes=1_000_000, log_backups=50))
    subject.launch()
    assert [stamp.index for stamp in stamps.wait(2, UP_S)] == [3, 3 + DONE]
    assert {world.command(pid).split()[0].rpartition("/")[2] for pid in subject.daemons()} >= {
        "svlogd" if subject.name == "runit" else "s6-log"
    }
    subject.shutdown()
    files = subject.logs("spam")
    assert len(files) >= lines * size // 1_000_000
    assert all(path.stat().st_size <= 1_100_000 for path in files)
    report = check(files, 3, lines)
    assert (report.lines, report.wrong) == (lines, 0)


def test_no_more_old_logs_are_kept_than_wanted(subject: Subject, stamps: Stamps) -> None:
    if Ability.LOGS not in subject.abilities:
        pytest.skip(f"{subject.name} rotates no logs")
    argv = writer(stamps.path, lines=60_000, size=100, write_bytes=65536, index=3)
    subject.write(Plan((Program("spam", argv, logged=True),), log_max_bytes=500_000, log_backups=4))
    subject.launch()
    stamps.wait(2, UP_S)
    subject.shutdown()
    assert len(subject.logs("spam")) == 4 + 1


def test_its_client_prints_all_states(subject: Subject, stamps: Stamps) -> None:
    if Ability.STATUS not in subject.abilities:
        pytest.skip(f"{subject.name} has no such client")
    launched(subject, stamps, Plan(programs(stamps, 3)))
    said = subprocess.run(subject.status(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    assert all(name in said for name in ("p0", "p1", "p2"))


def test_it_answers_calls(subject: Subject, stamps: Stamps) -> None:
    if Ability.RPC not in subject.abilities:
        pytest.skip(f"{subject.name} answers no calls")
    launched(subject, stamps, Plan(programs(stamps, 3)))
    connection = subject.rpc()
    try:
        assert connection.state()
        assert connection.state("p1") == "online"
        assert [program["name"] for program in connection.all()] == ["p0", "p1", "p2"]
    finally:
        connection.close()
