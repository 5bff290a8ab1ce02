"""What a supervisor costs whose programs do nothing: CPU, wake-ups and memory, of all its own processes."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements import procfs
from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import idlers, running, settle
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Subject

_UP_WITHIN_S = 120.0
_LOOK_S = 4.0
_REST_S = 1.5


class Case:
    """One number of programs, with or without logs, and its figures."""

    def __init__(self, count: int, logged: bool) -> None:
        self.count = count
        self.logged = logged
        self.key = f"{count}_logged" if logged else str(count)
        programs = "1 program" if count == 1 else f"{count:,} programs"
        what = f"{programs}{' with logs' if logged else ''}"
        self.figures = (
            Figure(f"cpu_{self.key}", f"CPU, {what}", "ms/s"),
            Figure(f"wakeups_{self.key}", f"wake-ups, {what}", "1/s"),
            Figure(f"rss_{self.key}", f"resident memory, {what}", "MiB"),
            Figure(f"pss_{self.key}", f"proportional memory, {what}", "MiB"),
        )

    def look(self, kind: type[Subject], home: Path, look_s: float) -> dict[str, float]:
        """Bring the programs up, leave them alone, and return what that cost by key of the figure."""
        home.mkdir()
        stamps = Stamps(home / "stamps")
        with running(kind, home / "s", Plan(idlers(stamps, self.count, logged=self.logged))) as subject:
            stamps.wait(self.count, _UP_WITHIN_S)
            settle(_REST_S)
            pids = subject.daemons()
            began = time.monotonic()
            cpu_before, switches_before = procfs.cpu_s(pids), procfs.switches(pids)
            settle(look_s)
            cpu_after, switches_after = procfs.cpu_s(pids), procfs.switches(pids)
            took_s = time.monotonic() - began
            memory = procfs.memory(pids)
        return {
            f"cpu_{self.key}": 1e3 * (cpu_after - cpu_before) / took_s,
            f"wakeups_{self.key}": (switches_after - switches_before) / took_s,
            f"rss_{self.key}": memory.rss_kib / 1024,
            f"pss_{self.key}": memory.pss_kib / 1024,
        }


class Idle:
    """Idle programs: one, and a thousand of them without and with log files."""

    key: ClassVar[str] = "idle"
    title: ClassVar[str] = "Idle"
    needs: ClassVar[frozenset[Ability]] = frozenset()
    cases: ClassVar[tuple[Case, ...]] = (Case(1, False), Case(1000, False), Case(1000, True))
    figures: ClassVar[tuple[Figure, ...]] = tuple(figure for case in cases for figure in case.figures)
    promises: ClassVar[tuple[Promise, ...]] = (
        *(Promise(f"wakeups_{size}", 1.0, against=None) for size in ("1000", "1000_logged")),
        *(Promise(f"cpu_{size}", 0.1) for size in ("1000", "1000_logged")),
        *(Promise(f"{what}_{size}", 1.0) for what in ("rss", "pss") for size in ("1", "1000", "1000_logged")),
    )
    rounds: ClassVar[int] = 1
    spared: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("circus", "runit", "s6"), "1,000 programs with logs: the time goes to the others"
    )

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Look at one program only when it is to be quick."""
        found: dict[str, list[float]] = {}
        for case in self.cases[:1] if quick else self.cases:
            if case.logged and (Ability.LOGS not in kind.abilities or kind.name in self.spared):
                continue
            for key, value in case.look(kind, home / case.key, _LOOK_S / 2 if quick else _LOOK_S).items():
                found[key] = [value]
        return found
