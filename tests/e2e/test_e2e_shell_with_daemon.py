"""`tmd --shell`: a daemon with the shell in front of it, at a terminal, from the first listing to the last process."""

import os
import re
import shlex
import signal
from collections.abc import Callable

import pexpect
import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program

pytestmark = pytest.mark.ours

PROMPT = "taskmaster> "


def write(rig: Rig) -> None:
    rig.write_native(
        f"  web:\n    command: {program('echo.py')}\n    startsecs: 0\n    stdout_logfile: '{{dir}}/out'\n"
        "  other:\n    command: sleep 100000\n    startsecs: 0\n"
    )


def open_shell(rig: Rig, *arguments: str) -> "pexpect.spawn[str]":
    """Open it and wait for the first prompt, with its daemon's pid in the rig."""
    terminal = rig.daemon_in_terminal("--shell", *arguments)
    terminal.expect(re.compile(r"web +(RUNNING|STARTING)"))
    terminal.expect_exact(PROMPT)
    rig.daemon_pid = int(rig.text("d.pid"))
    assert rig.daemon_pid != terminal.pid
    rig.until("web", "RUNNING")
    rig.until("other", "RUNNING")
    return terminal


def run(terminal: "pexpect.spawn[str]", line: str, *wanted: str) -> None:
    """Type a line, see each wanted text in turn, then the prompt."""
    terminal.sendline(line)
    for text in wanted:
        terminal.expect(text)
    terminal.expect_exact(PROMPT)


def end(terminal: "pexpect.spawn[str]") -> tuple[int | None, str]:
    """Wait for its end; return its exit code and what it said meanwhile."""
    terminal.expect(pexpect.EOF)
    terminal.wait()
    code: int | None = terminal.exitstatus
    return code, str(terminal.before)


def assert_all_gone(rig: Rig, *pids: int) -> None:
    assert not [pid for pid in pids if world.alive(pid)]
    rig.wait_end()


@pytest.mark.parametrize("arguments", [(), ("-n",)], ids=["plain", "foreground"])
def test_listing_then_commands_then_exit_ends_both(rig: Rig, arguments: tuple[str, ...]) -> None:
    write(rig)
    terminal = open_shell(rig, *arguments)
    daemon, web, other = rig.daemon_pid, rig.pid("web"), rig.pid("other")
    run(terminal, "stop web", "web: stopped")
    assert rig.state("web") == "STOPPED"
    assert not world.alive(web)
    run(terminal, "start web", "web: started")
    web = int(rig.until("web", "RUNNING")["pid"])
    run(terminal, "pid", str(daemon))
    run(terminal, "status", r"other +RUNNING", r"web +RUNNING")
    terminal.sendline("exit")
    code, said = end(terminal)
    assert code == 0
    assert "Traceback" not in said
    assert_all_gone(rig, daemon, web, other)
    assert rig.lines("received SIGTERM indicating exit request")


def test_the_log_of_the_daemon_is_not_written_into_the_shell(rig: Rig) -> None:
    write(rig)
    terminal = open_shell(rig)
    run(terminal, "stop web", "web: stopped")
    assert "spawned" not in terminal.before
    terminal.sendline("exit")
    code, said = end(terminal)
    assert (code, said.strip()) == (0, "")
    rig.wait_end()
    assert rig.lines("spawned: 'web'")


def test_the_end_of_input_ends_both(rig: Rig) -> None:
    write(rig)
    terminal = open_shell(rig)
    terminal.sendeof()
    assert end(terminal)[0] == 0
    rig.wait_end()


def test_a_shutdown_from_the_shell_and_exit_is_a_normal_end(rig: Rig) -> None:
    write(rig)
    terminal = open_shell(rig)
    terminal.sendline("shutdown")
    terminal.expect_exact("y/N? ")
    run(terminal, "y", "Shut down")
    terminal.sendline("exit")
    code, said = end(terminal)
    assert code == 0
    assert "Traceback" not in said
    rig.wait_end()


def test_ctrl_c_leaves_what_follows_and_not_the_shell(rig: Rig) -> None:
    write(rig)
    terminal = open_shell(rig)
    pids = rig.daemon_pid, rig.pid("web"), rig.pid("other")
    terminal.sendline("tail -f web")
    terminal.expect_exact("==> Press Ctrl-C to exit <==")
    terminal.expect_exact("ready")
    terminal.sendintr()
    terminal.expect_exact(PROMPT)
    assert "Traceback" not in terminal.before
    terminal.sendintr()  # and at the prompt it only ends the line
    terminal.expect_exact(PROMPT)
    assert all(world.alive(pid) for pid in pids)
    run(terminal, "status web", r"web +RUNNING")
    terminal.sendline("exit")
    code, said = end(terminal)
    assert code == 0
    assert "Traceback" not in said
    assert_all_gone(rig, *pids)
    assert not rig.lines("SIGINT")


@pytest.mark.parametrize("name", ["TERM", "HUP"])
def test_a_signal_to_it_ends_the_daemon_and_its_programs_too(rig: Rig, name: str) -> None:
    write(rig)
    terminal = open_shell(rig)
    pids = rig.daemon_pid, rig.pid("web"), rig.pid("other")
    os.kill(terminal.pid, getattr(signal, f"SIG{name}"))
    code, said = end(terminal)
    assert code == 128 + getattr(signal, f"SIG{name}")
    assert "Traceback" not in said
    assert_all_gone(rig, *pids)


def test_a_terminal_that_is_closed_ends_the_daemon_and_its_programs_too(rig: Rig) -> None:
    write(rig)
    terminal = open_shell(rig)
    pids = rig.daemon_pid, rig.pid("web"), rig.pid("other")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, terminal.fileno())  # the last hold on the terminal goes, and the number stays good for the teardown
    os.close(null)
    rig.wait(lambda: not rig.processes(), what="all are gone")
    assert_all_gone(rig, *pids)


def test_where_a_daemon_answers_already_it_refuses(make_rig: Callable[..., Rig]) -> None:
    first = make_rig()
    write(first)
    first.start()
    pids = first.daemon_pid, int(first.until("web", "RUNNING")["pid"])
    terminal = first.daemon_in_terminal("--shell")
    code, said = end(terminal)
    assert code == 2
    assert f"cannot start a daemon: one answers at unix://{first.socket} already" in said
    assert PROMPT not in said
    assert "Traceback" not in said
    assert (first.rpc.supervisor.getPID(), first.pid("web")) == pids
    assert first.pidfile.read_text() == f"{first.daemon_pid}\n"
    first.stop()


def test_a_daemon_that_cannot_start_opens_no_shell(rig: Rig) -> None:
    write(rig)
    rig.socket.mkdir()
    terminal = rig.daemon_in_terminal("--shell")
    code, said = end(terminal)
    assert code == 2
    assert str(rig.socket) in said
    assert PROMPT not in said
    assert "Traceback" not in said
    assert not rig.processes()


def test_a_term_leaves_the_terminal_as_it_was(rig: Rig) -> None:
    write(rig)
    script = f"stty echo icanon; {shlex.join(rig.command('--shell'))}; echo modes; stty -a; echo end"
    terminal = pexpect.spawn(
        "sh", ["-c", script], cwd=str(rig.dir), env=rig.environment() | {"TERM": "xterm"}, encoding="utf-8", timeout=15
    )
    try:
        terminal.expect_exact(PROMPT)
        rig.daemon_pid = int(rig.text("d.pid"))
        front = int((world.stat(rig.daemon_pid) or [])[1])
        os.kill(front, signal.SIGTERM)
        terminal.expect("modes\r\n")
        terminal.expect("end\r\n")
        assert re.search(r"(?<!-)\becho\b", terminal.before)
        assert re.search(r"(?<!-)\bicanon\b", terminal.before)
        rig.wait_end()
    finally:
        terminal.close()
