"""Pipes between the daemon and its children.

Promises that no descriptor made here is inherited by accident, and that a child notices nothing when the daemon dies:
its ends are open both ways, so that it never gets SIGPIPE, its output waits in the pipe for whoever drains it next, and
its input does not come to an end.
"""

import fcntl
import os
import select
import struct
import termios

TERMINAL_BYTES = 64 * 1024
"""more than the kernel holds for the reader of a terminal"""
TERMINAL_READ_BYTES = 4096
BIG_BYTES = 256 * 1024
"""capacity a busy pipe is given when the kernel allows it (/proc/sys/fs/pipe-max-size)"""


def output_pipe() -> tuple[int, int]:
    """Return (read end, non-blocking; write end, for the child). EOF comes once no child holds the other."""
    read_fd, plain_fd = os.pipe2(os.O_CLOEXEC)
    return read_fd, _both_ways(ours=read_fd, theirs=plain_fd)


def input_pipe() -> tuple[int, int]:
    """Return (read end, for the child; write end, non-blocking). Writing fails once no child holds the other."""
    plain_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    return _both_ways(ours=write_fd, theirs=plain_fd), write_fd


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


def close_all(fds: list[int]) -> None:
    """Close these descriptors, and empty the list."""
    while fds:
        os.close(fds.pop())


def news(fd: int) -> int:
    """Return what poll(2) tells of the pipe at once: POLLIN when bytes wait, POLLHUP when nobody can write any more."""
    asked = select.poll()
    asked.register(fd, select.POLLIN)
    found = asked.poll(0)
    return found[0][1] if found else 0


def _both_ways(*, ours: int, theirs: int) -> int:
    """Make our end non-blocking; return an end for the child, open both ways, in place of `theirs`.

    Where /proc is missing it is `theirs`. Too few descriptors left: OSError, and both are closed.
    """
    try:
        os.set_blocking(ours, False)
        both = _read_write_end(ours)
    except OSError:
        os.close(ours)
        os.close(theirs)
        raise
    if both is None:
        return theirs
    os.close(theirs)
    return both


def _read_write_end(fd: int) -> int | None:
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return None
