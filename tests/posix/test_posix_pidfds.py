"""Processes that are not our children: watched, signalled, their ends told."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.harness import ROOT
from tests.support import eventually
from tmd.posix import pidfds
from tmd.posix.identity import glimpse, ticks_of
from tmd.posix.loop import ChildEvent, Loop
from tmd.posix.pidfds import Gone, Strangers

NURSE = """
import os, subprocess, sys
child = subprocess.Popen(["/bin/sh", "-c", sys.argv[1]], process_group=0)
print(child.pid, flush=True)
sys.stdin.readline()
child.wait()
"""


class Nurse:
    """Somebody else's process: its parent is not us, and reaps it when it is told to."""

    def __init__(self, command: str) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-S", "-c", NURSE, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._parent.stdout is not None
        self.pid = int(self._parent.stdout.readline())
        self.ticks = ticks_of(self.pid)

    def reap(self) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.write(b"\n")
        self._parent.stdin.flush()
        self._parent.wait()

    def close(self) -> None:
        if self._parent.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.reap()
        for pipe in (self._parent.stdin, self._parent.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def nursed() -> Iterator[Callable[[str], Nurse]]:
    nurses: list[Nurse] = []

    def start(command: str) -> Nurse:
        nurses.append(Nurse(command))
        return nurses[-1]

    yield start
    for nurse in nurses:
        nurse.close()


class Watching:
    def __init__(self) -> None:
        self.loop = Loop()
        self.told: list[ChildEvent] = []
        self.on_told: Callable[[], object] = lambda: None
        self.strangers = Strangers(self.loop, self._tell)

    def _tell(self, event: ChildEvent) -> None:
        self.told.append(event)
        self.on_told()
        self.loop.stop()

    def until_told(self, *, of_pauses: bool = False) -> ChildEvent:
        """Return the next event; of pauses only if that is asked for."""
        end = time.monotonic() + 20
        while True:
            while self.told:
                event = self.told.pop(0)
                if of_pauses or event.kind == "exited":
                    return event
            late = self.loop.call_at(end, self.loop.stop)
            self.loop.run()
            late.cancel()
            assert time.monotonic() < end, "nothing was told"


@pytest.fixture
def watching() -> Iterator[Watching]:
    before = len(os.listdir("/proc/self/fd"))
    made = Watching()
    yield made
    made.strangers.close()
    made.loop.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_an_end_is_told_with_its_exit_status(watching: Watching, nursed: Callable[[str], Nurse]) -> None:
    nurse = nursed("read x < /dev/null; sleep 0.1; exit 7")
    watching.strangers.watch(nurse.pid, nurse.ticks)
    assert nurse.pid in watching.strangers
    assert watching.until_told() == ChildEvent(nurse.pid, "exited", code=7)
    assert len(watching.strangers) == 0


def test_a_signal_reaches_it_and_its_death_is_told(watching: Watching, nursed: Callable[[str], Nurse]) -> None:
    nurse = nursed("exec sleep 1000")
    watching.strangers.watch(nurse.pid, nurse.ticks)
    watching.strangers.signal(nurse.pid, signal.SIGTERM, whole_group=False)
    assert watching.until_told() == ChildEvent(nurse.pid, "exited", signal=signal.SIGTERM)


def _of_group(group: int) -> list[int]:
    found = ((int(name), glimpse(int(name))) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid, seen in found if seen is not None and seen.group == group and seen.alive]


@pytest.mark.parametrize("kernel", ["new", "old", "without"])
def test_a_signal_reaches_the_whole_group(
    kernel: str, watching: Watching, nursed: Callable[[str], Nurse], monkeypatch: pytest.MonkeyPatch
) -> None:
    if kernel == "old":
        really = signal.pidfd_send_signal

        def limited(fd: int, signum: int, info: None = None, flags: int = 0) -> None:
            if flags:
                raise OSError(22, "Invalid argument")
            really(fd, signum)

        monkeypatch.setattr(signal, "pidfd_send_signal", limited)
    elif kernel == "without":
        monkeypatch.setattr(pidfds, "POLL_S", 0.01)

        def missing(_: int) -> int:
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(os, "pidfd_open", missing)
    nurse = nursed("sleep 1000 & sleep 1000 & wait")
    eventually(lambda: len(_of_group(nurse.pid)) == 3, 20)
    watching.strangers.watch(nurse.pid, nurse.ticks)
    watching.strangers.signal(nurse.pid, signal.SIGKILL, whole_group=True)
    assert watching.until_told() == ChildEvent(nurse.pid, "exited", signal=signal.SIGKILL)
    eventually(lambda: not _of_group(nurse.pid), 20)


def test_one_that_was_reaped_already_still_tells_how_it_ended(
    watching: Watching, nursed: Callable[[str], Nurse]
) -> None:
    nurse = nursed("exec sleep 1000")
    watching.strangers.watch(nurse.pid, nurse.ticks)
    os.kill(nurse.pid, signal.SIGKILL)
    nurse.reap()
    watching.strangers.signal(nurse.pid, signal.SIGTERM, whole_group=False)  # gone: no error
    told = watching.until_told()
    # Kernels from 6.15 on tell.
    assert told in (ChildEvent(nurse.pid, "exited", signal=signal.SIGKILL), ChildEvent(nurse.pid, "exited"))


def test_who_has_ended_before_is_told_by_what_is_left(watching: Watching, nursed: Callable[[str], Nurse]) -> None:
    nurse = nursed("exit 3")
    eventually(lambda: (seen := glimpse(nurse.pid)) is not None and not seen.alive, 20)
    with pytest.raises(Gone) as gone:
        watching.strangers.watch(nurse.pid, nurse.ticks)
    assert gone.value.event == ChildEvent(nurse.pid, "exited", code=3)
    nurse.reap()
    with pytest.raises(Gone) as gone:
        watching.strangers.watch(nurse.pid, nurse.ticks)
    assert gone.value.event == ChildEvent(nurse.pid, "exited")
    assert nurse.pid not in watching.strangers


def test_another_process_of_the_same_number_is_a_stranger(watching: Watching, nursed: Callable[[str], Nurse]) -> None:
    nurse = nursed("exec sleep 1000")
    with pytest.raises(Gone):
        watching.strangers.watch(nurse.pid, nurse.ticks - 1)


def test_the_end_of_a_child_of_ours_is_left_to_whoever_reaps(watching: Watching) -> None:
    child = subprocess.Popen(["/bin/sleep", "1000"])
    watching.strangers.watch(child.pid, ticks_of(child.pid))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    watching.loop.call_later(0.05, watching.loop.stop)
    watching.loop.run()
    assert not [event for event in watching.told if event.kind == "exited"]
    assert child.pid not in watching.strangers
    assert child.wait() == -signal.SIGKILL


def test_pauses_are_told_at_first_and_after_signals(watching: Watching, nursed: Callable[[str], Nurse]) -> None:
    nurse = nursed("exec sleep 1000")
    os.kill(nurse.pid, signal.SIGSTOP)
    eventually(lambda: (seen := glimpse(nurse.pid)) is not None and seen.suspended, 20)
    watching.strangers.watch(nurse.pid, nurse.ticks)
    assert watching.until_told(of_pauses=True) == ChildEvent(nurse.pid, "stopped")
    watching.strangers.signal(nurse.pid, signal.SIGCONT, whole_group=False)
    assert watching.until_told(of_pauses=True) == ChildEvent(nurse.pid, "continued")
    watching.strangers.signal(nurse.pid, signal.SIGSTOP, whole_group=False)
    assert watching.until_told(of_pauses=True) == ChildEvent(nurse.pid, "stopped")


def test_while_an_end_is_told_what_is_left_of_the_group_can_be_killed(
    watching: Watching, nursed: Callable[[str], Nurse]
) -> None:
    nurse = nursed("sleep 1000 & read x < /dev/zero")
    eventually(lambda: len(_of_group(nurse.pid)) == 2, 20)
    watching.strangers.watch(nurse.pid, nurse.ticks)
    watching.on_told = lambda: watching.strangers.signal(nurse.pid, signal.SIGKILL, whole_group=True)
    os.kill(nurse.pid, signal.SIGKILL)
    watching.until_told()
    eventually(lambda: not _of_group(nurse.pid), 20)


def test_a_signal_to_whoever_is_meant_and_nobody_else(nursed: Callable[[str], Nurse]) -> None:
    nurse = nursed("exec sleep 1000")
    assert not pidfds.kill(nurse.pid, nurse.ticks - 1, signal.SIGKILL, whole_group=True)
    assert glimpse(nurse.pid) is not None
    assert pidfds.kill(nurse.pid, nurse.ticks, signal.SIGKILL, whole_group=True)
    eventually(lambda: not _of_group(nurse.pid), 20)
    assert not pidfds.kill(nurse.pid, nurse.ticks, signal.SIGKILL, whole_group=False)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EMFILE, errno.EPERM])
def test_without_a_pidfd_the_end_is_noticed_all_the_same(
    number: int, watching: Watching, nursed: Callable[[str], Nurse], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", missing)
    monkeypatch.setattr(pidfds, "POLL_S", 0.01)
    nurse = nursed("exec sleep 1000")
    watching.strangers.watch(nurse.pid, nurse.ticks)
    watching.strangers.signal(nurse.pid, signal.SIGTERM, whole_group=False)
    assert watching.until_told() == ChildEvent(nurse.pid, "exited", signal=signal.SIGTERM)


WITHIN = """
import errno, os, signal, subprocess, sys
from tmd.posix import pidfds
from tmd.posix.identity import ticks_of

leader = os.getpgrp()
assert leader == os.getppid()
if sys.argv[1] == "old":
    def none(_pid):
        raise OSError(errno.ENOSYS, "no pidfds")
    os.pidfd_open = none
other = subprocess.Popen(["sleep", "100"])
stranger = pidfds._Stranger(leader, ticks_of(leader), None if sys.argv[1] == "old" else os.pidfd_open(leader))
stranger.signal(signal.SIGTERM, True)
assert other.wait() == -signal.SIGTERM
print("here", flush=True)
"""


@pytest.mark.parametrize("kernel", ["old", "new"])
def test_a_signal_to_a_group_that_we_are_in_spares_us(kernel: str) -> None:
    command = ["sh", "-c", '"$@"; true', "sh", sys.executable, "-c", WITHIN, kernel]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, cwd=ROOT) as leader:
        assert leader.stdout is not None
        assert leader.stdout.readline() == b"here\n"
        assert leader.wait(20) == -signal.SIGTERM
