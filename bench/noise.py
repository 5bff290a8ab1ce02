"""How quiet the machine is: a fixed piece of work, timed beside each turn.

The same instructions take longer when others use the processor or its caches. What this shows is not subtracted from
anything: it says how far two figures of different turns may be compared.
"""

import os
import time
from typing import NamedTuple

from bench.stamping import once_argv

_LOOPS = 1_000_000
"""some 50 ms of one core of a server of 2023"""
_SPAWNS = 50


class Noise(NamedTuple):
    """The fixed work once, in ms of wall time."""

    cpu_ms: float
    """arithmetic alone"""
    spawn_ms: float
    """to start the supervised program and await its end, which is all it does; the mean of a few"""


def timed() -> Noise:
    """Do the work now. Raises `Unavailable` when the supervised program cannot be built."""
    argv = once_argv()
    began = time.perf_counter()
    _compute()
    computed = time.perf_counter()
    for _ in range(_SPAWNS):
        os.waitpid(os.posix_spawn(argv[0], argv, {}), 0)
    spawned = time.perf_counter()
    return Noise(1e3 * (computed - began), 1e3 * (spawned - computed) / _SPAWNS)


def _compute() -> int:
    value = 1
    for number in range(_LOOPS):
        value = (value * 31 + number) & 0xFFFF
    return value
