"""Which rounds are left out when there is no time for all of them.

First those of the peers that tmd is not measured against, the longest turn first: many short turns say more than one
long one. Of tmd, Supervisor and the bare loop a round is left out for all three or for none, or their ratios would be
of different minutes.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from bench.wording import HERO, LIMIT, PEER

ESSENTIAL = (HERO, PEER, LIMIT)
_AROUND_S = 0.5
"""what a turn takes besides: its processes, and the noise beside it"""


class Pending(NamedTuple):
    """What is still to come of one subject in one measurement."""

    measurement: str
    subject: str
    turns: int
    turn_s: float
    """what the last one took"""


def dear(pending: Iterable[Pending], left_s: float) -> list[Pending]:
    """Return what has to be left out, with the number of turns, so that the rest takes no longer than there is time."""
    peers: list[list[Pending]] = []
    rounds: dict[str, list[Pending]] = {}
    for one in pending:
        if one.subject in ESSENTIAL:
            rounds.setdefault(one.measurement, []).append(one)
        else:
            peers.append([one])
    groups = [*_dearest_first(peers), *_dearest_first(rounds.values())]
    over_s = sum(_round_s(group) * group[0].turns for group in groups) - left_s
    given_up: list[Pending] = []
    for group in groups:
        if over_s <= 0:
            break
        turns = min(group[0].turns, math.ceil(over_s / _round_s(group)))
        given_up += [one._replace(turns=turns) for one in group]
        over_s -= turns * _round_s(group)
    return given_up


def _round_s(group: Iterable[Pending]) -> float:
    return sum(one.turn_s + _AROUND_S for one in group)


def _dearest_first(groups: Iterable[list[Pending]]) -> list[list[Pending]]:
    return sorted(groups, key=_round_s, reverse=True)
