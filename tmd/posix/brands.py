"""Brands: a number that a process and all it ever starts carry, whatever they do to their environment, group, session.

It is written where no program looks: the limit on how long a real-time task may compute without a pause
(RLIMIT_RTTIME), inherited over fork, exec and a change of user. Unlimited, as it is nearly everywhere, it becomes
70,000 years and a bit, and the bit is the number; the hard limit stays as it is. Where somebody has set that limit
already nothing is branded. A program that sets it itself loses its brand: one witness among several, never the only.
"""

import os
import resource

_UNLIMITED = resource.RLIM_INFINITY
_BASE = 1 << 61
_LIFE_BITS = 27
_KEY_BITS = 32
SCANS = 4
"""so often all processes are asked at most when some end meanwhile"""
_KNOWN_BY = b"Max realtime timeout"


def of(token: str, *, spared: bool = False) -> int:
    """Return the brand of a life by its token, `KEY.NUMBER`; 0 for what is no such token.

    `spared`: what it leaves behind is not to be ended.
    """
    key, _, number = token.partition(".")
    try:
        life = (int(key, 16) % (1 << _KEY_BITS)) << _LIFE_BITS | int(number) % (1 << _LIFE_BITS)
    except ValueError:
        return 0
    return _BASE | life << 1 | spared


def life(brand: int) -> int:
    """Return what two brands of one life have in common."""
    return brand >> 1


def number(brand: int) -> int:
    """Return the number of the life."""
    return life(brand) % (1 << _LIFE_BITS)


def spared(brand: int) -> bool:
    """Tell whether what carries this is not to be ended when its leader is gone."""
    return bool(brand & 1)


def kin(one: int, other: int) -> bool:
    """Tell whether two brands are of lives of one daemon."""
    return one >> _LIFE_BITS + 1 == other >> _LIFE_BITS + 1


def possible() -> bool:
    """Tell whether anything is branded: nobody else has set the limit."""
    return _free(resource.getrlimit(resource.RLIMIT_RTTIME))


class Branded:
    """While entered, what is started carries a brand, where that is possible; 0 is none."""

    __slots__ = ("_before", "_brand")

    def __init__(self, brand: int) -> None:
        self._brand = brand
        self._before: tuple[int, int] | None = None

    def __enter__(self) -> None:
        if not self._brand:
            return
        before = resource.getrlimit(resource.RLIMIT_RTTIME)
        if _free(before):
            resource.setrlimit(resource.RLIMIT_RTTIME, (self._brand, _UNLIMITED))
            self._before = before

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            resource.setrlimit(resource.RLIMIT_RTTIME, self._before)


def read(pid: int) -> int:
    """Return the brand that a process carries, 0 for none or no such process."""
    return _soft(pid) or 0


def wash(brand: int) -> None:
    """Take the brand off ourselves if it is kin to this one: what we start from now on carries nothing of it."""
    before = resource.getrlimit(resource.RLIMIT_RTTIME)
    if before[0] >= _BASE and _free(before) and kin(before[0], brand):
        resource.setrlimit(resource.RLIMIT_RTTIME, (_UNLIMITED, _UNLIMITED))


def clean(pid: int) -> None:
    """Take the brand off a process of ours that got one by accident; one that is gone is no error."""
    if not read(pid):
        return
    try:
        resource.prlimit(pid, resource.RLIMIT_RTTIME, resource.getrlimit(resource.RLIMIT_RTTIME))
    except OSError:
        return


def carriers(brand: int) -> dict[int, int]:
    """Return all processes that carry a brand of the daemon whose brand this is one of: pid -> brand. Reads /proc.

    Again when somebody has ended meanwhile: it may have had a child that was not there yet.
    """
    us, found = os.getpid(), {}
    for _ in range(SCANS):
        vanished = False
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == us:
                continue
            carried = _soft(int(name))
            vanished = vanished or carried is None
            if carried and kin(carried, brand):
                found[int(name)] = carried
        if not vanished:
            break
    return found


def _soft(pid: int) -> int | None:
    """Return the brand that a process carries, 0 for none, None for no such process."""
    try:
        soft = resource.prlimit(pid, resource.RLIMIT_RTTIME)[0]
    except PermissionError:
        soft = _from_proc(pid)
    except OSError:
        return None
    return soft if soft >= _BASE else 0


def _from_proc(pid: int) -> int:
    """Ask in the way that is open for processes of other users."""
    try:
        with open(f"/proc/{pid}/limits", "rb") as file:
            line = next((line for line in file if line.startswith(_KNOWN_BY)), b"")
        return int(line[len(_KNOWN_BY) :].split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _free(limits: tuple[int, int]) -> bool:
    """Tell whether nobody has set the limit but whoever brands."""
    soft, hard = limits
    return hard == _UNLIMITED and (soft == _UNLIMITED or soft >= _BASE)
