"""The last words to a terminal: sent if it takes them soon, for one that takes nothing must hold up nobody's end."""

import fcntl
import os
import select
import time

PATIENCE_S = 1.0
"""what has not gone out by then does not"""


def part(terminal: int, words: bytes) -> bool:
    """Send words to a terminal; False when it did not take them all in time, or is gone. Never raises OSError."""
    until = time.monotonic() + PATIENCE_S
    try:
        flags = fcntl.fcntl(terminal, fcntl.F_GETFL)
        fcntl.fcntl(terminal, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        while words and takes(terminal, until - time.monotonic()):
            words = _after(terminal, words)
    except OSError:
        return False
    finally:
        fcntl.fcntl(terminal, fcntl.F_SETFL, flags)
    return not words


def takes(terminal: int, within_s: float = PATIENCE_S) -> bool:
    """Tell whether a terminal takes at least something now, or within some time. OSError when it cannot be asked."""
    return bool(select.select([], [terminal], [], max(0.0, within_s))[1])


def _after(terminal: int, words: bytes) -> bytes:
    try:
        return words[os.write(terminal, words) :]
    except BlockingIOError:  # the room was gone again
        return words
