"""Reads what `tests/programs/scribe.py` has written: every line exactly once, whole and in order, over rotations."""

import os
import re
import zlib
from pathlib import Path

FIRST_LINE = re.compile(rb"([0-9]+)\.0 [^ ]* [0-9a-f]{8}$")


class Wrong(Exception):
    """Something is missing, doubled, torn or out of order."""


class Reader:
    """The log of one program: what was read stays read, so that a long run can be checked, and thrown away, in between.

    Lives follow one another, and nothing of an earlier one comes later. `cut`: a life may lack its end, for it may have
    ended while no daemon was there; otherwise a line that is not whole is wrong, too.
    """

    def __init__(self, path: Path, *, cut: bool = False) -> None:
        self.path, self._cut = path, cut
        self.lines = 0
        self.read_bytes = 0
        self.files = 0
        self.lives: dict[int, int] = {}
        """pid to the number of the last line"""
        self._now = 0
        self._rest = b""

    def consume(self, keep: int) -> None:
        """Check and remove the oldest backups, but for `keep` of them."""
        for path in self._backups()[: -keep or None]:
            self._read(path)
            path.unlink()

    def finish(self) -> None:
        """Check all there is; a line without its end is wrong."""
        for path in [*self._backups(), self.path]:
            if path.exists():
                self._read(path)
        if self._rest and not self._cut:
            raise Wrong(f"{self.path}: it ends in the middle of a line: {self._rest[-100:]!r}")

    def _backups(self) -> list[Path]:
        """Return the backups, the oldest first."""
        name = self.path.name + "."
        numbers = [int(rest) for each in os.listdir(self.path.parent) if (rest := each.removeprefix(name)).isdigit()]
        return [self.path.with_name(f"{name}{number}") for number in sorted(numbers, reverse=True)]

    def _read(self, path: Path) -> None:
        data = path.read_bytes()
        self.files += 1
        self.read_bytes += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        crc32, pid = zlib.crc32, self._now
        number = self.lives.get(pid, -1)
        mark = b"%d.%d " % (pid, number + 1)
        for line in lines:
            if line.startswith(mark) and line[-8:] == b"%08x" % crc32(line[:-8]):
                number += 1
            else:
                self.lives[pid] = number
                pid, number = self._begins(line, path), 0
            mark = b"%d.%d " % (pid, number + 1)
        self._now, self.lives[pid] = pid, number
        self.lines += len(lines)

    def _begins(self, line: bytes, path: Path) -> int:
        """Return the pid of a line that does not follow the one before; it has to be the first of a life."""
        found = FIRST_LINE.search(line)
        digits = found[1] if found is not None else b""
        for skipped in range(len(digits) if self._cut else bool(digits)):  # what is cut may end with digits, too
            first = line[len(line) - len(found[0]) + skipped :] if found is not None else b""
            pid = int(digits[skipped:])
            whole = self._cut or first == line
            if whole and first[-8:] == b"%08x" % zlib.crc32(first[:-8]) and pid not in self.lives:
                return pid
        after = f"line {self.lives[self._now]} of {self._now}" if self._now else "nothing"
        raise Wrong(f"{path}: after {after} comes {line[:60]!r} ... {line[-30:]!r}")
