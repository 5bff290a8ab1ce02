"""Troubles: what the machine and its people do to the daemon. Each is counted, and told when it begins and is over.

Promises that every trouble is counted; that a line tells of each that begins, but of one thing that comes and goes no
more than `AT_ONCE` in `EVERY_S`, and of one that lasts one in `EVERY_S`; that what was lost is in some line. Knows
nothing of what is done about any of them.
"""

from collections import deque
from collections.abc import Callable
from typing import Literal, get_args

from tmd.core.why import duration
from tmd.wire.levels import Level

Kind = Literal[
    "log", "descriptors", "processes", "memory", "socket", "pidfile", "journal", "clock", "sleep", "standstill", "stdin"
]
"""log: a file or device that cannot be written; descriptors, processes, memory: too few to start something; socket,
pidfile, journal: taken away; clock: set; sleep: of the machine; standstill: of the daemon; stdin: of a program that
reads not"""
KINDS: tuple[Kind, ...] = get_args(Kind)

EVERY_S = 60.0
AT_ONCE = 3
FORGOTTEN_S = 300.0
"""of what was not heard of for so long, nobody will say that it is over: whoever would is gone"""
MANY = 1000
"""things that are remembered, unless they are in trouble"""


class _Case:
    """One thing that is or was in trouble."""

    def __init__(self) -> None:
        self.since: float | None = None
        """None: it is well"""
        self.told = False
        """of the trouble that goes on"""
        self.said: deque[float] = deque(maxlen=AT_ONCE)
        """when lines were written about it"""
        self.times = 0
        """it happened and no line says so"""
        self.lost = 0
        """bytes that no line tells of"""
        self.last: tuple[Level, str] = (Level.WARN, "")
        self.last_at = 0.0


class Troubles:
    """`counts`: how often each kind happened. `clock` gives monotonic seconds, `log` takes lines."""

    def __init__(self, clock: Callable[[], float], log: Callable[[Level, str], object]) -> None:
        self.counts: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        self._clock, self._log = clock, log
        self._cases: dict[tuple[Kind, str], _Case] = {}

    def happened(
        self, kind: Kind, about: str, text: str, *, lost: int | None = None, level: Level = Level.WARN
    ) -> None:
        """Note a trouble, or that it goes on. `about`: the thing in trouble; `lost`: bytes, None if there are none."""
        now = self._clock()
        self.counts[kind] += 1
        case = self._case(kind, about, now)
        case.times += 1
        case.lost += lost or 0
        case.last = (level, text)
        if case.since is None or now >= case.last_at + FORGOTTEN_S:
            case.since, case.told = now, False
        case.last_at = now
        if self._may_say(case, now):
            self._say(case, now, count=lost is not None)

    def over(self, kind: Kind, about: str, text: str) -> None:
        """Note that a thing is well again; nothing if it was not in trouble."""
        case = self._cases.get((kind, about))
        if case is None or case.since is None:
            return
        now = self._clock()
        since, case.since = case.since, None
        if case.told:
            lost = f", {case.lost} more bytes dropped" if case.lost else ""
            self._log(Level.INFO, f"{text} (after {duration(now - since)}{lost})")
            case.times = case.lost = 0

    def once(self, kind: Kind, text: str, *, level: Level = Level.WARN) -> None:
        """Note what happens at one moment."""
        self.happened(kind, "", text, level=level)
        self._cases[kind, ""].since = None

    def is_in(self, kind: Kind, about: str) -> bool:
        """Tell whether a thing is in trouble."""
        case = self._cases.get((kind, about))
        return case is not None and case.since is not None

    def close(self) -> None:
        """Tell what was lost and no line says."""
        for case in self._cases.values():
            if case.lost:
                self._say(case, self._clock(), count=True)

    def _case(self, kind: Kind, about: str, now: float) -> _Case:
        case = self._cases.get((kind, about))
        if case is None:
            if len(self._cases) >= MANY:
                self._cases = {
                    key: old
                    for key, old in self._cases.items()
                    if old.since is not None or old.lost or (old.said and old.said[-1] > now - EVERY_S)
                }
            case = self._cases[kind, about] = _Case()
        return case

    def _may_say(self, case: _Case, now: float) -> bool:
        if case.told:
            return now >= case.said[-1] + EVERY_S
        return len(case.said) < AT_ONCE or now >= case.said[0] + EVERY_S

    def _say(self, case: _Case, now: float, *, count: bool) -> None:
        level, text = case.last
        dropped = f" ({case.lost} bytes dropped)" if count else ""
        times = f" ({case.times} times in {duration(now - case.said[-1])})" if case.times > 1 and case.said else ""
        self._log(level, f"{text}{dropped}{times}")
        case.said.append(now)
        case.told, case.times, case.lost = True, 0, 0
