"""One turn in processes of its own, of which nothing is left when it is over, however it goes.

Two processes: the guard, to whom all orphans of the turn are handed, and below it the turn itself. The guard waits for
the turn no longer than it may, then ends whatever is alive below; it does the same when it is asked to end (SIGTERM)
or the one who started it is gone. The answer goes into a file, because it may be large.
"""

import os
import select
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec

from bench.catalogue import Catalogue
from bench.offspring import adopt, end_all, end_with
from bench.unavailable import Unavailable

_LEAVE_S = 3.0
"""in which what a turn has ended may be on its way out; what is there longer was left behind"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One turn."""

    catalogue: Catalogue
    measurement: str
    subject: str
    home: str
    """an empty directory"""
    answer: str
    """the file for the answer"""
    quick: bool
    most_s: float
    """in which it has to end"""
    by: int
    """pid of who asks: the turn ends with it"""


@dataclass(frozen=True, slots=True)
class Answered:
    """How a turn went."""

    samples: dict[str, tuple[float, ...]] = field(default_factory=dict)
    trouble: str = ""
    """in a sentence, why there are no samples, or what else is wrong"""
    details: str = ""
    """the traceback, for who repairs it"""
    missing: str = ""
    """why the subject cannot be measured at all"""
    took_s: float = 0.0


class _Ended(BaseException):
    """The guard has to end."""


def take(asked: Asked) -> Answered:
    """Measure, in this process."""
    began = time.monotonic()
    try:
        measurement = asked.catalogue.measured()[asked.measurement]
        kind = asked.catalogue.subjects()[asked.subject]
        samples = measurement.turn(kind, Path(asked.home), asked.quick)
        answered = Answered({key: tuple(float(one) for one in many) for key, many in samples.items()})
    except Unavailable as error:
        answered = Answered(missing=str(error))
    except Exception as error:  # noqa: BLE001 - the border: a turn that fails is reported, the others go on
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        answered = Answered(trouble=said, details=traceback.format_exc())
    return replace(answered, took_s=time.monotonic() - began)


def guard(asked: Asked) -> Answered:
    """Have it measured in a process below, and end all that is left of it. Raises `_Ended` when asked to end."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _measure(asked, os.getppid())
    grace_s = 0.0
    in_time = False
    try:
        in_time = _ended(child, asked.most_s)
        grace_s = _LEAVE_S if in_time else 0.0
    finally:
        left = end_all(grace_s)
    took_s = time.monotonic() - began
    if not in_time:
        return Answered(trouble=f"not done within {asked.most_s:g} s", took_s=took_s)
    path = Path(asked.answer)
    if not path.exists():
        return Answered(trouble="its process was killed", took_s=took_s)
    answered = msgspec.json.decode(path.read_bytes(), type=Answered)
    if left and not answered.trouble:
        return replace(answered, trouble=f"left running: {', '.join(sorted(set(left)))} ({len(left)})")
    return answered


def _measure(asked: Asked, parent: int) -> NoReturn:
    """Be the process below: the answer is in its file, whole, or not there."""
    code = 1
    try:
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, signal.SIG_DFL)
        end_with(parent)
        unfinished = Path(f"{asked.answer}.new")
        unfinished.write_bytes(msgspec.json.encode(take(asked)))
        unfinished.rename(asked.answer)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ended(child: int, most_s: float) -> bool:
    """Wait for the end of a child; returns whether it came in time."""
    handle = os.pidfd_open(child)
    try:
        return bool(select.select([handle], [], [], most_s)[0])
    finally:
        os.close(handle)


def _end(_signum: int, _frame: FrameType | None) -> None:
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)  # what is left to do must not be cut short
    raise _Ended


def main() -> int:
    """Guard the turn that the first argument describes (JSON); returns the exit status."""
    asked = msgspec.json.decode(sys.argv[1], type=Asked)
    adopt()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _end)
    try:
        end_with(asked.by)
        answered = guard(asked)
    except _Ended:
        return 128 + signal.SIGTERM
    Path(asked.answer).write_bytes(msgspec.json.encode(answered))
    return 0


if __name__ == "__main__":
    sys.exit(main())
