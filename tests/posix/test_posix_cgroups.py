"""Control groups, for real: everything here needs a place where groups may be made."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import ROOT
from tests.support import eventually
from tmd.posix import cgroups
from tmd.posix.cgroups import Grounds, NoGroups


@pytest.fixture
def grounds() -> Iterator[Grounds]:
    try:
        made = Grounds(f"{os.getpid() % 2**32:08x}")
    except NoGroups as why:
        pytest.skip(str(why))
    yield made
    for path in made.leftovers():
        cgroups.kill(path)
        eventually(lambda path=path: cgroups.remove(path))  # type: ignore[misc]
    made.close()
    assert not Path(made.path).exists()


def admitted(grounds: Grounds, name: str, *argv: str) -> tuple[subprocess.Popen[bytes], str]:
    child = subprocess.Popen(argv, start_new_session=True)
    path = grounds.of(name)
    assert grounds.admit(path, child.pid, lambda: True)
    assert cgroups.gather(path, [child.pid])
    return child, path


def test_what_is_in_a_group_stays_in_it_and_is_ended_at_one_stroke(grounds: Grounds) -> None:
    child, path = admitted(grounds, "1", "sh", "-c", "sleep 0.1; env -i setsid sleep 100 & wait")
    with child:
        eventually(lambda: len(cgroups.members(path)) == 2)
        assert not cgroups.remove(path)
        child.kill()
        child.wait()
        (left,) = cgroups.members(path)
        cgroups.kill(path)
        eventually(lambda: not world.alive(left))
        eventually(lambda: cgroups.remove(path))
    assert cgroups.remove(path), "one that is gone is gone"
    assert cgroups.members(path) == []


def test_what_it_had_started_before_comes_along(grounds: Grounds) -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 101 & sleep 102' & wait"], start_new_session=True) as child:
        eventually(
            lambda: len(world.children(child.pid)) == 1 and len(world.children(world.children(child.pid)[0])) == 2
        )
        assert grounds.admit(grounds.of("2"), child.pid, lambda: True)
        assert cgroups.gather(grounds.of("2"), [child.pid])
        assert len(cgroups.members(grounds.of("2"))) == 4
        cgroups.kill(grounds.of("2"))


def test_a_number_that_is_another_process_by_now_goes_back(grounds: Grounds) -> None:
    with subprocess.Popen(["sleep", "100"]) as child:
        assert not grounds.admit(grounds.of("3"), child.pid, lambda: False)
        assert cgroups.members(grounds.of("3")) == []
        child.kill()
    assert not grounds.admit(grounds.of("3"), child.pid, lambda: True), "it has ended"


def test_groups_that_a_program_made_itself_go_too(grounds: Grounds) -> None:
    child, path = admitted(grounds, "4", "sleep", "100")
    with child:
        own = Path(path) / "its" / "own"
        own.mkdir(parents=True)
        (own / "cgroup.procs").write_text(str(child.pid))
        assert cgroups.members(path) == [child.pid]
        cgroups.kill(path)
    eventually(lambda: cgroups.remove(path))


def test_without_the_stroke_they_are_frozen_and_ended_one_by_one(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, path = admitted(grounds, "5", "sh", "-c", "sleep 100 & sleep 101")
    with child:
        eventually(lambda: len(cgroups.members(path)) == 3)
        monkeypatch.setattr(cgroups, "_KILL", "cgroup.missing")
        cgroups.kill(path)
        assert child.wait(20) == -9
        eventually(lambda: cgroups.remove(path))


def test_the_place_is_locked_and_what_the_dead_left_is_tidied(grounds: Grounds) -> None:
    with pytest.raises(NoGroups, match="cannot make"):
        Grounds(Path(grounds.path).name.removeprefix(cgroups.PREFIX))
    dead = Path(grounds.outside) / f"{cgroups.PREFIX}0000dead"
    (dead / "1").mkdir(parents=True)
    living = Path(grounds.of("6"))
    living.mkdir()
    grounds.tidy()
    assert not dead.exists()
    assert living.exists()


def test_somebody_elses_tidying_does_no_harm(grounds: Grounds) -> None:
    os.rmdir(grounds.path)
    child, path = admitted(grounds, "7", "sleep", "100")
    with child:
        assert cgroups.members(path) == [child.pid]
        cgroups.kill(path)


WHERE = """
from tmd.posix import cgroups
try:
    print(cgroups.own_place())
except cgroups.NoGroups as why:
    print(why)
"""


def test_there_is_no_place_without_cgroup_v2() -> None:
    hidden = 'mount -t tmpfs none /sys/fs/cgroup 2>/dev/null || exit 9; exec "$@"'
    command = ["unshare", "-m", "sh", "-c", hidden, "sh", sys.executable, "-c", WHERE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip("no mount namespace can be made here")
    assert "cannot be seen" in done.stdout or "no cgroup v2" in done.stdout


INSIDE = """
import os, subprocess, sys
from tmd.posix import cgroups

key, path = sys.argv[1:]
cgroups.put(path, os.getpid())
assert cgroups.place_among(key) == path
assert cgroups.place_among(key[:-1]) == ""
cgroups.step_out(path, key)
assert cgroups.place_among(key) == ""
child = subprocess.Popen(["sleep", "100"])
cgroups.put(path, os.getppid())
assert cgroups.gather(path, [os.getppid()])
assert cgroups.members(path) == [os.getppid()], cgroups.members(path)
child.kill()
child.wait()
print("outside")
"""


def test_who_was_started_in_a_group_of_a_life_steps_out_and_is_not_gathered(grounds: Grounds) -> None:
    path = Path(grounds.of("8"))
    path.mkdir()
    key = Path(grounds.path).name.removeprefix(cgroups.PREFIX)
    command = ["sh", "-c", '"$@"; sleep 100', "sh", sys.executable, "-c", INSIDE, key, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as above:
        assert above.stdout is not None
        assert above.stdout.readline() == b"outside\n"
        cgroups.kill(str(path))
