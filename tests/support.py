"""What tests of every lane share."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

GLIBC_OWN = 1 << 31 | 1 << 32
"""bits of signals 32 and 33, glibc's own: its posix_spawn (`make` uses it) leaves them ignored, for good"""


def eventually(probe: Callable[[], T], deadline_s: float = 5.0, every_s: float = 0.005, what: str = "") -> T:
    """Return the first truthy answer of `probe`; fail when there is none before the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what or probe}; last answer {answer!r}")
        time.sleep(every_s)
