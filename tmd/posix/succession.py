"""Which file follows which under one path, told by the one who rotates to one who reads.

Promises a reader every file, held open, however soon it is rotated again or removed, as long as few enough of them wait
for it. Filled in the drain's thread and emptied in the reader's: one only appends, the other only takes from the front.
"""

import os
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

MOST_WAITING = 64
MOST_BYTES = 64 << 20
"""of files that may be removed already and are kept only for a reader"""

Identity = tuple[int, int]
"""device and inode of a file"""


class _Successor(NamedTuple):
    after: Identity
    identity: Identity
    fd: int


class Succession:
    """The files that followed one another and have not been taken yet.

    `wake` is called when there is another one, `closed` when the reader wants no more.
    """

    def __init__(self, wake: Callable[[], None], closed: Callable[["Succession"], None]) -> None:
        self._wake, self._closed = wake, closed
        self._waiting: deque[_Successor] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    # --- the one who rotates -----------------------------------------------------------------------------------------

    def add(self, after: Identity, fd: int, max_bytes: int) -> None:
        """Note that the file of `fd` took the place of `after`. `max_bytes`: how big such files get, 0 for any size."""
        most = max(1, min(MOST_WAITING, MOST_BYTES // max_bytes if max_bytes else 1))
        if len(self._waiting) >= most:
            return
        try:
            mine = os.dup(fd)
        except OSError:
            return  # too few descriptors: the reader has to look for itself
        status = os.fstat(mine)
        self._waiting.append(_Successor(after, (status.st_dev, status.st_ino), mine))
        self._wake()

    def end(self) -> None:
        """Give up what was not taken; nothing is added any more."""
        self._give_up(len(self._waiting))

    # --- the one who reads -------------------------------------------------------------------------------------------

    def take(self, after: Identity) -> int | None:
        """Return the file that came after this one, the caller's to close; None: there is none, or it is unknown.

        To be read by `pread`: its offset is shared with the one who writes.
        """
        for position in range(len(self._waiting)):
            if self._waiting[position].after == after:
                self._give_up(position)
                return self._waiting.popleft().fd
        return None

    def skip_to(self, identity: Identity) -> None:
        """Give up all up to this file, which the reader has found by itself."""
        count = len(self._waiting)
        for position in range(count):
            if self._waiting[position].after == identity:
                count = position
                break
            if self._waiting[position].identity == identity:
                count = position + 1
                break
        self._give_up(count)

    def close(self) -> None:
        """Take no more."""
        self._closed(self)

    def _give_up(self, count: int) -> None:
        for _ in range(count):
            os.close(self._waiting.popleft().fd)
