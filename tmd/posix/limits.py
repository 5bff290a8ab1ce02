"""Limits of this process that a daemon raises for itself at its start."""

import os
import resource

FILES_CEILING = 65_536
"""as many descriptors as we take without being asked; some machines allow a thousand million"""

_OURS = "/proc/self/fd"


class LimitRefused(OSError):
    """The limit cannot be raised as far as is needed; the text says why."""


def raise_files(minimum: int) -> tuple[int, int]:
    """Raise the soft limit of open files to `minimum` at least, and to the hard limit where that is sane.

    Returns the soft limit before and now. Children are to get back the greater of `minimum` and the one before;
    raises `LimitRefused`.
    """
    return _raise(resource.RLIMIT_NOFILE, minimum, FILES_CEILING, "open files", "minfds")


def secure_files(minimum: int) -> tuple[int, int]:
    """Raise the soft limit of open files to `minimum` and no further; returns it before and now, or `LimitRefused`."""
    return _raise(resource.RLIMIT_NOFILE, minimum, 0, "open files", "minfds")


def files_limit() -> int:
    """Return the soft limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FILES_CEILING if soft == resource.RLIM_INFINITY else soft


def files_left() -> int:
    """Return how many more files may be opened."""
    # The size is the number of descriptors on newer kernels, 0 on older ones.
    used = os.stat(_OURS).st_size or len(os.listdir(_OURS))
    return max(0, files_limit() - used)


def raise_processes(minimum: int) -> tuple[int, int]:
    """Raise the soft limit of processes to `minimum` if it is lower; returns it before and now, or `LimitRefused`."""
    return _raise(resource.RLIMIT_NPROC, minimum, 0, "processes", "minprocs")


def _raise(limit: int, minimum: int, ceiling: int, what: str, option: str) -> tuple[int, int]:
    soft, hard = resource.getrlimit(limit)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited:
        return soft, soft
    reachable = ceiling if hard == unlimited else min(hard, ceiling)
    wanted = max(soft, minimum, reachable)
    if wanted == soft:
        return soft, soft
    try:
        resource.setrlimit(limit, (wanted, hard if hard == unlimited else max(hard, wanted)))
    except (OSError, ValueError) as why:  # only root may exceed the hard limit, and the kernel has limits of its own
        if soft >= minimum:
            return soft, soft
        raise LimitRefused(
            f"the hard limit of {what} is {hard} (raise it where the daemon is started, or lower {option})"
        ) from why
    return soft, wanted
