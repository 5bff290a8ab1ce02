"""All that a pool of event listeners has in its hands, as values: for another daemon to go on with it.

Knows no rules of pools. Fields are named as what they come from in `pool`, `link`, `listener` and `backlog`.
"""

import msgspec

from tmd.core.backlog import LONG_AGO, Parcel
from tmd.wire.names import ProcessId


class SpeechState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where one life is in the protocol. `state`: a `ListenerState`."""

    state: int
    garbage_bytes: int = 0
    held: bytes = b""
    result_len: int | None = None
    skip: int = 0
    in_long_line: bool = False


class LinkState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One process of a pool. `parcel`, `blamed`: numbers in the list of parcels, or none."""

    id: ProcessId
    hang_ups: int = 0
    speech: SpeechState | None = None
    running: bool = False
    flushed: bool = True
    closed: bool = False
    hung_up: bool = False
    restarting: bool = False
    parcel: int | None = None
    blamed: int | None = None
    stepped_at: float = LONG_AGO
    state_since: float | None = None
    fall_told_at: float = LONG_AGO
    falls_untold: int = 0


class PoolState(msgspec.Struct):
    """One pool. Of `parcels` the first `waiting` wait; the others are in somebody's hands only."""

    parcels: list[Parcel] = []
    waiting: int = 0
    links: list[LinkState] = []
    leaving: list[LinkState] = []
    next_poolserial: int = 0
    losses: tuple[tuple[float, int, str], tuple[float, int, str]] = ((LONG_AGO, 0, ""), (LONG_AGO, 0, ""))
    """overflow and poison: when it was told last, counted since, the line"""
    starved_since: float | None = None
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    """delivered, rejected, redelivered, dropped"""
