"""Which process a number stands for."""

import os
import signal
import subprocess
import time

import pytest

from tests.support import eventually
from tmd.posix import identity
from tmd.posix.identity import Births, began_at, boot_id, glimpse, is_same, ticks_of


def test_a_process_is_known_by_its_number_and_the_moment_it_began() -> None:
    before = time.time()
    child = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        assert is_same(child.pid, before)
        assert not is_same(child.pid, before - 60), "another that had the number before"
    finally:
        child.kill()
        child.wait()
    assert not is_same(child.pid, before)


def test_one_that_has_ended_and_was_not_reaped_is_no_process() -> None:
    child = subprocess.Popen(["/bin/true"])
    eventually(lambda: began_at(child.pid) is None, 20)
    child.wait()


def test_our_own_beginning_is_in_the_past() -> None:
    began = began_at(os.getpid())
    assert began is not None
    assert began <= time.time() + 2


def test_a_glimpse_tells_what_a_process_is_doing_and_how_it_has_ended() -> None:
    child = subprocess.Popen(["/bin/sh", "-c", "read x; exit 9"], stdin=subprocess.PIPE, process_group=0)
    try:
        seen = glimpse(child.pid)
        assert seen is not None
        assert (seen.alive, seen.suspended, seen.status) == (True, False, None)
        assert (seen.ppid, seen.group, seen.session) == (os.getpid(), child.pid, os.getsid(0))
        assert seen.ticks == ticks_of(child.pid) > 0
        os.kill(child.pid, signal.SIGSTOP)
        eventually(lambda: (now := glimpse(child.pid)) is not None and now.suspended, 20)
        os.kill(child.pid, signal.SIGCONT)
        assert child.stdin is not None
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        ended = glimpse(child.pid)
        assert ended is not None
        assert (ended.alive, ended.status, ended.ticks) == (False, 9 << 8, seen.ticks)
    finally:
        child.kill()
        child.wait()
    assert (glimpse(child.pid), ticks_of(child.pid)) == (None, 0)


def test_this_start_of_the_machine_has_a_name() -> None:
    assert boot_id() == boot_id() != ""


class Kernel:
    """What /proc says of newborns, how often it was asked, and what time it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tick, self.ahead, self.asked = 1000, 0, 0
        monkeypatch.setattr(identity, "ticks_of", self._ticks_of)
        monkeypatch.setattr(Births, "now", lambda births: self.tick)

    def _ticks_of(self, pid: int) -> int:
        self.asked += 1
        return self.tick + self.ahead


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_a_birth_is_known_by_the_clock_once_the_kernel_has_agreed(kernel: Kernel) -> None:
    births = Births()
    for _ in range(5):
        kernel.tick += 7
        assert births.ticks_of(1, births.now()) == kernel.tick
    assert kernel.asked == 1


def test_where_the_kernel_counts_otherwise_it_is_asked_each_time(kernel: Kernel) -> None:
    kernel.ahead = 3
    births = Births()
    for _ in range(5):
        assert births.ticks_of(1, births.now()) == kernel.tick + 3
    assert kernel.asked >= 5
    kernel.ahead = 0
    kernel.asked = 0
    assert births.ticks_of(1, births.now()) == kernel.tick
    assert kernel.asked == 1, "agreeing later, by chance, it is not believed"


def test_a_birth_that_took_longer_than_a_tick_is_asked_about(kernel: Kernel) -> None:
    births = Births()
    assert births.ticks_of(1, births.now()) == kernel.tick
    before = births.now()
    kernel.tick += 1
    kernel.ahead = -1
    assert births.ticks_of(1, before) == before
    assert kernel.asked == 2


def test_the_clock_of_births_is_that_of_the_kernel() -> None:
    births = Births()
    for _ in range(3):
        before = births.now()
        child = subprocess.Popen(["/bin/sleep", "1000"])
        try:
            assert births.ticks_of(child.pid, before) == ticks_of(child.pid)
            assert before <= ticks_of(child.pid) <= births.now()
        finally:
            child.kill()
            child.wait()
