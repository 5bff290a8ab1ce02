"""How one log file becomes many: f, f.1 (the newest of the old ones), f.2 ...

Promises that a file is cut between two lines when these are shorter than `LINE_BYTES`, and that a crash at any point
loses no byte (at worst a line stands with its beginning in one file and its end in the next). Knows nothing of
who writes.
"""

import errno
import os
import stat

from tmd.posix.trust import open_real

LINE_BYTES = 64 * 1024
"""lines up to this length are never cut; also how far a file may grow beyond its limit while a line is unfinished"""


def cut_point(fd: int, size: int) -> int | None:
    """Return the offset just after the last newline, looked for in the last `LINE_BYTES`; None when there is none."""
    start = max(0, size - LINE_BYTES)
    newline = os.pread(fd, size - start, start).rfind(b"\n")
    return None if newline < 0 else start + newline + 1


def fitting(data: bytes | memoryview, room: int) -> int:
    """Return how many of these bytes to write where the limit leaves `room`: of a line that could not be taken along
    to the next file because it is longer than `LINE_BYTES`, nothing or all, if its end is here."""
    window = max(0, room - LINE_BYTES)
    if len(data) <= room or b"\n" in bytes(data[window:room]):
        return min(room, len(data))
    data = bytes(data)
    end = data.find(b"\n", room) + 1
    start = data.rfind(b"\n", 0, room) + 1
    if end - start <= LINE_BYTES:
        return room
    return start or end


def next_path(path: str) -> str:
    """Return where the file is made that comes next at a path; whenever nothing is at the path, it is there."""
    return f"{path}.rotating"


def rotate(fd: int, path: str, backups: int, cut: int, mode: int, *, spare: bool = False) -> int:
    """Begin a new file at `path` with what `fd`, the file there now, has after `cut`; return what to write to now.

    `backups` 0: the same file is emptied, and `fd` returned; with `spare` it is replaced, for somebody who still reads
    it. Otherwise `fd` stays open and is the caller's to close.
    An OSError means that `fd` is still the one to write to and nothing was lost: the new file is made beside the old
    one first, so that what can fail fails before anything is renamed.
    """
    before = os.fstat(fd)
    tail = os.pread(fd, before.st_size - cut, cut)
    if backups <= 0 and not spare:
        _write_all(fd, tail, 0)
        os.ftruncate(fd, len(tail))
        return fd
    new_path = next_path(path)
    new_fd = _create(new_path, mode, before)
    try:
        try:
            _write_all(new_fd, tail, 0)
        except OSError:
            # A full disk must not keep the oldest file from going: the line is torn, its beginning stays where it is.
            os.ftruncate(new_fd, 0)
            cut = before.st_size
        if backups > 0:
            _shift(path, backups)
        os.rename(new_path, path)
    except OSError:
        os.close(new_fd)
        os.unlink(new_path)
        raise
    os.ftruncate(fd, cut)
    return new_fd


def last_of_backup(path: str, count: int) -> bytes:
    """Return the last bytes of the newest backup of a file by a path without links; none where it cannot be read."""
    try:
        fd = open_real(f"{path}.1", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return b""
        return os.pread(fd, count, max(0, found.st_size - count))
    except OSError:
        return b""
    finally:
        os.close(fd)


def close_hole(fd: int) -> None:
    """Move the data of a file that begins with a hole to its beginning.

    Who truncates a file while the kernel is writing to it leaves a hole before what was still on its way: unlike a
    write to a file opened for appending, a splice goes on where it began.
    """
    size = os.fstat(fd).st_size
    try:
        start = os.lseek(fd, 0, os.SEEK_DATA)
    except OSError:
        return  # no data at all, or a file system that does not tell
    if not start:
        return
    place, data = 0, os.pread(fd, LINE_BYTES, start).lstrip(b"\0")
    start = min(start + LINE_BYTES, size)
    while data:
        _write_all(fd, data, place)
        place += len(data)
        data = os.pread(fd, LINE_BYTES, start)
        start += len(data)
    os.ftruncate(fd, place)


def _shift(path: str, backups: int) -> None:
    for number in range(backups - 1, 0, -1):
        try:
            os.rename(f"{path}.{number}", f"{path}.{number + 1}")
        except FileNotFoundError:
            continue
    os.rename(path, f"{path}.1")


def _create(path: str, mode: int, like: os.stat_result) -> int:
    """Create a file with the permissions and, when root, the owner of the one before."""
    try:
        os.unlink(path)  # left by a crash
    except FileNotFoundError:
        pass
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        os.fchmod(fd, stat.S_IMODE(like.st_mode))
        if os.geteuid() == 0:
            os.fchown(fd, like.st_uid, like.st_gid)
    except OSError:
        return fd  # file systems without owners
    return fd


def _write_all(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data, offset = data[written:], offset + written
