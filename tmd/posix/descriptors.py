"""Streams of processes that others have started: the far end of a pipe is opened again through /proc/PID/fd.

A pipe lives for as long as anybody has an end of it, and what was written waits in it. Promises that nothing but the
very pipe that was meant (its inode) is opened, whoever of some processes still has it, whatever they have done to
their descriptors since. Knows nothing of what flows there.
"""

import errno
import os
import stat
from collections.abc import Iterable
from typing import Literal

_GETFD = 438
"""the number of pidfd_getfd(2), the same on all machines"""


class Denied(Exception):
    """Somebody may have the pipe, but the kernel does not let us look."""


def pipe_inode(fd: int) -> int:
    """Return the number of the pipe behind a descriptor, 0 for something else."""
    found = os.fstat(fd)
    return found.st_ino if stat.S_ISFIFO(found.st_mode) else 0


def pipes_of(pid: int) -> dict[str, int]:
    """Return the numbers of the pipes that a process has in the place of its three streams, by name."""
    found = {}
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if target.startswith("pipe:["):
            found[name] = int(target[len("pipe:[") : -1])
    if found.get("stderr") == found.get("stdout"):
        found.pop("stderr", None)
    return found


def socket_inode(pid: int, number: int) -> int:
    """Return the number of the socket behind a descriptor of a process, 0 for anything else."""
    try:
        target = os.readlink(f"/proc/{pid}/fd/{number}")
    except OSError:
        return 0
    return int(target[len("socket:[") : -1]) if target.startswith("socket:[") else 0


def reopen(inode: int, pids: Iterable[int], direction: Literal["read", "write"]) -> int | None:
    """Open our end of a pipe that one of these processes has; None: none of them has it any more.

    The descriptor is non-blocking and not inherited. Raises `Denied`; OSError when there are too few descriptors.
    """
    denied = False
    for pid in pids:
        try:
            path = _path_of(pid, inode)
        except PermissionError:
            denied = True
            continue
        if path is None:
            continue
        try:
            fd = _open(path, inode, direction)
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended, or closed it, since we have looked
        except OSError as why:
            if why.errno in (errno.EACCES, errno.EPERM):
                denied = True
                continue
            if why.errno == errno.ENXIO:  # to write, and nobody reads any more
                continue
            raise
        if fd is not None:
            return fd
    if denied:
        raise Denied
    return None


def take_socket(pid: int, inode: int) -> int | None:
    """Return a descriptor of the very socket of this inode that a process has open; None: it has none, or may not.

    Linux 5.6, and the right to trace the process.
    """
    try:
        number = _number_of(pid, f"socket:[{inode}]")
    except PermissionError:
        return None
    if number is None:
        return None
    fd = _duplicate(pid, number)
    if fd is not None and os.fstat(fd).st_ino != inode:
        os.close(fd)
        return None
    return fd


def _path_of(pid: int, inode: int) -> str | None:
    """Return the place in /proc where a process has a pipe; PermissionError when we may not look."""
    number = _number_of(pid, f"pipe:[{inode}]")
    return None if number is None else f"/proc/{pid}/fd/{number}"


def _number_of(pid: int, wanted: str) -> int | None:
    """Return under which descriptor a process has something; PermissionError when we may not look."""
    for usual in (1, 2, 0):
        try:
            if os.readlink(f"/proc/{pid}/fd/{usual}") == wanted:
                return usual
        except (FileNotFoundError, ProcessLookupError):
            continue
    try:
        with os.scandir(f"/proc/{pid}/fd") as descriptors:
            for each in descriptors:
                try:
                    if os.readlink(each.path) == wanted:
                        return int(each.name)
                except (FileNotFoundError, ProcessLookupError):
                    continue
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None


def _open(path: str, inode: int, direction: Literal["read", "write"]) -> int | None:
    """Open a pipe; None when something else has come to stand in that place, which is not opened."""
    mode = os.O_RDONLY if direction == "read" else os.O_WRONLY
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)  # opens nothing yet: to open a device may do something
    try:
        if pipe_inode(place) != inode:
            return None
        return os.open(f"/proc/self/fd/{place}", mode | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(place)


def _duplicate(pid: int, number: int) -> int | None:
    import ctypes  # noqa: PLC0415 - heavy, and only for a listening socket after a crash

    try:
        pidfd = os.pidfd_open(pid)
    except (OSError, AttributeError):
        return None
    try:
        fd = int(ctypes.CDLL(None, use_errno=True).syscall(_GETFD, pidfd, number, 0))
    finally:
        os.close(pidfd)
    return None if fd < 0 else fd
