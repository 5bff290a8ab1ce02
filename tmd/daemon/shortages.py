"""Shortages: programs that cannot be started because the machine has too few descriptors, processes, or memory.

None of that is a program's fault, nor counted as its failure: it is tried again every two seconds.
"""

import errno

from tmd.config.settings import ProcessSpec
from tmd.core.process import TRANSIENT_RETRY_S
from tmd.daemon.troubles import Kind, Troubles
from tmd.posix.children import SpawnRefused

_KINDS: dict[int, Kind] = {
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.EAGAIN: "processes",
    errno.ENOMEM: "memory",
}
_WORDS: dict[Kind, str] = {
    "descriptors": "too many open files",
    "processes": "too many processes",
    "memory": "out of memory",
}


class Shortages:
    """Hears of each start. What is short may be so for one user only: each has his own limits."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._short: set[tuple[Kind, str]] = set()

    def refused(self, spec: ProcessSpec, refusal: SpawnRefused) -> None:
        """Note a start that was refused."""
        why = refusal.__cause__
        kind = _KINDS.get(why.errno or 0) if isinstance(why, OSError) else None
        if kind is None:
            return
        whose = _whose(spec)
        self._short.add((kind, whose))
        again = f"they are tried again every {TRANSIENT_RETRY_S:g} s, and this is not counted against them"
        self._troubles.happened(kind, whose, f"cannot start programs{whose}: {_WORDS[kind]} ({again})")

    def started(self, spec: ProcessSpec) -> None:
        """Note a start that worked."""
        if not self._short:
            return
        whose = _whose(spec)
        for kind, user in list(self._short):
            if user == whose:
                self._short.discard((kind, user))
                self._troubles.over(kind, user, f"programs{whose} can be started again")


def _whose(spec: ProcessSpec) -> str:
    return "" if spec.uid is None else f" of uid {spec.uid}"
