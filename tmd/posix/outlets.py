"""All targets that are open, one outlet for each real path.

Promises that two names of one file share one descriptor, and that a target is closed when nobody uses it any more and
everything for it is written. Knows nothing of channels or threads.
"""

import functools
import os
from collections.abc import Callable, Iterator

from tmd.posix.logfiles import LogTarget, is_device_path
from tmd.posix.loop import Loop
from tmd.posix.outlet import Outlet, Verdict, clear_unopened
from tmd.posix.succession import Succession


class Outlets:
    """The outlets by path. `find` may be called from any thread, all else belongs to the loop's."""

    def __init__(self, loop: Loop, report: Callable[[str, int, str], None], resume: Callable[[Outlet], None]) -> None:
        self._loop = loop
        self._report = report
        self._resume = resume
        self._by_path: dict[str, Outlet] = {}
        self._by_target: dict[LogTarget, Outlet] = {}
        self._names: dict[Outlet, tuple[str, list[LogTarget]]] = {}
        """under which keys each is in the other two"""
        self._readers: dict[str, list[Succession]] = {}
        self._gone_written = 0
        self._gone_dropped = 0

    def __iter__(self) -> Iterator[Outlet]:
        return iter(list(self._by_path.values()))

    def find(self, target: LogTarget) -> Outlet | None:
        """Return the outlet of a target that was asked for before."""
        return self._by_target.get(target)

    def get(self, target: LogTarget) -> Outlet:
        """Return the outlet for a target, making it when there is none; limits asked for last count."""
        outlet = self._by_target.get(target)
        if outlet is None:
            path = _real(target)
            outlet = self._by_path.get(path)
            if outlet is None:
                outlet = self._by_path[path] = Outlet(target, self._loop, self._report, self._resume)
                outlet.file.readers = self._readers.get(path, [])
                self._names[outlet] = (path, [])
            self._by_target[target] = outlet
            self._names[outlet][1].append(target)
        if outlet.target != target:
            outlet.file.adopt(target)
        return outlet

    def use(self, target: LogTarget | None) -> Outlet | None:
        """Return the outlet for a channel; to be given back with `unuse`."""
        if target is None:
            return None
        outlet = self.get(target)
        outlet.join()
        return outlet

    def unuse(self, outlet: Outlet | None, who: object) -> None:
        """Note that a channel no longer writes there."""
        if outlet is not None:
            outlet.fall_silent(who)
            outlet.users -= 1
            self._retire(outlet)

    def release(self, target: LogTarget) -> None:
        """Note that nobody but channels needs the target open."""
        outlet = self._by_target.get(target)
        if outlet is not None:
            outlet.kept = False
            self._retire(outlet)

    def clear(self, target: LogTarget) -> None:
        """Empty a file, open or not, and leave its backups alone; OSError."""
        outlet = self._by_path.get(_real(target))
        if outlet is None:
            clear_unopened(target)
        else:
            outlet.clear()

    def follow(self, target: LogTarget, reader: Succession) -> None:
        """Tell a reader from now on which file follows which at a path, whoever writes there."""
        path = _real(target)
        readers = self._readers.setdefault(path, [])
        readers.append(reader)
        if outlet := self._by_path.get(path):
            outlet.file.readers = readers

    def unfollow(self, reader: Succession) -> None:
        """Tell a reader nothing any more."""
        for path, readers in list(self._readers.items()):
            if reader in readers:
                readers.remove(reader)
                if not readers:
                    del self._readers[path]
        reader.end()

    def surrender(self) -> list[tuple[LogTarget, bytes]]:
        """Return all that is queued, in the order of each target, for somebody else to write."""
        return [(outlet.target, item) for outlet in self for item in outlet.surrender()]

    def close(self) -> None:
        """Close all; what is still queued is counted as lost."""
        for outlet in self:
            outlet.give_up()
            outlet.close()
        for readers in self._readers.values():
            for reader in readers:
                reader.end()

    def totals(self) -> tuple[dict[str, int], dict[str, int], int, int]:
        """Return bytes written and dropped by path of what is open, and ever; from any thread."""
        outlets = list(self._by_path.values())
        written = {outlet.target.path: outlet.written for outlet in outlets}
        dropped = {outlet.target.path: outlet.losses.total for outlet in outlets}
        return (
            written,
            {path: count for path, count in dropped.items() if count},
            self._gone_written + sum(written.values()),
            self._gone_dropped + sum(dropped.values()),
        )

    def queued(self) -> int:
        """Return how many bytes could not be written yet; from any thread."""
        return sum(outlet.queued for outlet in list(self._by_path.values()))

    def _retire(self, outlet: Outlet) -> None:
        """Close a target nobody wants any more, once it is written or hopeless."""
        if outlet.users or outlet.kept or outlet not in self._names:
            return
        now = self._loop.now()
        if not outlet.flush(now) and outlet.verdict(now) is Verdict.HOLD:
            outlet.after_flush(functools.partial(self._retire, outlet), now)
            return
        outlet.give_up()
        outlet.close()
        self._gone_written += outlet.written
        self._gone_dropped += outlet.losses.total
        path, targets = self._names.pop(outlet)
        del self._by_path[path]
        for target in targets:
            del self._by_target[target]


def _real(target: LogTarget) -> str:
    return target.path if is_device_path(target.path) else os.path.realpath(target.path)
