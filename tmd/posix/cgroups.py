"""Control groups (cgroup v2) of our own: what is in one is in it with all it starts, and can be ended at one stroke.

    where we are/tmd-KEY/NUMBER     one for each life, below that of the daemon itself, no controllers asked for

Made only where we may: as root, or below a group that was delegated to us. Promises that nothing outside our own
directory is touched, that a directory of a dead daemon goes only when nothing lives in it, and that a process is ended
only as a member of a group of ours. To put a process into a group takes the kernel a grace period, 10 ms and more:
that is for a thread other than the loop's. Everything else takes microseconds.
"""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Collection

from tmd.posix.descendants import children_of

PREFIX = "tmd-"
GATHER_ROUNDS = 16
"""so often it is looked again for what a process had forked before it was in its group"""
_PROCS, _EVENTS, _KILL, _FREEZE = "cgroup.procs", "cgroup.events", "cgroup.kill", "cgroup.freeze"
_FREEZE_WAIT_S = 0.02


class NoGroups(Exception):
    """There are no control groups for us; the text says why."""


def own_place() -> str:
    """Return the directory of the control group we are in; raises `NoGroups`."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
            ours = next((line[3:].rstrip("\n") for line in lines if line.startswith("0::")), None)
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            mounts = [line.split() for line in lines if " - cgroup2 " in line]
    except OSError as why:
        raise NoGroups(f"cannot read where we are: {why.strerror}") from None
    if ours is None or not mounts:
        raise NoGroups("the kernel has no cgroup v2 mounted here")
    for fields in mounts:
        root, at = _plain(fields[3]), _plain(fields[4])
        if root in ("/", ours) or ours.startswith(f"{root}/"):
            below = ours if root == "/" else ours[len(root) :]
            place = f"{at}{below}".rstrip("/")
            if os.path.exists(f"{place}/{_PROCS}"):
                return place
    raise NoGroups("our own control group cannot be seen from here")


def place_among(key: str) -> str:
    """Return where we are if that is the group of a life of a daemon of that key, or below one; else empty."""
    try:
        place = own_place()
    except NoGroups:
        return ""
    return place if f"/{PREFIX}{key}/" in f"{place}/" else ""


def step_out(place: str, key: str) -> None:
    """Leave such a place for where the daemon of that key was; slow. OSError."""
    put(place[: f"{place}/".index(f"/{PREFIX}{key}/")], os.getpid())


class Grounds:
    """The directory below which a daemon has its groups, locked for as long as it lives. `key`: the daemon's."""

    def __init__(self, key: str) -> None:
        """Make it, or take up what a dead daemon of that key has left; raises `NoGroups`."""
        self.outside = own_place()
        self.path = f"{self.outside}/{PREFIX}{key}"
        self._lock: int | None = None
        try:
            self._make()
        except OSError as why:
            raise NoGroups(f"cannot make '{self.path}': {why.strerror}") from None

    def of(self, number: str) -> str:
        """Return the path of the group of a life; it need not be there."""
        return f"{self.path}/{number}"

    def admit(self, path: str, pid: int, still: Callable[[], bool]) -> bool:
        """Make a group and put a process into it; slow. OSError.

        `still` tells whether it is the same process. Returns whether it is in there.
        """
        try:
            os.mkdir(path)
        except FileExistsError:
            pass
        except FileNotFoundError:  # somebody has tidied up behind us
            self._make()
            os.mkdir(path)
        if not put(path, pid):
            return False
        if not still():
            put(self.outside, pid)  # the number was given to another one just now: it goes back
            return False
        return True

    def leftovers(self) -> list[str]:
        """Return the paths of all groups that are there."""
        try:
            return [entry.path for entry in os.scandir(self.path) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def let_go(self) -> None:
        """Leave all as it is, for another one of the same key."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def close(self) -> None:
        """Remove what is empty, and let go."""
        for path in self.leftovers():
            remove(path)
        _rmdir(self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def tidy(self) -> None:
        """Remove the empty groups of daemons that are dead."""
        try:
            entries = [entry.path for entry in os.scandir(self.outside) if entry.name.startswith(PREFIX)]
        except OSError:
            return
        for path in entries:
            if path == self.path or not _abandoned(path):
                continue
            for below in _below(path):
                _rmdir(below)
            _rmdir(path)

    def _make(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        try:
            os.mkdir(self.path)
        except FileExistsError:
            if not os.access(f"{self.path}/{_PROCS}", os.W_OK):
                raise
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        self._lock = fd


def put(path: str, pid: int) -> bool:
    """Put a process into a group; slow. One that is gone: False. OSError when it may not be."""
    fd = os.open(f"{path}/{_PROCS}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"%d" % pid)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def gather(path: str, pids: Collection[int]) -> bool:
    """Put what is below these members of a group into it, too: what they had forked before they were in it. OSError.

    Returns whether all are in there: not, when there is no end of new ones. We are not moved, nor what is below us.
    """
    us = os.getpid()
    inside, quiet = {*pids, us}, 0
    for _ in range(GATHER_ROUNDS):
        fresh = {child for each in inside - {us} for child in children_of(each)} - inside
        if not fresh:
            quiet += 1
            if quiet == 2:  # a list of children may lack some of a parent that is just reaping others
                return True
            continue
        quiet = 0
        inside |= fresh
        for child in fresh - set(members(path)):
            put(path, child)
    return False


def remove(path: str) -> bool:
    """Remove a group in which nothing lives; returns whether it is gone. One that never was is gone, too."""
    if _rmdir(path):
        return True
    if _populated(path):
        return False
    for below in _below(path):  # a program may have made groups of its own
        _rmdir(below)
    return _rmdir(path)


def members(path: str) -> list[int]:
    """Return who is in a group and in those below it."""
    found: list[int] = []
    for each in (path, *_below(path)):
        try:
            with open(f"{each}/{_PROCS}", "rb") as file:
                found += map(int, file.read().split())
        except OSError:
            continue
    return [pid for pid in found if pid > 0]


def kill(path: str) -> None:
    """Kill all that is in a group and below, what is being forked included."""
    if _write(f"{path}/{_KILL}", b"1"):
        return
    _write(f"{path}/{_FREEZE}", b"1")  # before Linux 5.14
    ends_at = time.monotonic() + _FREEZE_WAIT_S
    while not _frozen(path) and time.monotonic() < ends_at:
        time.sleep(0.001)
    for pid in members(path):
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    _write(f"{path}/{_FREEZE}", b"0")


def _plain(text: str) -> str:
    """Undo how /proc writes blanks in paths."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def _below(path: str) -> list[str]:
    """Return the groups below one, the deepest first."""
    found = [where for where, _, _ in os.walk(path, topdown=False)]
    return found[:-1]


def _abandoned(path: str) -> bool:
    """Tell whether the daemon of a directory is dead and nothing lives in it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return not _populated(path)


def _populated(path: str) -> bool:
    return _event(path, b"populated 1", missing=False)


def _frozen(path: str) -> bool:
    return _event(path, b"frozen 1", missing=True)


def _event(path: str, line: bytes, *, missing: bool) -> bool:
    try:
        with open(f"{path}/{_EVENTS}", "rb") as file:
            return line in file.read().splitlines()
    except OSError:
        return missing


def _rmdir(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _write(path: str, data: bytes) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, data)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
