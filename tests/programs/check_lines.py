"""Tells whether the lines of `spam.py` arrived: all of them, once, whole and in order.

check_lines.py FILE... (oldest first)
"""

import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Report:
    """What was found. `missing`: numbers between `first` and `last` that never came; None where nothing came at all."""

    first: int | None
    last: int | None
    count: int
    torn: int
    missing: int
    doubled: int
    misplaced: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing between the first and the last line is wrong."""
        return not (self.torn or self.missing or self.doubled or self.misplaced)


def check(paths_oldest_first: Iterable[str | Path], tag: str | None = None) -> Report:
    """Read files as one stream of lines; with a `tag` count only lines of that tag (and torn ones)."""
    seen = bytearray()
    count = torn = doubled = misplaced = 0
    first = last = None
    before = -1
    for line in _lines(paths_oldest_first):
        parsed = _parse(line)
        if parsed is None:
            torn += 1
            continue
        seq, payload = parsed
        if tag is not None and not payload.startswith(tag.encode()):
            continue
        if seq >= len(seen):
            seen.extend(bytes(seq + 1 - len(seen) + (1 << 16)))
        if seen[seq]:
            doubled += 1
            continue
        seen[seq] = 1
        count += 1
        misplaced += seq < before
        before = seq
        first = seq if first is None else min(first, seq)
        last = seq if last is None else max(last, seq)
    missing = 0 if first is None or last is None else last - first + 1 - count
    return Report(first, last, count, torn, missing, doubled, misplaced)


def oldest_first(path: str | Path) -> list[Path]:
    """Return a log and its numbered backups in the order they were written."""
    current = Path(path)
    backups = [(int(other.suffix[1:]), other) for other in current.parent.glob(current.name + ".*") if _numbered(other)]
    return [other for _, other in sorted(backups, reverse=True)] + ([current] if current.exists() else [])


def _numbered(path: Path) -> bool:
    return path.suffix[1:].isdigit()


def _lines(paths: Iterable[str | Path]) -> Iterable[bytes]:
    rest = b""
    for path in paths:
        with open(path, "rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield rest + line[:-1]
                    rest = b""
                else:
                    rest += line
    if rest:
        yield rest


def _parse(line: bytes) -> tuple[int, bytes] | None:
    parts = line.split(b" ", 2)
    if len(parts) != 3 or not parts[0].isdigit() or not parts[1].isdigit():
        return None
    if zlib.crc32(parts[2]) != int(parts[1]):
        return None
    return int(parts[0]), parts[2]


if __name__ == "__main__":
    print(check(sys.argv[1:]))
