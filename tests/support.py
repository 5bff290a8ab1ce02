"""What tests of every lane share."""

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import pexpect

T = TypeVar("T")

RARELY_S = 0.04
"""the longest pause between two looks at what is waited for"""
GLIBC_OWN = 1 << 31 | 1 << 32
"""bits of signals 32 and 33, glibc's own: its posix_spawn (`make` uses it) leaves them ignored, for good"""


def eventually(probe: Callable[[], T], deadline_s: float = 5.0, every_s: float = 0.005, what: str = "") -> T:
    """Return the first truthy answer of `probe`; fail when there is none before the deadline."""
    began = time.monotonic()
    while True:
        answer = probe()
        if answer:
            return answer
        waited_s = time.monotonic() - began
        if waited_s > deadline_s:
            raise AssertionError(f"not within {deadline_s} s: {what or probe}; last answer {answer!r}")
        # What takes long is looked at less often: who asks in vain takes the time of what is asked for.
        time.sleep(max(every_s, min(waited_s / 16, RARELY_S)))


def end_terminal(terminal: "pexpect.spawn[str]") -> None:
    """Kill what runs in a terminal, if it still does, and close the terminal."""
    if terminal.isalive():
        terminal.kill(signal.SIGKILL)
        eventually(lambda: not terminal.isalive(), 20.0, what="the one in the terminal is gone")
    terminal.close(force=True)
