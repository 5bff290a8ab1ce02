"""Which process a number stands for."""

import os
import signal
import subprocess
import time

from tests.support import eventually
from tmd.posix.identity import began_at, boot_id, glimpse, is_same, ticks_of


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
