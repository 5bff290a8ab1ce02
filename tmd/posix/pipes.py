"""Pipes between the daemon and its children.

Promises that no descriptor made here is inherited by accident, and that a child never gets SIGPIPE because the daemon
died: the end it writes to is also open for reading, so its output waits in the pipe for whoever drains it next.
"""

import fcntl
import os
import struct
import termios

TERMINAL_BYTES = 64 * 1024
"""more than the kernel holds for the reader of a terminal"""
TERMINAL_READ_BYTES = 4096
BIG_BYTES = 1 << 20
"""capacity a busy pipe is given when the kernel allows it (/proc/sys/fs/pipe-max-size)"""


def output_pipe() -> tuple[int, int]:
    """Return (read end, non-blocking; write end, for the child). EOF comes once no child holds the other."""
    read_fd, plain_fd = os.pipe2(os.O_CLOEXEC)
    try:
        os.set_blocking(read_fd, False)
        write_fd = _read_write_end(read_fd)
    except OSError:
        os.close(read_fd)
        os.close(plain_fd)
        raise
    if write_fd is None:
        return read_fd, plain_fd
    os.close(plain_fd)
    return read_fd, write_fd


def input_pipe() -> tuple[int, int]:
    """Return (read end, for the child; write end, non-blocking)."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(write_fd, False)
    return read_fd, write_fd


def enlarge(fd: int) -> int:
    """Give the pipe room for `BIG_BYTES` if that is allowed; return its capacity in bytes, whatever it is now."""
    try:
        return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, BIG_BYTES)
    except OSError:
        return capacity(fd)


def capacity(fd: int) -> int:
    """Return how many bytes fit into the pipe, 65536 when it is not told; of a terminal, what one read brings.

    A terminal holds so little that it has to be emptied again and again while a program has much to say.
    """
    try:
        if os.isatty(fd):
            return TERMINAL_READ_BYTES
        return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    except OSError:
        return 65536


def waiting_bytes(fd: int) -> int:
    """Return how many bytes could be read from the pipe now, 0 when the kernel does not tell; for a terminal, at most.

    Of a terminal the kernel tells only the part that it has made ready for a reader.
    """
    try:
        if os.isatty(fd):
            return TERMINAL_BYTES
        answer = fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0")
    except OSError:
        return 0
    return int(struct.unpack("i", answer)[0])


def _read_write_end(read_fd: int) -> int | None:
    """Open the pipe read-write, blocking; None where /proc is missing. Too few descriptors left: OSError."""
    try:
        return os.open(f"/proc/self/fd/{read_fd}", os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return None
