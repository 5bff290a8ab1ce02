"""Programs that a daemon left behind which was not this one, or of which nothing is known: found, told of, not touched.

What is adopted hangs by the name of a file, and by what is in it. A daemon that was started with another identifier or
pid file than before, or whose journal is torn, would start everything a second time and never say so.
"""

import glob
import os
import re
from collections.abc import Sequence
from contextlib import suppress

from tmd.core.records import LIFE
from tmd.daemon.journal import Journal
from tmd.posix import brands
from tmd.posix.cgroups import PREFIX
from tmd.posix.identity import glimpse
from tmd.posix.marks import Carrier, carriers

NAMED = 20
"""of so many processes a warning names the numbers"""
_NUMBER = re.compile(r"-[0-9a-f]{8}\.journal$")


def by_other_daemons(journal: Journal) -> list[str]:
    """Return a warning for each journal beside ours that no daemon keeps, of programs that still run.

    Of the same identifier: it may be that of a daemon which was started in another way.
    """
    warnings = []
    own = _NUMBER.search(journal.path)
    beside = glob.glob(glob.escape(journal.path[: own.start()]) + "-????????.journal") if own else []
    for path in sorted(beside):
        if path == journal.path or not _NUMBER.search(path):
            continue
        lives = [entry.life for entry in Journal(path, _no_matter).peek() if entry.life is not None and entry.life.pid]
        pids = [life.pid for life in lives if (seen := glimpse(life.pid)) and seen.alive and seen.ticks == life.ticks]
        if pids:
            warnings.append(
                f"programs of a tmd that was killed still run: {_named(pids)}; they are not taken back, for their "
                f"journal is '{path}' and this one '{journal.path}' (start tmd with the same pid file as then, or end "
                "them, or remove that file)"
            )
    return warnings


def without_a_journal(key: str) -> str:
    """Return a warning about what may go on of the programs of a journal that cannot be used; empty: nothing does.

    `key`: what was legible of it; without one, all that has a mark and no daemon counts.
    """
    found = carriers(LIFE, (lambda value: value.startswith(f"{key}.")) if key else bool)
    inner = {each.pid: each.value for each in found}
    pids = [each.pid for each in found if each.leads and _is_first(each, inner) and (key or not _has_daemon(each.pid))]
    if not pids:
        return ""
    whose = "programs of that tmd" if key else "processes that were started by some tmd, which is gone,"
    return f"{whose} still run: {_named(pids)}; they are not taken back, and may be started a second time (end them)"


def going_on(journal: Journal, marked: Sequence[Carrier]) -> set[str]:
    """Return which of the lives that were left alone something is left of; `marked`: who carries our key."""
    branded = brands.carriers(brands.of(f"{journal.key}.0"))
    found = {f"{journal.key}.{brands.number(brand)}" for pid, brand in branded.items() if _is_alive(pid)}
    found |= {each.value for each in marked}
    return journal.spared & (found | _in_groups(journal.key))


def _in_groups(key: str) -> set[str]:
    """Return the tokens of lives whose control groups have somebody in them."""
    group = re.compile(rb"/" + f"{PREFIX}{key}".encode() + rb"/(\d+)")
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{pid}/cgroup", "rb") as file:
            number = group.search(file.read())
            if number is not None and _is_alive(int(pid)):
                found.add(f"{key}.{number[1].decode()}")
    return found


def _is_alive(pid: int) -> bool:
    seen = glimpse(pid)
    return seen is not None and seen.alive


def _is_first(carrier: Carrier, others: dict[int, str]) -> bool:
    """Tell whether a process was not started by one of the same life."""
    seen = glimpse(carrier.pid)
    return seen is not None and others.get(seen.ppid) != carrier.value


def _has_daemon(pid: int) -> bool:
    """Tell whether the parent of a process is what we are: a program run by this interpreter."""
    seen = glimpse(pid)
    try:
        return seen is not None and os.path.samefile(f"/proc/{seen.ppid}/exe", "/proc/self/exe")
    except OSError:
        return False


def _named(pids: list[int]) -> str:
    more = f" and {len(pids) - NAMED} more" if len(pids) > NAMED else ""
    return f"pid {', '.join(map(str, pids[:NAMED]))}{more}"


def _no_matter(_: str) -> None:
    """Of a file that is not ours nothing is to be told."""
