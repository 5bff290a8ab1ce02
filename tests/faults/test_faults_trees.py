"""Whole trees: whatever a program has started, wherever that went, none of it outlives its leader. Checked in /proc."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.e2e.identities import AS_ROOT, as_nobody, through
from tests.e2e.wire import raw
from tests.faults import crashing
from tests.support import eventually
from tmd.posix import cgroups

PATIENCE_S = 30.0
CALM = ("pipeline", "group", "double", "session", "nohup", "daemon", "empty", "deaf", "holder")
"""shapes that stay as they are"""
WILD = ("bomb", "hydra")
SHAPES = (*CALM, *WILD)


def may_have_groups() -> bool:
    try:
        grounds = cgroups.Grounds(f"{os.getpid():08x}")
    except cgroups.NoGroups:
        return False
    grounds.close()
    return True


WITH_GROUPS = pytest.mark.skipif(not may_have_groups(), reason="no control groups may be made here")
MEANS = [pytest.param("auto", marks=WITH_GROUPS, id="groups"), pytest.param("no", id="marks")]


class Zoo:
    """One program of a rig that has a tree."""

    def __init__(self, rig: Rig, name: str = "zoo") -> None:
        self.rig, self.name = rig, name
        self.file = rig.dir / name
        self.file.touch()
        self.file.chmod(0o666)

    def program(self, *shapes: str, more: str = "") -> str:
        command = f"{program('zoo.py')} {self.file} {'.'.join(shapes)}"
        return f"  {self.name}: {{cmd: {command}, starttime: 0, stoptime: 5{more and f', {more}'}}}\n"

    def ready(self, lives: int = 1) -> None:
        eventually(lambda: self.lives() >= lives, PATIENCE_S, what=f"all of {self.name} are there")

    def lives(self) -> int:
        return len(self.rig.text(f"{self.name}.ready").splitlines())

    def alive(self) -> list[int]:
        """Return who lives of it, whatever life it was born in."""
        named = world.named(str(self.file))
        return [pid for pid in named if pid != self.rig.daemon_pid and world.alive(pid)]

    def met(self) -> str:
        return self.rig.text(f"{self.name}.met")

    def assert_gone(self) -> None:
        left = self.alive()
        assert not left, f"left: {[(pid, world.command(pid), world.stat(pid)) for pid in left]}\n{self.rig.story()}"


def started(rig: Rig, *shapes: str, groups: str = "no", more: str = "", daemon: str = "") -> Zoo:
    zoo = Zoo(rig)
    rig.write_native(zoo.program(*shapes, more=more), daemon=f"  cgroups: {groups}\n{daemon}")
    rig.start()
    zoo.ready()
    return zoo


# --- everything at once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", MEANS)
def test_after_a_stop_nothing_is_left_of_any_shape(rig: Rig, groups: str) -> None:
    zoo = started(rig, *SHAPES, groups=groups)
    assert len(zoo.alive()) > len(SHAPES)
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


@pytest.mark.parametrize("groups", MEANS)
def test_a_restart_after_a_crash_never_meets_what_the_crash_left(rig: Rig, groups: str) -> None:
    zoo = started(rig, *CALM, "hydra", groups=groups)
    for life in range(2, 5):
        pid = rig.pid("zoo")
        before = set(zoo.alive())
        world.kill(pid, signal.SIGKILL)
        zoo.ready(life)
        assert not before & set(zoo.alive())
    assert zoo.met() == "", "a new life has met somebody of the one before"
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


@pytest.mark.parametrize("groups", MEANS)
def test_a_program_that_puts_itself_into_the_background_is_ended(rig: Rig, groups: str) -> None:
    zoo = started(rig, "gone", groups=groups, more="autorestart: never")
    rig.until("zoo", "EXITED")
    zoo.assert_gone()
    why = rig.ctl("why", "zoo").text
    assert "1 process it left behind (python" in why
    assert "was killed." in why
    rig.stop()


@AS_ROOT
@pytest.mark.parametrize("groups", MEANS)
def test_a_child_of_another_user_that_hides_is_found(rig: Rig, groups: str) -> None:
    zoo = started(rig, "other", groups=groups)
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


@AS_ROOT
@pytest.mark.parametrize("groups", MEANS)
def test_programs_of_another_user_leave_nothing_behind(rig: Rig, groups: str) -> None:
    zoo = Zoo(rig)
    rig.write_native(
        f"  zoo: {{cmd: sh -c '(env -i setsid sh -c \"while :; do sleep 0.1; done\" {zoo.file} &) ; exec sleep 1000', "
        "user: nobody, starttime: 0}\n",
        daemon=f"  cgroups: {groups}\n",
    )
    rig.start()
    eventually(lambda: len(zoo.alive()) == 1, PATIENCE_S)
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


@AS_ROOT
def test_a_daemon_that_is_not_root_ends_whole_trees_too(rig: Rig, python_for_all: list[str]) -> None:
    rig.dir.chmod(0o777)
    zoo = Zoo(rig)
    python = python_for_all[-1]
    text = zoo.program(*CALM, "hydra").replace(program("zoo.py").split()[0], python)
    rig.write_native(text)
    through(rig, *as_nobody(), python=python_for_all)
    rig.start()
    zoo.ready()
    for _ in range(2):
        rig.rpc.supervisor.stopProcess("zoo")
        zoo.assert_gone()
        rig.rpc.supervisor.startProcess("zoo")
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


@WITH_GROUPS
def test_a_group_holds_also_what_takes_off_every_mark(rig: Rig) -> None:
    zoo = started(rig, "unmarked", groups="auto")
    assert len(zoo.alive()) == 2
    world.kill(rig.pid("zoo"), signal.SIGKILL)
    zoo.ready(2)
    assert zoo.met() == ""
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


@pytest.mark.parametrize("groups", MEANS)
def test_a_program_on_a_terminal_leaves_nothing_behind(rig: Rig, groups: str) -> None:
    zoo = started(rig, "group", "session", "nohup", "empty", groups=groups, more="tty: true")
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


@pytest.mark.parametrize("groups", MEANS)
def test_what_a_hook_leaves_behind_goes_with_the_hook(rig: Rig, groups: str) -> None:
    zoo = Zoo(rig, "hook")
    command = f"{program('zoo.py')} {zoo.file} gone"
    rig.write_native(
        f"  web: {{cmd: sleep 1000, starttime: 0, prestart: {command}}}\n", daemon=f"  cgroups: {groups}\n"
    )
    rig.start()
    rig.until("web", "RUNNING")
    assert zoo.lives() == 1
    zoo.assert_gone()
    rig.stop()


# --- daemons that are killed -----------------------------------------------------------------------------------------


def kill_daemon(rig: Rig) -> None:
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.daemon.wait()
    rig.daemon = None
    rig.forget_proxy()


@pytest.mark.parametrize("groups", MEANS)
def test_the_tree_of_a_program_that_was_taken_back_is_ended_whole(rig: Rig, groups: str) -> None:
    zoo = started(rig, *CALM, groups=groups)
    pid, before = rig.pid("zoo"), set(zoo.alive())
    kill_daemon(rig)
    rig.start()
    assert rig.pid("zoo") == pid
    assert set(zoo.alive()) == before
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


@pytest.mark.parametrize("groups", MEANS)
def test_what_is_left_of_one_that_ended_while_no_daemon_ran_is_ended_before_its_next_start(
    rig: Rig, groups: str
) -> None:
    zoo = started(rig, *CALM, groups=groups)
    pid = rig.pid("zoo")
    kill_daemon(rig)
    world.kill(pid, signal.SIGKILL)
    assert len(zoo.alive()) >= len(CALM)
    rig.start()
    zoo.ready(2)
    assert zoo.met() == ""
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


@pytest.mark.parametrize("groups", MEANS)
def test_what_was_spared_stays_spared_when_the_daemon_is_another(rig: Rig, groups: str) -> None:
    zoo = started(rig, "session", groups=groups, more="orphans: warn")
    leader = rig.pid("zoo")
    (left,) = [pid for pid in zoo.alive() if pid != leader]
    world.kill(leader, signal.SIGKILL)
    zoo.ready(2)
    kill_daemon(rig)
    rig.start()
    rig.until("zoo", "RUNNING")
    assert world.alive(left)
    rig.rpc.supervisor.stopProcess("zoo")
    assert world.alive(left)
    for pid in zoo.alive():
        world.kill(pid)
    rig.stop()


# --- the other rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", MEANS)
def test_warn_names_them_once_and_touches_nobody(rig: Rig, groups: str) -> None:
    zoo = started(rig, "session", "empty", groups=groups, more="orphans: warn")
    rig.rpc.supervisor.stopProcess("zoo")
    left = zoo.alive()
    assert len(left) == 2
    (line,) = rig.until_line("left 2 processes behind")
    assert line.level == "WARN"
    assert line.text.endswith("(orphans = warn)")
    assert all(f"(pid {pid})" in line.text for pid in left)
    assert "were left alone (orphans = warn)." in rig.ctl("why", "zoo").text
    rig.rpc.supervisor.startProcess("zoo")
    zoo.ready(2)
    assert set(left) <= set(zoo.alive())
    for pid in zoo.alive():
        world.kill(pid)
    rig.stop()


def test_keep_does_not_look_and_is_what_supervisor_did(rig: Rig) -> None:
    zoo = Zoo(rig)
    rig.write(f"[program:zoo]\ncommand={program('zoo.py')} {zoo.file} session\nstartsecs=0\n")
    rig.start()
    zoo.ready()
    rig.rpc.supervisor.stopProcess("zoo")
    (left,) = zoo.alive()
    assert int((world.stat(left) or ["", "0"])[1]) != rig.daemon_pid, "it was handed to init"
    assert not rig.lines("left .* behind")
    world.kill(left)
    rig.stop()


def test_supervisors_dialect_can_have_it_too(rig: Rig) -> None:
    zoo = Zoo(rig)
    rig.write(f"[program:zoo]\ncommand={program('zoo.py')} {zoo.file} session.empty\nstartsecs=0\norphans=kill\n")
    rig.start()
    zoo.ready()
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    rig.stop()


def test_it_is_told_in_the_log_and_counted(rig: Rig) -> None:
    started(rig, "session", "empty")
    rig.rpc.supervisor.stopProcess("zoo")
    (line,) = rig.until_line("left 2 processes behind: killed python")
    assert line.level == "INFO"
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    page = raw(str(rig.socket), request).decode()
    assert 'tmd_process_left_behind_total{group="zoo",process="zoo",program="zoo"} 2\n' in page
    assert "tmd_orphans_killed_total 2\n" in page
    rig.stop()


# --- stuck ones, many, and the end -----------------------------------------------------------------------------------


FREEZER = Path("/sys/fs/cgroup/freezer")


@AS_ROOT
@pytest.mark.skipif(not os.access(FREEZER / "cgroup.procs", os.W_OK), reason="no freezer of cgroup v1 here")
def test_what_cannot_be_killed_delays_the_news_for_two_seconds_and_is_named(rig: Rig) -> None:
    """A frozen group of cgroup v1 stands in for a process that hangs in the kernel: SIGKILL does not reach it."""
    zoo = started(rig, "session")
    leader = rig.pid("zoo")
    (stuck,) = [pid for pid in zoo.alive() if pid != leader]
    jail = FREEZER / rig.dir.name
    jail.mkdir()
    try:
        (jail / "cgroup.procs").write_text(str(stuck))
        (jail / "freezer.state").write_text("FROZEN")
        began = time.monotonic()
        world.kill(leader, signal.SIGKILL)
        slowest = 0.0
        while rig.lines("cannot end what") == []:
            asked = time.monotonic()
            rig.rpc.supervisor.getState()
            slowest = max(slowest, time.monotonic() - asked)
            assert asked - began < PATIENCE_S
        assert 1.5 < time.monotonic() - began < 10
        assert slowest < 1.0
        (line,) = rig.lines("cannot end what")
        assert line.level == "CRIT"
        assert f"(pid {stuck})" in line.text
        rig.until_new_pid("zoo", leader)
    finally:
        (jail / "freezer.state").write_text("THAWED")
        world.kill(stuck)
        eventually(lambda: not world.alive(stuck), PATIENCE_S)
        jail.rmdir()
    rig.rpc.supervisor.stopProcess("zoo")
    rig.stop()


def orphan_maker(rig: Rig, rate_hz: int) -> str:
    script = rig.dir / "maker.py"
    script.write_text(
        "import os, time\n"
        "while True:\n"
        "    if os.fork() == 0:\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(0.01)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        f"    time.sleep(1 / {rate_hz})\n"
    )
    return program("zoo.py").replace(str(program("zoo.py").split()[-1]), str(script))


def watch_zombies(rig: Rig, seconds: float) -> int:
    """Return the most zombies that were seen at once."""
    most, ends_at = 0, time.monotonic() + seconds
    while time.monotonic() < ends_at:
        most = max(most, len(world.zombies(rig.daemon_pid)))
    return most


def assert_orphans_are_reaped_in_silence(rig: Rig, seconds: float) -> None:
    rig.write_native(f"  maker: {{cmd: {orphan_maker(rig, 100)}, starttime: 0}}\n", daemon="  loglevel: info\n")
    rig.start()
    rig.until("maker", "RUNNING")
    rig.until_line("success: maker")
    before = len(rig.lines())
    assert watch_zombies(rig, seconds) <= 5
    assert len(rig.lines()) == before, "a line per orphan"
    rig.stop()


def test_orphans_are_reaped_at_once_and_in_silence(rig: Rig) -> None:
    assert_orphans_are_reaped_in_silence(rig, 1.5)


@pytest.mark.soak
def test_orphans_are_reaped_at_once_and_in_silence_for_a_minute(rig: Rig) -> None:
    assert_orphans_are_reaped_in_silence(rig, 60)


@WITH_GROUPS
def test_groups_go_with_the_daemon_and_those_of_a_dead_one_with_the_next(rig: Rig) -> None:
    place = Path(cgroups.own_place())
    zoo = started(rig, "session", groups="auto")
    pid = rig.pid("zoo")

    def with_the_program() -> list[Path]:
        return [
            path
            for path in place.glob("tmd-*")
            if any(pid in cgroups.members(str(group)) for group in path.iterdir() if group.is_dir())
        ]

    mine = rig.wait(with_the_program, what="the program is in its group")
    assert len(mine) == 1
    rig.rpc.supervisor.stopProcess("zoo")
    zoo.assert_gone()
    assert not [path for path in mine[0].iterdir() if path.is_dir()]
    rig.stop()
    assert not mine[0].exists()

    dead = place / "tmd-00000000"
    (dead / "17").mkdir(parents=True, exist_ok=True)
    rig.start()
    rig.until("zoo", "RUNNING")
    assert not dead.exists()
    rig.stop()


# --- for long --------------------------------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.parametrize("groups", MEANS)
def test_five_hundred_stops_leave_nothing(rig: Rig, groups: str) -> None:
    zoos = [Zoo(rig, f"zoo{number}") for number in range(4)]
    quarters = (SHAPES, CALM, ("bomb", "empty"), ("hydra", "holder", "deaf"))
    rig.write_native(
        "".join(zoo.program(*shapes, more="autostart: false") for zoo, shapes in zip(zoos, quarters, strict=True)),
        daemon=f"  cgroups: {groups}\n",
    )
    rig.start()
    for turn in range(1, 126):
        for zoo in zoos:
            rig.rpc.supervisor.startProcess(zoo.name)
        for zoo in zoos:
            zoo.ready(turn)
        for zoo in zoos:
            rig.rpc.supervisor.stopProcess(zoo.name)
            zoo.assert_gone()
            assert zoo.met() == ""
            zoo.file.write_text("")
    assert len(world.zombies(rig.daemon_pid)) == 0
    rig.stop()


# --- a daemon that one of its own programs has started ----------------------------------------------------------------


@pytest.mark.parametrize("how", ["-n", "background"])
@pytest.mark.parametrize("groups", MEANS)
def test_a_daemon_that_one_of_its_programs_has_started_does_not_end_with_it(rig: Rig, groups: str, how: str) -> None:
    flag = "-n" if how == "-n" else ""
    again = f"while [ ! -e {rig.dir}/go ]; do sleep 0.02; done; rm {rig.dir}/go; {' '.join(rig.command(flag)).strip()}"
    rig.write_native("", daemon="")
    again = again.replace("tm.conf", "tm.yaml")
    rig.write_native(
        f"""
  agent: {{cmd: "sh -c '{again}; sleep 100000'", starttime: 0, stoptime: 5}}
  web: {{cmd: "sleep 100001", starttime: 0}}
  kept: {{cmd: "sleep 100002", starttime: 0, orphans: keep, autorestart: never}}
""",
        daemon=f"  cgroups: {groups}\n",
    )
    rig.start()
    rig.until_all("RUNNING")
    before = {name: rig.pid(name) for name in ("agent", "web", "kept")}
    first = rig.daemon_pid
    crashing.kill(rig)
    (rig.dir / "go").touch()
    rig.wait(lambda: (text := rig.text("d.pid").strip()) and text != str(first), 20)
    rig.daemon_pid = int(rig.text("d.pid"))
    rig.wait_ready()
    rig.until_line("of its programs: 3 taken back")
    assert rig.lines("started from inside one of its own programs")
    for name in ("web", "kept", "agent"):
        assert rig.ctl("restart", name).code == 0
        after = rig.until_new_pid(name, before[name])
        assert world.alive(rig.daemon_pid)
        before[name] = after
    assert not rig.lines("cannot end")
    assert {name: rig.pid(name) for name in before} == before
    world.kill(before["agent"], signal.SIGKILL)
    rig.until_new_pid("agent", before["agent"])
    assert {name: rig.pid(name) for name in ("web", "kept")} == {name: before[name] for name in ("web", "kept")}
    rig.stop()
