"""Ending whatever a measurement started, by pid: every descendant of this process, however it is related.

Who is the reaper of its descendants (`adopt`) loses none of them, whatever sessions they made or parents they lost. A
supervisor that is killed among its programs starts some of them again before it goes, so they are looked for until
there are none.
"""

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36


class Process(NamedTuple):
    """One that was seen; the start tells it from another with the same pid."""

    pid: int
    parent: int
    start: int
    """ticks after boot"""
    state: str
    name: str


def adopt() -> None:
    """Have orphans below us handed to us. Raises OSError."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def end_with(parent: int) -> None:
    """Have a SIGTERM sent to us when `parent` ends; ends at once when it is gone already. Raises OSError."""
    _prctl(_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(143)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def process(pid: int) -> Process | None:
    """Look at a process; None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Process(pid, int(fields[1]), int(fields[19]), fields[0], head.partition("(")[2])


def descendants(root: int) -> list[Process]:
    """Return all processes below `root`, parents before their children, zombies too."""
    below: dict[int, list[Process]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (seen := process(int(entry))) is not None:
            below.setdefault(seen.parent, []).append(seen)
    found = list(below.get(root, ()))
    for seen in found:  # grows while it is walked
        found.extend(below.get(seen.pid, ()))
    return found


def reap() -> None:
    """Take the status of every child that has ended, ours or handed to us."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def end_all(grace_s: float = 0.0, deadline_s: float = 60.0) -> list[str]:
    """Kill every descendant of this process and take its status; those that end within the grace are not killed.

    Returns the names of those that had to be killed. Raises `TimeoutError` when some outlive SIGKILL.
    """
    began = time.monotonic()
    killed: dict[tuple[int, int], str] = {}
    pause_s = 0.001
    while True:
        reap()
        left = [seen for seen in descendants(os.getpid()) if seen.state not in "ZX"]
        waited_s = time.monotonic() - began
        if not left and not descendants(os.getpid()):
            return list(killed.values())
        if waited_s > deadline_s:
            raise TimeoutError(f"cannot end {', '.join(f'{seen.name} ({seen.pid})' for seen in left)}")
        if waited_s >= grace_s:
            for seen in left:
                if _kill(seen):
                    killed[seen.pid, seen.start] = seen.name
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.05)


def _kill(seen: Process) -> bool:
    """Kill a process, if it still is the one that was seen."""
    try:
        handle = os.pidfd_open(seen.pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        now = process(seen.pid)
        if now is None or now.start != seen.start:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True
