"""Waiting for what a supervisor does, without taking the time of the one it waits for."""

import os
import select
import time
from collections.abc import Callable, Iterable

_OFTEN_S = 0.0002
_RARELY_S = 0.01


def until(done: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait until something is so, looking less often the longer it takes. Raises TimeoutError."""
    began = time.monotonic()
    while not done():
        waited_s = time.monotonic() - began
        if waited_s > timeout_s:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(min(max(_OFTEN_S, waited_s / 32), _RARELY_S))


def wait_gone(pids: Iterable[int], timeout_s: float) -> None:
    """Wait until none of these processes runs, whoever their parent is. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError(f"process {pid} still runs after {timeout_s:g} s")
        finally:
            os.close(handle)
