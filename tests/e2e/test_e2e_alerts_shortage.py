"""No thread to be had, as where a limit on processes is reached: alerts wait, say why, and all ends in good order."""

import json
from collections.abc import Callable

import pytest

from tests.alerting.servers import WebhookServer
from tests.e2e.harness import ROOT, Rig

pytestmark = pytest.mark.ours

SCARCE = '''\
"""Takes threads, and the orderly end, from the daemon it is loaded into."""

import threading

from tmd.daemon.alerts import Alerts
from tmd.daemon.ends_file import EndsFile
from tmd.daemon.fcgi import ListeningSockets
from tmd.daemon.hooks import Hooks
from tmd.daemon.listeners import Listeners
from tmd.daemon.lives import Lives
from tmd.posix.drain import Drain

_start = threading.Thread.start


def _refuse(thread):
    raise RuntimeError("can't start new thread")


def _fail(alerts):
    raise ValueError("a defect of alerts")


def _tell(room, verb):
    end = getattr(room, verb)

    def told(*arguments):
        with open("closed", "a") as file:
            print(room.__name__, file=file)
        end(*arguments)

    setattr(room, verb, told)


class Scarce:
    def __init__(self, supervisord):
        pass

    def take(self):
        """@return boolean"""
        threading.Thread.start = _refuse
        return True

    def give(self):
        """@return boolean"""
        threading.Thread.start = _start
        return True

    def spoil(self):
        """@return boolean"""
        Alerts.close = _fail
        for room in (Listeners, Hooks, Lives, ListeningSockets):
            _tell(room, "close")
        _tell(EndsFile, "write")
        _tell(Drain, "_stop")
        return True
'''
EXTENSION = "[rpcinterface:scarce]\nsupervisor.rpcinterface_factory=scarce:Scarce\n"
NO_THREAD = "cannot start a thread: the system has none left (a limit on processes or memory: ulimit -u, TasksMax)"


@pytest.fixture
def start(rig: Rig) -> Callable[[str], None]:
    """Start the daemon with these alerts beside the extension."""

    def start(alerts: str) -> None:
        (rig.dir / "scarce.py").write_text(SCARCE, encoding="utf-8")
        rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\nautostart=false\n", head=EXTENSION + alerts)
        rig.start(PYTHONPATH=f"{ROOT}:{rig.dir}", PYTHONDONTWRITEBYTECODE="1", PYTHONWARNINGS="ignore")

    return start


def test_alerts_wait_for_a_thread_and_say_so(rig: Rig, start: Callable[[str], None]) -> None:
    with WebhookServer() as server:
        start(f"[alert:hook]\nwebhook={server.url}\nevents=process_started\nprograms=web\n")
        rig.rpc.scarce.take()
        rig.rpc.supervisor.startProcess("web")
        (line,) = rig.until_line("cannot deliver alerts to 'hook'")
        assert line.text.endswith(f": {NO_THREAD}")
        for _ in range(2):
            answer = rig.ctl("alert-test")
            assert (answer.code, answer.text.partition("): ")[2]) == (1, f"not delivered: {NO_THREAD}\n")
        assert NO_THREAD in rig.ctl("alerts").text
        assert server.posted == []
        rig.rpc.scarce.give()
        rig.wait(lambda: server.posted, 20, "it arrives in the end")
        assert rig.ctl("alert-test").code == 0
        rig.stop()
    assert not rig.lines("Traceback|defect|failed:")


def test_an_end_without_threads_is_an_orderly_one(rig: Rig, start: Callable[[str], None]) -> None:
    with WebhookServer() as server:
        start(f"[alert:hook]\nwebhook={server.url}\nevents=daemon_stopping\n[alert:file]\nfile=alerts.jsonl\n")
        rig.rpc.scarce.take()
        rig.stop()
        assert server.posted == []
    assert json.loads(rig.text("alerts.jsonl").splitlines()[-1])["event"] == "daemon_stopping"
    assert not rig.lines("Traceback|defect")


def test_a_room_that_cannot_be_closed_keeps_no_other_from_it(rig: Rig, start: Callable[[str], None]) -> None:
    start("[alert:file]\nfile=alerts.jsonl\n")
    rig.rpc.scarce.spoil()
    rig.stop(code=1)
    assert rig.text("closed").split() == ["Listeners", "Hooks", "Lives", "ListeningSockets", "EndsFile", "Drain"]
    assert "ValueError: a defect of alerts" in rig.text("d.log")
