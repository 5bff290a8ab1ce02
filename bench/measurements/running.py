"""A subject that runs for as long as it is looked at, and leaves nothing behind."""

import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measurements import procfs
from bench.stamping import Stamps
from bench.subjects.base import Plan, Program, Subject, Unavailable


class Broken(Exception):
    """A subject did not do what is measured; the text says what it did."""


@contextmanager
def prepared(kind: type[Subject], home: Path, plan: Plan) -> Iterator[Subject]:
    """Configure a subject in a new directory; afterwards end all it started and remove the directory."""
    home.mkdir(parents=True)
    subject = kind(home)
    try:
        subject.write(plan)
        yield subject
    finally:
        try:
            subject.close()
        finally:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running(kind: type[Subject], home: Path, plan: Plan) -> Iterator[Subject]:
    """As `prepared`, and launch it."""
    with prepared(kind, home, plan) as subject:
        subject.launch()
        yield subject


def idlers(
    stamps: Stamps,
    count: int,
    *,
    logged: bool = False,
    startsecs: int = 0,
    linger_s: float = 0.0,
    autostart: bool = True,
) -> tuple[Program, ...]:
    """Return programs that stamp and then do nothing: p0, p1, ...; the subject takes them for started at once.

    linger_s: how long each needs to end when it is told to.
    """
    return tuple(
        Program(
            name=f"p{index}",
            argv=stamps.argv(index, linger_s=linger_s),
            logged=logged,
            autostart=autostart,
            startsecs=startsecs,
        )
        for index in range(count)
    )


def gone(pids: Iterable[int], timeout_s: float) -> None:
    """Wait until none of these programs runs any more; raises `Broken` when some stay."""
    deadline = time.monotonic() + timeout_s
    left = list(pids)
    while left := [pid for pid in left if procfs.alive(pid)]:
        if time.monotonic() > deadline:
            raise Broken(f"{len(left)} programs still ran {timeout_s:g} s after the supervisor had ended")
        time.sleep(0.002)


def settle(seconds: float) -> None:
    """Let time pass: what a launch has stirred comes to rest."""
    threading.Event().wait(seconds)


def need_room(home: Path, size: int) -> None:
    """Raise `Unavailable` unless so many bytes fit into the filesystem of this directory, with as much to spare."""
    free = shutil.disk_usage(home).free
    if free < 2 * size:
        raise Unavailable(f"cannot write logs below {home}: {free >> 20} MiB free (needs {2 * size >> 20} MiB)")
