"""A profile of the daemon's main thread, for who wants to know what it spends its time on.

Promises that a profile keeps the daemon from nothing: once it runs, a file that takes no more is told, and no reason to
stop. What other threads do (the log pump, workers) is not in it. Imported only when somebody asks for a profile.
"""

import cProfile
import marshal
import os
import pstats
from collections.abc import Callable, Sequence


class Profile:
    """Runs something under the profiler. `file`: where all of it is written, none if empty; `orders`: what is printed.

    OSError when the file cannot be opened. It is opened now: later the daemon may be another user, or elsewhere.
    """

    def __init__(self, file: str, orders: Sequence[str]) -> None:
        self._path, self._orders = file, orders
        self._fd = -1
        if file:
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            self._fd = os.open(file, flags, 0o600)
        self._profile = cProfile.Profile()

    def run(self, work: Callable[[], int]) -> int:
        """Return what `work` returns; the profile is written and printed when it is over, however it ends."""
        try:
            return self._profile.runcall(work)
        finally:
            self._profile.create_stats()
            self._write()
            self._print()

    def write(self) -> str:
        """Write what there is so far, and go on; from inside of what runs. Return why it could not be, else nothing."""
        self._profile.create_stats()
        try:
            return self._write()
        finally:
            self._profile.enable()

    def _write(self) -> str:
        if self._fd < 0:
            return ""
        try:
            os.ftruncate(self._fd, 0)
            with open(os.dup(self._fd), "wb") as file:
                file.seek(0)
                marshal.dump(self._profile.stats, file)  # as `dump_stats` does
        except OSError as why:
            return f"cannot write the profile '{self._path}': {why.strerror}"
        return ""

    def _print(self) -> None:
        if not self._orders:
            return
        stats = pstats.Stats(self._profile)
        if "cumulative" in self._orders:
            stats.sort_stats("cumulative").print_stats()
        if "calls" in self._orders:
            stats.sort_stats("calls").print_stats()
        if "callers" in self._orders:
            stats.print_callers()
