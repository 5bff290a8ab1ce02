"""Processes that are not our children: how they end is learnt and signals are sent through a pidfd.

Promises that a descriptor stands for one process for all time, so that no signal ever reaches a stranger that was
given its number, nor us ourselves as one of a group; and that an end is told once, with how it ended where the kernel
tells (PIDFD_GET_INFO, Linux 6.15, or what is left of it in /proc until its parent has reaped it). The kernel tells
nobody but a parent of pauses: they are noticed at first and after each signal of ours. Knows nothing of what the
processes are for.
"""

import errno
import fcntl
import os
import signal
import struct
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tmd.posix.descendants import strike
from tmd.posix.identity import Glimpse, glimpse
from tmd.posix.loop import Loop, Timer
from tmd.posix.reaping import ChildEvent, decoded

LOOK_S = 0.02
"""how long after a signal it is looked whether the process is suspended, or goes on"""
POLL_S = 1.0
"""how often a process is looked at where the kernel has no pidfd for it"""
_GET_INFO = 0xC040FF0B
_INFO = struct.Struct("<QQIIIIIIIIIIIi")
_INFO_EXIT = 1 << 3
_WHOLE_GROUP = 1 << 2
"""flag of pidfd_send_signal(2), Linux 6.9"""


class Gone(Exception):
    """The process that was meant is no more, or never was; what is known of its end is in `event`."""

    def __init__(self, event: ChildEvent) -> None:
        self.event = event
        super().__init__(f"process {event.pid} is no more")


class StrangerState(NamedTuple):
    """A process that is watched, as another one goes on with it. `fd`: its pidfd, None where the kernel gives none."""

    ticks: int
    fd: int | None
    paused: bool | None


class Strangers:
    """Processes watched on a loop; `tell` gets one event about the end of each, and those about pauses.

    While `tell` hears of an end, what the process has left in its group can still be signalled.
    """

    def __init__(self, loop: Loop, tell: Callable[[ChildEvent], object]) -> None:
        self._loop, self._tell = loop, tell
        self._watched: dict[int, _Stranger] = {}
        self._held = False

    def __contains__(self, pid: int) -> bool:
        return pid in self._watched

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, pid: int, ticks: int) -> None:
        """Watch the process that has this number and began then. `Gone` when it has ended.

        Where no pidfd is to be had (an old kernel, too few descriptors) it is looked at now and then.
        """
        fd: int | None = None
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            raise Gone(ChildEvent(pid, "exited")) from None
        except (OSError, AttributeError):
            fd = None
        # Looked at once the descriptor is there: from now on the number cannot become another's unnoticed.
        found = glimpse(pid)
        stranger = _Stranger(pid, ticks, fd)
        if found is None or found.ticks != ticks:
            stranger.close()
            raise Gone(ChildEvent(pid, "exited"))
        if not found.alive:
            event = _end_of(stranger)
            stranger.close()
            raise Gone(event)
        self.forget(pid)
        self._watched[pid] = stranger
        self._loop.call_soon(partial(self._look_whether_paused, stranger))
        if fd is None:
            self._look_again(stranger)
        else:
            self._loop.watch(fd, readable=partial(self._ended, stranger))

    def signal(self, pid: int, signum: int, whole_group: bool) -> None:
        """Signal a process that is watched, or its group; one that is gone already is no error. OSError."""
        stranger = self._watched[pid]
        try:
            stranger.signal(signum, whole_group)
        except ProcessLookupError:
            return
        self._loop.call_later(LOOK_S, partial(self._look_whether_paused, stranger))

    def forget(self, pid: int) -> None:
        """Watch a process no longer: somebody else has told of its end. Known or not."""
        stranger = self._watched.pop(pid, None)
        if stranger is not None:
            self._let_go(stranger)

    def hold(self) -> None:
        """Tell nothing any more; signals go on."""
        for stranger in self._watched.values():
            if stranger.timer is not None:
                stranger.timer.cancel()
            if stranger.fd is not None:
                self._loop.unwatch(stranger.fd)
        self._held = True

    def state(self) -> dict[int, StrangerState]:
        """Return all of them, by pid, for another one to go on with."""
        return {pid: StrangerState(each.ticks, each.fd, each.paused) for pid, each in self._watched.items()}

    def take_over(self, pid: int, state: StrangerState) -> None:
        """Go on watching a process that somebody else has watched without a gap."""
        stranger = self._watched[pid] = _Stranger(pid, state.ticks, state.fd)
        stranger.paused = state.paused
        self._loop.call_soon(partial(self._look_whether_paused, stranger))
        if state.fd is None:
            self._look_again(stranger)
        else:
            self._loop.watch(state.fd, readable=partial(self._ended, stranger))

    def close(self) -> None:
        """Give up all of them; nothing is told any more."""
        for pid in list(self._watched):
            self.forget(pid)

    def _look_whether_paused(self, stranger: "_Stranger") -> None:
        watched = not self._held and self._watched.get(stranger.pid) is stranger
        found = stranger.look() if watched else None
        if found is not None and found.suspended is not stranger.paused:
            stranger.paused = found.suspended
            self._tell(ChildEvent(stranger.pid, "stopped" if found.suspended else "continued"))

    def _look_again(self, stranger: "_Stranger") -> None:
        if stranger.look() is None:
            self._loop.call_soon(partial(self._ended, stranger))
        else:
            stranger.timer = self._loop.call_later(POLL_S, partial(self._look_again, stranger))

    def _ended(self, stranger: "_Stranger") -> None:
        if self._held or self._watched.get(stranger.pid) is not stranger:
            return
        if stranger.is_ours:
            self.forget(stranger.pid)  # handed to us since, as to the reaper of our tree: reaping it tells
            return
        if stranger.fd is not None:
            self._loop.unwatch(stranger.fd)
        try:
            self._tell(_end_of(stranger))
        finally:
            self.forget(stranger.pid)

    def _let_go(self, stranger: "_Stranger") -> None:
        if stranger.timer is not None:
            stranger.timer.cancel()
        if stranger.fd is not None:
            self._loop.unwatch(stranger.fd)
        stranger.close()


class _Stranger:
    """One process; `fd` None: the kernel gives no pidfd."""

    def __init__(self, pid: int, ticks: int, fd: int | None) -> None:
        self.pid, self.ticks, self.fd = pid, ticks, fd
        self.timer: Timer | None = None
        self.paused: bool | None = None
        """as was told last; None: nothing was"""

    def look(self) -> Glimpse | None:
        """Return it as it is, None when it has ended."""
        found = glimpse(self.pid)
        return found if found is not None and found.ticks == self.ticks and found.alive else None

    @property
    def is_ours(self) -> bool:
        """Whether it is, ended and not reaped, a child of ours."""
        if self.fd is None:
            return False
        try:
            return os.waitid(os.P_PIDFD, self.fd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except OSError:
            return False

    def signal(self, signum: int, whole_group: bool) -> None:
        if self.fd is None:
            if self.look() is None:
                return
            self._by_number(signum, whole_group)
            return
        if not whole_group:
            signal.pidfd_send_signal(self.fd, signum)
            return
        if os.getpgrp() == self.pid:
            _signal_others(self.pid, signum)
            return
        try:
            signal.pidfd_send_signal(self.fd, signum, None, _WHOLE_GROUP)
        except OSError as why:
            if why.errno != errno.EINVAL:
                raise
            if self.look() is None:  # an older kernel: the group's number is safe for as long as its leader is there
                return
            self._by_number(signum, whole_group)

    def _by_number(self, signum: int, whole_group: bool) -> None:
        if whole_group and os.getpgrp() == self.pid:
            _signal_others(self.pid, signum)
        elif whole_group:
            os.killpg(self.pid, signum)
        else:
            os.kill(self.pid, signum)

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def _signal_others(group: int, signum: int) -> None:
    """Signal the members of a process group that we are in ourselves, all but us."""
    us = os.getpid()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == us:
            continue
        found = glimpse(int(name))
        if found is not None and found.group == group:
            strike({int(name): found}, signum)


def kill(pid: int, ticks: int, signum: int, *, whole_group: bool) -> bool:
    """Signal the process that has this number and began then, or its group; tell whether there was one. OSError."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    stranger = _Stranger(pid, ticks, fd)
    try:
        if stranger.look() is None:
            return False
        stranger.signal(signum, whole_group)
    except ProcessLookupError:
        return False
    finally:
        stranger.close()
    return True


def _end_of(stranger: _Stranger) -> ChildEvent:
    """Return how a process has ended, as far as the kernel tells: without code and signal where it does not."""
    pid = stranger.pid
    status = _reported(stranger.fd)
    if status is None:
        found = glimpse(pid)
        if found is not None and found.ticks == stranger.ticks and not found.alive:
            status = found.status
        else:
            status = _reported(stranger.fd)  # reaped between the two looks
    return ChildEvent(pid, "exited") if status is None else decoded(pid, status)


def _reported(fd: int | None) -> int | None:
    """Return the wait status of a process that was reaped; None where the kernel does not tell."""
    if fd is None:
        return None
    answer = bytearray(_INFO.size)
    struct.pack_into("<Q", answer, 0, _INFO_EXIT)
    try:
        fcntl.ioctl(fd, _GET_INFO, answer)
    except OSError:
        return None
    fields = _INFO.unpack(answer)
    return int(fields[-1]) & 0xFFFF if fields[0] & _INFO_EXIT else None
