"""A log file as one follower sees it: every byte once, across rotation and truncation. No sockets, no clock.

A follower holds its own descriptor and position, so that a slow one keeps nobody else back. Three things happen to
a log under its feet:

- *truncated*: same file, shorter. Said with a line of its own, then on from the start.
- *rotated*: the name now means another file. The rest of the old file is read first; which file came next is found
  by looking where the old one went (`log.2` was followed by `log.1`), so that none is skipped when several rotations
  fall between two looks. One look is let pass before going on, because the writer may be in the middle of it.
- *cut*: at rotation the writer moves an unfinished last line to the new file. What was already told of that line is
  skipped there.
"""

import os
import stat

from tmd.http.log_files import open_log

TRUNCATED = b"==> File truncated <==\n"
FIRST_BYTES = 1024
"""told of what was there before"""
CHUNK_BYTES = 64 * 1024
MAX_GENERATIONS = 1000
"""rotated files looked at to find the one that came next"""


class FollowedFile:
    """Follows `path`, which must be a regular file now; raises OSError otherwise."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd, size = open_log(path)
        status = os.fstat(self._fd)
        self._inode = (status.st_dev, status.st_ino)
        self.modified = status.st_mtime
        self._position = max(0, size - FIRST_BYTES)
        self._moved = False

    def close(self) -> None:
        """Give the descriptor back; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def unread(self) -> int:
        """Bytes of the present file that have not been read."""
        return max(0, os.fstat(self._fd).st_size - self._position)

    @property
    def orphaned(self) -> bool:
        """The present file has no name any more: only this follower keeps its space on the disk."""
        return os.fstat(self._fd).st_nlink == 0

    def read(self) -> bytes:
        """Return what comes next, at most `CHUNK_BYTES`; empty when there is nothing yet."""
        data = os.pread(self._fd, CHUNK_BYTES, self._position)
        self._position += len(data)
        return data

    def look(self, named: os.stat_result | None) -> bytes | None:
        """Look whether the file was truncated or rotated; `named` is what the path means now, None for nothing.

        Returns what is to be told about it, None when nothing has happened and there is nothing to read.
        """
        inode = self._inode if named is None else (named.st_dev, named.st_ino)
        if named is not None and inode != self._inode and (named.st_size == 0 or not stat.S_ISREG(named.st_mode)):
            inode = self._inode  # an empty new file: the writer may not be done with the old one
        if inode == self._inode:
            self._moved = False
            if named is not None and named.st_size == self._position:
                return None
            if os.fstat(self._fd).st_size >= self._position:
                return b""
            self._position = 0
            return TRUNCATED
        size = os.fstat(self._fd).st_size
        if self._moved and size <= self._position:
            self._go_on(told_too_much=self._position - size)
        else:
            self._moved = True
        return b""

    def _go_on(self, *, told_too_much: int) -> None:
        """Change over to the file that came next; what was told of its beginning already is skipped."""
        try:
            fd, size = open_log(self._successor())
        except OSError:
            return
        os.close(self._fd)
        status = os.fstat(fd)
        self._fd, self._inode = fd, (status.st_dev, status.st_ino)
        self._position = told_too_much if told_too_much <= size else 0
        self._moved = False

    def _successor(self) -> str:
        newer = self.path
        for generation in range(1, MAX_GENERATIONS):
            older = f"{self.path}.{generation}"
            try:
                status = os.stat(older)
            except OSError:
                break
            if (status.st_dev, status.st_ino) == self._inode:
                return newer
            newer = older
        return self.path
