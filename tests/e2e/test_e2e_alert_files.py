"""Alerts in files of a real daemon: over its whole life, over reloads and restarts, and on a disk that is full."""

import json
import os
import signal
from typing import Any

import pytest

from tests.e2e.harness import Rig, program

pytestmark = pytest.mark.ours

SLEEPER = "  web:\n    cmd: sleep 1000\n    startsecs: 0\n"


def configure(rig: Rig, *sinks: str, programs: str = SLEEPER) -> None:
    listed = "\n".join(f"    - {{{sink}}}" for sink in sinks)
    rig.write_native(programs, daemon=f"  alerts:\n{listed}" if sinks else "")


def alerts(rig: Rig, name: str = "alerts") -> list[dict[str, Any]]:
    """Return what is in a file: every line of it must be an alert."""
    found = [json.loads(line) for line in rig.text(name).splitlines()]
    for alert in found:
        assert list(alert) == ["timestamp", "event", "host", "payload"]
        assert alert["host"] == os.uname().nodename
    return found


def events(rig: Rig, name: str = "alerts") -> list[str]:
    return [alert["event"] for alert in alerts(rig, name)]


def test_a_whole_life(rig: Rig) -> None:
    configure(rig, 'file: "{dir}/alerts"')
    rig.start()
    rig.until("web", "RUNNING")
    rig.rpc.supervisor.stopProcess("web")
    pid = rig.daemon_pid
    rig.stop()
    assert events(rig) == ["daemon_started", "process_started", "process_running", "process_stopped", "daemon_stopping"]
    assert alerts(rig)[0]["payload"]["pid"] == pid
    stopped = alerts(rig)[3]["payload"]
    assert (stopped["program"], stopped["group"], stopped["signal"]) == ("web", "web", "SIGTERM")


def test_an_ignored_stop_signal_and_an_unexpected_end(rig: Rig) -> None:
    configure(
        rig,
        'file: "{dir}/alerts", events: ["process_exited:unexpected", process_killed]',
        programs=f"  deaf:\n    cmd: {program('stubborn.py')}\n    stopwaitsecs: 0.5\n    startsecs: 0\n"
        "  short:\n    cmd: sh -c 'printf \"\\\\033[2Jgone\\\\n\" >&2; exit 7'\n"
        "    startsecs: 0\n    autorestart: never\n",
    )
    rig.start()
    rig.until("short", "EXITED")
    rig.wait(lambda: events(rig) == ["process_exited"])
    ended = alerts(rig)[0]["payload"]
    assert (ended["exit_code"], ended["expected"], ended["restarts"]) == (7, False, False)
    assert ended["stderr"] == ["^[[2Jgone"]
    rig.until_text("deaf-stdout.log", "ready")
    rig.rpc.supervisor.stopProcess("deaf")
    rig.wait(lambda: events(rig) == ["process_exited", "process_killed"])
    assert alerts(rig)[1]["payload"]["waited_s"] >= 0.5


def test_sinks_come_and_go_with_an_update(rig: Rig) -> None:
    configure(rig)
    rig.start()
    rig.until("web", "RUNNING")
    pid = rig.pid("web")
    configure(rig, 'file: "{dir}/alerts"', 'file: "{dir}/stops", name: stops, events: [process_stopped]')
    os.kill(rig.daemon_pid, signal.SIGHUP)
    rig.until_line("configuration read")
    rig.wait(lambda: [sink["name"] for sink in rig.rpc.taskmaster.getAlerts()] == ["file", "stops"])
    configure(rig, 'file: "{dir}/stops", name: stops, events: [process_stopped]')
    os.kill(rig.daemon_pid, signal.SIGHUP)
    rig.wait(lambda: [sink["name"] for sink in rig.rpc.taskmaster.getAlerts()] == ["stops"])
    assert rig.pid("web") == pid
    rig.rpc.supervisor.stopProcess("web")
    rig.wait(lambda: events(rig, "stops") == ["process_stopped"])
    assert events(rig) == ["config_reloaded"]


def test_a_refused_configuration(rig: Rig) -> None:
    configure(rig, 'file: "{dir}/alerts", events: [config_rejected]')
    rig.start()
    configure(rig, "fiel: x", "webhook: 5", programs="  web:\n    cmd: sleep 1000\n    startsecs: -1\n")
    os.kill(rig.daemon_pid, signal.SIGHUP)
    rig.wait(lambda: events(rig) == ["config_rejected"])
    payload = alerts(rig)[0]["payload"]
    assert payload["path"] == str(rig.conf)
    assert any("startsecs" in problem for problem in payload["problems"])


def test_a_restart_of_the_daemon_in_the_same_process(rig: Rig) -> None:
    configure(rig, 'file: "{dir}/alerts", events: [daemon_started, daemon_stopping]')
    rig.start()
    rig.rpc.supervisor.restart()
    rig.wait(lambda: events(rig) == ["daemon_started", "daemon_stopping", "daemon_started"])
    rig.wait_ready()
    rig.stop()
    assert events(rig)[3:] == ["daemon_stopping"]


def test_a_full_disk_costs_alerts_and_nothing_else(rig: Rig) -> None:
    configure(rig, "file: /dev/full", 'file: "{dir}/alerts", name: other')
    rig.start()
    rig.until("web", "RUNNING")
    rig.until_line("cannot deliver alerts to 'file' .*: no space left on device")
    first = rig.pid("web")
    os.kill(first, signal.SIGKILL)
    rig.until_new_pid("web", first)
    rig.wait(lambda: "process_exited" in events(rig))
    full = next(sink for sink in rig.rpc.taskmaster.getAlerts() if sink["name"] == "file")
    assert (full["sent"], full["last_error"]) == (0, "no space left on device")
    rig.stop()
    assert rig.lines(r"alerts not delivered before the end: \d+ \(file: \d+\)")
    assert "log_dropped" not in events(rig)


def test_who_logs_out_of_reach_is_told_in_the_alerts(rig: Rig) -> None:
    configure(
        rig,
        'file: "{dir}/alerts", events: [log_dropped]',
        programs="  loud:\n    cmd: sh -c 'yes | head -c 500000; exec sleep 1000'\n    stdout: /dev/full\n",
    )
    rig.start()
    rig.wait(lambda: events(rig), 20)
    payload = alerts(rig)[0]["payload"]
    assert (payload["target"], payload["reason"]) == ("/dev/full", "no space left on device")
    assert payload["bytes"] > 0


def test_names_that_are_no_text_for_a_terminal(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=sleep 1000\nstartsecs=0\nprocess_name=a\x1b[2Jb\n"
        "[alert:audit]\nfile={dir}/alerts\nprograms=w*\nevents=process_running\n"
    )
    rig.start()
    rig.wait(lambda: events(rig) == ["process_running"])
    assert alerts(rig)[0]["payload"]["process"] == "a^[[2Jb"
