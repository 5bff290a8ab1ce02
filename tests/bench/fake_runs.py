"""Measurements and subjects of which it is known what comes out: good ones, and ones with every kind of trouble."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements.base import Figure, Promise, Samples
from bench.subjects.base import Ability, Plan, Subject, Unavailable

ORDER = "TASKMASTER_BENCH_ORDER"
"""names a file where each turn writes its subject"""


class Perfect(Subject):
    """Takes 2 ms for everything."""

    name: ClassVar[str] = "tmd"
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability)
    takes_ms: ClassVar[float] = 2.0

    @classmethod
    def version(cls) -> str:
        return "1.0"

    def write(self, plan: Plan) -> None:
        self.plan = plan

    def launch(self) -> int:
        return time.monotonic_ns()

    def daemons(self) -> list[int]:
        return []

    def shutdown(self) -> None:
        pass

    def close(self) -> None:
        pass


class Slow(Perfect):
    name: ClassVar[str] = "supervisor"
    takes_ms: ClassVar[float] = 1500.0


class Quick(Perfect):
    name: ClassVar[str] = "runit"
    abilities: ClassVar[frozenset[Ability]] = frozenset({Ability.RESTART})
    takes_ms: ClassVar[float] = 1.0


class Missing(Perfect):
    name: ClassVar[str] = "pm2"

    @classmethod
    def version(cls) -> str:
        raise Unavailable("cannot fetch pm2: no network")


class Bare(Perfect):
    name: ClassVar[str] = "limit"
    takes_ms: ClassVar[float] = 1.5


KINDS: dict[str, type[Subject]] = {kind.name: kind for kind in (Perfect, Slow, Quick, Missing, Bare)}


class Times:
    """What a subject says it takes, thrice."""

    key: ClassVar[str] = "times"
    title: ClassVar[str] = "Times & other things"
    needs: ClassVar[frozenset[Ability]] = frozenset()
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("took", "from here to there", "ms", p99=True),
        Figure("rate", "a second", "1/s", better="more"),
        Figure("lost", "lines lost", "lines", chart=False),
    )
    promises: ClassVar[tuple[Promise, ...]] = (
        Promise("took", 1 / 500),
        Promise("took", 4.0, against=None, statistic="p99"),
        Promise("rate", 2000.0),
        Promise("lost", 0.0, against=None, statistic="max"),
    )
    rounds: ClassVar[int] = 3
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        assert not list(home.iterdir())
        if path := os.environ.get(ORDER):
            with Path(path).open("a", encoding="utf-8") as order:
                order.write(f"{kind.name}\n")
        took = kind.takes_ms  # type: ignore[attr-defined]
        return {"took": [took, took, 2 * took], "rate": [1000 / took], **({} if quick else {"lost": [0]})}


class Needy(Times):
    key: ClassVar[str] = "needy"
    title: ClassVar[str] = "What not all can do"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.RELOAD, Ability.RESTART})
    promises: ClassVar[tuple[Promise, ...]] = ()
    rounds: ClassVar[int] = 1


class Sparing(Times):
    spared: ClassVar[Mapping[str, str]] = {"runit": "a million programs: it takes days"}
    rounds: ClassVar[int] = 1


class Again(Sparing):
    key: ClassVar[str] = "again"


class Last(Sparing):
    key: ClassVar[str] = "last"


class Raising(Times):
    """Fails for one subject, is unavailable to another, and gives one too many to a third."""

    key: ClassVar[str] = "raising"
    title: ClassVar[str] = "Trouble"

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        match kind.name:
            case "supervisor":
                raise RuntimeError("the house burns\nand more")
            case "runit":
                raise Unavailable("cannot write: no room")
            case "limit":
                return {"took": [1.0], "surprise": [1.0]}
            case _:
                return super().turn(kind, home, quick)


class Leaking(Times):
    """Leaves a process in a session of its own, whose parent is gone; its pid stands in the file of the order."""

    key: ClassVar[str] = "leaking"

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        del home, quick
        leave_behind(Path(os.environ[ORDER]))
        return {"took": [1.0]}


class Hanging(Leaking):
    """As `Leaking`, and never ends; SIGTERM does not move it."""

    key: ClassVar[str] = "hanging"

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        super().turn(kind, home, quick)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            threading.Event().wait(100)


class Killed(Times):
    """Takes its own life."""

    key: ClassVar[str] = "killed"

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


def leave_behind(path: Path) -> None:
    """Start a daemon that ends by nobody's word but SIGKILL, and write its pid."""
    script = (
        "import os, signal, sys\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "[signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]\n"
        "signal.alarm(100)\n"  # should all else fail
        "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
        "signal.pause()\n"
    )
    subprocess.run([sys.executable, "-S", "-c", script, str(path)], check=True)
    while not path.exists() or not path.read_text(encoding="utf-8").endswith("\n"):
        threading.Event().wait(0.005)


GOOD = (Times(), Needy())
THREE = (Sparing(), Again(), Last())
SPARING = (Sparing(),)
TROUBLE = (Raising(),)
LEAKING = (Leaking(),)
HANGING = (Hanging(),)
KILLED = (Killed(),)
