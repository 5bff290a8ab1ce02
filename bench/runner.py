"""A run: every measurement with every subject, turn by turn, so that a noisy minute hits all of them alike.

In each round each subject has one turn, in an order that moves on by one from round to round; beside each turn the
machine's noise is timed. Every measurement has its first round before any has its second. When time is short further
rounds are left out, those of the peers that take longest first (`bench.thrift`). Nothing that fails or is left out is
dropped: it is told in the results, by whom and why.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.catalogue import Catalogue
from bench.findings import FORMAT, Beside, Competitor, Measured, Outcome, Run, summary
from bench.machine import describe
from bench.measurements.base import Measurement
from bench.noise import Noise, timed
from bench.subjects.base import Subject
from bench.thrift import ESSENTIAL, Pending, dear
from bench.turn import Answered, Asked
from bench.unavailable import Unavailable

T = TypeVar("T")

_TURN = Path(__file__).resolve().parent / "turn.py"
MOST_S = 240.0
"""in which a turn has to end"""
MINUTES = 14.0
"""for a run: further rounds that would likely end later are left out"""
_RESERVED = 0.5
"""of the time: for the first turns of tmd and of whom it is compared with"""
_CLEARING_S = 90.0
"""in which a guard has ended what its turn had started, whatever it was"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure, of all there is."""

    only: Sequence[str] = ()
    """keys of measurements; none: all"""
    subjects: Sequence[str] = ()
    """names of subjects; none: all"""
    quick: bool = False
    most_s: float = MOST_S
    """in which a turn has to end"""
    minutes: float = MINUTES
    """for all of it: fewer rounds when time is short, but one at least of tmd and whom it is compared with"""


@dataclass(slots=True)
class _Turns:
    """What the turns of one subject in one measurement came to."""

    allowed: int
    """rounds there is time for"""
    samples: dict[str, list[Sequence[float]]] = field(default_factory=dict)
    """by figure, then by round"""
    troubles: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    noise: list[Noise] = field(default_factory=list)
    given_up: bool = False

    def outcome(self) -> Outcome:
        """Summarise."""
        figures = {key: found for key, rounds in self.samples.items() if (found := summary(rounds)) is not None}
        cpu = summary([[one.cpu_ms for one in self.noise]])
        spawn = summary([[one.spawn_ms for one in self.noise]])
        beside = Beside(cpu, spawn) if cpu and spawn else None
        return Outcome(figures, tuple(self.troubles), tuple(round(took, 2) for took in self.took_s), beside)


class Bench:
    """One run; what was found until now can be had at any time, after an interruption too.

    `say` is told what is going on, in lines for a person who waits. Raises `ValueError` for a name that is not there.
    """

    def __init__(self, wanted: Wanted, say: Callable[[str], None], catalogue: Catalogue | None = None) -> None:
        self._wanted, self._say = wanted, say
        self._catalogue = catalogue or Catalogue()
        self._measurements = _chosen("measurement", self._catalogue.measured(), wanted.only)
        self._kinds = _chosen("subject", self._catalogue.subjects(), wanted.subjects)
        self._competitors: dict[str, Competitor] = {}
        self._turns: dict[str, dict[str, _Turns]] = {}
        self._absent: dict[str, dict[str, str]] = {}
        self._done: dict[str, int] = {}
        """whole rounds, by measurement"""
        self._began, self._since = datetime.now(UTC), time.monotonic()

    def measure(self) -> None:
        """Fetch the subjects, then do all turns."""
        for name, kind in self._kinds.items():
            self._competitors[name] = self._fetch(name, kind)
        for measurement in self._measurements.values():
            self._admit(measurement)
        for round_ in range(max(map(self._count, self._measurements.values()), default=0)):
            for key, measurement in self._measurements.items():
                if round_ < self._count(measurement):
                    if round_:
                        self._save(key, round_)
                    self._round(measurement, round_)

    def found(self, command: str) -> Run:
        """Return what was found until now; `command` is what was called, for the reader."""
        return Run(
            FORMAT,
            command,
            self._began.strftime("%Y-%m-%d %H:%M UTC"),
            round(time.monotonic() - self._since, 1),
            self._wanted.quick,
            describe(),
            tuple(self._competitors.values()),
            tuple(self._measured(self._measurements[key]) for key in self._turns if self._begun(key)),
        )

    def _left_s(self) -> float:
        return 60 * self._wanted.minutes - (time.monotonic() - self._since)

    def _late(self, measurement: Measurement) -> bool:
        """Return whether a peer would take the time that is needed for the measurements to come."""
        keys = [*self._measurements]
        to_come = 1 - (keys.index(measurement.key) + 1) / len(keys)
        return self._left_s() <= 60 * self._wanted.minutes * _RESERVED * to_come

    def _save(self, key: str, round_: int) -> None:
        """Leave out what there will be no time for, before this round of this measurement."""
        keys = [*self._measurements]
        pending = []
        for other in keys:
            done = round_ + (keys.index(other) < keys.index(key))
            for name, turns in self._turns[other].items():
                if turns.allowed > done and not turns.given_up:
                    pending.append(Pending(other, name, turns.allowed - done, turns.took_s[-1]))
        for one in dear(pending, self._left_s()):
            self._turns[one.measurement][one.subject].allowed -= one.turns
            rounds = "a round" if one.turns == 1 else f"{one.turns} rounds"
            self._say(f"{one.measurement}: {one.subject}: {rounds} left out: time is short")

    def _fetch(self, name: str, kind: type[Subject]) -> Competitor:
        try:
            version = kind.version()
        except Unavailable as error:
            self._say(f"{name}: left out: {error}")
            return Competitor(name, "", str(error))
        self._say(f"{name}: {version}")
        return Competitor(name, version, "", kind.remarks)

    def _admit(self, measurement: Measurement) -> None:
        """Note who takes part in a measurement, and why the others do not."""
        turns = self._turns.setdefault(measurement.key, {})
        absent = self._absent.setdefault(measurement.key, {})
        for name, kind in self._kinds.items():
            lacking = sorted(ability.value for ability in measurement.needs - kind.abilities)
            if self._competitors[name].missing:
                absent[name] = self._competitors[name].missing
            elif lacking:
                absent[name] = f"lacks {', '.join(lacking)}"
            else:
                turns[name] = _Turns(self._count(measurement))

    def _round(self, measurement: Measurement, round_: int) -> None:
        names = [*self._turns[measurement.key]]
        ahead = (round_ + [*self._measurements].index(measurement.key)) % max(1, len(names))
        begun = False
        for name in [*names[ahead:], *names[:ahead]]:
            turns = self._turns[measurement.key][name]
            if turns.given_up or round_ >= turns.allowed:
                continue
            begun = True
            if not round_ and name not in ESSENTIAL and self._late(measurement):
                self._leave_out(measurement, name, "there was no time left")
            else:
                self._turn(measurement, name, round_)
        if begun:
            self._done[measurement.key] = round_ + 1

    def _count(self, measurement: Measurement) -> int:
        return 1 if self._wanted.quick else measurement.rounds

    def _turn(self, measurement: Measurement, name: str, round_: int) -> None:
        turns = self._turns[measurement.key][name]
        turns.noise.append(timed())
        answered = self._ask(measurement.key, name)
        turns.noise.append(timed())
        head = f"{measurement.key}: {name}: round {round_ + 1} of {self._count(measurement)}"
        if answered.missing:
            self._leave_out(measurement, name, answered.missing)
            return
        known = {figure.key for figure in measurement.figures}
        for key, samples in answered.samples.items():
            if key in known:
                turns.samples.setdefault(key, []).append(samples)
        turns.took_s.append(answered.took_s)
        trouble = answered.trouble
        if not trouble and (unknown := answered.samples.keys() - known):
            trouble = f"gave figures nobody asked for: {', '.join(sorted(unknown))}"
        if trouble:
            turns.troubles.append(f"round {round_ + 1}: {trouble}")
            turns.given_up = answered.took_s >= self._wanted.most_s  # it would be too slow again
        self._say(f"{head}: {trouble or 'done'} ({answered.took_s:.1f} s)")
        if answered.details:
            self._say(answered.details.rstrip())

    def _leave_out(self, measurement: Measurement, name: str, why: str) -> None:
        del self._turns[measurement.key][name]
        self._absent[measurement.key][name] = why
        self._say(f"{measurement.key}: {name}: left out: {why}")

    def _ask(self, measurement: str, name: str) -> Answered:
        """Have one turn done in processes of its own; nothing of it is left, at an interruption neither."""
        # The paths of sockets must be short.
        place = Path(tempfile.mkdtemp(prefix="tmb"))
        place.chmod(0o755)  # a subject may run things as somebody else
        home, answer = place / "h", place / "answer"
        home.mkdir()
        asked = Asked(
            self._catalogue,
            measurement,
            name,
            str(home),
            str(answer),
            self._wanted.quick,
            self._wanted.most_s,
            os.getpid(),
        )
        try:
            with (place / "said").open("wb+") as said:
                began = time.monotonic()
                guard = subprocess.Popen(
                    [sys.executable, str(_TURN), msgspec.json.encode(asked).decode()],
                    stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
                )  # fmt: skip
                try:
                    guard.wait()
                finally:
                    _end(guard)
                if guard.returncode == 0:
                    return msgspec.json.decode(answer.read_bytes(), type=Answered)
                said.seek(0)
                details = said.read().decode(errors="replace")
            trouble = f"its guard ended with status {guard.returncode}"
            return Answered(trouble=trouble, details=details, took_s=time.monotonic() - began)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _begun(self, key: str) -> bool:
        return key in self._done or any(turns.took_s for turns in self._turns[key].values())

    def _measured(self, measurement: Measurement) -> Measured:
        return Measured(
            measurement.key,
            measurement.title,
            self._done.get(measurement.key, 0),
            measurement.figures,
            measurement.promises,
            {
                name: self._turns[measurement.key][name].outcome()
                for name in self._kinds
                if name in self._turns[measurement.key]
            },
            self._absent[measurement.key],
            {name: found for name in self._kinds if (found := self._omitted(measurement, name))},
        )

    def _omitted(self, measurement: Measurement, name: str) -> tuple[str, ...]:
        turns = self._turns[measurement.key].get(name)
        if turns is None:
            return ()
        found = []
        if not self._wanted.quick and name in measurement.spared:
            found.append(f"without {measurement.spared[name]}")
        if turns.took_s and turns.allowed < self._count(measurement):
            rounds = f"{turns.allowed} round{'s' * (turns.allowed > 1)} instead of {self._count(measurement)}"
            found.append(f"{rounds}: time was short, and a turn takes {turns.took_s[-1]:.0f} s")
        return tuple(found)


def _end(guard: "subprocess.Popen[bytes]") -> None:
    """End a turn that is under way; who is in a hurry has to wait for that."""
    if guard.poll() is not None:
        return
    before = {
        signum: signal.signal(signum, signal.SIG_IGN) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        guard.terminate()
        guard.wait(_CLEARING_S)
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _chosen(what: str, every: Mapping[str, T], names: Sequence[str]) -> dict[str, T]:
    """Return those that are named, in their usual order; all when none is."""
    for name in names:
        if name not in every:
            raise ValueError(f"cannot measure {name!r}: no such {what} (there are {', '.join(every)})")
    return {name: one for name, one in every.items() if not names or name in names}
