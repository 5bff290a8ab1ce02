"""Extensions that do what no extension should: the daemon lives on, and its programs with it."""

import xmlrpc.client
from collections.abc import Callable

import pytest

from tests.e2e.harness import ROOT, Rig, program

WILD = '''\
"""Whatever can be done wrong."""

import sys
import threading

from tmd.posix.loop import Loop


class Own(BaseException):
    pass


class Wild:
    def __init__(self, supervisord):
        self.supervisord = supervisord
        self.heard = 0

    def leave(self):
        sys.exit(0)

    def own(self):
        raise Own("mine")

    def later(self):
        return sys.exit

    def in_worker(self):
        return self.supervisord.in_worker(sys.exit)

    def in_timer(self):
        self.supervisord.call_later(0, sys.exit)
        self.supervisord.post(sys.exit)
        return True

    def echo(self):
        def hear(name, payload):
            self.heard += 1
            self.supervisord.emit("ECHO", "x")

        end = self.supervisord.subscribe(hear)
        try:
            self.supervisord.emit("BEGIN", "x")
        finally:
            end()
        return self.heard

    def break_loop(self):
        whole = Loop._wait

        def broken(loop):
            if threading.current_thread() is not threading.main_thread():
                return whole(loop)  # that of the logs
            Loop._wait = whole
            sys.exit(0)

        Loop._wait = broken
        return True


def make(supervisord):
    return Wild(supervisord)
'''

EXTENSION = "[rpcinterface:wild]\nsupervisor.rpcinterface_factory=wild:make\n"
SLEEP = "command=sleep 100000\nstartsecs=0\n"
NEW = {"command": "sleep 100000", "startsecs": "0"}
ERROR = xmlrpc.client.ProtocolError
FAULT = xmlrpc.client.Fault

pytestmark = pytest.mark.ours


@pytest.fixture
def wild(rig: Rig) -> Rig:
    """A daemon with the extension and a program that runs."""
    rig.write(f"[program:web]\n{SLEEP}", head=EXTENSION)
    begin(rig)
    rig.until("web", "RUNNING")
    return rig


def begin(rig: Rig, *arguments: str) -> None:
    (rig.dir / "wild.py").write_text(WILD, encoding="utf-8")
    rig.start(*arguments, PYTHONPATH=f"{ROOT}:{rig.dir}", PYTHONDONTWRITEBYTECODE="1", PYTHONWARNINGS="ignore")


def test_an_extension_that_exits_does_not_end_the_daemon(wild: Rig) -> None:
    pid = wild.pid("web")
    calls: list[Callable[[], object]] = [wild.rpc.wild.leave, wild.rpc.wild.own, wild.rpc.wild.later]
    for call in calls:
        with pytest.raises(ERROR) as error:
            call()
        assert error.value.errcode == 500
    for _ in range(4):  # more often than there are threads
        with pytest.raises(FAULT, match="FAILED: SystemExit"):
            wild.rpc.wild.in_worker()
    assert wild.rpc.wild.in_timer()
    assert wild.rpc.supervisor.reloadConfig() == [[[], [], []]]
    assert len(wild.until_line("callback failed", 2)) == 2
    assert len(wild.lines("XML-RPC method wild.* failed")) == 3
    assert "Own: mine" in wild.text("d.log")
    assert wild.pid("web") == pid
    wild.stop()


def test_an_endless_echo_of_events_ends(wild: Rig) -> None:
    assert wild.rpc.wild.echo() == 51
    assert len(wild.until_line("what is emitted on events goes on without an end")) == 1
    wild.stop()


def broken(rig: Rig, *arguments: str) -> dict[str, int]:
    """Start two programs, and break the loop; return their pids."""
    rig.write(
        f"[program:slow]\ncommand={program('slow_stop.py')} 0.2\nstartsecs=0\n[program:web]\n{SLEEP}", head=EXTENSION
    )
    begin(rig, *arguments)
    rig.until("web", "RUNNING")
    rig.until("slow", "RUNNING")
    pids = {name: rig.pid(name) for name in ("web", "slow")}
    assert rig.rpc.wild.break_loop()
    return pids


def test_when_the_loop_itself_fails_the_programs_go_on_under_the_next_daemon(rig: Rig) -> None:
    pids = broken(rig)
    assert rig.daemon is not None
    assert rig.daemon.wait(20) == 1
    assert rig.lines(r"the loop has failed \(SystemExit\): the daemon ends, its programs go on")
    assert rig.lines("a defect has ended the daemon")
    assert "RuntimeError: SystemExit has ended the daemon" in rig.text("said")
    rig.forget_proxy()
    begin(rig)
    assert {name: rig.pid(name) for name in pids} == pids
    rig.stop()


def test_where_nobody_would_take_them_back_they_are_stopped_first(rig: Rig) -> None:
    broken(rig, "--no-adopt")
    rig.wait_end(code=1)
    assert rig.lines(r"the loop has failed \(SystemExit\): programs are stopped before the daemon ends")
    assert rig.lines("a defect has ended the daemon")
    assert rig.lines("stopped: web")
    assert rig.lines("stopped: slow")


@pytest.mark.parametrize("client", ["supervisorctl", "tmctl"])
def test_a_module_that_exits_when_it_is_read_is_refused(wild: Rig, client: str) -> None:
    (wild.dir / "leaver.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    pid = wild.pid("web")
    section = "[rpcinterface:leaver]\nsupervisor.rpcinterface_factory=leaver:make\n"
    wild.write(f"[program:web]\n{SLEEP}", head=EXTENSION + section)
    for words in (("reread",), ("update",), ("reload",)):
        answer = wild.ctl(*words, client=client)  # type: ignore[arg-type]
        assert "leaver:make cannot be resolved within [rpcinterface:leaver]" in answer.text + answer.err
        assert answer.code
    assert wild.until_line(r"SystemExit: 0, at .*leaver\.py:2")
    assert wild.pid("web") == pid
    checked = wild.run_daemon("--check-config", str(wild.conf))
    assert checked.code == 2
    wild.stop()


# --- programs at run time and Supervisor's own client ---------------------------------------------------------


def test_an_update_by_supervisors_client_keeps_what_was_added(rig: Rig) -> None:
    rig.write(f"[program:a]\n{SLEEP}[program:b]\n{SLEEP}")
    rig.start()
    for group in "ab":
        rig.rpc.taskmaster.addProgram(group, "more", NEW)
        rig.until(f"{group}:more", "RUNNING")
    rig.write(f"[program:b]\ncommand=sleep 99999\nstartsecs=0\n[program:new]\n{SLEEP}")
    answer = rig.ctl("update", client="supervisorctl")
    assert answer.code == 0, answer
    said = ("a: updated process group", "b: updated process group", "new: added process group")
    assert [line for line in answer.text.splitlines() if "stopped" not in line] == list(said)
    for name in ("a:more", "b", "b:more", "new"):
        rig.until(name, "RUNNING")
    assert rig.states().keys() == {"a:more", "b:b", "b:more", "new:new"}
    assert rig.ctl("update", client="supervisorctl").text == ""

    rig.rpc.supervisor.stopProcessGroup("a")
    assert rig.rpc.supervisor.removeProcessGroup("a")
    assert rig.rpc.supervisor.reloadConfig() == [[[], [], []]]
    with pytest.raises(FAULT, match="BAD_NAME: a"):
        rig.rpc.supervisor.addProcessGroup("a")
    rig.stop()


@pytest.mark.parametrize("dialect", ["supervisor", "native"])
def test_generated_logs_of_what_is_removed_go_where_nobody_could_find_them(rig: Rig, dialect: str) -> None:
    if dialect == "native":
        rig.write_native("  a: {command: sleep 100000}\n")
    else:
        rig.write(f"[program:a]\n{SLEEP}", daemon="identifier=us")
    rig.start()
    speak = {"command": "sh -c 'echo hello; exec sleep 100000'", "startsecs": "0"}
    rig.rpc.taskmaster.addProgram("m", "p", {**speak, "stderr_logfile": str(rig.dir / "kept.log")})
    log = rig.wait(lambda: rig.info("m:p")["stdout_logfile"])
    rig.until_text(log, "hello")
    rig.rpc.supervisor.stopProcess("m:p")
    (rig.dir / f"{log}.1").write_text("rotated", encoding="utf-8")
    assert rig.rpc.taskmaster.removeProcess("m:p")
    left = {path.name for path in rig.dir.glob("*.log*")}
    assert "kept.log" in left
    generated = sorted(name for name in left if name.startswith(("p-", "m.p-")))
    assert generated == (["m.p-stdout.log", "m.p-stdout.log.1"] if dialect == "native" else [])
    assert [name for name in left if name.startswith("a-")], "those of others stay"
    rig.stop()
