"""Faults that cannot be had otherwise: a library between the daemon and libc that lies as it is told to.

The machine's clock is everybody's, and no file system here fails with EIO at will. What is loaded into the daemon comes
into its programs, too, which is of no matter to them.
"""

import contextlib
import mmap
import platform
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Rig

SOURCE = Path(__file__).with_name("meddling.c")
_ASKED = struct.Struct("=qqii256s")
YEAR_S = 365 * 86_400


class Meddler:
    """What the daemon of a rig is told by its libc. To be made before the daemon starts."""

    def __init__(self, rig: Rig, library: Path) -> None:
        path = rig.dir / "meddling"
        path.write_bytes(bytes(_ASKED.size))
        with path.open("r+b") as file:
            self._asked = mmap.mmap(file.fileno(), _ASKED.size)
        self._wall_s = self._boot_s = self._write_errno = self._fork_errno = 0
        self._place = ""
        start = rig.start
        rig.start = lambda *arguments, **more: start(  # type: ignore[method-assign]
            *arguments, LD_PRELOAD=str(library), MEDDLING=str(path), **more
        )

    def set_clock(self, seconds: int) -> None:
        """Have the time of day be so much ahead of what it is, or behind."""
        self._wall_s = seconds
        self._write()

    def sleep(self, seconds: int) -> None:
        """Let the machine sleep: every clock but the monotonic one has gone on."""
        self._wall_s += seconds
        self._boot_s += seconds
        self._write()

    @contextlib.contextmanager
    def failing_writes(self, number: int, below: Path) -> Iterator[None]:
        """Have all writes to files below a directory fail with an errno."""
        self._write_errno, self._place = number, f"{below}/"
        self._write()
        yield
        self._write_errno = 0
        self._write()

    @contextlib.contextmanager
    def failing_forks(self, number: int) -> Iterator[None]:
        """Have no process be made, with an errno."""
        self._fork_errno = number
        self._write()
        yield
        self._fork_errno = 0
        self._write()

    def _write(self) -> None:
        self._asked[:] = _ASKED.pack(
            self._wall_s, self._boot_s, self._write_errno, self._fork_errno, self._place.encode()
        )


def build(directory: Path) -> Path:
    """Return the library, compiled; skip where it cannot be."""
    compiler = shutil.which("cc")
    if compiler is None or platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("this needs a C compiler, and is written for x86-64")
    library = directory / "meddling.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the C compiler does not work: {done.stderr}")
    return library
