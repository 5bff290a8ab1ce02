"""Signals for a process that is not the one that was started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import ROOT, Rig, program
from tests.support import eventually

pytestmark = pytest.mark.ours

Proxy = Callable[..., "subprocess.Popen[bytes]"]
PROXY = f"{sys.executable} -m tmd.pidproxy"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """Start a proxy whose output goes to `out`; what is left of its session is killed in the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, **environ: str) -> "subprocess.Popen[bytes]":
        with (tmp_path / "out").open("ab") as out:
            started.append(
                subprocess.Popen(
                    [*PROXY.split(), *words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    cwd=tmp_path,
                    env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
                    start_new_session=True,
                )
            )
        return started[-1]

    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            assert process.poll() is not None
        process.wait()


def said(tmp_path: Path) -> str:
    return (tmp_path / "out").read_text()


def until_said(tmp_path: Path, text: str) -> None:
    eventually(lambda: text in said(tmp_path), 20, what=f"{text!r} in {said(tmp_path)!r}")


def launcher(tmp_path: Path) -> list[str]:
    return ["pid", *program("backgrounder.sh").split(), str(tmp_path / "pid")]


def test_signals_go_to_the_pid_in_the_file(proxy: Proxy, tmp_path: Path) -> None:
    running = proxy(*launcher(tmp_path))
    until_said(tmp_path, "ready")
    for name in ("HUP", "USR1", "USR2"):
        running.send_signal(signal.Signals[f"SIG{name}"])
        until_said(tmp_path, f"got {name}")
    assert running.poll() is None
    assert "launcher hit" not in said(tmp_path)
    running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 0
    until_said(tmp_path, "got TERM\nlauncher ends\n")


@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT"])
def test_signals_that_end_it(name: str, proxy: Proxy, tmp_path: Path) -> None:
    target = subprocess.Popen(["sleep", "1000"])
    (tmp_path / "pid").write_text(f"{target.pid}\n")
    running = proxy("pid", "sh", "-c", "echo up; exec sleep 1000")
    until_said(tmp_path, "up")
    running.send_signal(signal.Signals[f"SIG{name}"])
    assert running.wait(20) == 0
    assert target.wait(20) == -signal.Signals[f"SIG{name}"]


def test_the_file_is_read_anew_each_time(proxy: Proxy, tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "1000"])
    running = proxy(*launcher(tmp_path))
    until_said(tmp_path, "ready")
    daemon = int((tmp_path / "pid").read_text())
    (tmp_path / "pid").write_text(f" {other.pid}\n")
    running.send_signal(signal.SIGHUP)
    assert other.wait(20) == -signal.SIGHUP
    assert world.alive(daemon)


@pytest.mark.parametrize("content", [None, "", "nonsense", "0", "-1"])
def test_a_file_without_a_pid_is_said_and_the_proxy_goes_on(content: str | None, proxy: Proxy, tmp_path: Path) -> None:
    running = proxy("pid", "sh", "-c", "echo up; exec sleep 1000")
    until_said(tmp_path, "up")
    if content is not None:
        (tmp_path / "pid").write_text(content)
    running.send_signal(signal.SIGTERM)
    until_said(tmp_path, "Can't read child pidfile pid!\n")
    running.send_signal(signal.SIGUSR1)
    eventually(lambda: said(tmp_path).count("pidfile pid!") == 2, 20)
    assert running.poll() is None


def test_a_pid_of_nobody_is_said(proxy: Proxy, tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "pid").write_text(str(gone.pid))
    running = proxy("pid", "sh", "-c", "echo up; exec sleep 1000")
    until_said(tmp_path, "up")
    running.send_signal(signal.SIGHUP)
    until_said(tmp_path, f"cannot send SIGHUP to {gone.pid}, from pid: no such process\n")
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 0


def test_it_ends_at_once_with_its_command(proxy: Proxy, tmp_path: Path) -> None:
    began = time.monotonic()
    running = proxy("pid", "sh", "-c", "sleep 0.3; exit 3")
    assert running.wait(20) == 0
    assert time.monotonic() - began < 4.5  # nothing is polled every few seconds


def test_the_command_is_found_and_its_signals_are_as_ever(proxy: Proxy, tmp_path: Path) -> None:
    tool = tmp_path / "tools" / "mytool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho $0 $*; exec grep -E 'Sig(Blk|Ign)' /proc/self/status\n")
    tool.chmod(0o755)
    assert proxy("pid", "mytool", "a b", "c", PATH=f"{tool.parent}:{os.environ['PATH']}").wait(20) == 0
    assert proxy("pid", "tools/mytool").wait(20) == 0
    tool.rename(tmp_path / "localtool")
    assert proxy("pid", "localtool").wait(20) == 0
    lines = said(tmp_path).splitlines()
    assert [line.strip() for line in lines[::3]] == [f"{tool} a b c", "tools/mytool", "./localtool"]
    for line in (*lines[1::3], *lines[2::3]):
        signals = int(line.partition(":")[2], 16)
        assert signals & 0x7FFFFFFF == 0, line  # the C library keeps two of the others for itself


def test_wrong_words(proxy: Proxy, tmp_path: Path) -> None:
    assert proxy().wait(20) == 1
    assert proxy("pid").wait(20) == 1
    assert said(tmp_path).count("usage: tmd-pidproxy PIDFILE COMMAND") == 2
    assert proxy("--help").wait(20) == 0
    assert proxy("pid", "/no/such/command").wait(20) == 127
    assert said(tmp_path).endswith("cannot run '/no/such/command': no such file or directory\n")


def test_under_the_daemon(rig: Rig) -> None:
    rig.write(
        f"[program:db]\ncommand={PROXY} {{dir}}/db.pid {program('backgrounder.sh')} {{dir}}/db.pid\n"
        "startsecs=0\nstdout_logfile={dir}/out\nautorestart=true\n"
    )
    rig.start()
    rig.until_text("out", "ready")
    daemon = int(rig.text("db.pid"))
    rig.ctl("signal", "HUP", "db")
    rig.until_text("out", "got HUP")
    assert rig.ctl("stop", "db").text == "db: stopped\n"
    rig.until_text("out", "got TERM")
    eventually(lambda: not world.alive(daemon), 20)
    rig.ctl("start", "db")
    eventually(lambda: rig.text("out").count("ready") == 2, 20)
    pid = rig.pid("db")
    world.kill(int(rig.text("db.pid")))
    rig.until_new_pid("db", pid)  # the end of the real one is noticed, and it is started again
    eventually(lambda: rig.text("out").count("ready") == 3, 20)  # a signal before that would find nobody to pass it on
    assert rig.ctl("stop", "db").text == "db: stopped\n"
    rig.wait(lambda: rig.processes() == [rig.daemon_pid], 20)  # the real one ends after its proxy, when it next looks
    rig.stop()
