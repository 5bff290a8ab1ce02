"""The clock is set by years, the machine sleeps, the daemon stands still: no deadline notices, all times are true."""

import re
import signal
import time
from functools import partial
from typing import Any

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.faults.meddling import YEAR_S, Meddler
from tests.programs.check_lines import check
from tests.support import eventually

PATIENCE_S = 30.0


def _deaf(stopwaitsecs: int) -> str:
    """Return a program that does not end when it is asked to; it says `ready` in its log once it is that deaf."""
    log = "stdout_logfile=%(here)s/deaf.log"
    return f"[program:deaf]\ncommand={program('stubborn.py')}\nstartsecs=0\nstopwaitsecs={stopwaitsecs}\n{log}\n"


def _is_near(rig: Rig, start: float) -> bool:
    return abs(float(rig.info("calm")["start"]) - start) <= 1


def uptime_s(rig: Rig, name: str) -> int:
    info: dict[str, Any] = rig.info(name)
    return int(info["now"]) - int(info["start"])


@pytest.mark.parametrize("years", [10, -5])
def test_a_clock_that_is_set_by_years_changes_no_state_and_no_age(rig: Rig, meddler: Meddler, years: int) -> None:
    rig.write(
        f"[program:calm]\ncommand=sleep 1000\nstartsecs=0\n"
        f"[program:crash]\ncommand=sh -c 'exit 3'\nstartsecs=0\nautorestart=false\n"
        f"{_deaf(1)}[program:failing]\ncommand=sh -c 'exit 4'\nstartretries=1000\nstartsecs=600\n"
    )
    rig.start()
    rig.until("crash", "EXITED")
    pid = rig.pid("calm")
    rig.until_line("exited: failing")
    rig.until_text("deaf.log", "ready")
    rig.rpc.supervisor.stopProcess("deaf", False)
    asked = time.monotonic()
    tries = len(rig.lines("exited: failing"))
    meddler.set_clock(years * YEAR_S)
    (line,) = rig.until_line("the clock of the machine was set")
    way = "forward" if years > 0 else "back"
    assert line.text == f"the clock of the machine was set {way} by {abs(years) * 365} d"
    assert (line.level, rig.lines("the clock of")) == ("WARN", [line])
    assert uptime_s(rig, "calm") in range(0, 30)
    assert rig.info("calm")["now"] == pytest.approx(time.time() + years * YEAR_S, abs=30)
    assert "uptime 0:00:" in rig.info("calm")["description"]
    assert re.match(r"crash ended (just now|\d+ seconds? ago) ", rig.ctl("why", "crash").text)
    rig.until("deaf", "STOPPED")
    assert 0.9 < time.monotonic() - asked < 15, "it got the time it has, no more and no less"
    assert len(rig.lines("exited: failing")) <= tries + 3, "no back-off was cut short"
    assert rig.pid("calm") == pid
    assert rig.rpc.taskmaster.getFigures()["faults"]["clock"] == 1
    rig.stop()


def test_a_clock_that_comes_back_leaves_everything_as_it_was(rig: Rig, meddler: Meddler) -> None:
    rig.write_native("  calm: {cmd: sleep 1000, starttime: 0}\n  crash: {cmd: sh -c 'exit 3', autorestart: never}\n")
    rig.start()
    rig.until("crash", "EXITED", "BACKOFF", "FATAL")
    rig.until("calm", "RUNNING")
    start = rig.info("calm")["start"]
    for seconds in (-3 * YEAR_S, 0):
        meddler.set_clock(seconds)
        rig.wait(partial(_is_near, rig, start + seconds))
    assert [line.text.partition(" was set ")[2] for line in rig.lines("was set")] == [
        "back by 1095 d",
        "forward by 1095 d",
    ]
    rig.stop()


def test_the_next_daemon_knows_when_it_was_all_the_same(rig: Rig, meddler: Meddler) -> None:
    rig.write_native("  calm: {cmd: sleep 1000, starttime: 0}\n  crash: {cmd: sh -c 'exit 3', autorestart: never}\n")
    rig.start()
    rig.until("calm", "RUNNING")
    pid = rig.pid("calm")
    meddler.set_clock(YEAR_S)
    rig.until_line("was set forward")
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.daemon.wait()
    rig.forget_proxy()
    meddler.set_clock(-YEAR_S)  # while nobody looks
    rig.start()
    assert rig.pid("calm") == pid
    assert uptime_s(rig, "calm") in range(0, 60)
    rig.stop()


def test_a_sleep_of_the_machine_is_told_and_harms_nobody(rig: Rig, meddler: Meddler) -> None:
    rig.write(f"[program:calm]\ncommand=sleep 1000\nstartsecs=0\n{_deaf(3)}")
    rig.start()
    rig.until_text("deaf.log", "ready")
    pid, start = rig.pid("calm"), rig.info("calm")["start"]
    rig.rpc.supervisor.stopProcess("deaf", False)
    asked = time.monotonic()
    meddler.sleep(8 * 3600)
    (line,) = rig.until_line("asleep")
    assert (line.level, line.text) == ("INFO", "the machine was asleep for 8 h")
    assert not rig.lines("was set")
    assert (rig.pid("calm"), rig.info("calm")["start"]) == (pid, start)
    assert rig.info("calm")["description"].startswith(f"pid {pid}, uptime 8:00:")
    assert rig.state("deaf") == "STOPPING" or time.monotonic() - asked > 2.5
    assert rig.rpc.taskmaster.getFigures()["faults"]["sleep"] == 1
    rig.stop()


def test_ticks_and_events_go_on_when_the_clock_is_set(rig: Rig, meddler: Meddler) -> None:
    said = rig.dir / "heard"
    rig.write(
        f"[eventlistener:ticks]\ncommand={program('recorder.py')} {said}\nevents=TICK_5,PROCESS_STATE\n"
        "[program:web]\ncommand=sleep 1000\nstartsecs=0\n"
    )
    rig.start()
    rig.until("web", "RUNNING")
    meddler.set_clock(20 * YEAR_S)
    rig.until_line("was set forward")

    def future() -> bool:
        rig.rpc.supervisor.stopProcess("web")
        rig.rpc.supervisor.startProcess("web")
        return any(tick > time.time() + 19 * YEAR_S for tick in _ticks(rig))

    eventually(future, PATIENCE_S, every_s=0.2, what="a tick of the new time")
    assert len([tick for tick in _ticks(rig) if tick > time.time() + 19 * YEAR_S]) <= 3, "none is made up for"
    rig.stop()


def _ticks(rig: Rig) -> list[int]:
    found = []
    for line in rig.text("heard").splitlines():
        if "when:" in line:
            found.append(int(line.partition("when:")[2].split('"')[0].split("\\")[0].split()[0]))
    return found


# --- the daemon stands still -----------------------------------------------------------------------------------------


def _still(rig: Rig, seconds: float) -> None:
    """Have the daemon stand still; nothing can be waited for: it is time itself that has to pass."""
    world.kill(rig.daemon_pid, signal.SIGSTOP)
    eventually(lambda: world.stopped(rig.daemon_pid))
    time.sleep(seconds)
    world.kill(rig.daemon_pid, signal.SIGCONT)


def test_who_was_asked_to_stop_gets_the_time_again_in_which_tmd_stood_still(rig: Rig) -> None:
    rig.write(
        f"[program:slow]\ncommand={program('slow_stop.py')} 1.2\nstartsecs=0\nstopwaitsecs=1\n"
        "stdout_logfile=%(here)s/slow.log\n"
        f"[program:quick]\ncommand=sleep 1000\nstartsecs=0\nstopwaitsecs=1\n"
    )
    rig.start()
    rig.until_text("slow.log", "ready")
    for name in ("slow", "quick"):
        rig.until(name, "RUNNING")
        rig.rpc.supervisor.stopProcess(name, False)
    _still(rig, 2.3)
    rig.until("slow", "STOPPED")
    rig.until("quick", "STOPPED")
    assert not rig.lines("with SIGKILL"), rig.story()
    (line,) = rig.until_line("tmd stood still for")
    assert line.level == "WARN"
    assert rig.rpc.taskmaster.getFigures()["faults"]["standstill"] == 1
    rig.stop()


def test_who_does_not_stop_is_killed_all_the_same(rig: Rig) -> None:
    rig.write(_deaf(1))
    rig.start()
    rig.until_text("deaf.log", "ready")
    rig.rpc.supervisor.stopProcess("deaf", False)
    _still(rig, 2.2)
    rig.until("deaf", "STOPPED")
    assert len(rig.lines("with SIGKILL")) == 1
    rig.stop()


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_minute_of_standing_still_loses_no_line_and_kills_nobody(rig: Rig) -> None:
    rig.write(
        f"[program:spam]\ncommand={program('spam.py')} --seconds 75\nstartsecs=1\nautorestart=false\n"
        "stdout_logfile=%(here)s/spam.log\nstdout_logfile_maxbytes=0\n"
        f"[program:starting]\ncommand=sleep 1000\nstartsecs=5\n"
        f"[program:failing]\ncommand=sh -c 'exit 1'\nstartsecs=600\nstartretries=1000\n"
        f"[eventlistener:ears]\ncommand={program('recorder.py')} {rig.dir}/heard\nevents=PROCESS_STATE,TICK_5\n"
    )
    rig.start()
    rig.until("spam", "RUNNING")
    pids = {name: rig.pid(name) for name in ("spam", "starting", "ears")}
    _still(rig, 60)
    rig.until("starting", "RUNNING")
    assert {name: rig.pid(name) for name in pids} == pids
    assert rig.until_line("tmd stood still for")
    rig.until("spam", "EXITED", deadline_s=60)
    assert rig.info("spam")["exitstatus"] == 0
    report = check([rig.dir / "spam.log"])
    assert (report.missing, report.doubled, report.torn) == (0, 0, 0)
    rig.stop()
