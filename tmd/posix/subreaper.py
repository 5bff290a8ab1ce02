"""Being the one to whom orphans below us are handed: what a program leaves behind becomes our child, not init's.

The kernel's word for it is child subreaper (prctl(2)). The state outlives an exec and is not inherited. Process 1 is
such a one by nature. Raises nothing: where the kernel refuses, orphans go where they always went.
"""

import os

_SET_CHILD_SUBREAPER = 36


def become() -> bool:
    """Have orphans below us handed to us; returns whether they are. To be asked again as often as one likes."""
    return os.getpid() == 1 or _prctl(1)


def resign() -> None:
    """Have orphans go to init again; those that were handed to us stay ours."""
    if os.getpid() != 1:
        _prctl(0)


def _prctl(on: int) -> bool:
    try:
        # The core of ctypes: a tenth of the time of the whole, and half its memory, for one call with five numbers.
        import _ctypes  # noqa: PLC0415 - only for who follows whole trees

        prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
        return bool(_ctypes.call_function(prctl, (_SET_CHILD_SUBREAPER, on, 0, 0, 0)) == 0)
    except (ImportError, OSError, AttributeError):
        return False
