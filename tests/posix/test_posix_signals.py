"""Signals and children in the loop: nothing is lost, nothing is told twice, everything is given back."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import GLIBC_OWN
from tmd.posix.loop import ChildEvent, Loop

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def start(*argv: str, stdin: int | None = None) -> int:
    """Start a child that only the loop will wait for."""
    child = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    child.returncode = 0
    return child.pid


def collect(loop: Loop, count: int) -> list[ChildEvent]:
    """Run the loop until so many things happened to children."""
    events: list[ChildEvent] = []

    def note(event: ChildEvent) -> None:
        events.append(event)
        if len(events) == count:
            loop.stop()

    loop.on_child(note)
    deadline = loop.call_later(10, loop.stop)
    loop.run()
    deadline.cancel()
    assert len(events) == count
    return events


# --- signals -------------------------------------------------------------------------------------------------------


def test_a_signal_is_told_in_the_loop_and_once(loop: Loop) -> None:
    got: list[int] = []
    loop.on_signal(signal.SIGUSR1, got.append)
    loop.on_signal(signal.SIGUSR2, got.append)
    loop.call_later(0.02, loop.stop)
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGUSR2)
    assert not got, "not before the loop runs"
    loop.run()
    assert got == [signal.SIGUSR1, signal.SIGUSR2]


def test_a_signal_wakes_a_sleeping_loop(loop: Loop) -> None:
    loop.on_signal(signal.SIGUSR1, lambda _: loop.stop())
    began = loop.now()
    pid = start("sh", "-c", "kill -USR1 $PPID")
    loop.run()
    os.waitpid(pid, 0)
    assert loop.now() - began < 1
    assert loop.figures["wakeups"] <= 2


def test_signals_survive_a_wake_up_pipe_that_is_full(loop: Loop) -> None:
    got: list[int] = []
    loop.on_signal(signal.SIGUSR1, got.append)
    loop.on_signal(signal.SIGUSR2, lambda _: loop.call_soon(loop.stop))
    for _ in range(70_000):
        signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR2)
    loop.run()
    assert got == [signal.SIGUSR1]


def test_an_exit_survives_a_wake_up_pipe_that_is_full(loop: Loop) -> None:
    loop.on_signal(signal.SIGUSR1, lambda _: None)
    for _ in range(70_000):
        signal.raise_signal(signal.SIGUSR1)
    pid = start("true")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert collect(loop, 1)[0].pid == pid


def test_close_gives_handlers_and_masks_back() -> None:
    def mine(signum: int, frame: object) -> None:
        raise AssertionError("not called")

    before = signal.signal(signal.SIGUSR1, mine)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        loop = Loop()
        loop.on_signal(signal.SIGUSR1, lambda _: None)
        loop.on_signal(signal.SIGUSR2, lambda _: loop.stop())
        loop.on_child(lambda _: None)
        os.kill(os.getpid(), signal.SIGUSR2)  # blocked when we were started, and heard all the same
        loop.run()
        loop.close()
        assert signal.getsignal(signal.SIGUSR1) is mine
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        assert signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGUSR1, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})


def test_loops_follow_each_other_and_each_hears_its_own() -> None:
    def live() -> None:
        loop = Loop()
        loop.on_signal(signal.SIGUSR1, lambda _: loop.stop())
        os.kill(os.getpid(), signal.SIGUSR1)
        loop.run()
        loop.close()

    for _ in range(20):
        live()


def test_a_held_signal_that_a_loop_has_noted_and_not_told_is_told_by_the_next() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        first = Loop()
        first.on_signal(signal.SIGUSR1, lambda _: None)
        first.call_soon(first.stop)
        first.run()
        os.kill(os.getpid(), signal.SIGUSR1)  # it has ended, and is not closed yet
        first.close()
        got: list[int] = []
        second = Loop()
        second.on_signal(signal.SIGUSR1, got.append)
        second.call_later(0.01, second.stop)
        second.run()
        second.close()
        assert got == [signal.SIGUSR1]
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})


# --- children ------------------------------------------------------------------------------------------------------


def test_an_exit_tells_its_code(loop: Loop) -> None:
    pid = start("sh", "-c", "exit 7")
    assert collect(loop, 1) == [ChildEvent(pid, "exited", code=7)]


def test_a_death_by_signal_tells_the_signal(loop: Loop) -> None:
    pid = start("sh", "-c", "kill -TERM $$")
    assert collect(loop, 1) == [ChildEvent(pid, "exited", signal=signal.SIGTERM)]


def test_stops_and_continuations_are_told(loop: Loop) -> None:
    pid = start("sleep", "100")
    events: list[ChildEvent] = []
    answers = {"stopped": signal.SIGCONT, "continued": signal.SIGKILL}

    def note(event: ChildEvent) -> None:
        events.append(event)
        if event.kind == "exited":
            loop.stop()
        else:
            os.kill(pid, answers[event.kind])

    loop.on_child(note)
    os.kill(pid, signal.SIGSTOP)
    loop.run()
    assert events == [
        ChildEvent(pid, "stopped", signal=signal.SIGSTOP),
        ChildEvent(pid, "continued"),
        ChildEvent(pid, "exited", signal=signal.SIGKILL),
    ]


def test_who_ended_before_anybody_listened_is_told_too(loop: Loop) -> None:
    pid = start("true")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert collect(loop, 1) == [ChildEvent(pid, "exited", code=0)]


@pytest.mark.alone
def test_a_thousand_children_that_end_at_once_are_all_reaped(loop: Loop) -> None:
    reader, writer = os.pipe()
    pids = [start("cat", stdin=reader) for _ in range(1000)]
    os.close(reader)
    loop.call_soon(lambda: os.close(writer))
    events = collect(loop, 1000)
    assert sorted(event.pid for event in events) == sorted(pids)
    assert all(event == ChildEvent(event.pid, "exited", code=0) for event in events)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_one_callback_that_fails_costs_no_other_child_its_news() -> None:
    loop = Loop(on_error=lambda text: None)
    told: list[int] = []

    def note(event: ChildEvent) -> None:
        told.append(event.pid)
        if len(told) == 5:
            loop.stop()
        raise LookupError

    loop.on_child(note)
    pids = [start("true") for _ in range(5)]
    loop.run()
    loop.close()
    assert sorted(told) == sorted(pids)
    assert loop.figures["errors"] == 5


def test_a_program_that_dies_as_soon_as_it_is_started_again_starves_nobody(loop: Loop) -> None:
    starts = 0

    def again(event: ChildEvent) -> None:
        nonlocal starts
        starts += 1
        if starts < 200:
            start("true")

    loop.on_child(again)
    start("true")
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(loop.now())
        if starts < 200:
            loop.call_later(0.001, tick)
        else:
            loop.stop()

    tick()
    loop.run()
    assert len(ticks) > 20


def test_orphans_handed_to_us_are_reaped_like_children() -> None:
    """In a process of its own, which becomes a subreaper; the grandchild outlives its parent."""
    script = """
import ctypes, os, subprocess
from tmd.posix.loop import Loop
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
loop, codes = Loop(), []
def note(event):
    codes.append(event.code)
    if len(codes) == 2:
        loop.stop()
loop.on_child(note)
child = subprocess.Popen(["sh", "-c", "(read x; exit 9) < /dev/null & exit 3"])
child.returncode = 0
loop.call_later(5, loop.stop)
loop.run()
loop.close()
print(sorted(codes))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[3, 9]\n"


def test_what_was_inherited_from_a_careless_parent_is_undone() -> None:
    script = """
import signal, subprocess
from tmd.posix.signals import reset_inherited
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
reset_inherited()
subprocess.run(["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"])
"""
    careless = ["sh", "-c", 'trap \'\' HUP INT TERM USR2; exec "$0" -c "$1"', sys.executable, script]
    done = subprocess.run(careless, cwd=ROOT, capture_output=True, text=True, check=True)
    masks = done.stdout.split()
    assert masks[::2] == ["SigBlk:", "SigIgn:"]
    assert [int(mask, 16) & ~GLIBC_OWN for mask in masks[1::2]] == [0, 0]
