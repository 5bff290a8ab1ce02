"""How one log file becomes many: f, f.1 (the newest of the old ones), f.2 ...

Promises that a file is cut between two lines when these are shorter than `LINE_BYTES`, and that after a crash at any
point `finish` has each byte in the files once and in order. Knows nothing of who writes.

A line that is not finished yet, the tail, goes along to the new file. With backups:

1. the tail is written to f.rotating; 2. f.1 becomes f.2 and so on; 3. f becomes f.1; 4. the tail is cut off from f.1;
5. f.rotating becomes f.

After a crash before 3 there is an f, which has everything: f.rotating is a copy and goes. After that there is no f:
f.1 has the tail if and only if it does not end with a newline, since the tail has none. Without backups f is emptied
instead of 2 to 5, gets its tail back, and f.rotating goes: as long as f is shorter than that it has not got it yet.
"""

import errno
import fcntl
import os
import stat

from tmd.posix.trust import open_real

LINE_BYTES = 64 * 1024
"""lines up to this length are never cut; also how far a file may grow beyond its limit while a line is unfinished"""

SUFFIX = ".rotating"
"""of the new file's name until it takes the place of the old one"""

_AT_IT = "another process is rotating it"
_NOT_OURS = frozenset({errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO, errno.ETXTBSY})


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
    return path + SUFFIX


def rotate(fd: int, path: str, backups: int, cut: int, mode: int, *, spare: bool = False) -> int:
    """Begin a new file at `path` with what `fd`, the file there now, has after `cut`; return what to write to now.

    `cut` is just after a newline, or at the end. `backups` 0: the same file is emptied, and `fd` returned; with `spare`
    it is replaced, for somebody who still reads it. Otherwise `fd` stays open and is the caller's to close.
    An OSError means that `fd` is still the one to write to and nothing was lost: the new file is made beside the old
    one first, so that what can fail fails before anything is renamed.
    """
    before = os.fstat(fd)
    tail = os.pread(fd, before.st_size - cut, cut)
    newline = tail.rfind(b"\n") + 1  # somebody else has written since it was looked for
    cut, tail = cut + newline, tail[newline:]
    if backups <= 0 and not spare:
        return _empty(fd, path, tail, mode, before)
    new_fd = _begin(path, mode, before)
    try:
        try:
            _write_all(new_fd, tail, 0)
        except OSError:
            # A full disk must not keep the oldest file from going: the line is torn, its beginning stays where it is.
            os.ftruncate(new_fd, 0)
            cut, tail = before.st_size, b""
        if backups > 0:
            _shift(path, backups)
        else:
            os.rename(path + SUFFIX, path)
    except OSError:
        _abandon(path, new_fd)
        raise
    was_cut = _cut(fd, before.st_size, cut)
    if backups > 0:
        if not was_cut:
            os.ftruncate(new_fd, 0)
            tail = b""
        _take_place(fd, cut, new_fd, path, tail)
    _unlock(new_fd)
    return new_fd


def finish(path: str) -> None:
    """Finish a rotation that a crash has left half done: each byte is there once and in order, no line is torn.

    `path` has no links. An OSError means that it is still half done, and must not be written to: EBUSY, that another
    process is at it just now.
    """
    new_path = path + SUFFIX
    new_fd = _open_ours(new_path)
    if new_fd is None:
        return
    try:
        _lock(new_fd)
        if not _same(os.fstat(new_fd), new_path):
            return  # another process was faster
        try:
            kind = os.lstat(path).st_mode
        except FileNotFoundError:
            _trim(f"{path}.1", new_fd)
            os.rename(new_path, path)
            return
        if stat.S_ISREG(kind):
            _give_back(path, new_fd)
            os.unlink(new_path)
    finally:
        os.close(new_fd)


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


def _empty(fd: int, path: str, tail: bytes, mode: int, before: os.stat_result) -> int:
    """Empty a file but for the tail, which stands in a file of its own while it is in no other."""
    if not tail:
        os.ftruncate(fd, 0)
        return fd
    try:
        new_fd = _begin(path, mode, before)
    except OSError:
        new_fd = -1
    else:
        try:
            _write_all(new_fd, tail, 0)
        except OSError:
            _abandon(path, new_fd)
            new_fd = -1
    if new_fd < 0:
        # No room, or no permission to make files: in place, which only a crash in between would not survive.
        _write_all(fd, tail, 0)
        os.ftruncate(fd, len(tail))
        return fd
    try:
        os.ftruncate(fd, 0)
    except OSError:
        _abandon(path, new_fd)
        raise
    try:
        _write_all(fd, tail, 0)
    except OSError:
        return _replace(path, new_fd)
    _abandon(path, new_fd)
    return fd


def _shift(path: str, backups: int) -> None:
    """Make room for a newest backup, and make one of the file. A gap, as a crash in here leaves one, is filled."""
    free = 1
    while free < backups and os.path.lexists(f"{path}.{free}"):
        free += 1
    for number in range(free - 1, 0, -1):
        try:
            os.rename(f"{path}.{number}", f"{path}.{number + 1}")
        except FileNotFoundError:
            continue
    os.rename(path, f"{path}.1")


def _cut(fd: int, size: int, cut: int) -> bool:
    """Take from the old file what the new one begins with; False when it has to stay there."""
    if os.fstat(fd).st_size != size:
        return False  # somebody else writes to it: it would be cut off, too
    try:
        os.ftruncate(fd, cut)
    except OSError:
        return False
    return True


def _replace(path: str, new_fd: int) -> int:
    try:
        os.rename(path + SUFFIX, path)
    except OSError:
        os.close(new_fd)
        raise
    _unlock(new_fd)
    return new_fd


def _take_place(fd: int, cut: int, new_fd: int, path: str, tail: bytes) -> None:
    """Give the new file its name. It is written to under the other until that can be done (`finish` does it)."""
    try:
        os.rename(path + SUFFIX, path)
    except OSError:
        if os.fstat(new_fd).st_nlink:
            return
        os.close(new_fd)
        _write_all(fd, tail, cut)  # somebody removed it: the line goes back to where it was
        raise


def _trim(backup: str, new_fd: int) -> None:
    """Take the tail from the newest backup, if it still has it: that is, unless it ends with a newline."""
    count = os.fstat(new_fd).st_size
    fd = _open_ours(backup) if 0 < count <= LINE_BYTES else None
    if fd is None:
        return
    try:
        start = os.fstat(fd).st_size - count
        if start < 0:
            return
        end = os.pread(fd, count, start)
        if not end.endswith(b"\n") and end == os.pread(new_fd, count, 0) and not _cut(fd, start + count, start):
            os.ftruncate(new_fd, 0)
    finally:
        os.close(fd)


def _give_back(path: str, new_fd: int) -> None:
    """Complete a file that was emptied and did not get its tail back; one that was not is longer than the tail."""
    fd = _open_ours(path)
    if fd is None:
        return
    try:
        begun = os.fstat(fd).st_size
        if begun >= min(os.fstat(new_fd).st_size, LINE_BYTES):
            return
        place = begun
        if os.pread(fd, begun, 0) == os.pread(new_fd, begun, 0):
            while data := os.pread(new_fd, LINE_BYTES, place):
                _write_all(fd, data, place)
                place += len(data)
    finally:
        os.close(fd)


def _begin(path: str, mode: int, like: os.stat_result) -> int:
    """Create the new file, beside the old one and locked, with its permissions and, when root, its owner."""
    new_path = path + SUFFIX
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(new_path, flags, mode)
    except FileExistsError:
        finish(path)
        _remove(new_path)  # nothing that is ours
        fd = os.open(new_path, flags, mode)
    try:
        _lock(fd)
        if not os.fstat(fd).st_nlink:
            raise OSError(errno.EBUSY, _AT_IT)
    except OSError:
        os.close(fd)
        raise
    try:
        os.fchmod(fd, stat.S_IMODE(like.st_mode))
        if os.geteuid() == 0:
            os.fchown(fd, like.st_uid, like.st_gid)
    except OSError:
        return fd  # file systems without owners
    return fd


def _abandon(path: str, new_fd: int) -> None:
    _remove(path + SUFFIX)
    os.close(new_fd)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _open_ours(path: str) -> int | None:
    """Open a file that a rotation made, to read and to write; None: there is none, or none that could be ours.

    Who may write to the directory may have put there what he likes: another name of a file that he cannot write, say.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOT_OURS:
            return None
        raise
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return fd
    os.close(fd)
    return None


def _same(found: os.stat_result, path: str) -> bool:
    try:
        return os.path.samestat(found, os.lstat(path))
    except FileNotFoundError:
        return False


def _lock(fd: int) -> None:
    """Keep other processes from finishing what is being done; a crash gives it free."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EBUSY, _AT_IT) from None
    except OSError:
        return  # a file system without locks


def _unlock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError:
        return


def _write_all(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data, offset = data[written:], offset + written
