"""The file in which ends outlive the daemon: one JSON object a line, in its state directory.

Promises that a file that is torn, foreign or somebody else's costs a warning and what is in it, never more; that it is
ours alone (0600) and bounded; and that writing never waits for the disk. What the lines mean is the history's.
"""

import binascii
import os
import stat
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from tmd.core.ends import End
from tmd.posix.drain import Drain
from tmd.posix.logfiles import LogTarget
from tmd.posix.trust import open_real, real_path
from tmd.wire.names import ProcessId

MAX_BYTES = 2 << 20
"""at which the file becomes its own backup, and so much is read back of each of the two"""
SNAPSHOT_BYTES = 512 << 10
"""what is told anew, so that nothing that counts is only in a file about to go"""
SNAPSHOT_AFTER_BYTES = 1 << 20
"""so much was written since it was told last"""


class Alive(msgspec.Struct, frozen=True):
    """A life that has begun."""

    pid: int
    at: float
    """epoch seconds"""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: about the daemon, or about one process."""

    at: float
    daemon: Literal["", "started", "ended"] = ""
    boot: str = ""
    """which start of the machine it was"""
    id: ProcessId | None = None
    ends: list[End] = []
    """newest first"""
    alive: Alive | None = None
    """the life that goes on, None when there is none"""
    gone: bool = False
    """it left the configuration"""


def path_of(statedir: str, identifier: str, pidfile: str) -> str:
    """Return where the ends of this daemon are: daemons differ in their pid files."""
    return f"{statedir}/tmd-{identifier.replace('/', '_')}-{binascii.crc32(os.fsencode(pidfile)):08x}.ends"


class EndsFile:
    """The file at a path; `warn` gets a line about each trouble. Without a path there is none, and nothing is kept."""

    def __init__(self, path: str, drain: Drain, warn: Callable[[str], None]) -> None:
        self._path, self._drain, self._warn = path, drain, warn
        self._encode = msgspec.json.Encoder().encode
        self._target: LogTarget | None = None
        self._refused = False
        self._since_snapshot = 0

    def open(self) -> list[Record]:
        """Return what is in it, oldest first."""
        return [*self._read(f"{self._path}.1"), *self._read(self._path)] if self._path else []

    def begin(self) -> None:
        """Get ready to write. Until then nothing is written: a daemon that does not get to run leaves no file."""
        if self._path and not self._refused and self._usable():
            self._target = LogTarget(self._path, MAX_BYTES, 1, 0o600)
            self._drain.prepare(self._target)
            self._drain.write(self._target, b"\n")  # after what a crash has torn

    def write(self, record: Record) -> None:
        """Add a line."""
        if self._target is not None:
            line = self._encode(record) + b"\n"
            self._since_snapshot += len(line)
            self._drain.write(self._target, line)

    @property
    def wants_snapshot(self) -> bool:
        """Whether so much was written that everything should be told again."""
        return self._since_snapshot > SNAPSHOT_AFTER_BYTES

    def snapshot(self, records: Iterable[Record]) -> None:
        """Tell everything again, in order of importance: when it becomes too much, without ends."""
        if self._target is None:
            return
        size, lines = 0, []
        for record in records:
            line = self._encode(record) + b"\n"
            if size + len(line) > SNAPSHOT_BYTES:
                line = self._encode(msgspec.structs.replace(record, ends=[])) + b"\n" if record.alive else b""
            size += len(line)
            lines.append(line)
        self._drain.write(self._target, b"".join(lines))
        self._since_snapshot = 0

    def _usable(self) -> bool:
        """Find out now that it cannot be written, instead of with every line."""
        try:
            fd = _open(self._path, os.O_WRONLY | os.O_CREAT)
            try:
                os.fchmod(fd, 0o600)  # one that was found may have been made by somebody with other habits
            finally:
                os.close(fd)
        except OSError as why:
            self._warn(f"cannot keep the ends of processes in '{self._path}': {why.strerror} (kept in memory only)")
            return False
        return True

    def _read(self, path: str) -> list[Record]:
        try:
            data = self._bytes(path)
        except FileNotFoundError:
            return []
        except OSError as why:
            self._warn(f"cannot read the ends of processes in '{path}': {why.strerror} (they are forgotten)")
            return []
        if data is None:
            self._set_aside(path)
            return []
        decode = msgspec.json.Decoder(Record).decode
        records, foreign = [], 0
        lines = data.split(b"\n")
        for number, line in enumerate(lines):
            if not line:
                continue
            try:
                records.append(decode(line))
            except (msgspec.DecodeError, ValueError):
                foreign += number < len(lines) - 1 and number > 0  # a line torn by a crash is nobody's fault
        if foreign:
            self._warn(f"cannot understand {foreign} lines of '{path}' (what they say is forgotten)")
        return records

    def _bytes(self, path: str) -> bytes | None:
        """Return the last bytes of a file of our own; None when it is something else. OSError."""
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        fd = _open(path, os.O_RDONLY)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
                return None
            return os.pread(fd, MAX_BYTES, max(0, found.st_size - MAX_BYTES))
        finally:
            os.close(fd)

    def _set_aside(self, path: str) -> None:
        aside = f"{path}.aside"
        refused = f"cannot trust '{path}' (a link, somebody else's, or others may write to it)"
        try:
            os.rename(path, aside)
        except OSError as why:
            self._refused = True
            self._warn(f"{refused}, nor move it out of the way: {why.strerror} (ends are kept in memory only)")
        else:
            self._warn(f"{refused}: moved to '{aside}'")


def _open(path: str, flags: int) -> int:
    """Open a file of ours; OSError, also for one that others have planted."""
    directory, name = os.path.split(path)
    return open_real(f"{real_path(directory)}/{name}", flags | os.O_NONBLOCK, 0o600)
