"""The clerk: a thread that puts processes into their control groups, which the kernel takes its time for.

Nobody waits for it: a process that has ended before its turn is left out. What a process had forked before its turn is
put in as well; whether some of that has become a child of ours meanwhile only the loop can tell, and hands it over.
Ends with its daemon.
"""

import queue
import threading
from collections.abc import Callable
from functools import partial

from tmd.core.records import LIFE
from tmd.posix import brands, descendants
from tmd.posix.cgroups import Grounds, gather, put

AT_ONCE = 256
"""so many are put into their groups before the loop hears of it"""


class Admission:
    """A process that is to be put into a group. What the loop and the clerk tell each other about it."""

    __slots__ = ("begun", "brand", "inside", "life", "orphans", "over", "path", "pid", "rounds")

    def __init__(self, path: str, pid: int, brand: int, life: int) -> None:
        self.path, self.pid, self.life = path, pid, life
        self.brand = brand
        """what it carries, 0 for nothing"""
        self.begun = False
        """set by the loop: it was given to the clerk, so that there may be such a group"""
        self.inside = False
        """set by the loop: it is in there, with all it has started"""
        self.orphans: set[int] = set()
        """of what it had started, those that were handed to us and that are, or are to be, in there"""
        self.rounds = 0
        """how often the loop has found further ones"""
        self.over = False
        """set by the loop: it has ended"""

    def still(self) -> bool:
        """Tell whether the number stands for the process that is meant."""
        return not self.over and (not self.brand or brands.read(self.pid) == self.brand)


class Clerk:
    """`post` hands a callback to the loop and may refuse.

    `entered` gets those that are in their groups; `failed` why one could not be put into its own.
    """

    def __init__(
        self,
        grounds: Grounds,
        post: Callable[[Callable[[], None]], None],
        entered: Callable[[list[Admission]], None],
        failed: Callable[[OSError], None],
    ) -> None:
        self._grounds, self._post = grounds, post
        self._entered, self._failed = entered, failed
        self._jobs: queue.SimpleQueue[Admission | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = False

    def admit(self, admission: Admission) -> None:
        """Have it done, soon; not at all where the system gives no thread. Again, for orphans that were found."""
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="tmd-clerk", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return
            self._thread = thread
        self._jobs.put(admission)

    def close(self, wait_s: float = 1.0) -> None:
        """Let the thread end once its present job is done."""
        self._closing = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(timeout=wait_s)

    def _work(self) -> None:
        while not self._closing and (job := self._jobs.get()) is not None:
            batch = [job]
            while len(batch) < AT_ONCE:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    return
                batch.append(following)
            entered = [job for job in batch if self._enter(job)]
            if entered:
                self._tell(partial(self._entered, entered))

    def _enter(self, job: Admission) -> bool:
        """Put a process into its group with what is below it; returns whether it is there."""
        if job.over or self._closing:
            return False
        try:
            if job.orphans:
                for pid in job.orphans:
                    put(job.path, pid)
            elif not self._grounds.admit(job.path, job.pid, job.still):
                return False
            return gather(job.path, job.orphans | {job.pid})
        except OSError as why:
            self._tell(partial(self._failed, why))
            return False

    def _tell(self, callback: Callable[[], None]) -> None:
        try:
            self._post(callback)
        except RuntimeError:
            return  # the loop has ended


def brand_of(pid: int) -> int:
    """Return the brand a process carries, or the one that its environment speaks of; 0 for neither."""
    return brands.read(pid) or brands.of(descendants.carries(pid, LIFE))
