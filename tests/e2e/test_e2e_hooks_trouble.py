"""Hooks that hang, flood, fork or are not there: their program waits for the time-out, and nothing else notices."""

import signal
import sys
import time
from typing import Any

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.e2e.hooked import HOOKS, begun, section, turns

pytestmark = pytest.mark.ours
HANG = "sleep:600"


def children(rig: Rig) -> list[int]:
    """Return all that runs besides the daemon."""
    return [pid for pid in rig.processes() if pid != rig.daemon_pid]


def kill_all(rig: Rig, word: str) -> None:
    """Kill those whose command line has a word."""
    for pid in children(rig):
        if word in world.command(pid):
            world.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_never_ends_is_killed_at_its_time_out(rig: Rig, hook: str) -> None:
    failure = "abort" if hook == "poststart" else "ignore"
    rig.write_native(section(timeout_s=0.6, hook_failure=failure, **{hook: HANG}))
    rig.start()
    rig.until_line("success: web", deadline_s=30)
    if hook in ("prestop", "poststop"):
        rig.until("web", "RUNNING")
        assert rig.ctl("restart", "web").text == "web: stopped\nweb: started\n"
    (line, *_) = rig.until_line(rf"{hook} hook of 'web' timed out after 0.6 seconds", deadline_s=30)
    assert line.level == "WARN"
    if hook == "poststart":
        assert rig.until("web", "STOPPED", deadline_s=30)["spawnerr"] == "poststart hook timed out after 0.6 seconds"
    before = {"prestart": "supervisord started", "poststart": "success: web", "prestop": "success: web"}
    began = rig.lines(before.get(hook, "stopped: web"))[0]
    waited_s = line.at - began.at
    assert waited_s >= 0.59
    if hook in ("prestart", "poststop"):
        spawned = rig.lines("spawned: 'web'")[0 if hook == "prestart" else 1]
        assert 0.59 <= spawned.at - began.at < 3, "the start did not wait for the time-out, or for more"
    if hook == "poststart":
        assert waited_s < 3
    rig.stop()


def test_a_prestart_that_never_ends_is_a_failed_start(rig: Rig) -> None:
    rig.write_native(section(prestart=HANG, timeout_s=0.4, startretries=1))
    rig.start()
    info = rig.until("web", "FATAL", deadline_s=30)
    assert info["spawnerr"] == "prestart hook timed out after 0.4 seconds"
    assert begun(rig, "prestart") == 2
    assert not children(rig)
    rig.stop()


def test_a_prestop_that_never_ends_is_no_consent(rig: Rig) -> None:
    rig.write_native(section(prestop=HANG, timeout_s=0.4, hook_failure="abort"))
    rig.start()
    rig.until("web", "RUNNING", deadline_s=30)
    answer = rig.ctl("stop", "web")
    assert "cannot stop 'web': prestop hook timed out after 0.4 seconds" in answer.text + answer.err
    assert rig.state("web") == "RUNNING"
    rig.stop()


def test_the_whole_stop_takes_the_time_out_and_stopwaitsecs_at_most(rig: Rig) -> None:
    command = program("stubborn.py")
    rig.write_native(section(command=command, prestop=HANG, timeout_s=0.5, stopwaitsecs=0.5))
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING", deadline_s=30)
    began = time.monotonic()
    rig.ctl("stop", "web")
    assert 1.0 <= time.monotonic() - began < 4
    rig.stop()


def test_a_hook_that_hangs_delays_its_own_program_and_nothing_else(rig: Rig) -> None:
    """The respawn of another program is measured while hooks hang, and compared with that before."""
    free = section("free", command="/bin/sleep 600", autorestart="always", startsecs=0)
    hanging = [section(f"h{number}", timeout_s=600, autostart="false", prestart=HANG) for number in range(4)]
    down = section("down", timeout_s=600, prestop=HANG)
    rig.write_native(free + "".join(hanging) + down)
    rig.start()
    rig.until("down", "RUNNING", deadline_s=30)

    def respawn_s() -> float:
        took_s = []
        for _ in range(4):
            pid = int(rig.until("free", "RUNNING")["pid"])
            ends = len(rig.lines("exited: free"))
            world.kill(pid, signal.SIGKILL)
            rig.until_new_pid("free", pid)
            exited = rig.until_line("exited: free", ends + 1)[ends]
            spawned = rig.until_line("spawned: 'free'", ends + 2)[ends + 1]
            took_s.append(spawned.at - exited.at)
        return sorted(took_s)[len(took_s) // 2]

    before_s = respawn_s()
    for number in range(4):
        rig.rpc.supervisor.startProcess(f"h{number}", False)
    rig.rpc.supervisor.stopProcess("down", False)
    rig.wait(lambda: begun(rig, "prestart") == 4 and begun(rig, "prestop") == 1, 30, "five hooks hang")
    during_s = respawn_s()
    assert during_s < before_s + 0.02, f"{before_s * 1000:.1f} ms before, {during_s * 1000:.1f} ms while hooks hang"
    assert rig.state("down") == "RUNNING"
    for name in ("h0", "h1", "h2", "h3"):
        assert rig.ctl("stop", name).code == 0
    kill_all(rig, "hook.py")
    rig.until("down", "STOPPED")
    rig.stop()


def test_a_hook_that_floods_is_rotated_like_the_program(rig: Rig) -> None:
    size = 100_000
    limits: dict[str, Any] = {"stdout_logfile_maxbytes": size, "stdout_logfile_backups": 2}
    rig.write_native(section(prestart="flood:2000000 say:done", **limits))
    rig.start()
    rig.until("web", "RUNNING", deadline_s=30)
    rig.until_text("out", "ready")
    logs = [rig.dir / name for name in ("out", "out.1", "out.2")]
    assert all(log.exists() for log in logs)
    assert not (rig.dir / "out.3").exists()
    assert all(log.stat().st_size < 3 * size for log in logs)
    assert rig.text("out").endswith("done\nready\n")
    assert rig.text("err") == "flooding\n"
    rig.stop()


def test_what_a_hook_leaves_in_its_group_goes_with_it(rig: Rig) -> None:
    rig.write_native(section(prestart="fork:{dir}/left"))
    rig.start()
    rig.until("web", "RUNNING", deadline_s=30)
    left = int(rig.text("left"))
    rig.wait(lambda: not world.alive(left), 20, "what the hook left is gone")
    rig.stop()


def test_a_time_out_ends_what_a_hook_has_forked_too(rig: Rig) -> None:
    rig.write_native(section(prestart="fork:{dir}/left sleep:600", timeout_s=1.5, hook_failure="ignore"))
    rig.start()
    rig.until("web", "RUNNING", deadline_s=30)
    rig.wait(lambda: not world.alive(int(rig.text("left"))), 20, "what the hook left is gone")
    rig.stop()


def test_a_hook_that_sends_something_into_the_background_holds_up_nothing(rig: Rig) -> None:
    rig.write_native(section(prestart="escape:{dir}/left", orphans="keep"))
    rig.start()
    rig.until("web", "RUNNING", deadline_s=30)
    left = int(rig.text("left"))
    assert world.alive(left)
    assert rig.ctl("restart", "web").text == "web: stopped\nweb: started\n"
    kill_all(rig, "escape:")
    rig.stop()


def test_a_hook_that_is_not_there_is_a_failure_with_its_reason(rig: Rig) -> None:
    missing = "!/no/such/hook now"
    rig.write_native(section(poststart=missing, prestop=missing, poststop=missing) + section("other", prestart=missing))
    rig.start()
    rig.until("web", "RUNNING", deadline_s=30)
    rig.until_line("poststart hook of 'web' cannot be run: can't find command '/no/such/hook'")
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    rig.until_line("prestop hook of 'web' cannot be run")
    rig.until_line("poststop hook of 'web' cannot be run")
    info = rig.until("other", "FATAL", deadline_s=30)
    assert info["spawnerr"] == "prestart hook cannot be run: can't find command '/no/such/hook'"
    rig.stop()


def test_a_program_that_crashes_at_once_does_not_pile_up_hooks(rig: Rig) -> None:
    command = program("exits.py") + " 1 --after 0.02"
    crashing = section(command=command, startsecs=0, autorestart="always", poststart=HANG, poststop="", timeout_s=600)
    rig.write_native(crashing)
    rig.start()
    rig.wait(lambda: begun(rig, "poststop") >= 8, 60, "eight ends")
    assert len(children(rig)) <= 3
    assert rig.ctl("stop", "web").code == 0
    rig.stop()


# --- the end of the daemon


def test_the_end_of_the_daemon_does_not_wait_for_a_prestart(rig: Rig) -> None:
    rig.write_native(section(prestart=HANG, timeout_s=600))
    rig.start()
    rig.wait(lambda: begun(rig, "prestart") == 1, 30)
    began = time.monotonic()
    rig.stop()
    assert time.monotonic() - began < 5


def test_the_end_of_the_daemon_waits_for_hooks_up_to_their_time_out(rig: Rig) -> None:
    rig.write_native(
        section(prestop=HANG, poststop="sleep:0.7", timeout_s=1.5) + section("other", poststop=HANG, timeout_s=1.5)
    )
    rig.start()
    rig.until("web", "RUNNING", deadline_s=30)
    rig.until("other", "RUNNING", deadline_s=30)
    began = time.monotonic()
    world.kill(rig.daemon_pid, signal.SIGTERM)
    rig.until_line("received SIGTERM")
    world.kill(rig.daemon_pid, signal.SIGTERM)  # asked twice, it is no quicker and loses nothing
    rig.wait_end(30)
    assert 2.2 <= time.monotonic() - began < 10
    assert turns(rig) == ["poststop stopped"]
    assert len(rig.lines("prestop hook of 'web' timed out")) == 1
    assert len(rig.lines("poststop hook of 'other' timed out")) == 1


def test_a_reload_waits_for_hooks_and_starts_afresh(rig: Rig) -> None:
    hooks = "".join(f"{name}={program('hook.py')} {{dir}}/order\n" for name in HOOKS)
    rig.write(f"[program:web]\ncommand={program('slow_stop.py')} 0\nstartsecs=0\n{hooks}")
    rig.start()
    rig.wait(lambda: len(turns(rig)) == 2, 30)
    world.kill(rig.daemon_pid, signal.SIGHUP)
    rig.wait(lambda: len(turns(rig)) == 6, 30, "the second life")
    assert turns(rig)[2:5] == ["prestop shutdown", "poststop stopped", "prestart start"]
    assert not rig.lines("reaped unknown pid")
    rig.stop()


def test_a_hook_that_has_left_its_group_is_killed_all_the_same(rig: Rig) -> None:
    leave = "import os, time; os.setpgid(0, os.getpgid(os.getppid())); time.sleep(600)"
    script = rig.dir / "leave.py"
    script.write_text(leave, encoding="utf-8")
    rig.write_native(section(timeout_s=0.6, prestart=f"!{sys.executable} -S {script}", startretries=0))
    rig.start()
    info = rig.until("web", "FATAL", deadline_s=30)
    assert info["spawnerr"].endswith("prestart hook timed out after 0.6 seconds")
    assert children(rig) == []
    rig.stop()
