"""What runit and s6 have in common: a directory for each program, a supervising process and a logger for each.

A service directory holds `run`, a `log/run` that gets its output, and a `down` that keeps it from being started. The
supervising process takes single letters from the FIFO `supervise/control` and keeps `supervise/status` up to date by
renaming a new one over it: this is all that `sv` and `s6-svc` do to it, so it is done here without starting them.
"""

import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.subjects.base import Plan, Program, Unavailable
from bench.subjects.family import Family
from bench.subjects.waiting import until

CONTROL_S = 120.0

Judge = Callable[[bytes], bool]
"""whether the bytes of a status file say what is waited for"""


def write_services(directory: Path, plan: Plan, log_argv: Callable[[Program], Sequence[str]]) -> None:
    """Write a service directory for each program, in place of those that were there.

    log_argv: the logger of a program; it runs in the directory `log`, and may rely on the directory `log/main`.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for program in plan.programs:
        service = directory / program.name
        service.mkdir()
        _script(service / "run", program.argv, "" if program.logged else " >/dev/null")
        if not program.autostart:
            (service / "down").touch()
        if program.logged:
            (service / "log/main").mkdir(parents=True)
            _script(service / "log/run", log_argv(program), "")
    # runsvdir waits for a second when the directory has just changed. That of a user has not.
    os.utime(directory, (0, 0))


def need_processes(count: int) -> None:
    """Raise `Unavailable` when so many processes would take more than half of what the machine has room for."""
    most = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
    if count > most // 2:
        raise Unavailable(f"it would take {count:,} processes (kernel.pid_max is {most:,})")


def _script(path: Path, argv: Sequence[str], redirected: str) -> None:
    path.write_text(f"#!/bin/sh\nexec {shlex.join(argv)}{redirected}\n", encoding="utf-8")
    path.chmod(0o755)


def own_processes(family: Family, names: Sequence[str]) -> list[int]:
    """Return the pids of the main process, and after it of all that have one of these names."""
    found = []
    for pid in family.pids():
        try:
            called = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").rstrip("\n")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if called in names or (family.main is not None and pid == family.main.pid):
            found.append(pid)
    return found


def log_files(directory: Path, name: str) -> list[Path]:
    """Return the files of a program's logger, the oldest first: those rotated are called @ and the time."""
    return [*sorted((directory / name / "log/main").glob("@*")), directory / name / "log/main/current"]


def supervised(service: Path, entrance: str) -> bool:
    """Say whether a supervising process reads its FIFO."""
    try:
        os.close(os.open(service / "supervise" / entrance, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def control(directory: Path, names: Sequence[str], letter: bytes, reached: Judge) -> None:
    """Send one letter to all of them, then wait until the status of all is as wanted. Raises OSError, TimeoutError."""
    for name in names:
        fifo = os.open(directory / name / "supervise/control", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(fifo, letter)
        finally:
            os.close(fifo)
    for name in names:
        status = directory / name / "supervise/status"
        until(lambda status=status: reached(status.read_bytes()), CONTROL_S, f"{name} obeys {letter.decode()!r}")  # type: ignore[misc]
