"""What the reader of a figure wants to know about the machine it comes from; nothing that tells whose it is."""

import os
import platform
import resource
import tempfile
from pathlib import Path

from bench.findings import Machine
from bench.stamping import bare

BARE = "a program of a few hundred instructions, without a C library"
HOSTED = "a small static program; its C library starts first, which is part of every figure of a start"


def describe() -> Machine:
    """Look at this machine."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(
        system=f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        processor=_field("/proc/cpuinfo", "model name") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        python=platform.python_version(),
        files=_file_system(Path(tempfile.gettempdir()).resolve()),
        soft_descriptors=soft,
        programs=BARE if bare() else HOSTED,
    )


def _field(path: str, name: str) -> str:
    """Return the first value of `name : value` in a file, "" when there is none."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _file_system(path: Path) -> str:
    """Return the kind of the file system a path is on; the innermost mount counts."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        _, where, kind, *_ = line.split()
        if path.is_relative_to(where) and len(where) >= len(best[0]):
            best = (where, kind)
    return best[1]
