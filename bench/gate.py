"""The short form that guards against growing slow: tmd beside the bare loop, in the same run, by ratios.

The bounds are about twice the worst that was seen on a busy machine, and what fails is measured once more: a machine
that is shared makes single figures bad. No time is ever compared with anything but a time of the same minute.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from bench.catalogue import Catalogue
from bench.measurements import asking
from bench.measurements.base import Figure, Measurement, Promise, Samples
from bench.measurements.crash import Crash
from bench.measurements.cycles import Cycles
from bench.measurements.draining import Spam
from bench.measurements.running import gone, idlers, prepared, running
from bench.promises import Judged, Verdict, judge
from bench.runner import Bench, Wanted
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Rpc, Subject
from bench.wording import HERO, LIMIT

_PROGRAMS = 200
_WITHIN_S = 30.0
_ASK_S = 1.0


class Respawn(Crash):
    """A few kills."""

    key: ClassVar[str] = "respawn"
    promises: ClassVar[tuple[Promise, ...]] = (Promise("respawn", 5.0, LIMIT),)
    rounds: ClassVar[int] = 1

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Measure the quick form."""
        return super().turn(kind, home, quick=True)


class UpAndStop:
    """Two hundred programs come and go, some times."""

    key: ClassVar[str] = "up"
    title: ClassVar[str] = "Launch and stop"
    needs: ClassVar[frozenset[Ability]] = frozenset()
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("up", f"launch to {_PROGRAMS} programs up", "s"),
        Figure("stop", f"orderly stop of {_PROGRAMS} programs", "s"),
    )
    promises: ClassVar[tuple[Promise, ...]] = (Promise("up", 7.0, LIMIT), Promise("stop", 4.5, LIMIT))
    rounds: ClassVar[int] = 5
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Do it once."""
        stamps = Stamps(home / "stamps")
        with prepared(kind, home / "s", Plan(idlers(stamps, _PROGRAMS))) as subject:
            launched_ns = subject.launch()
            up = stamps.wait(_PROGRAMS, _WITHIN_S)
            ordered = time.monotonic()
            subject.shutdown()
            gone([stamp.pid for stamp in up], _WITHIN_S)
            stop_s = time.monotonic() - ordered
        return {"up": [(max(stamp.ns for stamp in up) - launched_ns) / 1e9], "stop": [stop_s]}


class Drain:
    """One program at full speed."""

    spam: ClassVar[Spam] = Spam(1, 256 * 1024 * 1024, 1024, 64 * 1024)
    key: ClassVar[str] = "drain"
    title: ClassVar[str] = "Log drain, writes of 64 KiB"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.LOGS})
    figures: ClassVar[tuple[Figure, ...]] = spam.figures
    promises: ClassVar[tuple[Promise, ...]] = (
        Promise("speed_1", 0.4, LIMIT),
        Promise("cpu_1", 2.5, LIMIT),
        Promise("wrong_1", 0.0, None, "max"),
    )
    rounds: ClassVar[int] = 2
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Do it once."""
        return self.spam.measure(kind, home / "one", quick=False)


class Answers:
    """Everything about two hundred programs."""

    key: ClassVar[str] = "answers"
    title: ClassVar[str] = "Questions and answers"
    needs: ClassVar[frozenset[Ability]] = frozenset({Ability.RPC})
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("all", f"getAllProcessInfo, {_PROGRAMS} programs", "1/s", better="more"),
    )
    promises: ClassVar[tuple[Promise, ...]] = (Promise("all", 1 / 3, LIMIT),)
    rounds: ClassVar[int] = 1
    spared: ClassVar[Mapping[str, str]] = {}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Ask for a while."""
        stamps = Stamps(home / "stamps")
        with running(kind, home / "s", Plan(idlers(stamps, _PROGRAMS))) as subject:
            stamps.wait(_PROGRAMS, _WITHIN_S)
            return {"all": [asking.kept(subject, _everything, _ASK_S)]}


def _everything(rpc: Rpc) -> object:
    return rpc.all()


class Crashes(Cycles):
    """A thousand crashes."""

    key: ClassVar[str] = "crashes"
    promises: ClassVar[tuple[Promise, ...]] = (Promise("cpu", 6.5, LIMIT), Promise("descriptors", 0.0, None, "max"))
    rounds: ClassVar[int] = 2

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Measure the quick form."""
        return super().turn(kind, home, quick=True)


ALL: tuple[Measurement, ...] = (Respawn(), UpAndStop(), Drain(), Answers(), Crashes())


def main(say: Callable[[str], None], catalogue: Catalogue | None = None) -> int:
    """Measure and compare, what fails a second time; returns the exit status."""
    catalogue = catalogue or Catalogue(measurements=f"{__name__}:ALL")
    failed: Sequence[Judged] = ()
    for attempt in range(2):
        only = tuple(dict.fromkeys(one.measurement for one in failed))
        bench = Bench(Wanted(only, (HERO, LIMIT)), say, catalogue)
        bench.measure()
        judged = judge(bench.found("bench/run --gate"))
        failed = [one for one in judged if one.verdict is not Verdict.HELD]
        for one in judged:
            say(f"{one.measurement}: {one.figure}: {one.found}: {one.verdict.value} ({one.why or one.bound})")
        if not failed:
            return 0
        if attempt == 0:
            say("not all were kept: once more")
    say(f"tmd has become slow, or this machine is in trouble: {', '.join(one.figure for one in failed)}")
    return 1
