"""Environment files: variables that a program gets from files, as these are at the moment it is started.

Promises that a file is used whole or not at all, that a FIFO, a device or a file without end holds nobody up, and, as
root, that nobody decides about a program by way of a file that is not his to decide about. Reading happens on the
loop, like that of the configuration: a file belongs on a local disk. What a file says is remembered until it changes,
so that a program that crashes over and over costs no reading.
"""

import os
import stat
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tmd.config.settings import EnvironmentFile
from tmd.posix.trust import open_real, real_path, unsafe_directory
from tmd.tree.dotenv import MAX_BYTES, DotenvRefused, read_dotenv


class CannotRead(Exception):
    """A file cannot be used. `reasons`: a line for each thing that is wrong, with its place."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(reasons[0])
        self.reasons = reasons


MOST_KEPT_BYTES = 512 * 1024
"""of files whose content is remembered"""
_ENTRY_BYTES = 1024
"""what an empty file counts"""
_SETTLED_NS = 2_000_000_000
"""a file that changed longer ago than this has another time when it changes again, on any file system"""


class _Content(NamedTuple):
    """What a file says, or the (line, reason) of all that is wrong with it."""

    state: tuple[int, ...]
    """device, inode, size, times: what differs when the file does"""
    variables: dict[str, str]
    wrong: tuple[tuple[int, str], ...]


class EnvironmentFiles:
    """Reads files, each again only when it has changed. `wall_ns`: epoch nanoseconds."""

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._wall_ns = wall_ns
        self._kept: dict[str, _Content] = {}
        """path -> content, the one that was used last at the end"""

    def variables(self, files: Sequence[EnvironmentFile], uid: int) -> dict[str, str]:
        """Return what files set for a program of the user `uid`, later ones over earlier ones; raises `CannotRead`."""
        found: dict[str, str] = {}
        for file in files:
            found.update(self._variables(file, uid))
        return found

    def problems(self, file: EnvironmentFile, uid: int | None) -> tuple[str, ...]:
        """Return what is wrong with a file for a program of a user, None: of ours."""
        try:
            self._variables(file, os.geteuid() if uid is None else uid)
        except CannotRead as why:
            return why.reasons
        return ()

    def _variables(self, file: EnvironmentFile, uid: int) -> dict[str, str]:
        try:
            fd = _open(file.path, uid)
            try:
                content = self._content(file.path, fd)
            finally:
                os.close(fd)
        except FileNotFoundError:
            if file.optional:
                return {}
            raise CannotRead(f"{file.path}: no such file (write -{file.path} if it may be missing)") from None
        except (OSError, ValueError) as why:
            raise CannotRead(f"{file.path}: {_told(why)}") from None
        if content.wrong:
            raise CannotRead(*(f"{file.path}:{line}: {reason}" for line, reason in content.wrong))
        return content.variables

    def _content(self, path: str, fd: int) -> _Content:
        found = os.fstat(fd)
        # the time of the change of the inode is the system's: nobody can set it back
        state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        kept = self._kept.pop(path, None)
        settled = found.st_size and self._wall_ns() - found.st_ctime_ns > _SETTLED_NS
        if kept is None or kept.state != state:
            kept = _read(fd, state)
        if settled:
            self._kept[path] = kept
            self._forget()
        return kept

    def _forget(self) -> None:
        """Forget what was not used for long, so that there is no more than the most that is kept."""
        taken = sum(_weight(content) for content in self._kept.values())
        while taken > MOST_KEPT_BYTES:
            taken -= _weight(self._kept.pop(next(iter(self._kept))))


def _weight(content: _Content) -> int:
    size = content.state[2]
    return min(size, MAX_BYTES) + _ENTRY_BYTES


def _read(fd: int, state: tuple[int, ...]) -> _Content:
    with os.fdopen(fd, "rb", closefd=False) as file:
        data = file.read(MAX_BYTES + 1)
    try:
        return _Content(state, {each.name: each.value for each in read_dotenv(data)}, ())
    except DotenvRefused as refused:
        return _Content(state, {}, tuple(refused.problems))


def _open(path: str, uid: int) -> int:
    """Return a descriptor of a regular file; raises what tells why not. Nothing else is opened: a device may act."""
    real = real_path(path)
    if not stat.S_ISREG(os.lstat(real).st_mode):
        raise CannotRead(f"{path}: is not a regular file")
    # It may set LD_PRELOAD: who writes it runs what he likes as the program's user.
    if os.geteuid() == 0 and (reason := unsafe_directory(path, (uid,), system_groups=False)):
        raise CannotRead(f"{path}: refusing it as root: {reason}")
    fd = open_real(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise CannotRead(f"{path}: is not a regular file")


def _told(why: OSError | ValueError) -> str:
    """Return the reason as a part of a sentence; paths in it stay as they are."""
    reason = (why.strerror if isinstance(why, OSError) else None) or str(why)
    return reason[:1].lower() + reason[1:]
