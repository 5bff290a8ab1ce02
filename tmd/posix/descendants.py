"""Descendants: who is whose child, and ending processes for good together with all they start meanwhile.

Reads what the kernel keeps for each process (`/proc/PID/task/TID/children`), so that a look costs as much as there are
children, not as there are processes. Promises that a signal reaches the process that was looked at or nobody: who is
meant is told by number and beginning; and that we ourselves are never among those found, nor what is below us, whoever
has started us. What has ended and was not reaped yet counts as gone.
"""

import errno
import os
import signal
from collections.abc import Callable, Iterable, Mapping

from tmd.posix.identity import Glimpse, glimpse

_CHUNK = 1 << 16
NAME_CHARS = 32


def listed() -> bytes | None:
    """Return the pids of the children of our main thread, each with a blank after it; None where /proc has no list.

    Orphans that are handed to us become children of that thread.
    """
    try:
        return _read(f"/proc/self/task/{os.getpid()}/children")
    except OSError:
        return None


def children_of(pid: int) -> list[int]:
    """Return the children of a process, of all its threads."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
        except FileNotFoundError:
            continue  # the thread has ended
        except OSError:
            return found
    return found


def all_children() -> list[int]:
    """Return our children by a look at every process there is: for kernels without lists of children."""
    us = os.getpid()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and (seen := glimpse(int(name))) is not None and seen.ppid == us:
            found.append(int(name))
    return found


def living(roots: Iterable[int]) -> dict[int, Glimpse]:
    """Return these processes and all below them, as far as they live."""
    found: dict[int, Glimpse] = {}
    seen = {os.getpid()}
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if pid in seen:
            continue
        seen.add(pid)
        looked = glimpse(pid)
        if looked is None:
            continue
        todo += children_of(pid)
        if looked.alive:
            found[pid] = looked
    return found


def end(roots: Iterable[int], meant: Callable[[int, Glimpse], bool]) -> dict[int, Glimpse]:
    """Kill these processes and all below them; returns whom. `meant` tells whether a root is who it should be.

    Each is suspended before it is asked for its children, so that it can neither have more nor let go of one. What
    cannot be signalled is left as it is.
    """
    found: dict[int, Glimpse] = {}
    seen = {os.getpid()}
    todo = [(pid, True) for pid in roots]
    while todo:
        pid, root = todo.pop()
        if pid in seen:
            continue
        seen.add(pid)
        looked = glimpse(pid)
        if looked is None or not looked.alive or (root and not meant(pid, looked)):
            continue
        strike({pid: looked}, signal.SIGSTOP)
        found[pid] = looked
        todo += [(child, False) for child in children_of(pid)]
    strike(found, signal.SIGKILL)
    return found


def strike(members: Mapping[int, Glimpse], signum: int) -> None:
    """Send a signal to processes that were looked at, unless they have ended since."""
    for pid, seen in members.items():
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        except OSError as why:
            if why.errno in (errno.EMFILE, errno.ENFILE, errno.ENOSYS) and _same(pid, seen):
                _by_number(pid, signum)
            continue
        try:
            if _same(pid, seen):
                signal.pidfd_send_signal(fd, signum)
        except (ProcessLookupError, PermissionError):
            continue
        finally:
            os.close(fd)


def name_of(pid: int) -> str:
    """Return what a process calls itself, printable; `?` when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            text = file.read().decode(errors="replace").rstrip("\n")
    except OSError:
        return "?"
    return "".join(each if each.isprintable() else "?" for each in text)[:NAME_CHARS]


def carries(pid: int, variable: str) -> str:
    """Return what a variable was in the environment a process began with, empty where it was not or is hidden."""
    prefix = variable.encode() + b"="
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:
        return ""
    for pair in environment.split(b"\0"):
        if pair.startswith(prefix):
            return pair[len(prefix) :].decode(errors="replace")
    return ""


def _read(path: str) -> bytes:
    """Return a whole file of /proc; OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.read(fd, _CHUNK)
        while chunk := os.read(fd, _CHUNK):
            found += chunk
    finally:
        os.close(fd)
    return found


def _same(pid: int, seen: Glimpse) -> bool:
    now = glimpse(pid)
    return now is not None and now.ticks == seen.ticks


def _by_number(pid: int, signum: int) -> None:
    try:
        os.kill(pid, signum)
    except (ProcessLookupError, PermissionError):
        return
