"""Reading logs for clients: Supervisor's rules about offsets, on bytes of a file.

Only regular files are read: opening a FIFO or a terminal could wait for ever. May block for as long as a disk does;
callers take what is big to a worker (`size_to_read` tells). Bytes come back as XML that any parser accepts.
"""

import errno
import os
import stat
from contextlib import suppress

from tmd.http.encode import Rendered, encode_array, encode_text, encode_value
from tmd.posix import rotation
from tmd.posix.logfiles import open_file
from tmd.wire.faults import Fault, RpcFault

MAX_READ = 64 * 1024 * 1024
"""bytes of one answer; who wants more reads in parts"""
ATTEMPTS = 20
"""one is enough, unless a rotation ends between its two steps, and then another begins"""
MAX_READ_SHOWING = 1024 * 1024
"""the same for whoever comes, on a listener that only shows"""


def open_log(path: str) -> tuple[int, int]:
    """Return (descriptor, size) of a regular file, also while it is rotated; OSError, also for anything else."""
    fd = _open_even_while_rotated(path)
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return fd, status.st_size
    os.close(fd)
    raise IsADirectoryError(path) if stat.S_ISDIR(status.st_mode) else FileNotFoundError(path)


def _open_even_while_rotated(path: str) -> int:
    """Open what is at a path, or what is just about to be: in the middle of a rotation there is nothing."""
    for attempt in range(ATTEMPTS):
        with suppress(FileNotFoundError):
            return open_file(path, os.O_RDONLY | os.O_NONBLOCK)
        real = os.path.realpath(path)
        with suppress(FileNotFoundError):
            return open_file(rotation.next_path(real), os.O_RDONLY | os.O_NONBLOCK)
        if attempt and not os.path.lexists(f"{real}.1"):
            break  # nothing was ever rotated here
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def size_to_read(path: str, offset: int, length: int) -> int:
    """Return about how many bytes `read_log` or `tail_log` would read; 0 when the file cannot be looked at."""
    try:
        size = os.stat(path).st_size
    except OSError:
        return 0
    if offset < 0:
        return min(size, -offset)
    return max(0, min(size - offset, length or size))


def read_log(path: str, offset: int, length: int, most: int = MAX_READ) -> Rendered:
    """Return what `readLog` and its kin return, not more than `most` bytes. NO_FILE, BAD_ARGUMENTS, FAILED."""
    try:
        fd, size = open_log(path)
    except FileNotFoundError:
        raise RpcFault(Fault.NO_FILE, path) from None
    except OSError:
        raise RpcFault(Fault.FAILED) from None
    try:
        if (offset < 0 and length) or length < 0:
            raise RpcFault(Fault.BAD_ARGUMENTS)
        start = max(0, size + offset) if offset < 0 else offset
        wanted = min(length, max(0, size - start)) if length else max(0, size - start)
        if wanted > most:
            here = "" if most == MAX_READ else " over a listener without a password"
            raise RpcFault(Fault.FAILED, f"cannot read {wanted} bytes at once (at most {most}{here})")
        return encode_text(_pread(fd, wanted, start))
    except OSError:
        raise RpcFault(Fault.FAILED) from None
    finally:
        os.close(fd)


def tail_log(path: str, offset: int, length: int, most: int = MAX_READ) -> Rendered:
    """Return what `tailProcessStdoutLog` and its kin return: [text, size, overflow]; an absent file is empty."""
    try:
        fd, size = open_log(path)
    except FileNotFoundError:
        return encode_tail(b"", 0, False)
    except OSError:
        return encode_tail(b"", offset, False)
    try:
        # Contract 7.3, odd as it is: with an overflow the text ends at the size and has `length` bytes.
        overflow = size > offset + length
        if overflow:
            offset = size - 1
        if offset + length > size:
            length = 0 if offset > size - 1 else length
            offset = size - length
        offset, length = max(0, offset), max(0, min(length, most))
        return encode_tail(_pread(fd, length, offset), size, overflow)
    except OSError:
        return encode_tail(b"", offset, False)
    finally:
        os.close(fd)


def encode_tail(text: bytes, size: int, overflow: bool) -> Rendered:
    """Return the three values as an array."""
    return encode_array((encode_text(text).xml, encode_value(size), encode_value(overflow)))


def _pread(fd: int, length: int, offset: int) -> bytes:
    pieces = []
    while length > 0 and (piece := os.pread(fd, min(length, 1 << 20), offset)):
        pieces.append(piece)
        offset += len(piece)
        length -= len(piece)
    return b"".join(pieces)
