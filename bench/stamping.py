"""The supervised program of every measurement, and what it leaves behind: stamps of its births, lines to be judged.

It is `stamp.c`, tiny and without a C library where its machine is known, so that a measurement shows the supervisor's
time, not that of an interpreter or of a loader; what writes and judges lines is `spam.c`. Both are built once into the
cache. Their times are CLOCK_MONOTONIC in ns, as `time.monotonic_ns`.
"""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache as once
from pathlib import Path
from typing import NamedTuple

from bench.cache import making, run
from bench.unavailable import Unavailable

_STAMP, _SPAM = (Path(__file__).with_name(name) for name in ("stamp.c", "spam.c"))
_FLAGS = ("-O2", "-static", "-std=gnu11")
_BARE = ("-DBARE", "-ffreestanding", "-nostdlib", "-fno-stack-protector")
_BARE_MACHINES = ("x86_64", "aarch64")
"""whose system calls `stamp.c` knows"""
ZIG = "ziglang==0.13.0"
DONE = 1_000_000
"""added to a writer's index in the stamp that tells that it has written everything"""

_RECORD = struct.Struct("=qqq")
_OFTEN_S = 0.001
_RARELY_S = 0.01


class Stamp(NamedTuple):
    """One birth (or the end of one writer's work)."""

    pid: int
    ns: int
    index: int  # type: ignore[assignment]  # tuple.index is missed by nobody


class Report(NamedTuple):
    """What became of the lines of one writer."""

    lines: int
    """found, whole or not"""
    missing: int
    torn: int
    """not as written"""
    doubled: int
    misplaced: int
    """behind one that was written later"""

    @property
    def wrong(self) -> int:
        """How many lines something happened to."""
        return self.missing + self.torn + self.doubled + self.misplaced


class Stamps:
    """The file that programs stamp, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        path.touch()

    def argv(self, index: int, *, linger_s: float = 0.0, exit_code: int | None = None) -> tuple[str, ...]:
        """Return the command of a program that stamps, then exits with the code or lives until SIGTERM.

        linger_s: seconds it lives on after SIGTERM; 0: it dies of it.
        """
        code = -1 if exit_code is None else exit_code
        return (str(helper()), "live", str(self.path), str(index), str(round(linger_s * 1e9)), str(code))

    def read(self) -> list[Stamp]:
        """Return the stamps since the last read, in the order of writing (which is nearly that of their times)."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = len(data) // _RECORD.size * _RECORD.size
        self._offset += whole
        return [Stamp(*record) for record in _RECORD.iter_unpack(data[:whole])]

    def wait(self, count: int, timeout_s: float) -> list[Stamp]:
        """Wait for that many stamps since the last read, and return them and any more. Raises TimeoutError."""
        wanted = self._offset + count * _RECORD.size
        began = time.monotonic()
        while (size := os.stat(self.path).st_size) < wanted:
            waited_s = time.monotonic() - began
            if waited_s > timeout_s:
                there = (size - self._offset) // _RECORD.size
                raise TimeoutError(f"{there} of {count} programs came up within {timeout_s:g} s")
            # The times are in the stamps: looking late falsifies nothing, looking often takes the subject's time.
            time.sleep(min(max(_OFTEN_S, waited_s / 16), _RARELY_S))
        return self.read()


def writer(
    path_stamps: Path, *, lines: int, size: int, write_bytes: int, index: int, go: Path | None = None
) -> tuple[str, ...]:
    """Return the command of a program that stamps, writes when it may, stamps with `index + DONE`, and lives.

    It writes so many numbered and checksummed lines of `size` bytes (30 + the digits of the index at least) to standard
    output as fast as it can, `write_bytes` at a time; 0: a write for each line. go: it begins when this file is there
    (looked for every millisecond), so that many begin together; None: at once.
    """
    numbers = (str(index), str(lines), str(size), str(write_bytes))
    return (str(spammer()), "write", str(path_stamps), *numbers, "-" if go is None else str(go))


def once_argv() -> tuple[str, ...]:
    """Return the command of a program that only exits: what fork and exec cost at the least."""
    return (str(helper()), "once")


def check(files: Sequence[Path], index: int, lines: int | None = None) -> Report:
    """Judge the output of one writer, read as one stream from these files, the oldest first; about a GB a second.

    lines: how many it wrote; None: those missing after the last one found are not counted.
    """
    argv = (str(spammer()), "check", str(index), str(-1 if lines is None else lines), *map(str, files))
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return Report(*map(int, done.stdout.split()))


def bare() -> bool:
    """Return whether the program that only stamps has no C library here, which would be most of its start."""
    return os.uname().machine in _BARE_MACHINES and sys.maxsize > 2**32


@once
def helper() -> Path:
    """Return the path of the program that stamps, building it at the first call. Raises `Unavailable`."""
    return _built(_STAMP, (*_FLAGS, *_BARE) if bare() else _FLAGS)


@once
def spammer() -> Path:
    """Return the path of the program that writes and judges lines, as `helper`."""
    return _built(_SPAM, _FLAGS)


def _built(source: Path, flags: tuple[str, ...]) -> Path:
    digest = hashlib.sha256(source.read_bytes() + " ".join(flags).encode()).hexdigest()[:12]
    with making(f"{source.stem}-{digest}") as path:
        if not path.is_file():
            fresh = path.with_suffix(f".{os.getpid()}")
            run((*_compiler(), *flags, "-o", str(fresh), str(source)), f"compile bench/{source.name}")
            fresh.rename(path)
    return path


def _compiler() -> tuple[str, ...]:
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return (found,)
    return zig()


def zig() -> tuple[str, ...]:
    """Return the command of the C compiler that comes from PyPI, fetched into the cache. Raises `Unavailable`."""
    machine = os.uname().machine
    with making("zig") as path:
        if not (path / "ziglang").is_dir():
            shutil.rmtree(path, ignore_errors=True)
            pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            try:
                run((*pip, "--target", str(path), ZIG), f"install {ZIG} from PyPI")
            except Unavailable as error:
                raise Unavailable(f"{error} (or install a C compiler: apt-get install gcc libc6-dev)") from error
    return (str(path / "ziglang/zig"), "cc", "-target", f"{machine}-linux-musl")
