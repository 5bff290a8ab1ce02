"""Starts from odd places: descriptors that are closed, a directory that is gone, a Ctrl-C that comes too early."""

import os
import re
import shlex
import subprocess
from collections.abc import Callable

import pexpect
import pytest

from tests.e2e.harness import Answer, Rig, program

pytestmark = pytest.mark.ours

WEB = f"[program:web]\ncommand={program('echo.py')}\nstartsecs=0\nstdout_logfile={{dir}}/out\n"
CLOSED = {
    "stdin": "<&-",
    "stdout": ">&-",
    "stderr": "2>&-",
    "all": "<&- >&- 2>&-",
}


def by_shell(rig: Rig, script: str, deadline_s: float = 20.0) -> Answer:
    """Run a shell script in the rig's directory; `"$@"` is the daemon's command line."""
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *rig.command()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=rig.dir,
        env=rig.environment(),
        timeout=deadline_s,
        check=False,
    )
    return Answer(done.stdout.decode(), done.returncode, done.stderr.decode())


def meet(rig: Rig) -> None:
    """Find the daemon that went into the background, and see that it works."""
    rig.daemon_pid = int(rig.text("d.pid"))
    rig.wait_ready()
    assert rig.rpc.supervisor.getPID() == rig.daemon_pid
    rig.until("web", "RUNNING")
    rig.until_text("out", "ready")


def target(pid: int, descriptor: int) -> str:
    return os.readlink(f"/proc/{pid}/fd/{descriptor}")


@pytest.mark.parametrize("which", CLOSED)
def test_in_the_background_with_closed_descriptors(rig: Rig, which: str) -> None:
    rig.write(WEB)
    answer = by_shell(rig, f'exec "$@" {CLOSED[which]}')
    assert (answer.text, answer.code, answer.err) == ("", 0, "")
    meet(rig)
    assert [target(rig.daemon_pid, descriptor) for descriptor in (0, 1, 2)] == ["/dev/null"] * 3
    web = rig.pid("web")
    assert [target(web, descriptor).partition(":")[0] for descriptor in (1, 2)] == ["pipe", "pipe"]
    rig.rpc.supervisor.sendProcessStdin("web", "one\n")
    rig.until_text("out", "got: one")
    assert len(rig.lines("spawned: 'web'")) == 1
    assert "got: one" not in rig.text("d.log")
    rig.stop()


def start_by_shell(rig: Rig, script: str) -> None:
    """Start the daemon, `"$@"`, in the foreground from a shell's script, and wait until it answers."""
    with rig.said.open("ab") as said:
        rig.daemon = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", *rig.command()],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=rig.dir,
            env=rig.environment(),
        )
    rig.daemon_pid = rig.daemon.pid
    rig.wait_ready()


@pytest.mark.parametrize("which", CLOSED)
def test_in_the_foreground_with_closed_descriptors(rig: Rig, which: str) -> None:
    rig.write(WEB)
    start_by_shell(rig, f'exec "$@" -n {CLOSED[which]}')
    rig.until("web", "RUNNING")
    rig.until_text("out", "ready")
    kept = "/dev/null" if which in ("stdout", "all") else str(rig.said)
    assert target(rig.daemon_pid, 1) == kept
    rig.stop()
    assert "Traceback" not in rig.text("said")
    assert ("spawned: 'web'" in rig.text("said")) is (which in ("stdin", "stderr"))


@pytest.mark.parametrize("which", ["stdout", "stderr", "all"])
def test_a_refused_start_with_closed_descriptors_still_ends_with_2(rig: Rig, which: str) -> None:
    rig.write(WEB)
    rig.socket.mkdir()
    answer = by_shell(rig, f'exec "$@" {CLOSED[which]}')
    assert answer.code == 2
    assert (str(rig.socket) in answer.err) is (which == "stdout")
    rig.wait(lambda: not rig.processes(), what="all are gone")


REMOVED = 'mkdir gone && cd gone && rmdir ../gone && exec "$@" '


def test_in_the_background_from_a_directory_that_is_gone(rig: Rig) -> None:
    rig.write(WEB)
    answer = by_shell(rig, REMOVED)
    assert (answer.text, answer.code, answer.err) == ("", 0, "")
    meet(rig)
    rig.stop()


def test_in_the_foreground_from_a_directory_that_is_gone(rig: Rig) -> None:
    rig.write(WEB)
    start_by_shell(rig, f"{REMOVED} -n")
    rig.until("web", "RUNNING")
    rig.until_text("out", "ready")
    assert rig.ctl("restart", "web").code == 0
    rig.stop()
    assert "Traceback" not in rig.text("said")


def test_a_check_from_a_directory_that_is_gone(rig: Rig) -> None:
    rig.write(WEB)
    answer = by_shell(rig, f"{REMOVED} --check-config")
    assert (answer.code, answer.err) == (0, "")
    assert answer.text == f"{rig.conf}: ok (Supervisor dialect, 1 group, 1 process)\n"


def test_a_relative_name_from_a_directory_that_is_gone_is_refused(rig: Rig) -> None:
    rig.write(WEB)
    answer = by_shell(rig, f"{REMOVED.partition(' exec')[0]} exec {shlex.join(rig.command()[:-1])} tm.conf")
    assert answer.code == 2
    assert "tm.conf" in answer.err
    assert "Traceback" not in answer.err


def lock_is_held(rig: Rig) -> bool:
    return rig.pidfile.exists()


def log_is_open(rig: Rig) -> bool:
    return rig.log.exists()


def socket_is_there(rig: Rig) -> bool:
    return rig.socket.exists()


@pytest.mark.parametrize("moment", [lock_is_held, log_is_open, socket_is_there])
def test_ctrl_c_right_after_the_start_is_an_orderly_end(rig: Rig, moment: Callable[[Rig], bool]) -> None:
    rig.write(WEB)
    terminal = rig.daemon_in_terminal("-n")
    rig.wait(lambda: moment(rig), what=moment.__name__)
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus in (0, 130)
    assert "Traceback" not in terminal.before
    rig.assert_nothing_left()


@pytest.mark.parametrize("arguments", [(), ("-n",)], ids=["background", "foreground"])
@pytest.mark.parametrize("kind", ["in a directory that is not there", "a directory"])
def test_a_pidfile_that_cannot_be_is_refused(rig: Rig, kind: str, arguments: tuple[str, ...]) -> None:
    rig.write(WEB)
    pidfile = rig.dir / "nowhere" / "d.pid"
    if kind == "a directory":
        pidfile.mkdir(parents=True)
    answer = rig.run_daemon("-j", str(pidfile), *arguments)
    assert answer.code == 2
    assert str(pidfile) in answer.err or str(pidfile.parent) in answer.err
    assert re.search("directory", answer.err)
    assert "Traceback" not in answer.err + answer.text
    assert pidfile.is_dir() or not pidfile.parent.exists()
    assert not rig.socket.exists()
    rig.wait(lambda: not rig.processes(), what="all are gone")
