"""Job control: any signal to a process, suspend and resume of its whole group."""

import time

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program


def counting(rig: Rig, more: str = "", end: str = "") -> int:
    rig.write(f"[program:web]\ncommand={program('counter.py')} {{dir}}/n {end}\nstartsecs=0\n{more}\n")
    rig.start()
    rig.until_text("n", "ready")
    rig.until_text("n.child", "ready")
    return int(rig.until("web", "RUNNING")["pid"])


@pytest.mark.parametrize("name", ["USR1", "SIGUSR1", "usr1", "10"])
def test_a_signal_reaches_the_process_and_not_its_children(rig: Rig, name: str) -> None:
    counting(rig, "killasgroup=true\nstopwaitsecs=0")
    answer = rig.ctl("signal", name, "web")
    assert (answer.text, answer.code) == ("web: signalled\n", 0)
    rig.until_text("n", "USR1")
    assert rig.rpc.supervisor.signalProcess("web", "USR2") is True
    assert rig.until_text("n", "USR2") == "ready\nUSR1\nUSR2\n"
    assert rig.text("n.child") == "ready\n"
    rig.stop()


def test_a_signal_that_is_none_or_has_nobody_is_refused(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\n[program:off]\ncommand=sleep 100000\nautostart=false\n")
    rig.start()
    rig.until("web", "RUNNING")
    assert rig.ctl("signal", "NOPE", "web").text == "web: ERROR (bad signal name)\n"
    answer = rig.ctl("signal", "USR1", "nobody")
    assert (answer.text, answer.code) == ("nobody: ERROR (no such process)\n", 1)
    answer = rig.ctl("signal", "USR1", "off")
    assert (answer.text, answer.code) == ("off: ERROR (not running)\n", 7)
    assert rig.state("web") == "RUNNING"
    rig.stop()


@pytest.mark.ours
def test_stop_and_cont_act_on_the_whole_group(rig: Rig) -> None:
    pid = counting(rig, "killasgroup=true\nstopwaitsecs=0")
    (child,) = world.children(pid)
    assert rig.ctl("signal", "STOP", "web").text == "web: signalled\n"
    rig.wait(lambda: world.stopped(pid) and world.stopped(child), what="both are suspended")
    assert rig.state("web") == "RUNNING"
    assert rig.ctl("signal", "CONT", "web").text == "web: signalled\n"
    rig.wait(lambda: not world.stopped(pid) and not world.stopped(child), what="both go on")
    rig.until_text("n.child", "CONT")
    rig.stop()


@pytest.mark.ours
def test_pause_and_resume(rig: Rig) -> None:
    pid = counting(rig, "killasgroup=true\nstopwaitsecs=0")
    (child,) = world.children(pid)
    assert rig.ctl("pause", "web").code == 0
    rig.wait(lambda: world.stopped(pid) and world.stopped(child), what="both are suspended")
    assert rig.state("web") == "RUNNING"
    assert "paused" in rig.ctl("status", "web").text.lower()
    assert rig.ctl("resume", "web").code == 0
    rig.wait(lambda: not world.stopped(pid) and not world.stopped(child), what="both go on")
    assert rig.pid("web") == pid
    assert "paused" not in rig.ctl("status", "web").text.lower()
    rig.stop()


@pytest.mark.ours
def test_the_stop_of_a_paused_program_does_not_wait_for_the_kill(rig: Rig) -> None:
    pid = counting(rig, "stopwaitsecs=8\nstopasgroup=true", end="--end")
    rig.ctl("pause", "web")
    rig.wait(lambda: world.stopped(pid), what="it is suspended")
    began = time.monotonic()
    assert rig.rpc.supervisor.stopProcess("web") is True
    assert time.monotonic() - began < 0.5
    assert "TERM" in rig.text("n")
    assert not rig.lines("killing 'web'")
    rig.stop()


def test_a_group_is_signalled_process_by_process(rig: Rig) -> None:
    rig.write(
        f"[program:a]\ncommand={program('counter.py')} {{dir}}/a\nstartsecs=0\nstopasgroup=true\nstopwaitsecs=0\n"
        f"[program:b]\ncommand={program('counter.py')} {{dir}}/b\nstartsecs=0\nstopasgroup=true\nstopwaitsecs=0\n"
        "[group:both]\nprograms=a,b\n"
    )
    rig.start()
    for name in ("a", "b"):
        rig.until_text(name, "ready")
        rig.until_text(f"{name}.child", "ready")
    assert rig.ctl("signal", "USR1", "both:*").text == "both:a: signalled\nboth:b: signalled\n"
    rig.until_text("a", "USR1")
    rig.until_text("b", "USR1")
    rig.ctl("signal", "USR2", "all")
    rig.until_text("a", "USR2")
    rig.until_text("b", "USR2")
    rig.stop()
