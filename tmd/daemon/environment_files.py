"""Environment files: variables that a program gets from files, as these are at the moment it is started.

Promises that a file is used whole or not at all, that a FIFO, a device or a file without end holds nobody up, and, as
root, that nobody decides about a program by way of a file that is not his to decide about. Reading happens on the
loop, like that of the configuration: a file belongs on a local disk.
"""

import os
import stat
from collections.abc import Iterator, Sequence

from tmd.config.settings import EnvironmentFile, Settings
from tmd.posix.trust import open_real, real_path, unsafe_directory
from tmd.tree.dotenv import MAX_BYTES, DotenvRefused, read_dotenv


class CannotRead(Exception):
    """A file cannot be used. `reasons`: a line for each thing that is wrong, with its place."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(reasons[0])
        self.reasons = reasons


def variables(files: Sequence[EnvironmentFile], uid: int) -> dict[str, str]:
    """Return what the files set for a program of the user `uid`, later ones over earlier ones; raises `CannotRead`."""
    found: dict[str, str] = {}
    for file in files:
        found.update(_read(file, uid))
    return found


def problems(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with the files that the programs of a configuration name, each thing once."""
    told: set[str] = set()
    uid = os.geteuid()
    for group in settings.groups:
        for spec in group.processes:
            for file in spec.environment_file:
                try:
                    _read(file, uid if spec.uid is None else spec.uid)
                except CannotRead as why:
                    yield from (reason for reason in why.reasons if reason not in told)
                    told.update(why.reasons)


def _read(file: EnvironmentFile, uid: int) -> dict[str, str]:
    data = _bytes_of(file, uid)
    try:
        return {each.name: each.value for each in read_dotenv(data)}
    except DotenvRefused as refused:
        raise CannotRead(*(f"{file.path}:{line}: {reason}" for line, reason in refused.problems)) from None


def _bytes_of(file: EnvironmentFile, uid: int) -> bytes:
    try:
        with os.fdopen(_open(file.path, uid), "rb") as content:
            return content.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if file.optional:
            return b""
        raise CannotRead(f"{file.path}: no such file (write -{file.path} if it may be missing)") from None
    except (OSError, ValueError) as why:
        raise CannotRead(f"{file.path}: {_told(why)}") from None


def _open(path: str, uid: int) -> int:
    """Return a descriptor of a regular file; raises what tells why not. Nothing else is opened: a device may act."""
    real = real_path(path)
    if not stat.S_ISREG(os.lstat(real).st_mode):
        raise CannotRead(f"{path}: is not a regular file")
    # It may set LD_PRELOAD: who writes it runs what he likes as the program's user.
    if os.geteuid() == 0 and (reason := unsafe_directory(path, (uid,), system_groups=False)):
        raise CannotRead(f"{path}: refusing it as root: {reason}")
    fd = open_real(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise CannotRead(f"{path}: is not a regular file")


def _told(why: OSError | ValueError) -> str:
    """Return the reason as a part of a sentence; paths in it stay as they are."""
    reason = (why.strerror if isinstance(why, OSError) else None) or str(why)
    return reason[:1].lower() + reason[1:]
