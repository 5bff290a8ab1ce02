"""What is in a pipe, seen without taking it out.

Bytes that were looked at stay where they are until `take`: who is killed in between has lost none of them. Promises to
leave nothing of them anywhere else. Knows nothing of what they are looked at for.
"""

import errno
import os
from collections.abc import Callable

from tmd.posix import pipes

_FLAGS = os.SPLICE_F_NONBLOCK
_CANNOT = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL})


class Peephole:
    """Looks into any number of pipes, one after the other. It opens two descriptors once it is used."""

    def __init__(self, null_fd: int) -> None:
        self._null_fd = null_fd
        self._copy: tuple[int, int] | None = None
        self._tee: Callable[[int, int, int, int], int] | None = None
        self._useless = False

    def look(self, fd: int, most: int) -> bytes | None:
        """Return up to `most` bytes from the beginning of a pipe, none at its EOF; None where that cannot be had.

        BlockingIOError: it is empty.
        """
        if self._useless or not self._ready():
            return None
        assert self._copy is not None
        assert self._tee is not None
        source, copy = self._copy
        try:
            count = self._tee(fd, copy, most, _FLAGS)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            self._useless = True
            return None
        data = os.read(source, count) if count else b""
        while len(data) < count:
            data += os.read(source, count - len(data))
        return data

    def take(self, fd: int, count: int) -> None:
        """Take bytes out of a pipe that `look` has shown."""
        while count > 0:
            count -= os.splice(fd, self._null_fd, count, flags=_FLAGS) or count

    def close(self) -> None:
        """Give back what was opened."""
        if self._copy is not None:
            for fd in self._copy:
                os.close(fd)
            self._copy = None
        self._useless = True

    def _ready(self) -> bool:
        if self._tee is None:
            self._tee = _find_tee()
        if self._tee is None:
            self._useless = True
            return False
        if self._copy is None:
            try:
                self._copy = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError:
                return False  # too few descriptors just now
            pipes.enlarge(self._copy[1])
        return True


def _find_tee() -> Callable[[int, int, int, int], int] | None:
    """Return tee(2), which Python does not know."""
    try:
        import ctypes  # noqa: PLC0415 - a megabyte that only those need whose output is changed on its way

        call = ctypes.CDLL(None, use_errno=True).tee
    except (ImportError, OSError, AttributeError):
        return None
    call.restype = ctypes.c_ssize_t
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint)

    def tee(source: int, goal: int, most: int, flags: int) -> int:
        while True:
            count = int(call(source, goal, most, flags))
            if count >= 0:
                return count
            number = ctypes.get_errno()
            if number != errno.EINTR:
                raise OSError(number, os.strerror(number))

    return tee
