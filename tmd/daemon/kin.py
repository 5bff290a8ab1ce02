"""Kin: who on this machine belongs to lives that an earlier daemon began, and whether these lives go on.

Told by the mark in the environment or by the brand, so that an empty environment hides nobody; a process is the one
that was noted if it began at that moment, or, where that could not be noted, if it carries the mark. Decides nothing.
"""

from typing import Literal

from msgspec.structs import replace

from tmd.core.records import LIFE, Life
from tmd.daemon.clerk import brand_of
from tmd.posix import brands
from tmd.posix.identity import glimpse, is_hidden
from tmd.posix.marks import Carrier, age, carrier_of, carriers

Standing = Literal["alive", "gone", "hidden"]
"""hidden: there is a process of that number, and /proc does not show it"""


def carriers_of(key: str) -> list[Carrier]:
    """Return who lives of all lives of the daemon of this key, the oldest first; `value` is the token. Reads /proc."""
    prefix = f"{key}."
    found = {each.pid: each for each in carriers(LIFE, lambda value: value.startswith(prefix))}
    for pid, brand in brands.carriers(brands.of(f"{prefix}0")).items():
        if pid not in found and (carrier := carrier_of(pid, f"{prefix}{brands.number(brand)}")) is not None:
            found[pid] = carrier
    return sorted(found.values(), key=age)


def standing(life: Life) -> tuple[Standing, Life]:
    """Return what has become of a life that has a pid, and the life with what is known of it by now."""
    seen = glimpse(life.pid)
    if seen is None:
        return ("hidden" if is_hidden(life.pid) else "gone"), life
    if not seen.alive:
        return "gone", life
    if not life.ticks:  # it could not be looked at then
        same = brands.life(brand_of(life.pid)) == brands.life(brands.of(life.token))
        return ("alive", replace(life, ticks=seen.ticks)) if same else ("gone", life)
    return ("alive" if seen.ticks == life.ticks else "gone"), life
