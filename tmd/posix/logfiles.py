"""One log file: opened, written at its end, rotated, found again when others moved it.

Promises that a write never blocks but on the disk itself (FIFOs and terminals are opened non-blocking), that only
regular files are ever rotated or emptied, and that a file others renamed, removed, replaced or truncated heals at the
next write at most `LOOK_EVERY_S` later. Raises the OSError of the system; what to do about it is decided elsewhere.
"""

import errno
import os
import re
import select
import socket
import stat
from collections.abc import Callable

import msgspec

from tmd.posix import rotation
from tmd.posix.rotation import LINE_BYTES
from tmd.posix.succession import Identity, Succession
from tmd.posix.trust import anchored, open_real, real_path

LOOK_EVERY_S = 0.25
"""how often the path is compared with the open file while there is writing"""
_RETRY_ROTATION_S = 1.0
_SPLICE_FLAGS = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE
_OWN_DESCRIPTOR = re.compile(r"/dev/(?:fd/(\d+)|(stdout)|(stderr))|/proc/self/fd/(\d+)")
_SAFE_PIPE_WRITE = 4096  # a pipe that is writable takes this much without blocking


class LogTarget(msgspec.Struct, frozen=True):
    """Where output goes. `maxbytes` 0: never rotated; `backups` 0: emptied instead."""

    path: str
    maxbytes: int = 0
    backups: int = 0
    mode: int = 0o644
    """of a file that has to be created, before the umask"""


class LogFile:
    """The one open description of a target. Not open until `ensure`."""

    def __init__(self, target: LogTarget) -> None:
        self.target = target
        self.fd = -1
        self.rotates = False
        """a regular file that may be renamed and emptied"""
        self.splices = True
        """the kernel may move bytes from a pipe to it by itself"""
        self.trouble_rotating = ""
        self.readers: list[Succession] = []
        """who wants to know which file follows"""
        self._path = ""
        self._follows = False
        """the newest backup is what was written before this file"""
        self._identity: tuple[int, int] = (0, 0)
        self._look_at = 0.0
        self._rotate_at = 0.0
        self._borrowed: socket.socket | int | None = None

    def ensure(self, now: float) -> None:
        """Open the file if it is not, and go after the path if others moved the file away."""
        if self.fd < 0:
            self._open(now)
        elif now >= self._look_at:
            self._look(now)

    @property
    def rests(self) -> bool:
        """Whether there is a regular file at the path: to open it can wait."""
        try:
            return stat.S_ISREG(os.lstat(self.target.path).st_mode)
        except OSError:
            return False

    def look_soon(self) -> None:
        """Compare path and file at the next `ensure`, whatever the time."""
        self._look_at = 0.0

    def splice_from(self, source: int, limit: int, now: float, see: Callable[[bytes], None] | None = None) -> int:
        """Move up to `limit` bytes from a pipe; 0 at its EOF. BlockingIOError: nothing there, or the target is full.

        `see` is shown them when they are in a regular file, as far as they can be read back.
        """
        if not self.rotates:
            if self._identity[0]:
                os.lseek(self.fd, 0, os.SEEK_END)
            return os.splice(source, self.fd, limit, flags=_SPLICE_FLAGS)
        size = os.lseek(self.fd, 0, os.SEEK_END)
        maxbytes = self.target.maxbytes
        moved = os.splice(source, self.fd, min(limit, self._room(size)) if maxbytes else limit, flags=_SPLICE_FLAGS)
        if see is not None and moved:
            see(self._read_back(moved, size))
        if size and os.pread(self.fd, 1, size - 1) == b"\0":
            rotation.close_hole(self.fd)
        if maxbytes and moved and size + moved >= maxbytes:
            self._rotate(size + moved, now)
        return moved

    def _read_back(self, count: int, place: int) -> bytes:
        try:
            return os.pread(self.fd, count, place)
        except OSError:
            return b""

    def write(self, data: bytes | memoryview, now: float) -> int:
        """Write at the end; return how many bytes went. BlockingIOError: a FIFO, terminal or socket is full."""
        if self._borrowed is not None:
            return self._write_borrowed(data)
        if not self.rotates:
            if self._identity[0]:
                os.lseek(self.fd, 0, os.SEEK_END)
            return os.write(self.fd, data)
        size = os.lseek(self.fd, 0, os.SEEK_END)
        maxbytes = self.target.maxbytes
        if not maxbytes:
            return os.write(self.fd, data)
        written = os.write(self.fd, data[: rotation.fitting(data, self._room(size))])
        if size + written >= maxbytes:
            self._rotate(size + written, now)
        return written

    def ends_mid_line(self) -> bool:
        """Tell whether the last byte of a regular file is not a newline."""
        if not self.rotates:
            return False
        size = os.lseek(self.fd, 0, os.SEEK_END)
        return size > 0 and os.pread(self.fd, 1, size - 1) != b"\n"

    def tail(self, count: int) -> bytes:
        """Return the last `count` bytes written to a regular file, over a rotation too; less when it has no more."""
        if self.fd < 0 or not self.rotates:
            return b""
        try:
            size = os.fstat(self.fd).st_size
            found = os.pread(self.fd, min(count, size), max(0, size - count))
            if len(found) < count and self._follows:
                found = rotation.last_of_backup(self._path, count - len(found)) + found
        except OSError:
            return b""
        return found

    def reopen(self, now: float) -> None:
        """Go to what is at the path now, creating it if nothing is. The old file stays open when that fails."""
        if self.fd < 0:
            self._open(now)
            return
        if self.rotates:
            self._look(now, forced=True)
            return
        self.close()
        self._open(now)

    def truncate(self) -> None:
        """Empty a regular file."""
        self._follows = False
        if self.rotates:
            os.ftruncate(self.fd, 0)

    def close(self) -> None:
        """Close it; `ensure` opens it again."""
        if self.fd < 0:
            return
        if isinstance(self._borrowed, socket.socket):
            self._borrowed.close()
        else:
            os.close(self.fd)
        self._borrowed = None
        self.fd = -1

    def adopt(self, target: LogTarget) -> None:
        """Take other limits for the same path."""
        self.target = target

    def real_path(self) -> str:
        """Return the path without links, as of the last opening."""
        return self._path

    # --- opening -------------------------------------------------------------------------------------------------

    def _open(self, now: float) -> None:
        path = self.target.path
        if is_device_path(path):
            self._open_device(path)
            return
        real = real_path(path)
        if os.path.lexists(real + rotation.SUFFIX):
            with anchored(real) as held:
                if held:
                    rotation.finish(held)
        try:
            kind = os.lstat(real).st_mode
        except FileNotFoundError:
            kind = stat.S_IFREG
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        flags = os.O_NONBLOCK | os.O_NOCTTY
        if stat.S_ISREG(kind):
            fd = open_real(real, flags | os.O_RDWR | os.O_CREAT, self.target.mode)
        else:
            fd = open_real(real, flags | os.O_WRONLY)
        found = os.fstat(fd)
        self.fd, self._path, self._follows = fd, real, False
        self.rotates = stat.S_ISREG(found.st_mode)
        self.splices = True
        self._identity = (found.st_dev, found.st_ino) if self.rotates else (0, 0)
        self._look_at = now + LOOK_EVERY_S

    def _open_device(self, path: str) -> None:
        """Open what is only written to, whatever it turns out to be: never created, rotated, emptied or looked for."""
        self._path, self.rotates, self.splices = path, False, True
        number = own_descriptor(path)
        if number is not None and _is_regular(number):
            # Opened anew it would have an offset of its own, and overwrite what others write to the same file.
            self._borrow(number)
            self._look_at = float("inf")
            return
        try:
            self.fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            if number is None or error.errno not in (errno.ENXIO, errno.EACCES, errno.ENOENT):
                raise
            self._borrow(number)
        found = os.fstat(self.fd)
        self._identity = (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else (0, 0)
        self._look_at = float("inf")

    def _borrow(self, number: int) -> None:
        """Write to a descriptor of our own that cannot be opened anew: a socket, or another user's pipe.

        Its description is shared with others, so it must not be made non-blocking.
        """
        self.fd = os.dup(number)
        self.splices = False
        if stat.S_ISSOCK(os.fstat(self.fd).st_mode):
            self._borrowed = socket.socket(fileno=self.fd)
        else:
            self._borrowed = self.fd

    def _write_borrowed(self, data: bytes | memoryview) -> int:
        if isinstance(self._borrowed, socket.socket):
            return self._borrowed.send(data, socket.MSG_DONTWAIT)
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return os.write(self.fd, data[:_SAFE_PIPE_WRITE])

    # --- finding it again, rotating -------------------------------------------------------------------------------

    def _look(self, now: float, forced: bool = False) -> None:
        """Compare the path with the open file, and follow the path when it leads elsewhere."""
        self._look_at = now + LOOK_EVERY_S
        if not self._identity[0]:
            return
        if self._is_at(self.target.path):
            return
        old, before = self.fd, self._identity
        try:
            self._open(now)
        except OSError:
            if forced:
                raise
            if os.fstat(old).st_nlink == 0:
                self.close()
                raise
            return  # it was moved with its directory: what is written is not lost, so write on
        self._tell_readers(before)
        os.close(old)

    def _is_at(self, path: str) -> bool:
        try:
            found = os.stat(path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def _room(self, size: int) -> int:
        """Return how many bytes may be added before the file has to be looked at for rotation."""
        maxbytes = self.target.maxbytes
        if maxbytes < LINE_BYTES:
            return max(maxbytes - size, LINE_BYTES)
        if size < maxbytes:
            return maxbytes - size
        left = maxbytes + LINE_BYTES - size  # a line longer than the limit allows: so much more to find its end
        return left if left > 0 else LINE_BYTES

    def _rotate(self, size: int, now: float) -> None:
        """Rotate if there is a line's end to cut at, or no hope for one."""
        if now < self._rotate_at:
            return
        try:
            cut = rotation.cut_point(self.fd, size)
            if cut is None:
                if size < self.target.maxbytes + LINE_BYTES:
                    return
                cut = size
            backups, mode = self.target.backups, self.target.mode
            with anchored(self._path) as path:
                if not self._is_at(path):
                    self.look_soon()  # others moved it: it is no longer ours to rename
                    return
                fd = rotation.rotate(self.fd, path, backups, cut, mode, spare=bool(self.readers))
        except OSError as error:
            # The file grows beyond its limit, which is better than losing what is written.
            self.trouble_rotating = f"cannot rotate: {error.strerror or error}"
            self._rotate_at = now + _RETRY_ROTATION_S
            return
        self.trouble_rotating = ""
        self._follows = backups > 0
        if fd != self.fd:
            os.close(self.fd)
            self.fd = fd
            found = os.fstat(fd)
            before, self._identity = self._identity, (found.st_dev, found.st_ino)
            self._tell_readers(before)

    def _tell_readers(self, before: Identity) -> None:
        if self.rotates and before != self._identity:
            for reader in self.readers:
                reader.add(before, self.fd, self.target.maxbytes)


def open_file(path: str, flags: int, mode: int = 0o644) -> int:
    """Open a log as `os.open` does, for who reads it or tries it out; as root, with the same care as to write to it."""
    if os.geteuid() != 0 or is_device_path(path):
        return os.open(path, flags | os.O_CLOEXEC, mode)
    return open_real(real_path(path), flags, mode)


def create(target: LogTarget) -> None:
    """Create the file of a target that is not there yet, with the same care as to write to it; OSError.

    One that a rotation is about to put there, even one that a crash has left half done, is left to the rotation.
    """
    path = target.path
    if not (is_device_path(path) or os.path.lexists(path + rotation.SUFFIX) or os.path.lexists(path)):
        os.close(open_real(real_path(path), os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, target.mode))


def is_device_path(path: str) -> bool:
    """Tell whether a path is the system's own: written to as it is, never created, renamed or emptied."""
    return path.startswith(("/dev/", "/proc/")) and not path.startswith("/dev/shm/")


def _is_regular(number: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(number).st_mode)
    except OSError:
        return False


def own_descriptor(path: str) -> int | None:
    """Return which descriptor of this process a path like /dev/stdout means."""
    match = _OWN_DESCRIPTOR.fullmatch(path)
    if match is None:
        return None
    if match[2]:
        return 1
    if match[3]:
        return 2
    return int(match[1] or match[4])
