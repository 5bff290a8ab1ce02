"""A file that grows by whole writes and is replaced by a shorter one now and then; full disks hurt it late.

Promises that under its name there is always a whole file, as it was after one write or another, whenever this process
is killed; that no other user can read it; and that it goes on for as long as what it has to hold fits into the space
that was taken once, for the file and for the one that replaces it. Knows nothing of what is written.

After the last byte written there are zeros. Files change their roles: when the spare one has been filled it gets the
name, and the one that had it is the next spare one. Each is locked (flock) for as long as this process has it, so that
others can tell whether somebody keeps it (`in_use`).
"""

import errno
import fcntl
import os
from contextlib import suppress

from tmd.posix.directories import Directory

MIN_BYTES = 128 << 10
"""space that is taken at least"""
GROWTH = 4
"""so many times what was in it at first is the space that is taken"""
_NO_SPACE_IN_ADVANCE = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


class _Open:
    """An open file. `used`: how far it is written; `space`: how far it can be, whatever happens to the disk."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.used = 0
        self.space = 0

    def take_space(self, size: int) -> None:
        """Have at least that much space; OSError."""
        if size <= self.space:
            return
        try:
            os.posix_fallocate(self.fd, 0, size)
        except OSError as why:
            if why.errno not in _NO_SPACE_IN_ADVANCE:
                raise
        self.space = size

    def write(self, data: bytes, at: int) -> None:
        """Write data and a zero; OSError, also when it is a part only."""
        if os.pwrite(self.fd, data + b"\0", at) <= len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.used = at + len(data)

    def fill(self, data: bytes) -> None:
        """Write data over all that was there; OSError."""
        before = self.used
        self.write(data.ljust(before, b"\0"), 0)
        self.used = len(data)

    @property
    def lost(self) -> bool:
        """Whether it has no name any more."""
        return os.fstat(self.fd).st_nlink == 0


def spare_of(path: str) -> tuple[str, str]:
    """Return the names that the spare file, and the one that becomes it, have beside the file at a path."""
    return f"{path}.new", f"{path}.old"


class JournalFile:
    """The file at a path, 0600. Nothing is touched before the first `replace`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._new, self._old = spare_of(path)
        self._directory = Directory(path)
        self._file: _Open | None = None
        self._spare: _Open | None = None
        self._limit = 0

    def add(self, data: bytes) -> bool:
        """Add data, in one write; False when the file is to be replaced instead. OSError."""
        file = self._file
        if file is None or file.lost or file.used + len(data) >= self._limit:
            return False
        file.write(data, file.used)
        return True

    def replace(self, data: bytes) -> None:
        """Have a file with these data, and nothing else, at the path; OSError, with the one there was in its place."""
        space = max(MIN_BYTES, GROWTH * len(data))
        if self._spare is not None and not _is_at(self._new, self._spare):
            os.close(self._spare.fd)
            self._spare = None
        fresh = self._spare = self._spare or self._make()
        try:
            fresh.take_space(space)
        except OSError:  # then with less, as long as it is enough
            if len(data) >= fresh.space:
                fresh.take_space(len(data) + max(1, len(data) // 8))
        fresh.fill(data)
        self._swap(fresh)
        self._limit = fresh.space
        if self._spare is None:
            with suppress(OSError):  # another try follows when it is needed
                self._spare = self._make()
                self._spare.take_space(space)

    @property
    def gone(self) -> bool:
        """Whether there was a file, and the path leads to it no more."""
        return self._file is not None and not _is_at(self._path, self._file)

    def make_directory(self) -> None:
        """Have the directory again that there was, if somebody took it away; OSError."""
        self._directory.make_again()

    def remove(self) -> None:
        """Have no file any more, if that can be."""
        self.close()
        for path in (self._new, self._old, self._path):
            with suppress(OSError):
                os.unlink(path)

    def close(self) -> None:
        """Give back the descriptors."""
        for file in (self._file, self._spare):
            if file is not None:
                os.close(file.fd)
        self._file = self._spare = None

    def _swap(self, fresh: _Open) -> None:
        """Give the filled file the name, and the one that had it the name of the spare one; OSError."""
        former = self._file
        kept = former is not None and self._link_old(former)
        try:
            os.rename(self._new, self._path)
        except OSError:
            if kept:
                os.unlink(self._old)
            raise
        self._file, self._spare = fresh, None
        if former is None:
            return
        if kept:
            with suppress(OSError):
                os.rename(self._old, self._new)
                self._spare = former
                return
        os.close(former.fd)

    def _link_old(self, former: _Open) -> bool:
        """Give the file a second name; whether that worked, and it is the file that has the first one."""
        if not _is_at(self._path, former):
            return False
        try:
            os.link(self._path, self._old)
        except OSError:
            return False
        return True

    def _make(self) -> _Open:
        """Return an empty file under the name of the spare one; OSError. Names that others sit on are not ours."""
        try:
            for leftover in (self._new, self._old):
                with suppress(FileNotFoundError):
                    os.unlink(leftover)
        except OSError:
            self._new, self._old = spare_of(f"{self._path}.{os.urandom(4).hex()}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        made = _Open(os.open(self._new, flags, 0o600))
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(made.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return made


def in_use(fd: int) -> bool:
    """Tell whether a process has the open file as its own."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def _is_at(path: str, file: _Open) -> bool:
    """Tell whether a file still has the name."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fd))
    except OSError:
        return False
