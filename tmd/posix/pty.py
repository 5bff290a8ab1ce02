"""Terminals for programs: the pair of ends, its size, and telling who sits in front that it changed.

Promises that the daemon never gets such a terminal as its own, and that no descriptor made here is inherited by
accident.
"""

import fcntl
import os
import signal
import termios

from tmd.wire.frames import Size


def open_terminal(size: Size, uid: int | None = None) -> tuple[int, int]:
    """Return (our end, non-blocking; the program's end).

    `uid`: whom the device shall belong to, where we may say so.
    """
    ours, theirs = os.openpty()
    try:
        os.set_blocking(ours, False)
        set_size(ours, size)
        if uid is not None and os.geteuid() == 0:
            os.fchown(theirs, uid, -1)
    except OSError:
        os.close(ours)
        os.close(theirs)
        raise
    return ours, theirs


def duplicate(fd: int) -> int:
    """Return a second descriptor of the same end."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def set_size(fd: int, size: Size) -> None:
    """Give a terminal a size; the program in the foreground gets SIGWINCH if it is another than before. OSError."""
    termios.tcsetwinsize(fd, (size.rows, size.columns))


def ask_to_redraw(fd: int) -> None:
    """Send SIGWINCH to what is in the foreground, if anything is: full-screen programs draw their screen anew."""
    try:
        foreground = os.tcgetpgrp(fd)
        if foreground > 1:
            os.killpg(foreground, signal.SIGWINCH)
    except OSError:
        return
