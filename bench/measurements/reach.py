"""How far the number of programs goes: with the soft limit on descriptors that a login gets, and with unstarted ones.

The hard limit stays as it is, so a supervisor that asks for more gets it. One that does not get a thousand programs up
is given a higher limit for what comes next.
"""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements import procfs
from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import Broken, gone, idlers, prepared, running, settle
from bench.stamping import Stamp, Stamps
from bench.subjects.base import Ability, Plan, Subject

_SOFT_LIMIT = 1024
_DEFAULT, _QUICK_DEFAULT = 1000, 400
"""programs that come up with this limit, or do not"""
_MANY = 5000
_CONFIGURED, _HUGE = 10_000, 100_000
_HUGE_KINDS = ("tmd", "limit")
_FEW_KINDS = ("circus", "pm2", "runit", "s6")
_SPARED_MANY = f"{_MANY:,} running and {_CONFIGURED:,} configured programs"
_SPARED_HUGE = f"{_HUGE:,} configured programs: it would take minutes"
_UP_WITHIN_S = 40.0
_QUIET_S = 3.0
"""when no program has come for so long, no more will"""
_STOPPABLE_S = 15.0
"""who took longer to come up is not asked to stop in order: that takes minutes"""
_GONE_WITHIN_S = 30.0
_REST_S = 1.5
_ANSWERS_WITHIN_S = 15.0
_OFTEN_S = 0.01


def _configured(count: int) -> tuple[Figure, ...]:
    what = f"{count:,} programs configured"
    return (
        Figure(f"ready_{count}", f"{what}: launch until it answers, if within {_ANSWERS_WITHIN_S:g} s", "s"),
        Figure(f"status_{count}", f"{what}: its status command, if within {_ANSWERS_WITHIN_S:g} s", "s"),
        Figure(f"rss_{count}", f"{what}: memory", "MiB"),
    )


class Reach:
    """A thousand and five thousand running, ten and a hundred thousand configured."""

    key: ClassVar[str] = "reach"
    title: ClassVar[str] = "How far it goes"
    needs: ClassVar[frozenset[Ability]] = frozenset()
    figures: ClassVar[tuple[Figure, ...]] = (
        *(
            Figure(f"came_{count}", f"of {count:,} programs up", "count", better="more", chart=False)
            for count in (_QUICK_DEFAULT, _DEFAULT, _MANY)
        ),
        Figure(f"up_{_MANY}", f"launch to {_MANY:,} programs up", "s"),
        Figure(f"gone_{_MANY}", f"orderly stop of {_MANY:,} programs, if up within {_STOPPABLE_S:g} s", "s"),
        *_configured(_CONFIGURED),
        *_configured(_HUGE),
    )
    promises: ClassVar[tuple[Promise, ...]] = (
        Promise(f"came_{_DEFAULT}", _DEFAULT, against=None),
        Promise(f"came_{_MANY}", _MANY, against=None),
        Promise(f"up_{_MANY}", 8.0, against=None),
        Promise(f"gone_{_MANY}", 3.0, against=None),
        Promise(f"ready_{_CONFIGURED}", 2.0, against=None),
        Promise(f"status_{_CONFIGURED}", 3.0, against=None),
    )
    rounds: ClassVar[int] = 1
    spared: ClassVar[Mapping[str, str]] = {
        "supervisor": _SPARED_HUGE,
        "circus": f"{_SPARED_MANY}: it would take minutes",
        "pm2": f"{_SPARED_MANY}: it would take minutes",
        "runit": f"{_MANY:,} running programs: it takes 1,000",
        "s6": f"{_MANY:,} running programs: the time goes to the others",
    }

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Only see how many come up with the default settings when it is to be quick."""
        if quick:
            return {f"came_{_QUICK_DEFAULT}": [float(_default(kind, home, _QUICK_DEFAULT))]}
        came = _default(kind, home, _DEFAULT)
        found = {f"came_{_DEFAULT}": [float(came)]}
        if kind.name in _FEW_KINDS:
            return found
        found |= _many(kind, home, _SOFT_LIMIT if came == _DEFAULT else None)
        if {Ability.AUTOSTART_OFF, Ability.RPC} <= kind.abilities:
            found |= _unstarted(kind, home, _CONFIGURED)
            if kind.name in _HUGE_KINDS:
                found |= _unstarted(kind, home, _HUGE)
        return found


def _default(kind: type[Subject], home: Path, count: int) -> int:
    """Return how many come up."""
    stamps = Stamps(home / "stamps")
    with running(kind, home / "s", Plan(idlers(stamps, count), descriptors=_SOFT_LIMIT)):
        return len(_come(stamps, count))


def _many(kind: type[Subject], home: Path, descriptors: int | None) -> dict[str, list[float]]:
    """Launch and stop as many as a machine of some size would run."""
    stamps = Stamps(home / "stamps_many")
    found: dict[str, list[float]] = {}
    with prepared(kind, home / "many", Plan(idlers(stamps, _MANY), descriptors=descriptors)) as subject:
        launched_ns = subject.launch()
        up = _come(stamps, _MANY)
        found[f"came_{_MANY}"] = [float(len(up))]
        if len(up) < _MANY:
            return found
        up_s = (max(stamp.ns for stamp in up) - launched_ns) / 1e9
        found[f"up_{_MANY}"] = [up_s]
        if up_s < _STOPPABLE_S:
            settle(_REST_S)
            ordered = time.monotonic()
            subject.shutdown()
            gone([stamp.pid for stamp in up], _GONE_WITHIN_S)
            found[f"gone_{_MANY}"] = [time.monotonic() - ordered]
    return found


def _unstarted(kind: type[Subject], home: Path, count: int) -> dict[str, list[float]]:
    """Launch with programs that are not to be started, and ask for their states; nothing for who does not answer."""
    stamps = Stamps(home / f"stamps{count}")
    with prepared(
        kind, home / f"s{count}", Plan(idlers(stamps, count, autostart=False), descriptors=_SOFT_LIMIT)
    ) as subject:
        launched_ns = subject.launch()
        deadline = time.monotonic() + _ANSWERS_WITHIN_S
        while not subject.ready():
            if time.monotonic() > deadline:
                return {}
            time.sleep(_OFTEN_S)
        ready_s = (time.monotonic_ns() - launched_ns) / 1e9
        found = {f"ready_{count}": [ready_s]}
        found[f"rss_{count}"] = [procfs.memory(subject.daemons()).rss_kib / 1024]
        if Ability.STATUS in kind.abilities:
            found |= {f"status_{count}": [took_s] for took_s in _status(subject, f"p{count - 1}")}
    return found


def _status(subject: Subject, last: str) -> list[float]:
    """Return the seconds that the status command takes, which has to tell of this program; none when too many."""
    began = time.monotonic()
    try:
        # Its exit code is not looked at: of stopped programs some clients say 3.
        status = subprocess.run(
            subject.status(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False, timeout=_ANSWERS_WITHIN_S
        )
    except subprocess.TimeoutExpired:
        return []
    took_s = time.monotonic() - began
    if last.encode() not in status.stdout:
        raise Broken(f"the status command said nothing of {last}")
    return [took_s]


def _come(stamps: Stamps, count: int) -> list[Stamp]:
    """Wait for so many programs, or until no more come; return the first stamp of each."""
    came: dict[int, Stamp] = {}
    began = latest = time.monotonic()
    while len(came) < count and time.monotonic() < began + _UP_WITHIN_S:
        fresh = stamps.read()
        for stamp in fresh:
            came.setdefault(stamp.index, stamp)
        if fresh:
            latest = time.monotonic()
        elif came and time.monotonic() > latest + _QUIET_S:
            break
        time.sleep(_OFTEN_S)
    return list(came.values())
