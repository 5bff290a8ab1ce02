"""Reaping: what the kernel has to tell about our children, orphans handed to us included.

Knows pids and wait statuses, not whose they are.
"""

import os
from typing import Literal

import msgspec

WAIT_FLAGS = os.WNOHANG | os.WUNTRACED | os.WCONTINUED


class ChildEvent(msgspec.Struct, frozen=True, eq=False):
    """Something happened to a process. An exit carries `code` or `signal`, a stop the `signal` that stopped it.

    An exit with neither: it was not ours to reap, and the kernel does not tell how it ended.
    """

    pid: int
    kind: Literal["exited", "stopped", "continued"]
    code: int | None = None
    signal: int | None = None
    core: bool = False
    cpu_s: float = 0.0
    """of an exit: processor time it used, and its children that it waited for; no two lives have the same"""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChildEvent) and self._what == other._what

    def __hash__(self) -> int:
        return hash(self._what)

    @property
    def _what(self) -> tuple[object, ...]:
        return self.pid, self.kind, self.code, self.signal, self.core


def reap(at_most: int) -> list[ChildEvent]:
    """Collect what happened to children without waiting. As many as `at_most`: there may be more."""
    events: list[ChildEvent] = []
    while len(events) < at_most:
        try:
            pid, status, usage = os.wait4(-1, WAIT_FLAGS)
        except ChildProcessError:
            break
        if pid == 0:
            break
        events.append(decoded(pid, status, usage.ru_utime + usage.ru_stime))
    return events


def decoded(pid: int, status: int, cpu_s: float = 0.0) -> ChildEvent:
    """Return what a wait status says."""
    if os.WIFEXITED(status):
        return ChildEvent(pid, "exited", code=os.WEXITSTATUS(status), cpu_s=cpu_s)
    if os.WIFSIGNALED(status):
        return ChildEvent(pid, "exited", signal=os.WTERMSIG(status), core=os.WCOREDUMP(status), cpu_s=cpu_s)
    if os.WIFSTOPPED(status):
        return ChildEvent(pid, "stopped", signal=os.WSTOPSIG(status))
    return ChildEvent(pid, "continued")
