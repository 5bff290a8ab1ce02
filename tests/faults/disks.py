"""A small disk: a tmpfs of a megabyte that is filled, freed and made read-only."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SIZE_BYTES = 1 << 20


class Disk:
    """A mounted tmpfs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave no room."""
        with self._filler.open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(b"\0" * 4096)
                except OSError:
                    return

    def free(self) -> None:
        """Leave all room but for what others have written."""
        self._filler.unlink()

    @contextlib.contextmanager
    def without_new_files(self) -> Iterator[None]:
        """Leave room in files for a while, but for no new ones."""
        used = os.statvfs(self.path)
        self.remount(f"nr_inodes={used.f_files - used.f_ffree}")
        yield
        self.remount("nr_inodes=10000")

    def remount(self, mode: str) -> None:
        """Mount it with other options: read-only (`ro`) or not (`rw`), say. Busy files keep it from the former."""
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.path)], check=True)


@contextlib.contextmanager
def mounted(path: Path) -> Iterator[Disk]:
    """Mount a disk for as long as this lasts; skip where we may not."""
    path.mkdir()
    options = f"size={SIZE_BYTES},mode=0755"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmd-faults", str(path)]
    done = subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    if done.returncode or not os.path.ismount(path):
        pytest.skip("only root can mount a disk")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
