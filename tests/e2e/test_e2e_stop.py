"""Stopping: programs that ignore the signal, need a while, have children; and the daemon's own orderly end."""

import json
import signal
import time

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program

ALL_OF_A_FAMILY = ("leader", "child", "grandchild", "escapee")


def family(rig: Rig, name: str = "family.json") -> dict[str, int]:
    rig.wait(lambda: rig.text(name), what="the family is complete")
    members: dict[str, int] = json.loads(rig.text(name))
    return members


def test_a_program_that_ignores_the_signal_is_killed_after_stopwaitsecs(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('stubborn.py')}\nstopwaitsecs=1\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    pid = int(rig.until("web", "RUNNING")["pid"])
    began = time.monotonic()
    answer = rig.ctl("stop", "web")
    took_s = time.monotonic() - began
    assert (answer.text, answer.code) == ("web: stopped\n", 0)
    assert took_s >= 1.0
    (asked,) = rig.until_line("waiting for web to stop")
    (line,) = rig.until_line(rf"killing 'web' \({pid}\) with SIGKILL")
    assert line.at - asked.at <= (
        1.6 if rig.subject == "tmd" else 3.5
    )  # how long the client takes, the machine decides
    assert line.level == "WARN"
    assert rig.until_line(r"stopped: web \(terminated by SIGKILL\)")
    assert not world.alive(pid)
    rig.stop()


def test_the_kill_comes_at_stopwaitsecs_to_a_tenth(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('stubborn.py')}\nstopwaitsecs=1\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    asked_s = time.time()
    rig.rpc.supervisor.stopProcess("web", False)
    rig.until("web", "STOPPED")
    (line,) = rig.until_line("killing 'web'")
    assert 0.99 <= line.at - asked_s <= (1.1 if rig.subject == "tmd" else 3.0)
    rig.stop()


def test_a_program_that_needs_a_while_gets_it(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('slow_stop.py')} 0.7\nstopwaitsecs=8\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    rig.rpc.supervisor.stopProcess("web", False)
    assert rig.state("web") == "STOPPING"
    rig.until("web", "STOPPED")
    assert rig.text("out") == "ready\nstopping\nbye\n"
    assert not rig.lines("killing 'web'")
    assert rig.until_line(r"stopped: web \(exit status 0\)")[0].level == "INFO"
    rig.stop()


def test_a_second_stop_meanwhile_is_refused(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('slow_stop.py')} 1\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    rig.rpc.supervisor.stopProcess("web", False)
    assert rig.ctl("stop", "web").text == "web: ERROR (not running)\n"
    rig.until("web", "STOPPED")
    rig.stop()


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "USR1", "USR2", "KILL"])
def test_the_stopsignal_is_the_configured_one(rig: Rig, name: str) -> None:
    rig.write(f"[program:web]\ncommand=sleep 100000\nstartsecs=0\nstopsignal={name}\n")
    rig.start()
    rig.until("web", "RUNNING")
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    assert rig.until_line(rf"stopped: web \(terminated by SIG{name}( \(core dumped\))?\)")
    rig.stop()


def test_stopasgroup_reaches_child_and_grandchild(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('family.py')} {{dir}}/family.json\nstopasgroup=true\n")
    rig.start()
    members = family(rig)
    rig.until("web", "RUNNING")
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    for who in ("leader", "child", "grandchild"):
        rig.wait(lambda who=who: not world.alive(members[who]), what=f"{who} is gone")  # type: ignore[misc]
    world.kill(members["escapee"])
    rig.stop()


def test_killasgroup_kills_what_the_leader_left(rig: Rig) -> None:
    rig.write(
        f'[program:web]\ncommand=/bin/sh -c \'trap "" TERM; {program("stubborn.py")} & echo $! > {{dir}}/child;'
        " wait'\n"
        "killasgroup=true\nstopwaitsecs=1\nstdout_logfile={dir}/out\n"
    )
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    child = int(rig.text("child"))
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    rig.wait(lambda: not world.alive(child), what="the child is gone")
    rig.stop()


def test_without_stopasgroup_supervisors_dialect_leaves_the_children(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('family.py')} {{dir}}/family.json\n")
    rig.start()
    members = family(rig)
    rig.until("web", "RUNNING")
    rig.ctl("stop", "web")
    assert not world.alive(members["leader"])
    assert world.alive(members["child"])
    assert world.alive(members["grandchild"])
    for who in ALL_OF_A_FAMILY:
        world.kill(members[who])
    rig.wait(lambda: not any(world.alive(pid) for pid in members.values()), what="the family is gone")
    rig.stop()


@pytest.mark.ours
def test_in_the_native_dialect_a_stop_takes_the_whole_group(rig: Rig) -> None:
    rig.write_native(f'  web:\n    command: "{program("family.py")} {{dir}}/family.json --leave"\n')
    rig.start()
    members = family(rig)
    rig.until("web", "RUNNING")
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    for who in ("leader", "child", "grandchild"):
        rig.wait(lambda who=who: not world.alive(members[who]), what=f"{who} is gone")  # type: ignore[misc]
    world.kill(members["escapee"])
    rig.stop()


def test_the_daemons_end_stops_everything_in_falling_priority(rig: Rig) -> None:
    rig.write(
        "".join(f"[program:p{n}]\ncommand=sleep 100000\nstartsecs=0\npriority={n}\n" for n in (10, 20, 30))
        + f"[program:slow]\ncommand={program('slow_stop.py')} 0.3\npriority=40\nstdout_logfile={{dir}}/out\n"
    )
    rig.start()
    rig.until_text("out", "ready")
    rig.until_all("RUNNING")
    log = rig.log
    world.kill(rig.daemon_pid, signal.SIGTERM)
    rig.wait_end()
    assert log.exists()
    order = [line.text.split()[1] for line in rig.lines("^stopped: ")]
    assert order == ["slow", "p30", "p20", "p10"]
    assert rig.text("out").endswith("bye\n")
    assert rig.until_line("received SIGTERM indicating exit request")[0].level == "WARN"
    assert rig.until_line("waiting for .*slow.* to die")


@pytest.mark.ours
def test_twenty_that_need_a_second_end_together(rig: Rig) -> None:
    sections = [
        f"[program:p{n}]\ncommand={program('slow_stop.py')} 1\nstartsecs=0\nstdout_logfile={{dir}}/out{n}\n"
        for n in range(20)
    ]
    rig.write("\n".join(sections))
    rig.start()
    for n in range(20):
        rig.until_text(f"out{n}", "ready")
    began = time.monotonic()
    rig.stop()
    assert time.monotonic() - began < 2.0
    assert len(rig.lines("^stopped: ")) == 20


@pytest.mark.ours
def test_a_hundred_that_stop_at_once_are_gone_at_once(rig: Rig) -> None:
    rig.write(
        "[program:p]\ncommand=sleep 100000\nstartsecs=0\nnumprocs=100\nprocess_name=%(program_name)s%(process_num)d\n"
        "stdout_logfile=NONE\nstderr_logfile=NONE\n"
    )
    rig.start()
    rig.until_all("RUNNING")
    began = time.monotonic()
    rig.stop()
    assert time.monotonic() - began < 1.0


def test_a_slow_starter_is_starting_until_startsecs_have_passed(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('slow_start.py')} 0.3\nstartsecs=1\nautostart=false\n"
        "stdout_logfile={dir}/out\n"
    )
    rig.start()
    assert rig.state("web") == "STOPPED"
    assert rig.info("web")["description"] == "Not started"
    began = time.monotonic()
    rig.rpc.supervisor.startProcess("web", False)
    assert rig.state("web") == "STARTING"
    rig.until("web", "RUNNING")
    took_s = time.monotonic() - began
    assert 1.0 <= took_s < (1.3 if rig.subject == "tmd" else 3.5)
    assert rig.text("out") == "starting\nready\n"
    rig.stop()


def test_start_waits_for_running_and_stop_for_the_end(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('slow_stop.py')} 0.4\nautostart=false\n")
    rig.start()
    assert rig.rpc.supervisor.startProcess("web") is True
    assert rig.state("web") == "RUNNING"
    assert rig.rpc.supervisor.stopProcess("web") is True
    assert rig.state("web") == "STOPPED"
    rig.stop()
