"""Restarts that would take a healthy program down for good are given up before anything is stopped."""

import xmlrpc.client
from pathlib import Path

import pytest

from tests.e2e.harness import Rig

pytestmark = pytest.mark.ours


def write(rig: Rig, command: str = "sleep 100000", **options: str) -> None:
    given = {"startsecs": "0", "environment_file": "'{dir}/env'", **options}
    lines = [f"    {option}: {value}\n" for option, value in ({"command": command} | given).items()]
    rig.write_native("  web:\n" + "".join(lines))


def env(rig: Rig, text: str) -> Path:
    path = rig.dir / "env"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_restart_with_a_broken_environment_file_stops_nothing(rig: Rig) -> None:
    env(rig, "A=1\n")
    write(rig)
    rig.start()
    pid = rig.until("web", "RUNNING")["pid"]
    env(rig, "A=1\nFOO BAR\n")
    answer = rig.ctl("restart", "web")
    assert answer.text.startswith("web: ERROR (FAILED: cannot restart 'web': ")
    assert answer.text.endswith("(it goes on running))\n")
    assert f"{rig.dir}/env:2: " in answer.text
    assert answer.code != 0
    assert rig.info("web")["pid"] == pid
    assert rig.lines("cannot restart 'web': .*env:2: ")[0].level == "CRIT"
    env(rig, "A=2\n")
    assert rig.ctl("restart", "web").text == "web: stopped\nweb: started\n"
    rig.stop()


def test_a_restart_without_anything_to_run_stops_nothing(rig: Rig) -> None:
    env(rig, "")
    tool = rig.dir / "tool"
    tool.symlink_to("/bin/sleep")
    write(rig, f"{tool} 100000")
    rig.start()
    pid = rig.until("web", "RUNNING")["pid"]
    tool.unlink()
    assert "(it goes on running)" in rig.ctl("restart", "web").text
    assert rig.info("web")["pid"] == pid
    rig.stop()


def test_a_start_with_a_broken_environment_file_is_tried_again_and_says_why(rig: Rig) -> None:
    env(rig, "FOO BAR\n")
    write(rig, autostart="false", startretries="20")
    rig.start()
    with pytest.raises(xmlrpc.client.Fault, match="SPAWN_ERROR"):
        rig.rpc.supervisor.startProcess("web", False)
    assert f"{rig.dir}/env:1: " in rig.until("web", "BACKOFF")["spawnerr"]
    assert rig.until_line(r"spawnerr: .*env:1: ")
    env(rig, "A=1\n")
    rig.until("web", "RUNNING", deadline_s=30)
    rig.stop()


def test_an_update_says_which_restarts_were_refused(rig: Rig) -> None:
    env(rig, "")
    hooks = {"prestop": "/bin/false", "hook_failure": "abort"}
    write(rig, **hooks)
    rig.start()
    pid = rig.until("web", "RUNNING")["pid"]
    write(rig, **hooks, environment="{NEW: 'yes'}")
    answer = rig.ctl("update")
    assert "web: stopped" not in answer.text
    reason = "cannot restart 'web': prestop hook failed: exit status 1 (it goes on running)"
    assert f"web: ERROR ({reason}; it gets the new settings when it is restarted)" in answer.text + answer.err
    assert answer.code != 0
    assert rig.info("web")["pid"] == pid
    rig.stop()
