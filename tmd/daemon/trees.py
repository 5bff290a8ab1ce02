"""Trees: a program is its process and all that this has started, wherever that went; none outlives its leader.

    marked at the start (environment, brand, control group) -> the leader is gone -> what is left is found, ended
    -> only then its end is told

Promises that a start never meets what an earlier life left behind (`orphans = kill`), that this daemon never ends
itself, even if one of its programs has started it, that the news of an end is held back for `PATIENCE_S` at most, and
that an end which leaves nothing costs one system call where the program has a control group, and else one look at the
list of our children for all ends of a turn of the loop. `warn` only tells; `keep` does not even look. Does not know
what becomes of a program whose leader is gone.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from errno import EACCES, EOPNOTSUPP, EPERM, EROFS
from functools import partial

from tmd.config.settings import Orphans
from tmd.core.inputs import NOTHING_LEFT, LeftBehind
from tmd.core.records import LIFE
from tmd.daemon.clerk import Admission, Clerk, brand_of
from tmd.daemon.nursery import Nursery
from tmd.daemon.strays import Strays, lives
from tmd.posix import brands, cgroups, descendants, marks
from tmd.posix.cgroups import Grounds, NoGroups
from tmd.posix.identity import Glimpse
from tmd.posix.loop import Loop
from tmd.wire.levels import Level

PATIENCE_S = 2.0
"""how long the end of a program waits for what it left behind to die"""
FIRST_LOOK_S = 0.0005
"""after so long it is looked whether what was killed is gone; then after twice as long, up to `LONGEST_LOOK_S`"""
LONGEST_LOOK_S = 0.05
NAMED_AT_MOST = 5
"""so many processes are named in a line"""
ROUNDS = 8
"""so often orphans of a program are put into its group; one that has new ones all the time is known by marks alone"""
SWEPT_AT_ONCE = 16
SPARED = ".spared"
"""ends the name of a group whose members are not to be ended"""

Done = Callable[[LeftBehind], None]


class Tree:
    """What is known of a leader's tree. `foreign`: it is no child of ours, so its orphans are not handed to us."""

    __slots__ = ("admission", "brand", "foreign", "group_ended", "name", "orphans", "pid", "token")

    def __init__(self, name: str, pid: int, token: str, orphans: Orphans, *, foreign: bool) -> None:
        self.name, self.pid, self.token, self.orphans, self.foreign = name, pid, token, orphans, foreign
        self.brand = brands.of(token, spared=orphans == "warn")
        self.admission: Admission | None = None
        self.group_ended = False
        """its process group was killed when it had ended"""

    @property
    def life(self) -> int:
        """What the brands of all in it have in common."""
        return brands.life(self.brand)

    @property
    def group(self) -> str:
        """The control group that all of it is in, empty for none."""
        return self.admission.path if self.admission is not None and self.admission.inside else ""


class _Ending:
    """A tree that is being ended, and whom that has met so far."""

    def __init__(self, tree: Tree, began: float, done: Done) -> None:
        self.tree, self.began, self.done = tree, began, done
        self.met: dict[int, str] = {}
        """pid -> name, of the first ones; of the others no name"""
        self.delay_s = FIRST_LOOK_S

    def meet(self, pids: Collection[int]) -> None:
        for pid in sorted(pids):
            if pid not in self.met:
                self.met[pid] = descendants.name_of(pid) if len(self.met) < NAMED_AT_MOST else ""


class Trees:
    """All trees of one daemon. `groups`: whether control groups may be made; `log(level, text)`."""

    def __init__(self, loop: Loop, log: Callable[[Level, str], None], *, groups: bool) -> None:
        self._loop, self._log = loop, log
        self._groups = groups
        self._ready = False
        self._grounds: Grounds | None = None
        self._clerk: Clerk | None = None
        self._shared = ""
        """the control group of one of our programs that we are in and cannot leave"""
        self._nursery = Nursery(loop, self._admit_now)
        self._by_pid: dict[int, Tree] = {}
        """all that were begun and have not ended, also those that are not followed"""
        self._ended: list[tuple[Tree, Done]] = []
        """in this turn of the loop"""
        self._endings: dict[int, _Ending] = {}
        """by the life of the brand"""
        self._strays = Strays()
        self._lingering: dict[str, None] = {}
        """groups that may be empty by now"""
        self._reaped = self._killed = self._spared = self._survived = 0

    @property
    def reaps_orphans(self) -> bool:
        """Whether what programs leave behind is handed to us."""
        return self._strays.reaper

    def state(self) -> tuple[tuple[int, int, int, int], list[str]]:
        """Return the counters, and groups that may be empty by now, for another daemon to go on with."""
        return (self._reaped, self._killed, self._spared, self._survived), list(self._lingering)

    def resume(self, state: tuple[tuple[int, int, int, int], list[str]]) -> None:
        """Go on where an earlier daemon was."""
        (self._reaped, self._killed, self._spared, self._survived), lingering = state
        self._lingering |= dict.fromkeys(lingering)

    def let_go(self) -> None:
        """Leave everything as it is, for another daemon to go on with."""
        if self._clerk is not None:
            self._clerk.close(0)
        if self._grounds is not None:
            self._grounds.let_go()

    def figures(self) -> dict[str, int]:
        """Return counters."""
        return {
            "orphans_reaped": self._reaped,
            "orphans_killed": self._killed,
            "orphans_spared": self._spared,
            "orphans_survived": self._survived,
            "orphans_held": len(self._strays),
        }

    # --- the beginning ------------------------------------------------------------------------------------------

    def marking(self, orphans: Orphans, token: str) -> brands.Branded:
        """Have what is started while this is entered marked as a life of that token."""
        if orphans == "keep":
            return brands.Branded(0)
        if not self._ready:
            self._make_ready(token)
        return brands.Branded(brands.of(token, spared=orphans == "warn"))

    def begun(self, name: str, orphans: Orphans, token: str, pid: int) -> str:
        """A child has just been started; returns the path of the control group it is to be in, empty for none."""
        tree = Tree(name, pid, token, orphans, foreign=False)
        self._strays.begun(pid, tree.life)
        self._by_pid[pid] = tree
        return "" if orphans == "keep" else self._admit(tree, self._path(token, orphans))

    def taken_over(self, name: str, orphans: Orphans, token: str, pid: int, group: str, *, ours: bool = False) -> str:
        """A life that began under an earlier daemon goes on; `group`: the control group it was in.

        `ours`: it is our child. Returns the path as `begun` does.
        """
        tree = Tree(name, pid, token, orphans, foreign=not ours)
        if ours:
            self._strays.begun(pid, tree.life)
        self._by_pid[pid] = tree
        if orphans == "keep":
            return ""
        if not self._ready:
            self._make_ready(token)
        group = self._usable(group)
        if not group or pid not in cgroups.members(group):
            return self._admit(tree, self._path(token, orphans))
        self._admit(tree, group)
        tree.admission = tree.admission or Admission(group, pid, 0, tree.life)
        tree.admission.inside = True
        return group

    def _path(self, token: str, orphans: Orphans) -> str:
        if self._grounds is None:
            return ""
        number = token.partition(".")[2]
        return self._grounds.of(f"{number}{SPARED}" if orphans == "warn" else number)

    def _admit(self, tree: Tree, path: str) -> str:
        if not path or self._clerk is None:
            return ""
        carried = brands.read(tree.pid)
        tree.admission = Admission(path, tree.pid, carried if brands.life(carried) == tree.life else 0, tree.life)
        self._nursery.add(tree.admission)
        return path

    def _admit_now(self, admission: Admission) -> None:
        if self._clerk is not None:
            admission.begun = True
            self._clerk.admit(admission)

    def _make_ready(self, token: str) -> None:
        """See what this machine lets us do, when the first program needs it."""
        self._ready = True
        self._strays.become_reaper()
        key = token.partition(".")[0]
        self._step_out(key)
        if not self._groups or self._shared:
            return
        try:
            self._grounds = Grounds(key)
        except NoGroups as why:
            self._log(Level.INFO, f"programs have no control groups: {why} (what they start is known by marks alone)")
            return
        self._grounds.tidy()
        self._clerk = Clerk(self._grounds, self._loop.post, self._entered, self._not_admitted)

    def _step_out(self, key: str) -> None:
        """Be no part of one of our own programs: it may be one of them that has started us, after we were killed."""
        ours, carried, place = brands.of(f"{key}.0"), brand_of(os.getpid()), cgroups.place_among(key)
        if place or (carried and brands.kin(carried, ours)):
            self._log(Level.WARN, "tmd was started from inside one of its own programs (it does not end with that)")
        brands.wash(ours)
        if place:
            try:
                cgroups.step_out(place, key)
            except OSError as why:
                self._shared = place
                self._log(Level.WARN, f"cannot leave control group '{place}' of one of our programs: {why.strerror}")

    def _usable(self, group: str) -> str:
        """Return the path of a group, empty if we and thus all we start are in there: it tells nothing then."""
        return "" if group and f"{self._shared}/".startswith(f"{group}/") else group

    def _entered(self, admissions: list[Admission]) -> None:
        """Some are in their groups: all that they have started is, if none of that has become our child before."""
        self._strays.look({})
        for admission in admissions:
            if admission.over:
                self._linger(admission.path)
                continue
            orphans = self._strays.of(admission.life, {})
            if orphans <= admission.orphans:
                admission.inside = True
            elif self._clerk is not None and admission.rounds < ROUNDS:
                admission.rounds += 1
                admission.orphans |= orphans
                self._clerk.admit(admission)

    def _not_admitted(self, why: OSError) -> None:
        if why.errno in (EACCES, EPERM, EROFS, EOPNOTSUPP) and self._grounds is not None:
            self._log(Level.INFO, f"programs have no control groups: cannot put one into its own: {why.strerror}")
            self._grounds.close()
            self._grounds = self._clerk = None

    # --- the end ------------------------------------------------------------------------------------------------

    def ends(self, pid: int) -> bool:
        """Tell whether what a leader leaves behind is ended."""
        tree = self._by_pid.get(pid)
        return tree is not None and tree.orphans == "kill"

    def ended(self, pid: int, done: Done, *, group_ended: bool = False) -> None:
        """A leader is gone, and reaped: `done` is called once what is left of its tree has had what it is to have.

        At the end of this turn of the loop, or later, but at once where nothing is looked for. `group_ended`: its
        process group was killed.
        """
        tree = self._by_pid.pop(pid, None)
        self._strays.ended(pid)
        if tree is None or tree.orphans == "keep":
            done(NOTHING_LEFT)
            return
        tree.group_ended = group_ended
        if tree.admission is not None:
            tree.admission.over = True
        if not self._ended:
            self._loop.call_last(self._settle)
        self._ended.append((tree, done))

    def lost(self, name: str, orphans: Orphans, token: str, group: str, done: Done) -> None:
        """A life has ended while no daemon ran: as `ended`."""
        tree = Tree(name, 0, token, orphans, foreign=True)
        if orphans == "keep":
            done(NOTHING_LEFT)
            return
        if not self._ready:
            self._make_ready(token)
        if group := self._usable(group):
            tree.admission = Admission(group, 0, 0, tree.life)
            tree.admission.inside = True
        if not self._ended:
            self._loop.call_last(self._settle)
        self._ended.append((tree, done))

    def sweep(self, key: str, living: Collection[str]) -> None:
        """End what is left of lives of a daemon of this key that nobody knows any more. `living`: tokens that count."""
        if not self._ready:
            self._make_ready(f"{key}.0")
        known = {brands.life(brands.of(token)) for token in living}
        lost = {brand for brand in _carriers(f"{key}.0").values() if brands.life(brand) not in known}
        numbers = {token.partition(".")[2] for token in living}
        groups = {os.path.basename(path): path for path in self._grounds.leftovers()} if self._grounds else {}
        for name, path in groups.items():
            number = name.removesuffix(SPARED)
            if number in numbers or cgroups.remove(path):
                continue
            if name != number:
                self._linger(path)
            elif number.isdigit():
                lost.add(brands.of(f"{key}.{number}"))
        for brand in lost:
            if brands.spared(brand) or brands.life(brand) in self._endings:
                continue
            number = str(brands.number(brand))
            self.lost("a program of an earlier tmd", "kill", f"{key}.{number}", groups.get(number, ""), _nobody)

    def reaped(self, pid: int) -> None:
        """A child that is none of those we have started has ended and was reaped."""
        self._strays.forget(pid)
        self._reaped += 1

    def close(self) -> None:
        """Let go of what is held; what still runs is left alone."""
        if self._clerk is not None:
            self._clerk.close()
        if self._grounds is not None:
            self._grounds.close()
        if self._ready:
            self._strays.resign()

    # --- what is left -------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Look, once for all that have ended in this turn, what they have left behind."""
        ended, self._ended = self._ended, []
        gone = {tree.pid: tree.life for tree, _ in ended}
        if any(not tree.group for tree, _ in ended):
            self._strays.look(gone)
        carriers = self._carriers(tree for tree, _ in ended)
        for tree, done in ended:
            left = self._left(tree, gone, carriers)
            if not left:
                done(NOTHING_LEFT)
            elif tree.orphans == "warn":
                self._warn(tree, left, done)
            else:
                ending = self._endings[tree.life] = _Ending(tree, self._loop.now(), done)
                self._strike(ending, left)
        for path in list(self._lingering)[:SWEPT_AT_ONCE]:
            del self._lingering[path]
            if not cgroups.remove(path):
                self._lingering[path] = None  # at the end of the queue

    def _left(self, tree: Tree, gone: Mapping[int, int], carriers: Mapping[int, int]) -> set[int]:
        """Return the pids of what lives of a tree; what is below these may be missing."""
        found = self._strays.of(tree.life, gone)
        if carriers:
            found |= {pid for pid, brand in carriers.items() if brands.life(brand) == tree.life and lives(pid)}
        if tree.group:
            if not cgroups.remove(tree.group):
                found.update(cgroups.members(tree.group))
        elif tree.admission is not None and tree.admission.begun:
            self._linger(tree.admission.path)  # the clerk may be just about it
        return found - {tree.pid, os.getpid()}

    def _strike(self, ending: _Ending, left: set[int]) -> None:
        tree = ending.tree
        inside: set[int] = set()
        if tree.group:
            inside = set(cgroups.members(tree.group))
            if os.getpid() in inside:  # somebody has put us there
                inside.clear()
            else:
                ending.meet(inside)
                cgroups.kill(tree.group)
        outside = left - inside
        if outside:
            ending.meet(descendants.living(outside))
            ending.meet(descendants.end(outside, partial(self._is_of, tree.life)))
        self._loop.call_later(ending.delay_s, partial(self._look_again, ending))
        ending.delay_s = min(2 * ending.delay_s, LONGEST_LOOK_S)

    def _look_again(self, ending: _Ending) -> None:
        tree = ending.tree
        gone = {tree.pid: tree.life}
        if not tree.group:
            self._strays.look(gone)
        left = self._left(tree, gone, self._carriers([tree]))
        if left and self._loop.now() < ending.began + PATIENCE_S:
            self._strike(ending, left)
            return
        del self._endings[tree.life]
        count = len(ending.met)
        self._killed += count - len(left)
        self._survived += len(left)
        if left:
            names = _named({pid: descendants.name_of(pid) for pid in sorted(left)[:NAMED_AT_MOST]}, len(left))
            self._log(
                Level.CRIT, f"cannot end what {tree.name} left behind: {names} will not die (the start goes on without)"
            )
            if tree.group:
                self._linger(tree.group)
        if count > len(left):
            dead = {pid: name for pid, name in ending.met.items() if pid not in left}
            self._log(Level.INFO, f"{tree.name} left {_processes(len(dead))} behind: killed {_named(dead, len(dead))}")
        names_told = tuple(name for name in ending.met.values() if name)
        ending.done(LeftBehind(count=count, names=names_told, survivors=len(left)))

    def _warn(self, tree: Tree, left: set[int], done: Done) -> None:
        members = descendants.living(left)
        if tree.group_ended:
            members = {pid: seen for pid, seen in members.items() if seen.group != tree.pid}
        if tree.group:
            self._linger(tree.group)
        names = {pid: descendants.name_of(pid) for pid in sorted(members)[:NAMED_AT_MOST]}
        self._spared += len(members)
        if members:
            told = f"{_processes(len(members))} behind: {_named(names, len(members))}"
            self._log(Level.WARN, f"{tree.name} left {told} (orphans = warn)")
        done(LeftBehind(count=len(members), names=tuple(names.values()), killed=False))

    def _carriers(self, trees: Iterable[Tree]) -> dict[int, int]:
        """Return who carries a brand of ours on the whole machine, if any of these trees may be anywhere."""
        sought = next((tree for tree in trees if tree.foreign or not self._strays.reaper), None)
        return {} if sought is None else _carriers(sought.token)

    def _is_of(self, life: int, pid: int, seen: Glimpse) -> bool:
        """Tell whether a process is of a life; asked once its number cannot become another's unnoticed."""
        if seen.ppid == os.getpid():
            return self._strays.is_of(pid, life)
        return brands.life(brand_of(pid)) == life

    def _linger(self, path: str) -> None:
        self._lingering[path] = None


def _nobody(_: LeftBehind) -> None:
    """Nobody waits for the end of this."""


def _carriers(token: str) -> dict[int, int]:
    """Return who carries a brand of the daemon that gave a token: pid -> brand. Reads all of /proc."""
    found = brands.carriers(brands.of(token))
    if not brands.possible():
        prefix = f"{token.partition('.')[0]}."
        for each in marks.carriers(LIFE, lambda value: value.startswith(prefix)):
            found.setdefault(each.pid, brands.of(each.value))
    return found


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _named(names: dict[int, str], count: int) -> str:
    """Return `sh (pid 12), sleep (pid 13) and 3 more`."""
    told = [f"{name or '?'} (pid {pid})" for pid, name in list(names.items())[:NAMED_AT_MOST]]
    more = count - len(told)
    return f"{', '.join(told)} and {more} more" if more else ", ".join(told)
