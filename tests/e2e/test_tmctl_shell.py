"""The shell of tmctl as somebody at a terminal sees it, on a capable terminal and on a dumb one."""

import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support import end_terminal, eventually
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tests.unit.tmctl.processes import environment

PROMPT = "taskmaster> "
Open = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path / "fake.sock", own=True) as fake:
        yield fake


@pytest.fixture(params=["xterm-256color", "dumb"])
def open_shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    shells: list[pexpect.spawn[str]] = []

    def spawn(*arguments: str) -> "pexpect.spawn[str]":
        shell = pexpect.spawn(
            sys.executable,
            ["-m", "tmctl", *arguments],
            env=environment(tmp_path, TERM=request.param, NO_COLOR="1"),
            cwd=str(tmp_path),
            encoding="utf-8",
            timeout=10,
            dimensions=(24, 120),
        )
        shell.delaybeforesend = None
        shell.ptyproc.delayafterclose = shell.ptyproc.delayafterterminate = 0.01
        shells.append(shell)
        return shell

    yield spawn
    for shell in shells:
        end_terminal(shell)


def at_prompt(shell: "pexpect.spawn[str]") -> None:
    shell.expect_exact(PROMPT)


def ends(shell: "pexpect.spawn[str]") -> int | None:
    shell.expect(pexpect.EOF)
    shell.wait()
    code: int | None = shell.exitstatus
    return code


def test_status_first_then_commands_until_quit(daemon: FakeDaemon, open_shell: Open) -> None:
    shell = open_shell("-s", daemon.url)
    shell.expect_exact("api:api_00                       RUNNING   pid 1001, uptime 1:02:03")
    at_prompt(shell)
    shell.sendline("start batch nope")
    shell.expect_exact("batch: started")
    shell.expect_exact("nope: ERROR (no such process)")
    at_prompt(shell)
    shell.sendline("")
    at_prompt(shell)
    shell.sendline("nonsense")
    shell.expect_exact("*** Unknown syntax: nonsense")
    at_prompt(shell)
    shell.sendline("help pid")
    shell.expect_exact("show the daemon's process id")
    at_prompt(shell)
    shell.sendline("quit")
    assert ends(shell) == 0


def test_tab_completes_commands_names_and_signals(daemon: FakeDaemon, open_shell: Open) -> None:
    shell = open_shell("-s", daemon.url)
    at_prompt(shell)
    shell.send("sig\tHU\tapi:api_01\t\r")
    shell.expect_exact("api:api_01: signalled")
    assert ("supervisor.signalProcess", ("api:api_01", "HUP")) in daemon.calls
    at_prompt(shell)
    shell.send("stat\twe\t\r")
    shell.expect("web +RUNNING")
    at_prompt(shell)
    shell.send("restart api:\t\t")
    shell.expect_exact("api:*")
    shell.expect_exact("api:api_02")
    shell.expect("taskmaster> .{0,8}restart api:")
    shell.sendintr()
    at_prompt(shell)
    shell.sendline("pid")
    shell.expect_exact("4242")
    at_prompt(shell)
    shell.sendeof()
    assert ends(shell) == 0


def test_what_is_typed_is_remembered_for_its_owner_only(daemon: FakeDaemon, open_shell: Open, tmp_path: Path) -> None:
    for typed in ("pid web", "\x10\x10"):
        shell = open_shell("-s", daemon.url)
        at_prompt(shell)
        shell.send(f"{typed}\r")
        shell.expect_exact("1004")
        at_prompt(shell)
        shell.sendline("exit")
        assert ends(shell) == 0
    history = tmp_path / "state" / "taskmaster" / "tmctl_history"
    assert history.read_text() == "pid web\nexit\npid web\nexit\n"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_the_history_file_may_be_named(daemon: FakeDaemon, open_shell: Open, tmp_path: Path) -> None:
    shell = open_shell("-s", daemon.url, "-r", str(tmp_path / "mine"))
    at_prompt(shell)
    shell.sendline("exit")
    assert ends(shell) == 0
    assert (tmp_path / "mine").read_text() == "exit\n"


def test_ctrl_c_ends_the_line_not_the_shell(daemon: FakeDaemon, open_shell: Open) -> None:
    shell = open_shell("-s", daemon.url)
    at_prompt(shell)
    shell.send("shutdown")
    shell.expect_exact("shutdown")
    shell.sendintr()
    at_prompt(shell)
    shell.sendline("pid")
    shell.expect_exact("4242")
    assert "supervisor.shutdown" not in daemon.methods_called()


def test_ctrl_c_ends_a_command_that_waits(daemon: FakeDaemon, open_shell: Open) -> None:
    waiting, release = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        release.wait(20)

    daemon.before["supervisor.startProcess"] = wait
    shell = open_shell("-s", daemon.url)
    at_prompt(shell)
    shell.sendline("start batch")
    eventually(waiting.is_set)
    shell.sendintr()
    at_prompt(shell)
    release.set()
    shell.sendline("pid")
    shell.expect_exact("4242")
    at_prompt(shell)


def test_ctrl_c_ends_following(daemon: FakeDaemon, open_shell: Open) -> None:
    daemon.streams["/logtail/web/stdout"] = [b"first \x1b[31mred\n"]
    shell = open_shell("-s", daemon.url)
    at_prompt(shell)
    shell.sendline("tail -f web")
    shell.expect_exact("==> Press Ctrl-C to exit <==")
    shell.expect_exact("first ^[[31mred")
    shell.sendintr()
    at_prompt(shell)
    shell.sendline("version")
    shell.expect_exact("4.3.0")


def test_fg_and_back(daemon: FakeDaemon, open_shell: Open) -> None:
    daemon.streams["/logtail/web/stdout"] = [b"listening\n"]
    daemon.streams["/logtail/web/stderr"] = []
    shell = open_shell("-s", daemon.url)
    at_prompt(shell)
    shell.sendline("fg web")
    shell.expect_exact("listening")
    shell.sendline("hello")
    eventually(lambda: daemon.processes[-1].typed == ["hello\n"])
    shell.sendintr()
    shell.expect_exact("Exiting foreground")
    at_prompt(shell)


@pytest.mark.parametrize(("answer", "done"), [("n", False), ("", False), ("yes", True), ("Y", True)])
def test_shutdown_asks_back(answer: str, done: bool, daemon: FakeDaemon, open_shell: Open) -> None:
    shell = open_shell("-s", daemon.url)
    at_prompt(shell)
    shell.sendline("shutdown")
    shell.expect_exact("Really shut the remote supervisord process down y/N? ")
    shell.sendline(answer)
    if done:
        shell.expect_exact("Shut down")
    at_prompt(shell)
    assert ("supervisor.shutdown" in daemon.methods_called()) is done


def test_reload_asks_back_where_it_restarts_everything(daemon: FakeDaemon, open_shell: Open) -> None:
    shell = open_shell("-s", daemon.url)
    at_prompt(shell)
    shell.sendline("reload")
    shell.expect_exact("No config updates to processes")
    at_prompt(shell)
    daemon.dialect = "supervisor"
    shell.sendline("reload")
    shell.expect_exact("Really restart the remote supervisord process y/N? ")
    shell.sendline("y")
    shell.expect_exact("Restarted supervisord")
    at_prompt(shell)


def test_a_server_that_is_not_there_and_then_is(daemon: FakeDaemon, open_shell: Open) -> None:
    shell = open_shell("-s", "unix:///nowhere/at/all.sock")
    shell.expect_exact("unix:///nowhere/at/all.sock no such file")
    at_prompt(shell)
    shell.sendline(f"open {daemon.url}")
    shell.expect("web +RUNNING")
    at_prompt(shell)
    shell.sendline("pid web")
    shell.expect_exact("1004")
    at_prompt(shell)
    shell.sendeof()
    assert ends(shell) == 0


def test_a_password_is_asked_for_and_not_shown(open_shell: Open, tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "locked.sock", password="secret") as daemon:
        shell = open_shell("-s", daemon.url)
        shell.expect_exact("Server requires authentication")
        shell.expect_exact("Username:")
        shell.sendline("me")
        shell.expect_exact("Password:")
        eventually(lambda: not shell.getecho(), what="echo off")
        shell.sendline("secret")
        shell.expect("web +RUNNING")
        assert "secret" not in shell.before
        at_prompt(shell)
        shell.sendline("exit")
        assert ends(shell) == 0
        assert daemon.requests == 3
