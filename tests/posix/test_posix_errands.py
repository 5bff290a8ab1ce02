"""Helper programs run from a thread: their end is learned whoever reaps them, and they are over in time."""

import os
import threading
import time
from pathlib import Path

import pytest

from tests.support import eventually
from tmd.posix.errands import MAX_OUTPUT, Errands
from tmd.posix.loop import ChildEvent, Loop

SH = "/bin/sh"


def test_it_gets_its_text_and_its_end_is_told() -> None:
    errands = Errands()
    ended = errands.run([SH, "-c", "cat; echo trouble >&2; exit 3"], b"hello\n" * 3, 20)
    assert ended == (3, b"hello\n" * 3 + b"trouble\n")


def test_a_signal_is_a_negative_number() -> None:
    errands = Errands()
    assert errands.run([SH, "-c", "kill -TERM $$"], b"", 20).returncode == -15


def test_a_text_that_nobody_reads_does_no_harm() -> None:
    errands = Errands()
    assert errands.run(["/bin/true"], b"x" * 1_000_000, 20) == (0, b"")


def test_what_cannot_be_started_is_an_error() -> None:
    errands = Errands()
    with pytest.raises(FileNotFoundError):
        errands.run(["/nowhere/at/all"], b"", 20)


def test_one_that_never_ends_is_killed_with_its_group(tmp_path: Path) -> None:
    errands = Errands()
    began = time.monotonic()
    ended = errands.run([SH, "-c", f"sleep 1000 & echo $! > {tmp_path}/pid; echo so far; wait"], b"", 0.5)
    assert ended == (None, b"so far\n")
    assert time.monotonic() - began < 10
    sleeper = int((tmp_path / "pid").read_text())
    eventually(lambda: not _alive(sleeper), what="the group is gone")


def test_what_is_out_can_be_ended_early() -> None:
    errands = Errands()
    codes: list[int | None] = []
    thread = threading.Thread(target=lambda: codes.append(errands.run(["/bin/sleep", "1000"], b"", 60).returncode))
    thread.start()

    eventually(lambda: errands.out, 20)
    errands.bar()
    thread.join(20)
    assert codes == [-9]
    with pytest.raises(OSError, match="tmd goes down"):
        errands.run(["/bin/true"], b"", 20)
    assert Errands().run(["/bin/true"], b"", 20).returncode == 0


def test_one_that_floods_is_heard_a_little_and_ends_in_time() -> None:
    errands = Errands()
    ended = errands.run([SH, "-c", "exec yes"], b"", 0.3)
    assert (ended.returncode, len(ended.output)) == (None, MAX_OUTPUT)


def test_one_that_closes_its_output_is_waited_for_all_the_same() -> None:
    errands = Errands()
    assert errands.run([SH, "-c", "exec >&- 2>&-; sleep 0.1; exit 4"], b"", 20) == (4, b"")


def test_what_it_leaves_behind_does_not_hold_it_up(tmp_path: Path) -> None:
    errands = Errands()
    began = time.monotonic()
    ended = errands.run([SH, "-c", f"sleep 1000 & echo $! > {tmp_path}/pid; exit 0"], b"", 20)
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert (ended.returncode, time.monotonic() - began < 10) == (0, True)


def test_a_loop_that_reaps_everything_takes_no_end_away() -> None:
    errands = Errands()
    """The loop is often the first to learn of an end, sometimes before the errand has a pid for us."""
    loop = Loop()
    strangers: list[int] = []
    codes: list[int | None] = []

    def child(event: ChildEvent) -> None:
        status = event.code if event.code is not None else -(event.signal or 0)
        if event.kind == "exited" and not errands.reaped(event.pid, status):
            strangers.append(event.pid)

    def work() -> None:
        for number in range(40):
            codes.append(errands.run([SH, "-c", f"exit {number}"], b"", 20).returncode)
        loop.post(loop.stop)

    loop.on_child(child)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        loop.run()
    finally:
        thread.join()
        loop.close()
    assert codes == list(range(40))
    assert strangers == []


def test_children_of_others_are_none_of_its_business() -> None:
    errands = Errands()
    assert not errands.reaped(4242, 0)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
