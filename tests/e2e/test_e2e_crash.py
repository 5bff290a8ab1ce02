"""Programs that crash: at once, after a while, in a loop, with each code, by a signal."""

import signal
import sys

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program


def test_a_program_that_crashes_at_once_is_tried_startretries_times_more_then_given_up(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('exits.py')} 1 --first 99 {{dir}}/lives\nstartretries=2\n")
    rig.start()
    info = rig.until("web", "FATAL")
    assert rig.text("lives") == "xxx"
    assert len(rig.until_line("gave up: web entered FATAL state, too many start retries too quickly")) == 1
    spawned = rig.lines("spawned: 'web' with pid")
    exited = rig.lines(r"exited: web \(exit status 1; not expected\)")
    assert (len(spawned), len(exited)) == (3, 3)
    slack_s = 0.25 if rig.subject == "tmd" else 1.5
    for tries, (gone, again) in enumerate(zip(exited, spawned[1:], strict=False), start=1):
        assert tries - 0.01 <= again.at - gone.at <= tries + slack_s
    assert {line.level for line in exited} == {"WARN"}
    assert info["spawnerr"] == info["description"] == "Exited too quickly (process log may have details)"
    assert (info["pid"], info["exitstatus"]) == (0, 0)
    rig.stop()


def test_without_retries_there_is_one_try(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('exits.py')} 0 --first 99 {{dir}}/lives\nstartretries=0\n")
    rig.start()
    rig.until("web", "FATAL")
    assert rig.text("lives") == "x"
    assert len(rig.until_line("exited: web")) == 1
    rig.stop()


def test_a_program_given_up_is_started_again_when_asked_and_counts_anew(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('exits.py')} 1 --first 2 {{dir}}/lives\nstartretries=1\n")
    rig.start()
    rig.until("web", "FATAL")
    answer = rig.ctl("start", "web")
    assert (answer.text, answer.code) == ("web: started\n", 0)
    assert rig.text("lives") == "xxx"
    rig.stop()


def test_a_program_in_backoff_can_be_stopped(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('exits.py')} 1\nstartretries=9\n")
    rig.start()
    rig.until_line("exited: web", count=2)
    info = rig.until("web", "BACKOFF")
    assert info["description"] == "Exited too quickly (process log may have details)"
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    assert rig.state("web") == "STOPPED"
    rig.stop()


RESTARTS = {"true": {0, 3, 1, 127, 255}, "false": set[int](), "unexpected": {1, 127}}


def test_a_program_that_exits_after_a_while_comes_back_as_autorestart_and_exitcodes_say(rig: Rig) -> None:
    codes = (0, 1, 3, 127, 255)
    sections = [
        f"[program:{word}{code}]\ncommand={program('exits.py')} {code} --after 0.2 --first 2 {{dir}}/{word}{code}\n"
        f"startsecs=0\nautorestart={word}\nexitcodes=0,3,255\n"
        for word in RESTARTS
        for code in codes
    ]
    rig.write("\n".join(sections))
    rig.start()
    for word, restarted in RESTARTS.items():
        for code in codes:
            name = f"{word}{code}"
            if code in restarted:
                rig.until_text(name, "xxx")
                rig.until(name, "RUNNING")
            else:
                info = rig.until(name, "EXITED")
                assert (info["exitstatus"], rig.text(name)) == (code, "x")
            word_, level = ("expected", "INFO") if code in (0, 3, 255) else ("not expected", "WARN")
            lines = rig.until_line(rf"exited: {name} \(exit status {code}; {word_}\)", 2 if code in restarted else 1)
            assert {line.level for line in lines} == {level}
    rig.stop()


def test_a_program_that_exits_unexpectedly_says_so(rig: Rig) -> None:
    rig.write(f"[program:job]\ncommand={program('exits.py')} 7 --after 0.1\nstartsecs=0\nautorestart=false\n")
    rig.start()
    info = rig.until("job", "EXITED")
    assert (info["spawnerr"], info["exitstatus"], info["pid"]) == ("Bad exit code 7", 7, 0)
    rig.stop()


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGUSR1", "SIGHUP", "SIGABRT"])
def test_death_by_a_signal_is_named(rig: Rig, name: str) -> None:
    rig.write(f"[program:job]\ncommand={program('exits.py')} {name} --after 0.1\nstartsecs=0\nautorestart=false\n")
    rig.start()
    info = rig.until("job", "EXITED")
    assert (info["exitstatus"], info["spawnerr"]) == (-1, "Bad exit code -1")
    assert rig.until_line(rf"exited: job \(terminated by {name}( \(core dumped\))?; not expected\)")
    rig.stop()


def test_a_running_program_killed_by_hand_comes_back(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\n")
    rig.start()
    old = int(rig.until("web", "RUNNING")["pid"])
    assert rig.until_line(
        r"success: web entered RUNNING state, process has stayed up for > than 1 seconds \(startsecs\)"
    )
    world.kill(old, signal.SIGKILL)
    new = rig.until_new_pid("web", old)
    assert world.alive(new)
    assert world.children(rig.daemon_pid) == [new]
    assert rig.until_line(r"exited: web \(terminated by SIGKILL; not expected\)")
    rig.stop()


def test_a_crash_loop_leaves_the_daemon_answering_and_leaks_nothing(rig: Rig) -> None:
    sections = [f"[program:loop{n}]\ncommand=/bin/sh -c 'exit {n}'\nstartsecs=0\nautorestart=true\n" for n in range(3)]
    rig.write("\n".join([*sections, "[program:calm]\ncommand=sleep 100000\n"]))
    rig.start()
    calm = int(rig.until("calm", "RUNNING")["pid"])
    rig.until_line("spawned: 'loop", count=6)
    before = world.descriptors(rig.daemon_pid)
    if rig.subject == "tmd":  # whose log is no flood
        rig.wait(lambda: sum(rig.info(f"loop{n}")["starts"] for n in range(3)) >= 300 or None)
    else:
        rig.until_line("spawned: 'loop", count=12)
    assert rig.pid("calm") == calm
    # Only a few lives are open at any moment, so a leak would show in every one.
    rig.wait(lambda: world.descriptors(rig.daemon_pid) <= before + 12, what="a moment with few descriptors")
    rig.wait(lambda: not world.zombies(rig.daemon_pid), what="a moment without zombies")
    rig.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="counts by /proc")
def test_a_program_may_exit_and_be_replaced_while_it_is_asked_about(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('exits.py')} 0 --after 0.05\nstartsecs=0\nautorestart=true\n")
    rig.start()
    for _ in range(50):
        info = rig.info("web")
        assert info["statename"] in ("RUNNING", "STARTING", "EXITED", "STOPPED")
        assert bool(info["pid"]) == (info["statename"] in ("RUNNING", "STARTING"))
    rig.stop()
