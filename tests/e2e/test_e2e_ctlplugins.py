"""The same plug-ins in Supervisor's client and in ours, on the command line and in the shell."""

import pexpect
import pytest

from tests.e2e.harness import Client, Rig
from tests.support import end_terminal

PLUGINS = """\
[ctlplugin:wild]
supervisor.ctl_factory = tests.e2e.stock_plugin:make_wildcards
match = 1
[ctlplugin:cache]
supervisor.ctl_factory = tests.e2e.stock_plugin:make
"""
PROGRAMS = "".join(f"[program:{name}]\ncommand=sleep 100000\nstartsecs=0\n" for name in ("web1", "web2", "off"))


@pytest.fixture
def running(rig: Rig) -> Rig:
    rig.write(PROGRAMS, head=PLUGINS)
    rig.start()
    rig.until_all("RUNNING")
    return rig


@pytest.mark.parametrize("client", ["supervisorctl", "tmctl"])
def test_one_shot(running: Rig, client: Client) -> None:
    running.client = client
    answer = running.ctl("mstop", "web*")
    assert (sorted(answer.text.splitlines()), answer.code) == (["web1: stopped", "web2: stopped"], 0)
    assert running.state("off") == "RUNNING"
    assert running.ctl("quickstart", "nope")[:2] == ("nope: ERROR (10 BAD_NAME)\n", 1)
    assert running.ctl("quickstart", "web1")[:2] == ("web1: started\n", 0)
    answer = running.ctl("raising", "it")
    assert (answer.code, answer.text.startswith("error: <class 'ValueError'>, no it: file: ")) == (1, True)
    assert running.ctl("exit_with", "42").code == 42
    assert running.ctl("cache_count").text == "True\n"
    assert (
        running.ctl("cache_count", "x").text == running.ctl("cache_count y").text == "cache_count\tcount the methods\n"
    )
    assert (
        running.ctl("config", "a").text == f"wild [('match', '1')] [a]\nunix://{running.socket} None None supervisor\n"
    )
    assert "wild commands (type help <topic>):" in running.ctl("help").text
    assert "mstop PATTERN" in running.ctl("help", "mstop").text
    text = running.conf.read_text().replace("stock_plugin:make_wildcards", "nowhere:make")
    running.conf.write_text(text)
    answer = running.ctl("status")
    assert answer[:2] == ("", 2)
    assert "tests.e2e.nowhere:make cannot be resolved within [ctlplugin:wild]" in answer.err
    running.stop()


@pytest.mark.parametrize("client", ["supervisorctl", "tmctl"])
def test_in_the_shell(running: Rig, client: Client) -> None:
    shell = running.terminal(client=client, deadline_s=25)
    shell.expect(r"web2 +RUNNING")
    shell.expect_exact("supervisor> ")
    shell.sendline("mstop web1 web2")
    shell.expect(r"web[12]: stopped")
    shell.expect(r"web[12]: stopped")
    shell.expect_exact("supervisor> ")
    shell.sendline("raising it")
    shell.expect_exact("error: <class 'ValueError'>, no it")
    shell.expect_exact("supervisor> ")
    shell.sendline("help mstop")
    shell.expect_exact("mstop PATTERN")
    shell.expect_exact("supervisor> ")
    shell.sendline("leave")
    shell.expect(pexpect.EOF)
    running.stop()


@pytest.mark.ours
@pytest.mark.parametrize("terminal", ["xterm-256color", "dumb"])
def test_a_native_file_and_tab(rig: Rig, terminal: str) -> None:
    path = rig.write_native("  web:\n    command: sleep 100000\n    startsecs: 0\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("ctlplugins:\n  wild:\n    factory: tests.unit.tmctl.example_plugin:make\n")
    rig.start()
    rig.until("web", "RUNNING")
    command = rig.client_command()
    environment = rig.client_environment() | {"TERM": terminal, "NO_COLOR": "1"}
    shell = pexpect.spawn(command[0], list(command[1:]), env=environment, encoding="utf-8", timeout=25)
    try:
        shell.expect_exact("taskmaster> ")
        shell.send("mst\twe\t\r")  # becomes `mstop web*`
        shell.expect_exact("web: stopped")
        shell.expect_exact("taskmaster> ")
        shell.sendline("exit")
        shell.expect(pexpect.EOF)
    finally:
        end_terminal(shell)
    rig.stop()
