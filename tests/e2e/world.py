"""What the machine says about processes, read from /proc: no word of the daemon's is taken for it."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")
HERTZ = os.sysconf("SC_CLK_TCK")


class Figures(NamedTuple):
    """One process now: wake-ups and CPU of all its threads since it began, resident memory now."""

    wakeups: int
    cpu_s: float
    rss_bytes: int


def stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state on (state, ppid, pgrp, session...), None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            text = file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(b")")[2].decode().split()


def alive(pid: int) -> bool:
    """Say whether a process is there and not a zombie."""
    fields = stat(pid)
    return fields is not None and fields[0] not in "ZX"


def stopped(pid: int) -> bool:
    """Say whether a process is suspended by a signal."""
    fields = stat(pid)
    return fields is not None and fields[0] == "T"


def pids() -> list[int]:
    """Return all pids."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid: int) -> list[int]:
    """Return the pids whose parent is `pid`, zombies too."""
    while (found := _children(pid)) != _children(pid):
        continue  # a list that is read while some of it end may lack others
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in _listed(f"/proc/{pid}/task"):
        with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
            found += map(int, file.read().split())
    return sorted(found)


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, ProcessLookupError):
        return []


def zombies(pid: int) -> list[int]:
    """Return the children of `pid` that nobody reaped yet."""
    return [child for child in children(pid) if (fields := stat(child)) is not None and fields[0] == "Z"]


def marked(mark: str) -> list[int]:
    """Return the pids whose environment has that text (`NAME=value`), this process left out."""
    wanted = mark.encode()
    return [pid for pid, text in _all("environ") if wanted in text and wanted in text.split(b"\0")]


def named(word: str) -> list[int]:
    """Return the pids that have a text in their command line, this process left out."""
    wanted = word.encode()
    return [pid for pid, text in _all("cmdline") if wanted in text]


def _all(name: str) -> Iterator[tuple[int, bytes]]:
    """Yield what a file of /proc has for each process: at every end of a rig, so not by Path, nor by a buffer."""
    for pid in pids():
        if pid == os.getpid():
            continue
        try:
            with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
                text = file.readall()
        except OSError:
            continue
        yield pid, text


def command(pid: int) -> str:
    """Return a process's command line, for messages."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(gone)"


def kill(pid: int, signum: int = signal.SIGKILL) -> None:
    """Send a signal; a process that is gone is no error."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def figures(pid: int) -> Figures:
    """Measure a process, all its threads together."""
    wakeups = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        for line in Path(f"/proc/{pid}/task/{task}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                wakeups += int(line.split()[1])
    fields = stat(pid)
    if fields is None:
        raise ProcessLookupError(pid)
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return Figures(wakeups, (int(fields[11]) + int(fields[12])) / HERTZ, pages * PAGE)


def threads(pid: int) -> int:
    """Count a process's threads."""
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid: int) -> int:
    """Count a process's open descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))
