"""Under a service manager: what tmd tells it, and what programs do not inherit."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.packaging.service_manager import ServiceManager
from tmd.posix.notify import OURS_ALONE

pytestmark = pytest.mark.ours

NATIVE = (
    "  web:\n    command: sleep 100000\n    startsecs: 0\n  off:\n    command: sleep 100000\n    autostart: false\n"
)


@pytest.fixture
def manager(rig: Rig) -> Iterator[ServiceManager]:
    manager = ServiceManager(str(rig.dir / "notify"))
    yield manager
    manager.close()


def test_ready_is_said_when_the_listeners_answer(rig: Rig, manager: ServiceManager) -> None:
    rig.write_native(NATIVE)
    rig.start(ready=False, NOTIFY_SOCKET=manager.address)
    message = manager.until("READY", "1")
    assert rig.rpc.supervisor.getState()["statename"] == "RUNNING"
    assert "MAINPID" not in message
    manager.until("STATUS", "1 of 2 running")
    rig.ctl("stop", "web")
    manager.until("STATUS", "0 of 2 running")
    rig.stop()
    manager.until("STOPPING", "1")
    assert manager.said("READY") == ["1"]
    assert not rig.lines("service manager")


def test_trouble_is_in_the_status(rig: Rig, manager: ServiceManager) -> None:
    rig.write_native(NATIVE + "  worker:\n    command: /nowhere/at/all\n    startretries: 0\n")
    rig.start(NOTIFY_SOCKET=manager.address)
    manager.until("STATUS", "1 of 3 running; worker FATAL")
    rig.stop()


def test_an_abstract_address(rig: Rig) -> None:
    rig.write_native(NATIVE)
    with closing(ServiceManager(f"@taskmaster-{os.getpid()}-{rig.dir.name}")) as manager:
        rig.start(NOTIFY_SOCKET=manager.address)
        manager.until("READY", "1")
        rig.stop()


def test_in_the_background_the_daemon_names_itself(
    rig: Rig, manager: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.write_native(NATIVE)
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    assert rig.run_daemon().code == 0
    rig.daemon_pid = int(rig.pidfile.read_text())
    assert manager.until("READY", "1")["MAINPID"] == str(rig.daemon_pid)
    rig.stop()


def test_a_reload_of_a_native_file(rig: Rig, manager: ServiceManager) -> None:
    rig.write_native(NATIVE)
    rig.start(NOTIFY_SOCKET=manager.address)
    manager.until("READY", "1")
    rig.write_native(NATIVE + "  more:\n    command: sleep 100000\n    startsecs: 0\n")
    world.kill(rig.daemon_pid, signal.SIGHUP)
    assert int(manager.until("RELOADING", "1")["MONOTONIC_USEC"]) > 0
    manager.until("READY", "1", count=2)
    manager.until("STATUS", "2 of 3 running")
    rig.conf.write_text("programs: [\n")
    world.kill(rig.daemon_pid, signal.SIGHUP)
    refused = manager.until("READY", "1", count=3)
    assert refused["STATUS"] == "2 of 3 running; the configuration was refused, the one before goes on"
    assert len(manager.said("RELOADING")) == 2
    rig.stop()


def test_a_restart_of_a_supervisor_file(rig: Rig, manager: ServiceManager) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\n")
    rig.start(NOTIFY_SOCKET=manager.address)
    manager.until("READY", "1")
    world.kill(rig.daemon_pid, signal.SIGHUP)
    manager.until("RELOADING", "1")
    manager.until("READY", "1", count=2)
    manager.until("STATUS", "1 of 1 running")
    assert manager.said("STOPPING") == []
    rig.stop()
    manager.until("STOPPING", "1")


def test_an_end_asks_for_time_and_says_who_still_runs(rig: Rig, manager: ServiceManager) -> None:
    deaf = "sh -c 'trap : TERM; touch {dir}/deaf; while :; do sleep 0.05; done'"
    rig.write_native(NATIVE + f'  slow:\n    command: "{deaf}"\n    startsecs: 0\n    stopwaitsecs: 2\n')
    rig.start(NOTIFY_SOCKET=manager.address)
    rig.wait((rig.dir / "deaf").exists, what="the program is deaf")
    world.kill(rig.daemon_pid, signal.SIGTERM)
    assert manager.until("EXTEND_TIMEOUT_USEC")["EXTEND_TIMEOUT_USEC"] == "20000000"
    manager.until("STATUS", "stopping; 0 of 3 running")
    rig.wait_end(40)


def test_signs_of_life_come_from_the_loop(rig: Rig, manager: ServiceManager) -> None:
    rig.write_native(NATIVE)
    rig.start(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000")
    manager.until("WATCHDOG", "1", count=5)
    world.kill(rig.daemon_pid, signal.SIGSTOP)
    rig.wait(lambda: world.stopped(rig.daemon_pid), what="the daemon is suspended")
    so_far = len(manager.said("WATCHDOG"))
    world.kill(rig.daemon_pid, signal.SIGCONT)
    manager.until("WATCHDOG", "1", count=so_far + 2)
    rig.stop()


def test_somebody_elses_watchdog_is_left_alone(rig: Rig, manager: ServiceManager) -> None:
    rig.write_native(NATIVE)
    rig.start(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000", WATCHDOG_PID="1")
    manager.until("STATUS", "1 of 2 running")
    rig.stop()
    assert manager.said("WATCHDOG") == []


def test_a_manager_that_went_away_changes_nothing(rig: Rig, manager: ServiceManager) -> None:
    rig.write_native(NATIVE, daemon="  loglevel: debug\n")
    rig.start(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000")
    manager.until("READY", "1")
    manager.close()
    rig.until_line("cannot tell the service manager at '.*/notify': ")
    assert rig.ctl("restart", "web").code == 0
    rig.stop()
    assert len(rig.lines("cannot tell the service manager")) == 1
    assert rig.lines("cannot tell the service manager")[0].level == "DEBG"


@pytest.mark.parametrize("dialect", ["native", "supervisor"])
def test_programs_inherit_nothing_that_speaks_to_the_daemon_alone(
    rig: Rig, manager: ServiceManager, dialect: str
) -> None:
    command = f"{program('facts.py')} {{dir}}/facts"
    if dialect == "native":
        rig.write_native(
            f"  facts:\n    command: {command}\n    startsecs: 0\n    env: {{MINE: 'x%(ENV_WATCHDOG_PID)s'}}\n"
        )
    else:
        rig.write(f'[program:facts]\ncommand={command}\nstartsecs=0\nenvironment=MINE="x%(ENV_WATCHDOG_PID)s"\n')
    rig.start(
        NOTIFY_SOCKET=manager.address,
        WATCHDOG_USEC="9000000",
        WATCHDOG_PID="1",
        LISTEN_FDS="0",
        LISTEN_PID="1",
        LISTEN_FDNAMES="a",
        INVOCATION_ID="cafe",
    )
    environment = json.loads(rig.until_text("facts", "}"))["environment"]
    assert not environment.keys() & set(OURS_ALONE)
    assert environment["INVOCATION_ID"] == "cafe"
    assert environment["MINE"] == "x1"
    rig.stop()
