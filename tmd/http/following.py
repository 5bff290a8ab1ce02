"""A log file as one follower sees it: every byte once, across rotation and truncation. No sockets, no clock.

A follower holds its own descriptor and position, so that a slow one keeps nobody else back. Three things happen to
a log under its feet:

- *truncated*: same file, shorter. Said with a line of its own, then on from the start.
- *rotated*: the name now means another file. The rest of the old file is read first; which file came next is found
  by looking where the old one went (`log.2` was followed by `log.1`), so that none is skipped when several rotations
  fall between two looks, or one into the middle of a look. One look is let pass before going on, because the writer
  may not be done. If the old file is gone for good, it goes on with the oldest that is left of those after it. The
  drain tells what it rotates itself: then nothing has to be looked for, and nothing can be missed.
- *cut*: at rotation the writer moves an unfinished last line to the new file. What was already told of that line is
  skipped there.
"""

import os
import stat
from collections.abc import Iterator

from tmd.http.log_files import open_log
from tmd.posix.succession import Succession

TRUNCATED = b"==> File truncated <==\n"
FIRST_BYTES = 1024
"""told of what was there before"""
CHUNK_BYTES = 64 * 1024
MAX_GENERATIONS = 1000
"""rotated files looked at to find the one that came next"""
MISSING_GENERATIONS = 1
"""numbers without a file: in the middle of a rotation there is one"""
ATTEMPTS = 5
"""how often the files may change places while the next one is looked for, until the next look"""


class FollowedFile:
    """Follows `path`, which must be a regular file now; raises OSError otherwise."""

    def __init__(self, path: str, succession: Succession | None = None, first_bytes: int = FIRST_BYTES) -> None:
        self.path = path
        self._succession = succession
        self._fd, size = open_log(path)
        status = os.fstat(self._fd)
        self._inode = (status.st_dev, status.st_ino)
        self.modified = status.st_mtime
        self._position = max(0, size - first_bytes)
        self._moved = False
        self.restless = False
        """the name meant another file at the last look: it is worth looking again soon"""

    def close(self) -> None:
        """Give the descriptor back; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            if self._succession is not None:
                self._succession.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._fd < 0

    @property
    def position(self) -> int:
        """How many bytes of the present file are before what is read next."""
        return self._position

    @property
    def unread(self) -> int:
        """Bytes of the present file that have not been read."""
        return max(0, os.fstat(self._fd).st_size - self._position)

    @property
    def inode(self) -> tuple[int, int]:
        """Which file the present one is: its device and its number there."""
        return self._inode

    @property
    def place(self) -> tuple[int, int]:
        """The number of the present file (its inode) and the position in it: where `resume` can go on."""
        return self._inode[1], self._position

    def resume(self, place: tuple[int, int]) -> bool:
        """Go back to a place that was left, in this file or one that was rotated since; False when it is gone."""
        number, position = place
        if number == self._inode[1] and position <= os.fstat(self._fd).st_size:
            self._position = position
            return True
        for generation, status in self._generations():
            if status.st_ino != number or not 0 <= position <= status.st_size:
                continue
            try:
                fd, _ = open_log(self._named(generation))
            except OSError:
                return False
            found = os.fstat(fd)
            if found.st_ino == number:
                self._change_to(fd, (found.st_dev, found.st_ino), position)
                return True
            os.close(fd)
        return False

    def skip(self, keep_bytes: int) -> int:
        """Go on with the last bytes of the present file; return how many are left out."""
        position = os.fstat(self._fd).st_size - keep_bytes
        skipped = max(0, position - self._position)
        self._position += skipped
        return skipped

    @property
    def orphaned(self) -> bool:
        """The present file has no name any more: only this follower keeps its space on the disk."""
        return os.fstat(self._fd).st_nlink == 0

    def read(self, most: int = CHUNK_BYTES) -> bytes:
        """Return what comes next, at most `CHUNK_BYTES` or `most`; empty when there is nothing yet."""
        data = os.pread(self._fd, min(CHUNK_BYTES, most), self._position)
        while not data and self._succeed():
            data = os.pread(self._fd, CHUNK_BYTES, self._position)
        self._position += len(data)
        return data

    def look(self, named: os.stat_result | None) -> bytes | None:
        """Look whether the file was truncated or rotated; `named` is what the path means now, None for nothing.

        Returns what is to be told about it, None when nothing has happened and there is nothing to read.
        """
        replaced = named is not None and (named.st_dev, named.st_ino) != self._inode
        self.restless = named is not None and replaced and not self._may_go_on_here(named)
        if not self.restless:
            self._moved = False
            if named is not None and not replaced and named.st_size == self._position:
                return None
            if named is None or os.fstat(self._fd).st_size >= self._position:
                return b""  # what has no name just now is being rotated: its unfinished line may have been cut off
            self._position = 0
            return TRUNCATED
        size = os.fstat(self._fd).st_size
        if self._moved and size <= self._position:
            self._go_on(told_too_much=self._position - size)
        else:
            self._moved = True
        return b""

    def _may_go_on_here(self, named: os.stat_result) -> bool:
        """Tell whether the writer may not be done with the present file, although the name means another one.

        As long as nothing was written to the new one, that is, unless others were begun in between.
        """
        if named.st_size and stat.S_ISREG(named.st_mode):
            return False
        ours = self._find()
        return self._oldest_left() == self.path if ours is None else ours == 1

    def _go_on(self, *, told_too_much: int) -> None:
        """Change over to the file that came next; what was told of its beginning already is skipped."""
        for _ in range(ATTEMPTS):
            ours = self._find()
            newer = self._oldest_left() if ours is None else self._named(ours - 1)
            try:
                fd, _ = open_log(newer)
            except OSError:
                return  # it is not there yet
            status = os.fstat(fd)
            inode = (status.st_dev, status.st_ino)
            if self._is_at(newer, inode) if ours is None else self._is_at(self._named(ours), self._inode):
                break
            os.close(fd)  # they changed places meanwhile: this may be any
        else:
            return
        self._change_to(fd, inode, told_too_much)
        self._moved = ours is not None and ours > 2  # older than the last one: nobody writes there any more
        if self._succession is not None:
            self._succession.skip_to(inode)

    def _succeed(self) -> bool:
        """Change over to the next file if the writer has told which one it is: then it is done with this one."""
        fd = None if self._succession is None else self._succession.take(self._inode)
        if fd is None:
            return False
        status = os.fstat(fd)
        self._change_to(fd, (status.st_dev, status.st_ino), self._position - os.fstat(self._fd).st_size)
        return True

    def _change_to(self, fd: int, inode: tuple[int, int], told_too_much: int) -> None:
        os.close(self._fd)
        self._fd, self._inode = fd, inode
        self._position = told_too_much if 0 <= told_too_much <= os.fstat(fd).st_size else 0
        self._moved = False

    def _named(self, generation: int) -> str:
        return f"{self.path}.{generation}" if generation else self.path

    def _generations(self) -> Iterator[tuple[int, os.stat_result]]:
        missing = 0
        for generation in range(1, MAX_GENERATIONS):
            try:
                yield generation, os.stat(self._named(generation))
            except OSError:
                missing += 1
                if missing > MISSING_GENERATIONS:
                    return

    def _find(self) -> int | None:
        """Return the number that the present file has now, None when it has none."""
        for generation, status in self._generations():
            if (status.st_dev, status.st_ino) == self._inode:
                return generation
        return None

    def _oldest_left(self) -> str:
        """Return the oldest file that was written after the present one, which has no number (any more)."""
        oldest = self.path
        ours = os.fstat(self._fd)
        if not ours.st_nlink:
            for generation, status in self._generations():
                if status.st_mtime_ns < ours.st_mtime_ns:
                    break
                oldest = self._named(generation)
        return oldest

    @staticmethod
    def _is_at(path: str, inode: tuple[int, int]) -> bool:
        try:
            status = os.stat(path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == inode
