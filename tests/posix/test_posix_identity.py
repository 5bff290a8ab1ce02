"""Which process a number stands for."""

import os
import subprocess
import time

from tests.support import eventually
from tmd.posix.identity import began_at, is_same


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
