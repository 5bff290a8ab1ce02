"""Memory that is there: what a virtual machine leaves free for a moment, its host may take back.

To get a page from the host anew costs the writer of a file some ten times as much as the writing does, and whoever is
measured first after a pause would pay for all. A host that takes free pages back does so every two seconds. So memory
is fetched and held until that has just happened, and given free when the clock is about to start.
"""

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROBE = bytes(8 << 20)
_EVERY_S = 0.02
_PERIOD_S = 2.1
_FETCHED = 4.0
"""memory that takes so many times as long to write to as usual had to be fetched"""


@contextmanager
def held(home: Path, size: int) -> Iterator[None]:
    """Hold so many bytes of memory; they are free, and there, when the block is left.

    Whatever is done in the block, leaving it takes up to `_PERIOD_S` longer.
    """
    # Single pages: they are taken from the smallest free pieces first, and so is all that is to be written later. A
    # file written in big pieces would leave the small ones where they are, and whoever writes in small ones gets these.
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory[:: mmap.PAGESIZE] = bytes(len(range(0, size, mmap.PAGESIZE)))
        yield
        _await_the_host(home)


def _await_the_host(home: Path) -> None:
    """Return just after free memory was taken back, or when that does not happen here."""
    usual_s, ends = float("inf"), time.monotonic() + _PERIOD_S
    while time.monotonic() < ends:
        fd = os.open(home / "probe", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            began = time.monotonic()
            os.write(fd, _PROBE)
            took_s = time.monotonic() - began
        finally:
            os.unlink(home / "probe")
            os.close(fd)
        if took_s > _FETCHED * usual_s:
            return
        usual_s = min(usual_s, took_s)
        time.sleep(_EVERY_S)
