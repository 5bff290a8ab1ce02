"""The stock supervisorctl pointed at the daemon: one story that uses every command, and its shell."""

import re

import pexpect

from tests.e2e import world
from tests.e2e.harness import Rig, program

CONFIG = (
    "[program:web]\ncommand=sleep 100000\n"
    f"[program:echo]\ncommand={program('echo.py')}\nstartsecs=0\nstdout_logfile={{dir}}/out\n"
    "[program:off]\ncommand=sleep 100000\nautostart=false\nstartsecs=0\n"
)


def test_every_command_of_the_stock_client_works(rig: Rig) -> None:
    rig.client = "supervisorctl"
    rig.write(CONFIG)
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    pid = rig.pid("web")

    answer = rig.ctl("status")
    lines = answer.text.splitlines()
    assert re.fullmatch(r"echo {29}RUNNING   pid \d+, uptime 0:00:\d\d", lines[0])
    assert lines[1] == f"{'off':<33}{'STOPPED':<10}Not started"
    assert re.fullmatch(rf"web {{30}}RUNNING   pid {pid}, uptime 0:00:\d\d", lines[2])
    assert answer.code == 3
    assert rig.ctl("pid").text == f"{rig.daemon_pid}\n"
    assert rig.ctl("pid", "web").text == f"{pid}\n"
    assert rig.ctl("version").text == "4.3.0\n"
    assert rig.ctl("start", "off").text == "off: started\n"
    assert rig.ctl("start", "off").text == "off: ERROR (already started)\n"
    assert rig.ctl("stop", "off").text == "off: stopped\n"
    assert rig.ctl("stop", "off").text == "off: ERROR (not running)\n"
    assert rig.ctl("restart", "web").text == "web: stopped\nweb: started\n"
    assert rig.pid("web") not in (0, pid)
    assert rig.ctl("signal", "HUP", "web").text == "web: signalled\n"
    rig.wait(lambda: len(rig.lines(r"exited: web \(terminated by SIGHUP; not expected\)")) == 1)
    rig.rpc.supervisor.sendProcessStdin("echo", "hello\n")
    rig.until_text("out", "hello")
    assert rig.ctl("tail", "echo").text == "ready\ngot: hello\n\n"
    assert rig.ctl("tail", "-6", "echo").text == "hello\n\n"
    assert rig.ctl("clear", "echo").text == "echo: cleared\n"
    assert "INFO spawned: 'web'" in rig.ctl("maintail", "-9999").text
    assert rig.ctl("avail").text.splitlines()[1] == f"{'off':<32} in use    manual    999:999"

    rig.write(CONFIG.replace("[program:off]", "[program:new]"))
    assert rig.ctl("reread").text == "new: available\noff: disappeared\n"
    assert rig.ctl("avail").text.splitlines()[1] == f"{'new':<32} avail     manual    999:999"
    assert rig.ctl("update").text == "off: stopped\noff: removed process group\nnew: added process group\n"
    assert rig.ctl("remove", "new").text == "new: removed process group\n"
    assert rig.ctl("add", "new").text == "new: added process group\n"
    assert sorted(rig.states()) == ["echo:echo", "new:new", "web:web"]
    assert rig.ctl("start", "all").code == 0
    rig.until_all("RUNNING")
    answer = rig.ctl("stop", "all")
    assert sorted(answer.text.splitlines()) == ["echo: stopped", "new: stopped", "web: stopped"]
    assert world.children(rig.daemon_pid) == []
    assert rig.ctl("shutdown").text == "Shut down\n"
    rig.wait_end()


def test_its_shell_works_too(rig: Rig) -> None:
    rig.write(CONFIG)
    rig.start()
    rig.until("web", "RUNNING")
    shell = rig.terminal(client="supervisorctl")
    shell.expect(r"echo +RUNNING +pid \d+")
    shell.expect(r"off +STOPPED +Not started")
    shell.expect_exact("supervisor> ")
    shell.sendline("start off")
    shell.expect_exact("off: started")
    shell.expect_exact("supervisor> ")
    shell.sendline("tail -f echo")
    shell.expect_exact("==> Press Ctrl-C to exit <==")
    shell.expect_exact("ready")
    rig.rpc.supervisor.sendProcessStdin("echo", "more\n")
    shell.expect_exact("got: more")
    shell.sendintr()
    shell.expect_exact("supervisor> ")
    shell.sendline("stop nobody")
    shell.expect_exact("nobody: ERROR (no such process)")
    shell.expect_exact("supervisor> ")
    shell.sendline("shutdown")
    shell.expect_exact("Really shut the remote supervisord process down y/N? ")
    shell.sendline("y")
    shell.expect_exact("Shut down")
    shell.sendline("quit")
    shell.expect(pexpect.EOF)
    rig.wait_end()


def test_reload_in_its_shell_restarts_the_daemon_in_place(rig: Rig) -> None:
    rig.write(CONFIG)
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    shell = rig.terminal(client="supervisorctl")
    shell.expect_exact("supervisor> ")
    shell.sendline("reload")
    shell.expect_exact("Really restart the remote supervisord process y/N? ")
    shell.sendline("y")
    shell.expect_exact("Restarted supervisord")
    rig.until_line("supervisord started with pid", count=2)
    rig.wait_ready()
    assert rig.until("web", "RUNNING")["pid"] != pid
    rig.stop()
