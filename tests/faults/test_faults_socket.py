"""The control socket, its directory and the pid file are taken away: they are there again within seconds, and `tmctl`
says what it sees.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Answer, Rig
from tests.e2e.identities import AS_ROOT, NOBODY, as_nobody
from tests.support import eventually

PATIENCE_S = 20.0
WEB = "[program:web]\ncommand=sleep 1000\nstartsecs=0\n"


def started(rig: Rig, programs: str = WEB, **more: str) -> int:
    """Start a daemon; return the pid of its program."""
    rig.write(programs, **more)
    rig.start()
    return int(rig.until("web", "RUNNING")["pid"])


def answers_again(rig: Rig) -> None:
    rig.forget_proxy()
    rig.wait_ready(PATIENCE_S)


def faults(rig: Rig) -> dict[str, int]:
    found: dict[str, int] = rig.rpc.taskmaster.getFigures()["faults"]
    return found


def test_a_socket_that_was_removed_is_made_again(rig: Rig) -> None:
    pid = started(rig, server="chmod=0740")
    assert rig.rpc.supervisor.getState()["statename"] == "RUNNING"
    taken = 0

    def taken_away() -> Answer | None:
        """Ask before it is there again, which is a race."""
        nonlocal taken
        rig.socket.unlink()
        taken += 1
        said = rig.ctl("status")
        if said.code == 4:
            return said
        answers_again(rig)
        return None

    said = rig.wait(taken_away, 30)
    assert f"the daemon runs (pid {rig.daemon_pid}, from {rig.pidfile}) but its socket {rig.socket} is gone" in said.err
    assert rig.rpc.supervisor.getState()["statename"] == "RUNNING", "who was connected stays"
    answers_again(rig)
    assert stat.S_IMODE(rig.socket.stat().st_mode) == 0o740
    assert rig.pid("web") == pid
    line = rig.until_line("control socket")[0]
    assert (line.level, line.text) == ("WARN", f"the control socket '{rig.socket}' was taken away: it was made again")
    assert faults(rig)["socket"] == taken
    rig.stop()


def test_its_whole_directory_is_made_again_as_it_was(rig: Rig) -> None:
    place = rig.dir / "run" / "tmd"
    place.mkdir(parents=True)
    place.chmod(0o2750)
    owner = NOBODY.pw_uid if os.geteuid() == 0 else os.geteuid()
    os.chown(place, owner, -1)
    rig.socket, rig.pidfile = place / "s", place / "d.pid"
    rig.write(WEB)
    text = rig.conf.read_text().replace(f"{rig.dir}/s", f"{place}/s").replace(f"{rig.dir}/d.pid", f"{place}/d.pid")
    rig.conf.write_text(text)
    rig.start()
    shutil.rmtree(rig.dir / "run")
    answers_again(rig)
    found = place.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o2750, owner)
    rig.until_text("run/tmd/d.pid", f"{rig.daemon_pid}\n")
    rig.stop()


def test_a_stranger_s_file_in_its_place_is_left_alone_and_named_once(rig: Rig) -> None:
    started(rig)
    rig.socket.unlink()
    rig.socket.write_text("mine\n")
    (line,) = rig.until_line("control socket")
    taken = (
        f"the control socket '{rig.socket}' was taken away, and cannot be made again: cannot listen on '{rig.socket}'"
    )
    assert (line.level, line.text) == ("CRIT", f"{taken}: a regular file is there (remove it, or name another path)")
    assert rig.socket.read_text() == "mine\n"
    rig.socket.unlink()
    answers_again(rig)
    (_, over) = rig.lines("control socket")
    assert over.level == "INFO"
    assert over.text.startswith(f"the control socket '{rig.socket}' is there again (after ")
    rig.stop()


def test_a_stranger_who_listens_there_is_left_alone(rig: Rig) -> None:
    started(rig)
    rig.socket.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.bind(str(rig.socket))
        stranger.listen()
        (line,) = rig.until_line("control socket")
        assert f"pid {os.getpid()}" in line.text
    answers_again(rig)
    rig.stop()


def test_a_pid_file_that_was_removed_is_made_again_and_keeps_others_out(rig: Rig) -> None:
    pid = started(rig)
    rig.pidfile.unlink()
    rig.until_text("d.pid", f"{rig.daemon_pid}\n", PATIENCE_S)
    refused = rig.run_daemon("-n")
    assert refused.code == 2
    assert f"another instance runs with pid {rig.daemon_pid}" in refused.err
    (line,) = rig.until_line("pid file")
    assert line.text == f"the pid file '{rig.pidfile}' was taken away or changed: it was made again"
    assert rig.text("d.pid") == f"{rig.daemon_pid}\n"
    assert faults(rig)["pidfile"] == 1
    assert rig.pid("web") == pid
    rig.stop()


@pytest.mark.parametrize("text", ["", "1\n"])
def test_a_pid_file_that_was_written_to_has_the_number_again(rig: Rig, text: str) -> None:
    started(rig)
    rig.pidfile.write_text(text)
    rig.until_text("d.pid", f"{rig.daemon_pid}\n", PATIENCE_S)
    rig.stop()


def test_before_it_is_there_again_the_socket_keeps_others_out(rig: Rig) -> None:
    started(rig)
    rig.pidfile.unlink()
    refused = rig.run_daemon("-n")
    assert refused.code == 2
    assert "already listening" in refused.err or "another instance runs" in refused.err
    rig.until_text("d.pid", f"{rig.daemon_pid}\n", PATIENCE_S)
    rig.stop()


def test_another_daemon_s_pid_file_is_left_alone(rig: Rig) -> None:
    started(rig)
    rig.pidfile.unlink()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-S",
            "-c",
            "import fcntl, sys, time; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX)\n"
            "file.write('77\\n'); file.flush(); print('held', flush=True); time.sleep(1000)",
            str(rig.pidfile),
        ],
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        lines = rig.until_line("pid file .* is another daemon's by now")
        assert lines[0].level == "CRIT"
        assert rig.text("d.pid") == "77\n"
        holder.kill()
    rig.until_text("d.pid", f"{rig.daemon_pid}\n", PATIENCE_S)
    assert rig.until_line("pid file .* is as it should be again")
    rig.stop()


# --- what tmctl says -------------------------------------------------------------------------------------------------


def test_of_a_daemon_that_does_not_run(rig: Rig) -> None:
    rig.write(WEB)
    said = rig.ctl("status")
    assert said.code == 4
    assert said.err == f"no daemon is running here (start one with: tmd -c {rig.conf})\n"


def test_of_a_socket_that_a_killed_daemon_has_left(rig: Rig) -> None:
    started(rig)
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.daemon.wait()
    rig.daemon = None
    said = rig.ctl("status")
    assert said.code == 4
    assert said.err == f"no daemon is running here and the socket is a leftover (start one with: tmd -c {rig.conf})\n"


@AS_ROOT
def test_of_a_socket_that_is_not_for_everybody(rig: Rig, python_for_all: list[str]) -> None:
    started(rig)
    command = [*as_nobody(), *python_for_all, "-m", "tmctl", "-s", f"unix://{rig.socket}", "status"]
    said = subprocess.run(
        command, cwd="/", env=rig.client_environment(), capture_output=True, text=True, timeout=20, check=False
    )
    assert f"no permission on {rig.socket} (owner root, mode 0700): run tmctl as that user" in said.stderr
    rig.dir.chmod(0o700)
    said = subprocess.run(
        command, cwd="/", env=rig.client_environment(), capture_output=True, text=True, timeout=20, check=False
    )
    assert f"no permission to reach {rig.socket}: one of its directories is closed to you" in said.stderr
    rig.stop()


def test_of_a_daemon_that_listens_elsewhere(rig: Rig) -> None:
    started(rig)
    other = Path(f"{rig.dir}/elsewhere")
    rig.conf.write_text(rig.conf.read_text().replace(f"unix://{rig.socket}", f"unix://{other}"))
    said = rig.ctl("status")
    assert f"the daemon runs (pid {rig.daemon_pid}, from {rig.pidfile}) but does not listen on {other}" in said.err
    rig.stop()


@pytest.mark.parametrize("words", [("status",), ("stop", "web")])
def test_of_a_daemon_that_is_suspended(rig: Rig, words: tuple[str, ...]) -> None:
    started(rig)
    world.kill(rig.daemon_pid, signal.SIGSTOP)
    eventually(lambda: world.stopped(rig.daemon_pid))
    said = rig.ctl(*words)
    world.kill(rig.daemon_pid, signal.SIGCONT)
    assert said.code != 0
    pid = rig.daemon_pid
    suspended = f"the daemon (pid {pid}) is suspended, and answers nobody (let it go on: kill -CONT {pid})"
    assert said.err.splitlines()[-1] == suspended
    rig.stop()
