"""Errands: short-lived helper programs that are run from a thread other than the loop's.

The loop reaps every child of this process, whoever started it. So the end of an errand may be learned by the loop or by
the thread that waits for it, and whoever is first, its status arrives. Promises that an errand is over when its time
is: what still runs then is killed, and its group with it.
"""

import errno
import os
import select
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tmd.posix import brands

if TYPE_CHECKING:
    import subprocess

STEP_S = 0.02
"""between two looks at whether it has ended"""
MAX_OUTPUT = 4096
"""bytes of its output that are kept"""
KILL_GRACE_S = 1.0
"""how long the end of one that was killed is waited for"""
START_GRACE_S = 0.5
"""how long one that is just being started may take to have a pid that can be killed"""


class Ended(NamedTuple):
    """How an errand went. `returncode`: as `subprocess` has it, None when it was killed for being too slow."""

    returncode: int | None
    output: bytes
    """the beginning of what it wrote to stdout and stderr"""


class Errands:
    """All errands of one daemon. The sets are touched by several threads, one operation at a time."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._starting: list[object] = []
        """a mark for each that has no pid yet"""
        self._barred = False
        """no errand may start"""
        self._ends: dict[int, int] = {}
        """pid -> status, as reaped by the loop; kept for as long as anybody waits"""

    @property
    def out(self) -> int:
        """How many run."""
        return len(self._running)

    def run(self, argv: Sequence[str], text: bytes, timeout_s: float, directory: str = "/") -> Ended:
        """Run a program with `text` as its stdin and wait for its end; raises OSError when it cannot be started.

        `argv[0]` is the path. It has a process group of its own, and the environment of this process.
        """
        ours, theirs = os.pipe()
        stdin = os.memfd_create("errand", os.MFD_CLOEXEC)
        mark = object()
        self._starting.append(mark)
        try:
            import subprocess  # noqa: PLC0415 - most daemons never send anybody

            if self._barred:
                raise OSError(errno.ECANCELED, "tmd goes down")
            os.set_blocking(ours, False)
            _write_all(stdin, text)
            child = subprocess.Popen(argv, stdin=stdin, stdout=theirs, stderr=theirs, cwd=directory, process_group=0)
            brands.clean(child.pid)  # the loop may have been starting a program this very moment
            self._running.add(child.pid)
            os.close(theirs)
            theirs = -1
            try:
                return self._wait(child, ours, time.monotonic() + timeout_s)
            finally:
                self._running.discard(child.pid)
        finally:
            self._starting.remove(mark)
            if not self._starting:
                self._ends.clear()
            for fd in (ours, theirs, stdin):
                if fd >= 0:
                    os.close(fd)

    def reaped(self, pid: int, returncode: int) -> bool:
        """Take note of a child that the loop has reaped and nobody else knows; tell whether it may be an errand.

        It may be one that just started, whose pid is not known yet.
        """
        if not self._starting:
            return False
        self._ends[pid] = returncode
        return pid in self._running or len(self._running) < len(self._starting)

    def bar(self) -> None:
        """Kill what is still out and refuse whatever comes: nobody will be there to do it when its time is over."""
        self._barred = True
        ends_at = time.monotonic() + START_GRACE_S
        while True:
            unborn = len(self._running) < len(self._starting)
            for pid in list(self._running):
                if pid not in self._ends:
                    _kill(pid)
            if not unborn or time.monotonic() >= ends_at:
                return
            time.sleep(0.001)

    def _wait(self, child: "subprocess.Popen[bytes]", out: int, ends_at: float) -> Ended:
        output = bytearray()
        talks, killed = True, False
        while True:
            if talks:
                talks = _listen(out, output, STEP_S)
            else:
                time.sleep(STEP_S)
            returncode = self._ended(child)
            if returncode is not None:
                child.returncode = returncode  # or the library would wait for it, and may get another's end
                if talks:
                    _listen(out, output, 0)
                return Ended(None if killed else returncode, bytes(output))
            if time.monotonic() < ends_at:
                continue
            if killed:
                child.returncode = -signal.SIGKILL  # not even this ends it now; the loop reaps it some day
                return Ended(None, bytes(output))
            killed = True
            ends_at = time.monotonic() + KILL_GRACE_S
            _kill(child.pid)

    def _ended(self, child: "subprocess.Popen[bytes]") -> int | None:
        returncode = self._ends.pop(child.pid, None)
        if returncode is not None:
            return returncode
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:
            return None  # the loop was first, and its word is on the way
        return os.waitstatus_to_exitcode(status) if pid else None


def _write_all(fd: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)


def _listen(out: int, output: bytearray, wait_s: float) -> bool:
    """Take what it wrote, waiting a moment for it; returns whether there may be more."""
    poll = select.poll()  # `select` knows no descriptors above 1023
    poll.register(out, select.POLLIN)
    if not poll.poll(wait_s * 1000):
        return True
    data = os.read(out, 65536)
    output += data[: MAX_OUTPUT - len(output)]
    return bool(data)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # it has ended meanwhile
