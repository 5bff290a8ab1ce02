"""From two looks at a tree of processes to what it used in between.

Promises numbers that are never negative and never absurd: a processor time that only grows while the leader lives, also
when members of the tree end, when others join it, or when a pid is given to somebody else. Knows nothing of /proc.

A process tells two times: what it used itself, and what children used that ended and that it waited for. When a child
ends, its whole time moves from its own account to its parent's second one; what of it was seen before must not count
again. A child nobody waited for takes what it used since the last look with it.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

LEAST_S = 0.5
"""a shorter time is taken for this long: processor time is told in steps of a hundredth"""
STEP_S = 0.02
"""how far a start may seem to lie before what it came after"""


class Member(Protocol):
    """One process of a tree; times in seconds, `start` since the machine was started."""

    @property
    def pid(self) -> int:
        """Its number, which may be another's later."""

    @property
    def start(self) -> float:
        """When it was started."""

    @property
    def own_s(self) -> float:
        """Processor time it used."""

    @property
    def waited_s(self) -> float:
        """Processor time of its children that ended and were waited for."""


class Usage(NamedTuple):
    """What a tree was seen to use. `at`: seconds since the machine was started."""

    at: float
    cpu_s: float
    """since the leader's start"""
    cpu_percent: float
    """of one core, since the look before, or since the leader's start"""
    times: dict[tuple[int, float], tuple[float, float]]
    """of each member, own and waited for, by pid and start"""


def look(at: float, leader: Member, members: Iterable[Member], before: Usage | None) -> Usage:
    """Return what a tree uses. `before`: the last look at it; it counts only if the leader is still the same."""
    times = {(member.pid, member.start): (member.own_s, member.waited_s) for member in members}
    if before is None or (leader.pid, leader.start) not in before.times:
        spent_s = sum(own + waited for own, waited in times.values())
        return Usage(at, spent_s, 100 * spent_s / max(at - leader.start, LEAST_S), times)
    spent_s = _spent(before, times)
    return Usage(at, before.cpu_s + spent_s, 100 * spent_s / max(at - before.at, LEAST_S), times)


def _spent(before: Usage, times: dict[tuple[int, float], tuple[float, float]]) -> float:
    """Return the processor time used since the look before."""
    used_s = inherited_s = 0.0
    for who, (own_s, waited_s) in times.items():
        earlier = before.times.get(who)
        if earlier is not None:
            used_s += max(0.0, own_s - earlier[0])
            inherited_s += max(0.0, waited_s - earlier[1])
        elif who[1] >= before.at - STEP_S:
            used_s += own_s
            inherited_s += waited_s
        # else it is older than that look, and what it had used when it joined the tree is not known
    gone_s = sum(sum(seen) for who, seen in before.times.items() if who not in times)
    return used_s + max(0.0, inherited_s - gone_s)
