"""Strays: children of ours that we have not started. What loses its parent below us is handed to us.

Promises that whose they are is found out once, that a look costs next to nothing while there are none, and that what
forks and dies faster than one can look is still seen: of an orphan that has died meanwhile the children are ours by
then. Knows lives by what their brands have in common, and ends nobody.
"""

import os
from collections.abc import Mapping

from tmd.daemon.clerk import brand_of
from tmd.posix import brands, descendants, subreaper
from tmd.posix.identity import glimpse

NOBODY = 0
"""the life of one that we know nothing of, or that has died"""
LOOKS = 32
"""so often it is looked again at most when all that were there have died meanwhile"""


class Strays:
    """All strays. `reaper`: whether orphans are handed to us."""

    def __init__(self) -> None:
        self.reaper = os.getpid() == 1
        self._lives: dict[int, int] = {}
        """stray -> the life it is of"""
        self._leaders: dict[int, int] = {}
        """child that we have started -> its life"""
        self._gone: dict[int, int] = {}
        """the same of those whose strays are being looked for"""
        self._listed_bytes = 0
        """how long the list of our children is when there is nobody on it whom we do not know"""

    def __len__(self) -> int:
        return len(self._lives)

    def become_reaper(self) -> None:
        """Have orphans handed to us."""
        self.reaper = subreaper.become()

    def resign(self) -> None:
        """Have orphans go to init again."""
        subreaper.resign()

    def begun(self, pid: int, life: int) -> None:
        """A child was started."""
        self.forget(pid)
        self._leaders[pid] = life
        self._listed_bytes += _width(pid)

    def ended(self, pid: int) -> None:
        """A child that we had started was reaped."""
        life = self._leaders.pop(pid, None)
        if life is not None:
            self._listed_bytes -= _width(pid)

    def forget(self, pid: int) -> None:
        """A stray was reaped; one we did not know of is no error."""
        if self._lives.pop(pid, None) is not None:
            self._listed_bytes -= _width(pid)

    def look(self, gone: Mapping[int, int]) -> None:
        """Find out who is new. `gone`: leaders that have just ended, and their lives."""
        if not self.reaper:
            return
        listed = descendants.listed()
        if listed is None:
            present = set(descendants.all_children())
        elif len(listed) == self._listed_bytes:
            return
        else:
            present = set(map(int, listed.split()))
        for pid in self._lives.keys() - present:
            self.forget(pid)  # somebody else has reaped it
        for pid in present - self._lives.keys() - self._leaders.keys():
            self._lives[pid] = self._life_of(pid, gone)
            self._listed_bytes += _width(pid)

    def of(self, life: int, gone: Mapping[int, int]) -> set[int]:
        """Return the strays of a life that live; `look` has to be called before."""
        mine: set[int] = set()
        for _ in range(LOOKS):
            mine = {pid for pid, owner in self._lives.items() if owner == life} if self._lives else set()
            alive = {pid for pid in mine if lives(pid)}
            if alive or not mine:
                return alive
            for pid in mine:
                self._lives[pid] = NOBODY
            self.look(gone)
        return mine

    def is_of(self, pid: int, life: int) -> bool:
        """Tell whether somebody is a stray of a life."""
        return self._lives.get(pid) == life

    def _life_of(self, pid: int, gone: Mapping[int, int]) -> int:
        brand = brand_of(pid)
        if brand:
            return brands.life(brand)
        seen = glimpse(pid)
        if seen is None:
            return NOBODY
        for leader in (seen.session, seen.group):
            life = gone.get(leader) or self._leaders.get(leader)
            if life:
                return life
        return NOBODY


def lives(pid: int) -> bool:
    """Tell whether a process is there and has not ended."""
    seen = glimpse(pid)
    return seen is not None and seen.alive


def _width(pid: int) -> int:
    """Return how much of a list of children a pid takes."""
    return len(str(pid)) + 1
