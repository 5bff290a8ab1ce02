"""How many answers a second a running subject gives: over one kept connection, a connection per call, or fifty.

The fifty are kept by as many processes, each of which asks again as soon as it has its answer: threads of one
interpreter would measure how they take turns.
"""

import mmap
import os
import signal
import struct
import time
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from bench.measurements.running import Broken, settle
from bench.subjects.base import Rpc, Subject

Call = Callable[[Rpc], object]
"""what is asked"""

CONNECTIONS = 50
_CONNECTED_WITHIN_S = 30.0
_PATIENCE_S = 3.0
"""how much longer than the time given answers are waited for"""
_FIRST_WITHIN_S = 90.0
_SLOT = struct.Struct("=qqq")
"""of each of the fifty: whether it is connected, answers, when the last came"""


class Crowd(NamedTuple):
    """What fifty were answered."""

    rate: float
    """answers a second"""
    stuck: bool
    """answers were due long after the time was over: the subject may be busy with them for long"""


def kept(subject: Subject, call: Call, seconds: float) -> float:
    """Ask over one kept connection for that long, once at least; return the answers a second."""
    rpc = subject.rpc()
    try:
        return _rate(lambda: call(rpc), seconds)
    finally:
        rpc.close()


def each(subject: Subject, call: Call, seconds: float) -> float:
    """Ask for that long, once at least, over a new connection each time; return the answers a second."""

    def once() -> None:
        rpc = subject.rpc()
        try:
            call(rpc)
        finally:
            rpc.close()

    return _rate(once, seconds)


def _rate(ask: Callable[[], object], seconds: float) -> float:
    began = now = time.monotonic()
    answers = 0
    while now < began + seconds:
        ask()
        answers += 1
        now = time.monotonic()
    return answers / (now - began)


def many(subject: Subject, call: Call, seconds: float) -> Crowd:
    """Ask over fifty kept connections for that long, until the first answer at least.

    Raises `Broken` when one of them fails or none is answered.
    """
    slots = _Slots()
    told, tell = os.pipe()
    go, hold = os.pipe()
    pids: list[int] = []
    try:
        for number in range(CONNECTIONS):
            pid = os.fork()
            if pid == 0:
                os.close(hold)
                _be_one(subject, call, seconds, slots, number, go, tell)
            pids.append(pid)
        os.close(tell)
        os.set_blocking(told, False)
        _wait(lambda: slots.connected() == CONNECTIONS, _CONNECTED_WITHIN_S, told)
        began_ns = time.monotonic_ns()
        os.close(hold)
        hold = -1
        settle(seconds)
        _wait(lambda: slots.answers() > 0, _FIRST_WITHIN_S, told)
        stuck = not _ended(pids, _PATIENCE_S)
        _raise_what_is(told)
        return Crowd(slots.answers() / (slots.last_ns() - began_ns) * 1e9, stuck)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for fd in (told, go, *([hold] if hold >= 0 else ())):
            os.close(fd)
        slots.close()


class _Slots:
    """What the fifty write and we read, in memory that all of them share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, CONNECTIONS * _SLOT.size)

    def write(self, number: int, answers: int) -> None:
        """Note that one is connected, and how many answers it has as of now."""
        _SLOT.pack_into(self._memory, number * _SLOT.size, 1, answers, time.monotonic_ns())

    def connected(self) -> int:
        return sum(connected for connected, _, _ in _SLOT.iter_unpack(self._memory))

    def answers(self) -> int:
        return sum(answers for _, answers, _ in _SLOT.iter_unpack(self._memory))

    def last_ns(self) -> int:
        last: int = max(at_ns for _, answers, at_ns in _SLOT.iter_unpack(self._memory) if answers)
        return last

    def close(self) -> None:
        self._memory.close()


def _be_one(subject: Subject, call: Call, seconds: float, slots: _Slots, number: int, go: int, tell: int) -> NoReturn:
    """Be one of the fifty: connect, wait for the end of the pipe `go`, ask; tell what went wrong."""
    try:
        rpc = subject.rpc()
        slots.write(number, 0)
        os.read(go, 1)
        deadline = time.monotonic() + seconds
        answers = 0
        while time.monotonic() < deadline:
            call(rpc)
            answers += 1
            slots.write(number, answers)
    except Exception as error:  # noqa: BLE001 - the border of a process: its parent raises it
        os.write(tell, f"{type(error).__name__}: {error}\n".encode()[:512])
    finally:
        os._exit(0)


def _wait(reached: Callable[[], bool], within_s: float, told: int) -> None:
    deadline = time.monotonic() + within_s
    while not reached():
        _raise_what_is(told)
        if time.monotonic() > deadline:
            raise Broken(f"does not answer {CONNECTIONS} connections within {within_s:g} s")
        settle(0.005)


def _raise_what_is(told: int) -> None:
    try:
        trouble = os.read(told, 512)
    except BlockingIOError:
        return
    if trouble:
        raise Broken(f"one of {CONNECTIONS} connections failed: {trouble.decode(errors='replace').splitlines()[0]}")


def _ended(pids: list[int], within_s: float) -> bool:
    """Wait until all have ended, without taking their statuses; returns whether they have."""
    deadline = time.monotonic() + within_s
    for pid in pids:
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > deadline:
                return False
            settle(0.002)
    return True
