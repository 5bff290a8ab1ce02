"""Room for files: the daemon's own limit of open files grows when that is needed; that of its programs does not.

As long as both are the same, programs inherit theirs; later it is set right after their exec.
"""

from tmd.posix import children, limits

SPARE_FILES = 128
"""so many descriptors below the limit it is raised"""
RESERVED_FILES = 64
"""so many are left for starting programs: nothing is opened for clients with less"""


class FilesRoom:
    """`for_programs`: the soft limit that programs are to have."""

    def __init__(self, for_programs: int) -> None:
        self._limit = limits.files_limit()
        self._nofile = for_programs if for_programs != self._limit else None
        """what programs are to have, once the daemon's own limit is another"""

    def give(self, pid: int) -> None:
        """Give a program that was just started the limit it is to have."""
        if self._nofile is not None:
            children.set_files_limit(pid, self._nofile)

    def make(self, newest_fd: int) -> None:
        """Raise our own limit when it comes near, and only then."""
        if newest_fd >= self._limit - SPARE_FILES:
            self.raise_limit()

    def enough(self) -> bool:
        """Tell whether files may be opened for what is no program: some descriptors are kept for those."""
        if limits.files_left() < SPARE_FILES:
            self.raise_limit()
        return limits.files_left() >= min(RESERVED_FILES, limits.files_limit() // 8)

    def raise_limit(self) -> None:
        """Raise our own limit as far as it goes; once."""
        if self._nofile is not None:
            return
        before, now = limits.raise_files(limits.files_limit())
        self._limit = now
        self._nofile = before
