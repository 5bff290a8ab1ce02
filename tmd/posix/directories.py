"""A directory of ours that others may take away, and that is made again as it was."""

import os
import stat
from contextlib import suppress


class Directory:
    """The directory a file is in, as it is now. Where there is none now, one of ordinary mode and owner is meant."""

    def __init__(self, file: str) -> None:
        self.path = os.path.dirname(file) or "."
        self._mode, self._owner = 0o755, (-1, -1)
        with suppress(OSError):
            found = os.stat(self.path)
            self._mode, self._owner = stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)

    def make_again(self) -> bool:
        """Make it where it is not; tell whether that was so. OSError. Those above it are made in the ordinary way."""
        if os.path.isdir(self.path):
            return False
        parent = os.path.dirname(self.path)
        if parent:
            os.makedirs(parent, exist_ok=True)
        os.mkdir(self.path, self._mode & 0o700)  # nobody else gets in before it is as it shall be
        if self._owner != (-1, -1):
            with suppress(PermissionError):
                os.chown(self.path, *self._owner)
        os.chmod(self.path, self._mode)
        return True
