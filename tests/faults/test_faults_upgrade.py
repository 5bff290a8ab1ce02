"""Upgrades in place: another process takes over all that the daemon holds, and nobody notices."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import world
from tests.e2e.harness import ROOT, Rig, program
from tests.e2e.identities import AS_ROOT, NOBODY, through
from tests.e2e.listening import events, listener, notes, pool, say, until_events, until_pool
from tests.e2e.wire import proxy
from tests.faults.upgrades import LATE_S, Load, gaps_ms, until_rest, upgraded
from tests.packaging.service_manager import ServiceManager
from tests.support import eventually

SLEEPER = "  web: {cmd: sleep 1000, starttime: 0}\n"


def load(rig: Rig, *, steady: int, clients: int, times: int, rate: int = 0) -> None:
    under = Load(rig, steady=steady, clients=clients, rate=rate)
    for _ in range(times):
        upgraded(rig)
        under.look()
        if times > 10:
            under.consume()
    rig.until_line("^upgraded from", times)
    gaps = sorted(gaps_ms(rig))
    asked, again = sum(each.asked for each in under.clients), sum(each.again for each in under.clients)
    longest_s = max(each.longest_s for each in under.clients)
    under.finish()
    lines = sum(reader.lines for reader in under.readers.values())
    print(
        f"{times} upgrades: gap {gaps[0]}..{gaps[len(gaps) // 2]}..{gaps[-1]} ms; {asked} answers ({again} asked again,"
    )
    print(f"the longest took {longest_s:.2f} s); {lines} lines")


@pytest.mark.timeout(120)
def test_a_few_upgrades_under_load_are_noticed_by_nobody(rig: Rig) -> None:
    load(rig, steady=8, clients=5, times=3, rate=1000)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_upgrades_under_load_are_noticed_by_nobody(rig: Rig) -> None:
    load(rig, steady=50, clients=20, times=100)


@pytest.mark.parametrize("times", [6, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])])
def test_upgrades_leave_nothing_behind_in_the_daemon(rig: Rig, times: int) -> None:
    rig.write_native(SLEEPER + "  term: {cmd: cat, tty: true, starttime: 0}\n")
    rig.start()
    rig.until_all("RUNNING")
    upgraded(rig, 2)
    until_rest(rig)
    before, open_before = world.figures(rig.daemon_pid), world.descriptors(rig.daemon_pid)
    upgraded(rig, times)
    after = world.figures(rig.daemon_pid)
    until_rest(rig)
    assert world.descriptors(rig.daemon_pid) <= open_before + 3, "some are opened when they are needed first"
    assert after.rss_bytes <= before.rss_bytes + (1 << 20)
    assert world.threads(rig.daemon_pid) <= 4
    rig.stop()


# --- what is refused --------------------------------------------------------------------------------------------------


def own_copy(rig: Rig) -> Path:
    """Have the daemon run a copy of the code, which can be changed; return its directory."""
    lib = rig.dir / "lib"
    for package in ("tmd", "tmctl"):
        shutil.copytree(ROOT / package, lib / package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = rig.environment
    rig.environment = lambda: environment() | {"PYTHONPATH": str(lib)}  # type: ignore[method-assign]
    return lib


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def refused(rig: Rig) -> str:
    """Ask for an upgrade that is refused; return what the client says."""
    pid = rig.pid("web")
    answer = rig.ctl("upgrade")
    assert answer.code == 1
    assert answer.text.startswith("ERROR: cannot upgrade: "), answer
    assert rig.lines("^cannot upgrade: .*nothing has changed")
    assert rig.pid("web") == pid
    figures = rig.rpc.taskmaster.getFigures()
    assert (figures["upgrades"], figures["upgrades_refused"]) == (0, 1)
    return answer.text


def test_a_broken_configuration_is_refused_and_nothing_changes(rig: Rig) -> None:
    rig.write_native(SLEEPER)
    rig.start()
    rig.until("web", "RUNNING")
    rig.write_native(SLEEPER + "  bad: {starttime: soon}\n")
    assert "bad" in refused(rig)
    rig.write_native(SLEEPER)
    assert rig.ctl("upgrade").code == 0
    rig.stop()


def test_code_that_cannot_read_the_state_is_refused_and_nothing_changes(rig: Rig) -> None:
    lib = own_copy(rig)
    rig.write_native(SLEEPER)
    rig.start()
    rig.until("web", "RUNNING")
    change(lib / "tmd" / "daemon" / "handover.py", "FORMAT = 1\n", "FORMAT = 0\n")
    assert "cannot read" in refused(rig)
    rig.stop()


@pytest.mark.parametrize("breakage", ["syntax error here\n", "raise SystemExit(3)\n"])
def test_code_that_does_not_run_is_refused_and_nothing_changes(rig: Rig, breakage: str) -> None:
    lib = own_copy(rig)
    rig.write_native(SLEEPER)
    rig.start()
    rig.until("web", "RUNNING")
    (lib / "tmd" / "daemon" / "instance.py").write_text(breakage)
    refused(rig)
    rig.stop()


def linked_python(rig: Rig) -> Path:
    """Have the daemon run by an interpreter that can be taken away."""
    link = rig.dir / "python"
    link.symlink_to(os.path.realpath(sys.executable))
    environment = rig.environment
    paths = os.pathsep.join((environment()["PYTHONPATH"], sysconfig.get_path("purelib")))
    rig.environment = lambda: environment() | {"PYTHONPATH": paths}  # type: ignore[method-assign]
    through(rig, "env", python=[str(link)])
    return link


def test_an_interpreter_that_is_gone_is_refused_and_nothing_changes(rig: Rig) -> None:
    link = linked_python(rig)
    rig.write_native(SLEEPER)
    rig.start()
    rig.until("web", "RUNNING")
    link.unlink()
    assert "No such file" in refused(rig)
    rig.stop()


def test_when_the_exec_itself_fails_the_same_process_goes_on(rig: Rig) -> None:
    lib = own_copy(rig)
    linked_python(rig)
    rig.write_native(
        SLEEPER
        + f"  talk: {{cmd: {program('scribe.py')} --rate 200, stdout_logfile: '{{dir}}/talk.log'}}\n"
        + "  slow: {cmd: sleep 1000, starttime: 2}\n"
    )
    rig.start()
    rig.until("talk", "RUNNING")
    pids = {name: rig.pid(name) for name in ("web", "talk", "slow")}
    change(lib / "tmd" / "cli.py", '    print(f"{FITS}', '    os.unlink(sys.executable)\n    print(f"{FITS}')
    answer = rig.ctl("upgrade")
    assert (answer.code, "the same daemon goes on" in answer.text) == (1, True), answer
    assert rig.lines("cannot upgrade, going on as before: .*No such file")
    for _ in range(2):  # it is as good as before, a second time too
        assert {name: rig.pid(name) for name in pids} == pids
        assert rig.ctl("upgrade").code == 1
    rig.until("slow", "RUNNING")
    rig.rpc.supervisor.stopProcess("talk")
    assert rig.rpc.supervisor.startProcess("talk")
    rig.stop()


def test_hooks_that_do_not_end_are_a_reason_to_refuse(rig: Rig) -> None:
    rig.write_native(SLEEPER + "  hooked: {cmd: sleep 1000, starttime: 0, poststart: sleep 60, hook_timeout: 0}\n")
    rig.start()
    rig.until_all("RUNNING")
    assert "hooks do not come to their end: poststart of hooked" in refused(rig)
    rig.stop()


# --- what goes on -----------------------------------------------------------------------------------------------------


def meanwhile(rig: Rig, ask: Callable[[Any], Any]) -> Callable[[], Any]:
    """Ask over a connection of its own; return what waits for the answer, or raises what came instead."""
    answers: list[Any] = []

    def run() -> None:
        with proxy(str(rig.socket), timeout_s=LATE_S) as rpc:
            try:
                answers.append(ask(rpc))
            except (OSError, xmlrpc.client.Error) as why:
                answers.append(why)

    thread = threading.Thread(target=run)
    thread.start()

    def answer() -> Any:
        thread.join(LATE_S)
        assert not thread.is_alive()
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    return answer


def test_answers_that_are_waited_for_come_from_the_next_daemon(rig: Rig) -> None:
    slow = f"{program('slow_stop.py')} 4"
    rig.write_native(
        "  up: {cmd: sleep 1000, starttime: 6, autostart: no}\n"
        f"  down: {{cmd: {slow}, starttime: 0, stoptime: 20}}\n"
        f"  again: {{cmd: {slow}, starttime: 0, stoptime: 20}}\n"
        "  fails: {cmd: sh -c 'sleep 3; exit 5', starttime: 20, startretries: 0, autostart: no}\n"
    )
    rig.start()
    for name in ("down", "again"):
        rig.until(name, "RUNNING")
        rig.until_text(f"{name}-stdout.log", "ready")
    pid = rig.pid("again")
    answers = [
        meanwhile(rig, lambda rpc: rpc.supervisor.startProcess("up")),
        meanwhile(rig, lambda rpc: rpc.supervisor.stopProcess("down")),
        meanwhile(rig, lambda rpc: rpc.taskmaster.restartProcesses(["again"], True)),
        meanwhile(rig, lambda rpc: rpc.supervisor.startProcess("fails")),
    ]
    for name, state in (("up", "STARTING"), ("down", "STOPPING"), ("again", "STOPPING"), ("fails", "STARTING")):
        rig.until(name, state)
    upgraded(rig)
    assert rig.state("up") == "STARTING"
    assert answers[0]() is True
    assert answers[1]() is True
    (result,) = answers[2]()
    assert (result["name"], result["status"]) == ("again", 80), result
    assert rig.pid("again") != pid
    with pytest.raises(xmlrpc.client.Fault, match=r"ABNORMAL_TERMINATION|SPAWN_ERROR"):
        answers[3]()
    assert rig.state("down") == "STOPPED"
    rig.stop()


def test_a_call_that_only_this_process_could_answer_is_to_be_asked_again(rig: Rig) -> None:
    rig.write_native("  up: {cmd: sleep 1000, starttime: 15, autostart: no}\n")
    rig.start()
    calls = [{"methodName": "supervisor.startProcess", "params": ["up"]}]
    answer = meanwhile(rig, lambda rpc: rpc.system.multicall(calls))
    rig.until("up", "STARTING")
    upgraded(rig)
    with pytest.raises(xmlrpc.client.ProtocolError) as refusal:
        answer()
    assert (refusal.value.errcode, refusal.value.headers["Retry-After"]) == (503, "1")
    rig.stop()


def test_half_a_request_is_completed_after_the_switch(rig: Rig) -> None:
    rig.write_native(SLEEPER)
    rig.start()
    body = xmlrpc.client.dumps((), "supervisor.getPID").encode()
    request = f"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    links = []
    for cut in (10, request.index(b"\r\n\r\n") + 4, len(request) - 5):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(LATE_S)
        link.connect(str(rig.socket))
        link.sendall(request[:cut])
        links.append((link, cut))
    upgraded(rig)
    for link, cut in links:
        with link:
            link.sendall(request[cut:])
            answer = b""
            while b"</methodResponse>" not in answer:
                answer += (chunk := link.recv(65536))
                assert chunk, answer
            assert f"<int>{rig.daemon_pid}</int>".encode() in answer
    rig.stop()


def test_timers_counts_and_wishes_go_on(rig: Rig) -> None:
    rig.write_native(
        "  starting: {cmd: sleep 1000, starttime: 5}\n"
        "  failing: {cmd: sh -c 'exit 3', starttime: 1, startretries: 3, autostart: no}\n"
        "  deaf: {cmd: sh -c 'trap \"\" TERM; while :; do sleep 0.1; done', starttime: 0, stoptime: 5}\n"
        "  off: {cmd: sleep 1000, starttime: 0}\n"
        "  ended: {cmd: sh -c 'exit 7', starttime: 0, autorestart: no}\n"
    )
    rig.start()
    rig.until("off", "RUNNING")
    rig.until("deaf", "RUNNING")
    rig.until("ended", "EXITED")
    rig.rpc.supervisor.stopProcess("off")
    rig.rpc.taskmaster.addProgram("late", "late", {"command": "sleep 1000", "startsecs": 0})
    late = rig.until("late", "RUNNING")["pid"]
    rig.rpc.supervisor.startProcess("failing", False)
    rig.rpc.supervisor.stopProcess("deaf", False)
    began = rig.info("deaf")["now"]
    upgraded(rig)
    assert (rig.state("off"), rig.state("deaf"), rig.state("starting")) == ("STOPPED", "STOPPING", "STARTING")
    assert (rig.info("ended")["exitstatus"], rig.pid("late")) == (7, late)
    assert rig.info("off")["stop"] > 0
    info = rig.until("deaf", "STOPPED")
    assert 4 <= info["stop"] - began <= 15
    assert rig.lines("^killing 'deaf' .* with SIGKILL")
    rig.until("failing", "FATAL", deadline_s=30)
    assert len(rig.lines("^spawned: 'failing'")) == 4, "one try and three more, over all upgrades"
    rig.until("starting", "RUNNING")
    upgraded(rig)
    assert rig.state("off") == "STOPPED", "who was stopped by hand stays down"
    assert rig.rpc.taskmaster.why("ended")[0]["ends"], "what was known of ends is known"
    rig.stop()


def test_a_listener_keeps_the_event_it_has_in_its_hands(rig: Rig) -> None:
    rig.write(listener("held", "REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE,PROCESS_GROUP", more="buffer_size=50"))
    script = rig.dir / "ear.py"
    script.write_text(HELD)
    rig.conf.write_text(
        re.sub(r"command=.*", f"command={sys.executable} -S -E {script} {rig.dir}", rig.conf.read_text())
    )
    rig.start()
    until_events(rig, 1)
    until_pool(rig, lambda found: found["waiting"] == 1, "the daemon runs")
    say(rig, "one", "two")
    known = len(events(rig))
    upgraded(rig, 2)
    assert len(events(rig)) == known, "nothing is given twice"
    found = pool(rig)
    assert (found["listeners"][0]["state"], found["waiting"], found["redelivered"]) == ("BUSY", 3, 0)
    (rig.dir / "go").touch()
    told = until_events(rig, known + 3)
    assert notes(told) == ["one", "two"]
    serials = [int(event["serial"]) for event in told]
    say(rig, "three")
    told = until_events(rig, known + 4)
    assert int(told[-1]["serial"]) == serials[-1] + 1, "numbers go on, and no event tells of the upgrade"
    assert len({event["pid"] for event in told}) == 1
    rig.stop()


HELD = '''
"""Answers an event only when the file `go` is there."""
import json, os, sys, time
directory = sys.argv[1]
events = open(0, encoding="utf-8", newline="\\n")
while True:
    os.write(1, b"READY\\n")
    line = events.readline()
    if not line:
        sys.exit(0)
    header = dict(token.split(":", 1) for token in line.split())
    event = header | {"payload": events.read(int(header["len"])), "pid": str(os.getpid())}
    with open(f"{directory}/ear.events", "a") as file:
        file.write(json.dumps(event) + "\\n")
    while not os.path.exists(f"{directory}/go"):
        time.sleep(0.02)
    os.write(1, b"RESULT 2\\nOK")
'''


def test_a_fastcgi_socket_refuses_nobody(rig: Rig) -> None:
    rig.write(
        f"[fcgi-program:web]\ncommand={program('acceptor.py')}\nsocket=unix://{{dir}}/fcgi\nnumprocs=2\n"
        "process_name=w%(process_num)d\nstartsecs=0\nautorestart=true\n"
    )
    rig.start()
    rig.until_all("RUNNING")

    def ask(word: str) -> str:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(LATE_S)
            link.connect(str(rig.dir / "fcgi"))
            link.sendall(f"{word}\n".encode())
            return link.makefile(encoding="utf-8").readline().strip()

    pids = {rig.pid("web:w0"), rig.pid("web:w1")}
    ending = threading.Event()
    said: list[str] = []

    def keep_asking() -> None:
        while not ending.is_set():
            said.append(ask("who"))

    thread = threading.Thread(target=keep_asking)
    thread.start()
    upgraded(rig, 2)
    ending.set()
    thread.join(LATE_S)
    assert {int(each.split()[0]) for each in said} <= pids
    rig.rpc.supervisor.stopProcess("web:w0")
    rig.rpc.supervisor.startProcess("web:w0")
    assert ask("who"), "the same socket is handed to new processes"
    rig.rpc.supervisor.stopAllProcesses()
    rig.wait(lambda: not (rig.dir / "fcgi").exists(), what="the socket is closed with its last process")
    rig.stop()


def test_a_terminal_goes_on_with_its_screen_and_who_is_attached_comes_back(rig: Rig) -> None:
    rig.write_native("  term: {cmd: cat, tty: true, starttime: 0}\n")
    rig.start()
    pid = rig.until("term", "RUNNING")["pid"]
    seat = rig.terminal("attach", "term")
    seat.expect("attached to term")
    seat.sendline("before")
    seat.expect("before")
    upgraded(rig)
    seat.expect("attached to term")
    seat.expect("before")
    seat.sendline("after")
    seat.expect("after")
    assert rig.pid("term") == pid
    seat.sendcontrol("p")
    seat.sendcontrol("q")
    seat.expect("it goes on")
    rig.until_text("term-stdout.log", "after")
    rig.stop()


def test_what_was_not_written_to_a_stdin_yet_is_not_lost(rig: Rig) -> None:
    script = rig.dir / "late.sh"
    script.write_text("while [ ! -e go ]; do sleep 0.05; done; exec wc -c")
    rig.write_native("  late: {cmd: sh late.sh, directory: '{dir}', starttime: 0, stdout_logfile: '{dir}/count'}\n")
    rig.start()
    rig.until("late", "RUNNING")
    rig.rpc.supervisor.sendProcessStdin("late", "x" * 300_000)
    upgraded(rig)
    rig.rpc.supervisor.sendProcessStdin("late", "y" * 100_000)
    (rig.dir / "go").touch()
    rig.wait(lambda: world.command(rig.pid("late")).startswith("wc"))
    reader = int(rig.pid("late"))
    rig.wait(lambda: Path(f"/proc/{reader}/io").read_text().split()[1] >= "400000", what="all was read")
    rig.stop()


def test_new_code_and_a_new_configuration_are_in_force(rig: Rig) -> None:
    lib = own_copy(rig)
    rig.write_native(SLEEPER + "  changed: {cmd: sleep 1000, starttime: 0}\n  gone: {cmd: sleep 1000, starttime: 0}\n")
    rig.start()
    rig.until_all("RUNNING")
    web, changed = rig.pid("web"), rig.pid("changed")
    rig.write_native(
        SLEEPER + "  changed: {cmd: sleep 2000, starttime: 0}\n  new: {cmd: sleep 1000, starttime: 0}\n",
        daemon="  loglevel: debug\n",
    )
    (found,) = set(re.findall(r'__version__ = "(.*)"', (lib / "tmd" / "__init__.py").read_text()))
    change(lib / "tmd" / "__init__.py", f'"{found}"', '"99.1"')
    answer = rig.ctl("upgrade")
    assert answer.code == 0
    assert answer.text.startswith(f"upgraded: tmd {found} -> 99.1 (Python "), answer
    assert answer.text.endswith("processes go on\n")
    rig.until("new", "RUNNING")
    rig.wait(lambda: set(rig.states()) == {"web:web", "changed:changed", "new:new"})
    assert rig.rpc.taskmaster.getVersion()["version"] == "99.1"
    assert rig.pid("web") == web
    assert rig.until_new_pid("changed", changed)
    assert rig.lines("^upgraded from tmd .* to 99.1 .* programs go on")
    rig.stop()


def test_sigusr1_upgrades_a_daemon_in_the_background(rig: Rig) -> None:
    rig.write_native(SLEEPER)
    assert rig.run_daemon().code == 0
    rig.daemon_pid = int(rig.text("d.pid"))
    rig.wait_ready()
    pid = rig.until("web", "RUNNING")["pid"]
    for count in (1, 2):
        os.kill(rig.daemon_pid, signal.SIGUSR1)
        rig.until_line("^upgraded from", count)
    assert rig.rpc.supervisor.getPID() == rig.daemon_pid
    assert rig.pid("web") == pid
    rig.stop()


def test_in_supervisors_dialect_its_stock_client_stays_connected(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=sleep 1000\nstartsecs=0\n"
        "[program:up]\ncommand=sleep 1000\nstartsecs=5\nautostart=false\n"
    )
    rig.start()
    pid = rig.until("web", "RUNNING")["pid"]
    shell = rig.terminal(client="supervisorctl")
    shell.expect("web +RUNNING +pid")
    shell.expect("supervisor> ")
    shell.sendline("start up")
    rig.until("up", "STARTING")
    upgraded(rig)
    shell.expect("up: started")
    shell.expect("supervisor> ")
    shell.sendline("status web")
    shell.expect(f"web +RUNNING +pid {pid}")
    shell.expect("supervisor> ")
    shell.sendline("exit")
    rig.stop()


@AS_ROOT
@pytest.mark.parametrize("keep", [False, True])
def test_a_daemon_that_gave_up_root_stays_what_it_is(rig: Rig, python_for_all: list[str], keep: bool) -> None:
    os.chown(rig.dir, NOBODY.pw_uid, NOBODY.pw_gid)
    more = "  keep_root_to_spawn: true\n" if keep else ""
    other = "  other: {cmd: sleep 1000, starttime: 0, user: daemon}\n" if keep else ""
    rig.write_native(SLEEPER + other, daemon=f"  user: nobody\n{more}")
    through(rig, "env", python=python_for_all)
    rig.start()
    rig.until_all("RUNNING")
    pids = {name: info["pid"] for name in rig.states() for info in [rig.info(name)]}
    for _ in range(2):
        upgraded(rig)
        assert os.stat(f"/proc/{rig.daemon_pid}").st_uid == NOBODY.pw_uid
        assert {name: rig.pid(name) for name in pids} == pids
    for name in pids:
        rig.rpc.supervisor.stopProcess(name)
        assert rig.rpc.supervisor.startProcess(name)
        status = Path(f"/proc/{rig.pid(name)}/status").read_text()
        assert re.search(r"CapEff:\s+0+\n", status), "programs get nothing of it"
    rig.stop()


def test_the_service_manager_is_told(rig: Rig) -> None:
    manager = ServiceManager(str(rig.dir / "notify"))
    rig.write_native(SLEEPER)
    rig.start(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="2000000")
    manager.until("READY", "1")
    upgraded(rig)
    manager.until("READY", "1", count=2)
    told = [next((key for key in ("READY", "RELOADING") if key in message), "") for message in manager.receive()]
    assert [each for each in told if each] == ["READY", "RELOADING", "READY"]
    before = len(manager.said("WATCHDOG"))
    eventually(lambda: len(manager.said("WATCHDOG")) > before, LATE_S)
    rig.stop()
    manager.close()


@pytest.mark.parametrize("line", ["^asked to upgrade", "^making way", "^upgraded from"])
def test_a_daemon_that_is_killed_in_the_middle_of_it_is_followed_by_one_that_adopts(rig: Rig, line: str) -> None:
    rig.write_native(SLEEPER + f"  talk: {{cmd: {program('scribe.py')} --rate 500, starttime: 0}}\n")
    rig.start()
    rig.until_all("RUNNING")
    pids = {name: rig.pid(name) for name in ("web", "talk")}
    os.kill(rig.daemon_pid, signal.SIGUSR1)
    rig.until_line(line)
    os.kill(rig.daemon_pid, signal.SIGKILL)
    assert rig.daemon is not None
    rig.daemon.wait()
    rig.daemon = None
    rig.forget_proxy()
    rig.start()
    assert {name: rig.pid(name) for name in pids} == pids
    known = {rig.daemon_pid, *pids.values()}
    rig.wait(lambda: set(rig.processes()) <= known, LATE_S, "the check has ended")
    rig.stop()


@pytest.mark.parametrize("line", ["^asked to upgrade", "^making way"])
def test_a_signal_that_comes_in_the_middle_of_it_is_heard(rig: Rig, line: str) -> None:
    rig.write_native(SLEEPER)
    rig.start()
    rig.until_all("RUNNING")
    os.kill(rig.daemon_pid, signal.SIGUSR1)
    rig.until_line(line)
    os.kill(rig.daemon_pid, signal.SIGTERM)
    rig.wait_end(LATE_S)


def test_an_exit_while_nobody_looks_is_told_exactly(rig: Rig) -> None:
    rig.write_native(
        "".join(f"  e{n}: {{cmd: sh -c 'read x; exit {n}', starttime: 0, autorestart: no}}\n" for n in range(9))
    )
    rig.start()
    rig.until_all("RUNNING")
    rig.rpc.taskmaster.upgrade()
    for n in range(9):
        rig.rpc.supervisor.sendProcessStdin(f"e{n}", "\n")
    for n in range(9):
        info = rig.until(f"e{n}", "EXITED")
        assert info["exitstatus"] == n, info
    rig.stop()


def test_processes_that_were_adopted_go_on_too(rig: Rig) -> None:
    rig.write_native("  e5: {cmd: sh -c 'read x; exit 5', starttime: 0, autorestart: no}\n" + SLEEPER)
    rig.start()
    rig.until_all("RUNNING")
    pids = {name: rig.pid(name) for name in ("e5", "web")}
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.daemon.wait()
    rig.daemon = None
    rig.forget_proxy()
    rig.start()
    upgraded(rig, 2)
    assert {name: rig.pid(name) for name in pids} == pids
    rig.rpc.supervisor.sendProcessStdin("e5", "\n")
    assert rig.until("e5", "EXITED")["exitstatus"] == 5
    rig.rpc.supervisor.stopProcess("web")
    assert rig.rpc.supervisor.startProcess("web")
    rig.stop()


def test_an_upgrade_while_one_is_under_way_is_refused(rig: Rig) -> None:
    rig.write_native(SLEEPER)
    rig.start()
    rig.until_all("RUNNING")
    first = meanwhile(rig, lambda rpc: rpc.taskmaster.upgrade())
    rig.until_line("^asked to upgrade")
    with pytest.raises(xmlrpc.client.Fault, match="an upgrade is under way"):
        rig.rpc.taskmaster.upgrade()
    assert first()["upgrades"] == 0
    rig.wait(lambda: rig.rpc.taskmaster.getFigures()["upgrades"] == 1)
    rig.stop()


def test_programs_know_nothing_of_it(rig: Rig) -> None:
    rig.write_native("  facts: {cmd: sleep 1000, starttime: 0}\n")
    rig.start()
    rig.until_all("RUNNING")
    upgraded(rig, 2)
    rig.rpc.supervisor.stopProcess("facts")
    rig.rpc.supervisor.startProcess("facts")
    pid = rig.pid("facts")
    assert b"TASKMASTER_HANDOVER" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    status = Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"SigBlk:\s+0+\n", status)
    rig.stop()


def test_the_hidden_check_tells_a_person_what_is_wrong() -> None:
    command = [sys.executable, "-m", "tmd", "--check-handover"]
    done = subprocess.run(command, input=b"nonsense", capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert b"cannot read the state" in done.stdout
