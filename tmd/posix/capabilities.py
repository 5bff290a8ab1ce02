"""Capabilities: which parts of root's power this process has, and giving up all but some of them.

Promises that what is given up is gone from every set that an exec hands on. The system's own calls are reached through
ctypes, which is loaded only by who changes something. Does not know what the power is wanted for.
"""

import os
from typing import Final

KILL: Final = 5
SETGID: Final = 6
SETUID: Final = 7
NAMES = {KILL: "CAP_KILL", SETGID: "CAP_SETGID", SETUID: "CAP_SETUID"}
SPAWNING = frozenset(NAMES)
"""what it takes to start programs as other users, and to stop them"""

_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_VERSION_3 = 0x20080522
_WORD_BITS = 32


def held(which: str = "Eff") -> frozenset[int]:
    """Return the capabilities in one set of this process (`Eff`, `Prm`, `Inh`, `Amb`, `Bnd`); empty where unknown."""
    try:
        with open("/proc/thread-self/status", encoding="utf-8") as status:
            words = next((line.split()[1] for line in status if line.startswith(f"Cap{which}:")), "0")
    except OSError:
        return frozenset()
    bits = int(words, 16)
    return frozenset(number for number in range(bits.bit_length()) if bits >> number & 1)


def names(capabilities: frozenset[int]) -> str:
    """Return capabilities as people write them, in one line."""
    return " ".join(NAMES.get(number, f"capability {number}") for number in sorted(capabilities))


def keep_through_setuid(*, on: bool) -> None:
    """Have a change away from root leave the permitted capabilities in place, or no longer; an exec ends it, too."""
    import ctypes  # noqa: PLC0415 - a megabyte that few need

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_KEEPCAPS, int(on), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def set_all(*, permitted: frozenset[int], inheritable: frozenset[int] = frozenset()) -> None:
    """Have exactly these capabilities in this thread and those it starts, all permitted ones in effect.

    What is not inheritable leaves the ambient set, too. Raises OSError for a capability that is not ours to have.
    """
    import ctypes  # noqa: PLC0415 - a megabyte that few need

    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    for word in range(2):
        data[3 * word + 0] = data[3 * word + 1] = _bits(permitted, word)
        data[3 * word + 2] = _bits(inheritable, word)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def keep_to_ourselves(capabilities: frozenset[int]) -> frozenset[int]:
    """Go on having these, but hand them on to nobody we start; return those that would have been handed on."""
    inheritable = held("Inh")
    shared = inheritable & capabilities
    if shared:
        set_all(permitted=held("Prm"), inheritable=inheritable - capabilities)
    return shared


def hand_on(capabilities: frozenset[int]) -> None:
    """Have an exec by this thread keep these, which are ours; whatever it starts has them too. OSError."""
    import ctypes  # noqa: PLC0415 - a megabyte that few need

    set_all(permitted=held("Prm"), inheritable=held("Inh") | capabilities)
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in capabilities:
        if libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _bits(capabilities: frozenset[int], word: int) -> int:
    return sum(1 << number - word * _WORD_BITS for number in capabilities if number // _WORD_BITS == word)
