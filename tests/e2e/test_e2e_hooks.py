"""Hooks: in which order they run, what they are told, as whom they run, and what their failure means."""

import os
import pwd
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import world
from tests.e2e.harness import PROGRAMS, Rig, program
from tests.e2e.hooked import ALL, HOOK, HOOKS, begun, noted, section, turns

pytestmark = pytest.mark.ours
FIRST = ["prestart start", "poststart running"]


def up(rig: Rig, programs: str) -> int:
    """Start a daemon; return the pid of web once it is RUNNING and its poststart, if any, is over."""
    rig.write_native(programs)
    rig.start()
    pid = int(rig.until("web", "RUNNING", deadline_s=30)["pid"])
    if "poststart:" in programs:
        rig.until_line("poststart hook of 'web'", deadline_s=30)
    return pid


def test_hooks_run_in_the_order_of_a_life_and_are_told_why(rig: Rig) -> None:
    first = up(rig, section(**{**ALL, "prestop": "sleep:0.1"}))
    assert rig.ctl("restart", "web").text == "web: stopped\nweb: started\n"
    rig.wait(lambda: len(turns(rig)) == 6, 30, "the poststart of the second life")
    second = rig.pid("web")
    world.kill(second, signal.SIGKILL)
    rig.wait(lambda: len(turns(rig)) == 9, 30, "the poststart of the third life")
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    rig.wait(lambda: len(turns(rig)) == 11, 30, "the last poststop")
    assert turns(rig) == [
        *FIRST,
        "prestop restart",
        "poststop stopped",
        "prestart restart",
        "poststart running",
        "poststop exited",
        "prestart restart",
        "poststart running",
        "prestop stop",
        "poststop stopped",
    ]
    whole = noted(rig)
    assert [line.what for line in whole] == ["begin", "end"] * 11, "two hooks of one process at a time"
    facts = {(line.hook, line.reason, line.pid): line for line in whole}
    stopped = facts["poststop", "stopped", str(first)]
    assert (stopped.state, stopped.code, stopped.signal) == ("STOPPED", "0", "-")
    killed = facts["poststop", "exited", str(second)]
    assert (killed.state, killed.code, killed.signal) == ("EXITED", "-", "SIGKILL")
    again = facts["prestart", "restart", str(second)]
    assert (again.state, again.code, again.signal, again.tries) == ("STARTING", "-", "SIGKILL", "0")
    assert facts["prestop", "restart", str(first)].state == "RUNNING"
    assert facts["prestart", "start", "-"].code == "-"
    rig.stop()


def test_failed_starts_and_retries_say_so(rig: Rig) -> None:
    rig.write_native(section(command=program("exits.py") + " 3", prestart="", poststop="", startretries=1, startsecs=5))
    rig.start()
    rig.until("web", "FATAL", deadline_s=30)
    rig.wait(lambda: len(turns(rig)) == 4, 30, "both poststops")
    assert turns(rig) == ["prestart start", "poststop failed", "prestart retry", "poststop failed"]
    ends = [line for line in noted(rig) if line.what == "end"]
    assert [(line.state, line.code, line.tries) for line in ends] == [
        ("STARTING", "-", "0"),
        ("BACKOFF", "3", "1"),
        ("STARTING", "3", "1"),
        ("FATAL", "3", "2"),
    ]
    rig.stop()


def test_a_program_that_had_to_be_killed_is_said_to_be(rig: Rig) -> None:
    up(rig, section(command=program("stubborn.py"), poststop="", stopwaitsecs=0.3, startsecs=0.5))
    rig.until_text("out", "ready")
    rig.ctl("stop", "web")
    rig.wait(lambda: turns(rig) == ["poststop killed"], 30)
    assert noted(rig)[-1].signal == "SIGKILL"
    rig.stop()


def test_a_removal_and_the_end_of_the_daemon_are_reasons_to_stop(rig: Rig) -> None:
    up(rig, section(**ALL) + section("other", **ALL))
    rig.until("other", "RUNNING", deadline_s=30)
    rig.wait(lambda: len(turns(rig, "other")) == 2, 30)
    rig.write_native(section(**ALL))
    assert rig.ctl("update").code == 0
    rig.wait(lambda: len(turns(rig, "other")) == 4, 30)
    assert turns(rig, "other") == [*FIRST, "prestop removal", "poststop stopped"]
    rig.stop()
    assert turns(rig) == [*FIRST, "prestop shutdown", "poststop stopped"]


@pytest.mark.parametrize("user", [pwd.getpwuid(os.geteuid()).pw_name, "nobody"])
def test_a_hook_runs_as_the_program_does(rig: Rig, user: str) -> None:
    if os.geteuid() != 0 and user == "nobody":
        pytest.skip("only root can run programs as nobody")
    wanted = pwd.getpwnam(user)
    place = rig.dir / "place"
    place.mkdir()
    place.chmod(0o777)
    shutil.copy(PROGRAMS / "facts.sh", place)
    options: dict[str, Any] = {name: f"!/bin/sh facts.sh {name}" for name in HOOKS}
    options |= {"user": user, "directory": "'{dir}/place'", "umask": "'027'"}
    options["environment"] = "{OWN: a b, PATH: '/usr/bin:/bin'}"
    up(rig, section(command="/bin/sh facts.sh program stay", **options))
    rig.ctl("stop", "web")
    rig.wait((place / "poststop").exists, 30)
    of_program = facts(place / "program")
    for name in HOOKS:
        found = facts(place / name)
        told = {key: value for key, value in found.items() if key.startswith("TMD_")}
        rest = {key: value for key, value in found.items() if not key.startswith("TMD_")}
        assert rest.pop("pid") == rest.pop("process_group"), "no process group of its own"
        assert rest.pop("stdin") == "/dev/null"
        assert (rest["uid"], rest["gid"]) == (str(wanted.pw_uid), str(wanted.pw_gid))
        assert (rest["directory"], rest["umask"], rest["OWN"]) == (str(place), "0027", "a b")
        assert rest.pop("TASKMASTER_LIFE") != of_program["TASKMASTER_LIFE"]
        assert {**of_program, **rest} == of_program, "something else than the program has"
        assert told["TMD_HOOK"] == name
        assert {"TMD_HOOK", "TMD_REASON", "TMD_STATE", "TMD_TRIES"} <= set(told)
    rig.stop()


def facts(path: Path) -> dict[str, str]:
    """Return what tests/programs/facts.sh has written."""
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_what_a_hook_says_is_in_the_log_of_the_program_before_what_follows_it(rig: Rig) -> None:
    up(rig, section(prestart="say:before", poststop="say:after"))
    rig.until_text("out", "ready")
    rig.ctl("stop", "web")
    rig.until_text("out", "after")
    assert rig.text("out") == "before\nready\nstopping\nbye\nafter\n"
    rig.stop()


def test_what_a_hook_of_an_event_listener_says_is_in_its_stderr_log(rig: Rig) -> None:
    listener = section(
        "ear", command=program("listener.py") + " ok {dir}/heard", prestart="say:hello", events="[TICK_60]"
    )
    rig.write_native("  {}\neventlisteners:\n" + listener.replace("programs:", ""))
    rig.start()
    rig.until("ear", "RUNNING", deadline_s=30)
    rig.until_text("err", "hello\n")
    assert "hello" not in rig.text("out")
    rig.stop()


# --- what a failure means


def test_a_prestart_that_fails_is_a_failed_start(rig: Rig) -> None:
    rig.write_native(section(prestart="exit:4", startretries=1))
    rig.start()
    info = rig.until("web", "FATAL", deadline_s=30)
    assert info["spawnerr"] == "prestart hook failed: exit status 4"
    assert turns(rig) == ["prestart start", "prestart retry"]
    assert rig.text("out") == ""
    answer = rig.ctl("start", "web")
    assert "web: ERROR (spawn error)" in answer.text
    rig.stop()


def test_a_prestart_that_fails_can_be_ignored(rig: Rig) -> None:
    up(rig, section(prestart="say:oh exit:4", hook_failure="ignore"))
    (line,) = rig.until_line("prestart hook of 'web' failed: exit status 4; it said last: oh")
    assert line.level == "WARN"
    rig.stop()


def test_a_poststart_that_fails_is_a_warning(rig: Rig) -> None:
    pid = up(rig, section(poststart="exit:5"))
    (line,) = rig.until_line("poststart hook of 'web' failed: exit status 5")
    assert line.level == "WARN"
    assert rig.pid("web") == pid
    rig.stop()


def test_a_poststart_that_fails_stops_the_program_when_told_to(rig: Rig) -> None:
    up(rig, section(poststart="exit:5", poststop="", hook_failure="abort", autorestart="always"))
    info = rig.until("web", "STOPPED", deadline_s=30)
    assert info["spawnerr"] == "poststart hook failed: exit status 5"
    (line,) = rig.until_line("cannot leave 'web' running: poststart hook failed: exit status 5")
    assert line.level == "CRIT"
    rig.wait(lambda: turns(rig) == ["poststart running", "poststop stopped"], 30)
    rig.stop()


def test_a_prestop_that_fails_is_a_warning(rig: Rig) -> None:
    up(rig, section(prestop="exit:6"))
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    assert rig.until_line("prestop hook of 'web' failed: exit status 6")
    rig.stop()


def test_a_prestop_that_fails_keeps_the_program_running_when_told_to(rig: Rig) -> None:
    pid = up(rig, section(prestop="exit:6", hook_failure="abort"))
    answer = rig.ctl("stop", "web")
    reason = "cannot stop 'web': prestop hook failed: exit status 6 (it goes on running)"
    assert reason in answer.text + answer.err
    assert answer.code != 0
    answer = rig.ctl("restart", "web")
    reason = "cannot restart 'web': prestop hook failed: exit status 6 (it goes on running)"
    assert answer.text == f"web: ERROR (FAILED: {reason})\n", "and not that it was stopped"
    assert answer.code != 0
    assert rig.info("web")["statename"] == "RUNNING"
    assert rig.pid("web") == pid
    world.kill(pid, signal.SIGKILL)
    rig.until_new_pid("web", pid)  # wanted up as before
    rig.stop()
    assert turns(rig)[-1] == "prestop shutdown"


def test_a_prestop_that_fails_keeps_nothing_from_being_removed(rig: Rig) -> None:
    pid = up(rig, section(prestop="exit:6", hook_failure="abort") + section("other"))
    rig.write_native(section("other"))
    assert "web: removed" in rig.ctl("update").text
    assert not world.alive(pid)
    rig.stop()


def test_an_update_whose_restart_is_given_up_ends_and_applies_later(rig: Rig) -> None:
    flag = rig.dir / "may"
    check = f"!/usr/bin/test -e {flag}"
    pid = up(rig, section(prestop=check, hook_failure="abort"))
    rig.write_native(section(prestop=check, hook_failure="abort", environment="{NEW: 'yes'}"))
    assert rig.ctl("update", deadline_s=30).code == 1
    assert rig.pid("web") == pid
    flag.touch()
    assert rig.ctl("restart", "web").code == 0
    environ = rig.wait(lambda: (Path(f"/proc/{rig.pid('web')}/environ")).read_bytes(), 20)
    assert b"NEW=yes" in environ.split(b"\0")
    rig.stop()


def test_a_poststop_that_fails_is_a_warning(rig: Rig) -> None:
    up(rig, section(poststop="exit:7"))
    assert rig.ctl("restart", "web").text == "web: stopped\nweb: started\n"
    assert rig.until_line("poststop hook of 'web' failed: exit status 7")
    rig.stop()


def test_a_poststop_that_fails_fails_the_start_that_waits_for_it_when_told_to(rig: Rig) -> None:
    up(rig, section(poststop="exit:7", hook_failure="abort", startretries=2))
    answer = rig.ctl("restart", "web")
    assert "web: ERROR (spawn error)" in answer.text
    rig.until("web", "RUNNING", deadline_s=30)  # the retry has no poststop before it
    assert rig.until_line("spawnerr: poststop hook failed: exit status 7")
    rig.stop()


# --- what waits for what


def test_a_program_is_starting_while_its_prestart_runs_and_startsecs_count_from_the_spawn(rig: Rig) -> None:
    rig.write_native(section(prestart="wait:{dir}/go", startsecs=0.5))
    rig.start()
    rig.wait(lambda: begun(rig, "prestart") == 1, 30)
    assert (rig.state("web"), rig.pid("web")) == ("STARTING", 0)
    (rig.dir / "go").touch()
    rig.until("web", "RUNNING")
    (spawned,) = rig.until_line("spawned: 'web'")
    (success,) = rig.until_line("success: web")
    assert success.at - spawned.at >= 0.49
    rig.stop()


def test_a_program_serves_while_its_prestop_runs(rig: Rig) -> None:
    pid = up(rig, section(prestop="wait:{dir}/go"))
    rig.rpc.supervisor.stopProcess("web", False)
    rig.wait(lambda: begun(rig, "prestop") == 1, 30)
    assert rig.state("web") == "RUNNING"
    assert world.alive(pid)
    rig.rpc.supervisor.stopProcess("web", False)  # a second one changes nothing
    assert "already started" in rig.ctl("start", "web").text
    (rig.dir / "go").touch()
    rig.until("web", "STOPPED")
    assert begun(rig, "prestop") == 1
    rig.stop()


def test_the_next_start_waits_for_the_poststop_and_its_state_does_not(rig: Rig) -> None:
    up(rig, section(poststop="wait:{dir}/go"))
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    rig.wait(lambda: begun(rig, "poststop") == 1, 30)
    assert rig.state("web") == "STOPPED"
    rig.rpc.supervisor.startProcess("web", False)
    assert (rig.state("web"), rig.pid("web")) == ("STARTING", 0)
    (rig.dir / "go").touch()
    rig.until("web", "RUNNING")
    ended, spawned = rig.until_line("poststop hook of 'web' succeeded")[0], rig.until_line("spawned: 'web'", 2)[1]
    assert spawned.at >= ended.at
    rig.stop()


def test_a_stop_asked_during_prestart_ends_it_and_nothing_is_started(rig: Rig) -> None:
    rig.write_native(section(prestart="sleep:600", timeout_s=600))
    rig.start()
    rig.wait(lambda: begun(rig, "prestart") == 1, 30)
    began = time.monotonic()
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    assert time.monotonic() - began < 3
    assert not rig.lines("spawned: 'web'")
    rig.wait(lambda: not [pid for pid in rig.processes() if pid != rig.daemon_pid], 20, "the hook is gone")
    rig.stop()


def test_a_restart_asked_during_prestart_begins_anew(rig: Rig) -> None:
    rig.write_native(section(prestart="wait:{dir}/go"))
    rig.start()
    rig.wait(lambda: begun(rig, "prestart") == 1, 30)
    (rig.dir / "go.new").touch()
    terminal = rig.terminal("restart", "web")
    rig.wait(lambda: begun(rig, "prestart") == 2, 30)
    (rig.dir / "go").touch()
    terminal.expect("web: started")
    assert len(rig.lines("spawned: 'web'")) == 1
    rig.stop()


def test_what_ends_by_itself_during_prestop_is_stopped_and_not_restarted(rig: Rig) -> None:
    pid = up(rig, section(prestop="wait:{dir}/go", poststop="", autorestart="always"))
    rig.rpc.supervisor.stopProcess("web", False)
    rig.wait(lambda: begun(rig, "prestop") == 1, 30)
    world.kill(pid, signal.SIGKILL)
    rig.until("web", "STOPPED")
    assert begun(rig, "poststop") == 0
    (rig.dir / "go").touch()
    rig.wait(lambda: turns(rig) == ["prestop stop", "poststop stopped"], 30)
    assert rig.state("web") == "STOPPED"
    rig.stop()


def test_a_stop_ends_a_poststart_that_still_runs(rig: Rig) -> None:
    rig.write_native(section(poststart="sleep:600", prestop="", poststop="", timeout_s=600))
    rig.start()
    rig.wait(lambda: begun(rig, "poststart") == 1, 30)
    rig.until("web", "RUNNING")
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    rig.wait(lambda: turns(rig) == ["prestop stop", "poststop stopped"], 30)
    rig.stop()


def test_levels_of_a_stop_wait_for_a_prestop(rig: Rig) -> None:
    other = section("other", priority=1)
    up(rig, section(prestop="wait:{dir}/go", priority=2) + other)
    other_pid = rig.until("other", "RUNNING")["pid"]
    world.kill(rig.daemon_pid, signal.SIGTERM)
    rig.wait(lambda: begun(rig, "prestop") == 1, 30)
    assert world.alive(other_pid)
    (rig.dir / "go").touch()
    rig.wait_end(30)
    assert [line.text.split()[1] for line in rig.lines("^stopped: ")] == ["web", "other"]


def test_hooks_that_change_apply_without_a_new_life(rig: Rig) -> None:
    pid = up(rig, section(prestop="exit:1"))
    rig.write_native(section(poststop=""))
    assert rig.ctl("update").code == 0
    assert rig.pid("web") == pid
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    rig.wait(lambda: turns(rig) == ["poststop stopped"], 30)
    rig.stop()


def test_hooks_work_in_supervisor_s_dialect_too(rig: Rig) -> None:
    hooks = "".join(f"{name}={HOOK} {{dir}}/order\n" for name in HOOKS)
    rig.write(f"[program:web]\ncommand={program('slow_stop.py')} 0\nstartsecs=0\n{hooks}")
    rig.start()
    rig.until("web", "RUNNING", deadline_s=30)
    rig.wait(lambda: len(turns(rig)) == 2, 30)
    rig.stop()
    assert turns(rig) == [*FIRST, "prestop shutdown", "poststop stopped"]
