"""The history: what the last ends of each process were, also those before a restart of the daemon.

Hears all notices, keeps ends in memory and on disk, and asks the kernel about a SIGKILL that came from nowhere.
Promises that writing costs a line a second and process at most, however fast a program crashes, and that what was told
up to a second before a SIGKILL of the daemon is not lost. How ends are worded is decided in the core.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar, NamedTuple

import msgspec
from msgspec.structs import replace

from tmd.config.settings import DaemonSettings, ProcessSpec
from tmd.core import notices as n
from tmd.core.ends import Course, CourseState, End, Rules, fold, rules_of, shifted
from tmd.daemon.bus import Told
from tmd.daemon.ends_file import Alive, EndsFile, Record, path_of
from tmd.daemon.rings import Rings
from tmd.daemon.runtime import Runtime
from tmd.daemon.surface import Operation
from tmd.daemon.workers import Workers
from tmd.posix.identity import boot_id, is_same
from tmd.posix.loop import Loop, Timer
from tmd.posix.oom import Kills, OomWitness, Word, judge, told
from tmd.wire.names import ProcessId

FIRST_S = 0.1
"""what belongs together comes together: an end is written so much later"""
EVERY_S = 1.0
"""and the next one of the same process so much after it"""
CLOCK_SET_S = 24 * 3600.0
"""an end that is told to be so much in the future is no end, but a clock gone wrong"""
STARTS_KEPT = 10
"""of the daemon"""
_ENDS = (n.ProcessExited, n.ProcessStopped, n.ProcessBackoff)
_OF_A_LIFE = (*_ENDS, n.ProcessSpawned, n.ProcessFatal, n.ProcessKilled, n.ProcessUnknown)
_NO_RULES = Rules()


class Suspect(NamedTuple):
    """An end by SIGKILL that the kernel's log has to explain."""

    id: ProcessId
    end: End
    started: float
    """monotonic"""
    before: Kills
    now: Kills


class HistoryState(msgspec.Struct, omit_defaults=True):
    """What is remembered of all ends, as another daemon goes on with it."""

    started_at: float = 0.0
    starts: list[float] = []
    ends: list[tuple[ProcessId, list[End]]] = []
    """of each process, newest first"""
    courses: list[tuple[ProcessId, CourseState]] = []


class History:
    """Fed by the bus.

    `spec_of`: the settings in force; `ask`: runs something that may block on a worker thread; `still_runs(pid, at)`:
    whether the process that began at that moment (epoch seconds) is there. `resumed`: `take_over` follows, and what is
    in the file is no news.
    """

    HEARS: ClassVar[tuple[type[n.Notice], ...]] = (
        *_OF_A_LIFE,
        n.ProcessAdded,
        n.ProcessRemoved,
        n.ProcessRestored,
        n.DaemonRunning,
    )

    def __init__(
        self,
        *,
        loop: Loop,
        wall: Callable[[], float],
        spec_of: Callable[[ProcessId], ProcessSpec | None],
        ask: Callable[[Callable[[], dict[int, int] | None]], Operation[dict[int, int] | None]],
        file: EndsFile,
        witness: OomWitness,
        still_runs: Callable[[int, float], bool] = is_same,
        resumed: bool = False,
    ) -> None:
        self._loop, self._wall, self._spec_of, self._ask = loop, wall, spec_of, ask
        self._file, self._witness = file, witness
        self._rings = Rings()
        self._courses: dict[ProcessId, Course] = {}
        self._rules: dict[ProcessId, tuple[ProcessSpec, Rules]] = {}
        self._suspects: list[Suspect] = []
        self._asked: list[Suspect] = []
        self._asking = False
        self._unsaved: dict[ProcessId, float] = {}
        """the time of the oldest end that is not written as it is; infinite: no end, but a life"""
        self._saved_at: dict[ProcessId, float] = {}
        self._timer: Timer | None = None
        self.started_at = wall()
        self.starts: list[float] = []
        """when the daemon was started, newest first"""
        self._boot = boot_id()
        self._past = _Past([] if resumed else self._file.open(), self.started_at, self._boot, still_runs)
        self.starts = [self.started_at, *self._past.starts][:STARTS_KEPT]

    # --- to be asked ------------------------------------------------------------------------------------------

    def ends(self, id_: ProcessId) -> list[End]:
        """Return the last ends of a process, newest first."""
        return list(self._rings.get(id_))

    def trouble(self, id_: ProcessId) -> str:
        """Return why the kernel refuses to signal a process, empty when it does not."""
        course = self._courses.get(id_)
        return course.trouble if course is not None else ""

    def life_began(self, id_: ProcessId) -> float:
        """Return when the process that runs now was started, 0 when none does."""
        course = self._courses.get(id_)
        return course.started_at if course is not None and course.alive else 0.0

    # --- to be told -------------------------------------------------------------------------------------------

    def shift(self, seconds: float) -> None:
        """The clock was set: tell all times as it would have told them, on disk too."""
        self.started_at += seconds
        self.starts = [at + seconds for at in self.starts]
        for id_ in self._rings:
            self._rings.shift(id_, seconds)
        for course in self._courses.values():
            course.shift(seconds)
        for suspects in (self._suspects, self._asked):
            suspects[:] = [each._replace(end=shifted(each.end, seconds)) for each in suspects]
        self._unsaved.clear()
        for id_ in {**dict.fromkeys(self._courses), **dict.fromkeys(self._rings)}:
            self._file.write(Record(at=self._wall(), id=id_, gone=True))
        self._file.snapshot(self._everything())

    def hear(self, told_: Told) -> None:
        """Take a notice."""
        notice = told_.notice
        if isinstance(notice, _OF_A_LIFE):
            self._follow(notice.id, notice, told_)
            return
        match notice:
            case n.ProcessAdded(id=id_):
                self._recall(id_)
            case n.ProcessRemoved(id=id_):
                self._forget(id_)
            case n.ProcessRestored(id=id_, pid=pid):
                self._found(id_, pid)
                self._follow(id_, notice, told_)
            case n.DaemonRunning(resumed=resumed):
                self._past.forget()
                self._file.begin()
                if not resumed:
                    self._file.write(Record(at=self.started_at, daemon="started", boot=self._boot))

    def relayed(self, id_: ProcessId, signum: int) -> None:
        """Take note of a signal sent because somebody asked."""
        if course := self._courses.get(id_):
            course.relayed(signum, self._loop.now())

    def save(self) -> None:
        """Write what is not written yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for id_ in list(self._unsaved):
            self._save(id_)

    def state(self) -> HistoryState:
        """Return all there is, for another daemon to go on with."""
        ends = [(id_, list(self._rings.get(id_))) for id_ in self._rings]
        courses = [(id_, course.state()) for id_, course in self._courses.items()]
        return HistoryState(self.started_at, list(self.starts), ends, courses)

    def take_over(self, state: HistoryState) -> None:
        """Go on where an earlier daemon was."""
        self.started_at, self.starts = state.started_at, state.starts
        for id_, ends in state.ends:
            for end in reversed(ends):
                self._rings.put(id_, end)
        self._courses |= {id_: Course.resumed(course) for id_, course in state.courses}

    def close(self) -> None:
        """Write what is not written yet, and that this is the end."""
        self.save()
        self._file.write(Record(at=self._wall(), daemon="ended"))

    # --- ends -------------------------------------------------------------------------------------------------

    def _follow(self, id_: ProcessId, notice: n.Notice, told_: Told) -> None:
        course = self._courses.get(id_)
        if course is None:
            course = self._courses[id_] = Course()
        rules = self._rules_of(id_) if isinstance(notice, _ENDS) else _NO_RULES  # of an end alone they say something
        end = course.hear(notice, told_.at, told_.wall, rules)
        if end is not None:
            if end.killed_from_outside and not end.oom:
                end = self._investigate(id_, end, told_.at - end.uptime_s)
                course.last = end
            self._rings.put(id_, end)
            self._save_soon(id_, end.at)
        elif isinstance(notice, n.ProcessSpawned | n.ProcessRestored):
            self._save_soon(id_, float("inf"))

    def _rules_of(self, id_: ProcessId) -> Rules:
        spec = self._spec_of(id_)
        if spec is None:
            return _NO_RULES
        known = self._rules.get(id_)
        if known is None or known[0] is not spec:
            known = self._rules[id_] = (spec, rules_of(spec))
        return known[1]

    def _recall(self, id_: ProcessId) -> None:
        """Take what an earlier daemon knew of a process that joins."""
        for end in self._past.take(id_):
            self._rings.put(id_, end)
            if end.boundary == self.started_at:
                self._save_soon(id_, end.at)

    def _found(self, id_: ProcessId, pid: int) -> None:
        """A life that seemed to be lost goes on, or its end follows."""
        ends = self._rings.get(id_)
        if ends and ends[0].how == "lost" and ends[0].pid == pid and ends[0].boundary == self.started_at:
            self._rings.forget(id_)
            for end in reversed(ends[1:]):
                self._rings.put(id_, end)

    def _forget(self, id_: ProcessId) -> None:
        known = self._rings.get(id_) or id_ in self._courses
        self._rings.forget(id_)
        self._courses.pop(id_, None)
        self._rules.pop(id_, None)
        self._unsaved.pop(id_, None)
        self._saved_at.pop(id_, None)
        if known:
            self._file.write(Record(at=self._wall(), id=id_, gone=True))

    # --- out of memory? ---------------------------------------------------------------------------------------

    def _investigate(self, id_: ProcessId, end: End, started: float) -> End:
        """Ask the counters, and where these say too little the kernel's log; its answer comes later."""
        before, now = self._witness.noted()
        word = judge(before, now)
        if word is not None:
            return replace(end, oom=word.verdict, oom_detail=word.detail)
        self._suspects.append(Suspect(id_, end, started, before, now))
        if not self._asking:
            self._ask_log()
        return end

    def _ask_log(self) -> None:
        self._asked, self._suspects = self._suspects, []
        self._asking = True
        pids = {suspect.end.pid: suspect.started for suspect in self._asked}
        self._ask(partial(self._witness.ask_log, pids)).then(self._hear_log)

    def _hear_log(self, answer: Operation[dict[int, int] | None]) -> None:
        self._asking = False
        asked, self._asked = self._asked, []
        for suspect in asked:
            found = answer.value
            word = judge(suspect.before, suspect.now, ask=False) if found is None else told(suspect.end.pid, found)
            if word is not None:
                self._amend(suspect, word)
        if self._suspects:
            self._ask_log()

    def _amend(self, suspect: Suspect, word: Word) -> None:
        for end in self._rings.get(suspect.id):
            if end.at == suspect.end.at:
                better = replace(end, oom=word.verdict, oom_detail=word.detail)
                self._rings.put(suspect.id, better)
                course = self._courses.get(suspect.id)
                if course is not None and course.last is not None and course.last.at == end.at:
                    course.last = replace(course.last, oom=word.verdict, oom_detail=word.detail)
                self._save_soon(suspect.id, end.at)
                return

    # --- on disk ----------------------------------------------------------------------------------------------

    def _save_soon(self, id_: ProcessId, at: float) -> None:
        """Have the ends of a process written from that time on, and its present life."""
        self._unsaved[id_] = min(at, self._unsaved.get(id_, at))
        if self._timer is None:
            self._timer = self._loop.call_later(FIRST_S, self._save_some)

    def _save_some(self) -> None:
        """Write what waited long enough; come back for the rest."""
        self._timer = None
        now = self._loop.now()
        later = None
        for id_ in list(self._unsaved):
            due = self._saved_at.get(id_, now - EVERY_S) + EVERY_S
            if due <= now:
                self._save(id_)
                self._saved_at[id_] = now
            elif later is None or due < later:
                later = due
        if later is not None:
            self._timer = self._loop.call_at(later, self._save_some)
        if self._file.wants_snapshot:
            self._file.snapshot(self._everything())

    def _save(self, id_: ProcessId) -> None:
        since = self._unsaved.pop(id_)
        ends = [end for end in self._rings.get(id_) if end.at >= since]
        self._file.write(self._record(id_, fold(ends)))

    def _record(self, id_: ProcessId, ends: list[End]) -> Record:
        course = self._courses.get(id_)
        alive = Alive(course.pid, course.started_at) if course is not None and course.alive else None
        return Record(at=self._wall(), id=id_, ends=ends, alive=alive)

    def _everything(self) -> Iterator[Record]:
        yield Record(at=self.started_at, daemon="started", boot=self._boot)
        for id_ in {**dict.fromkeys(self._courses), **dict.fromkeys(self._rings)}:
            yield self._record(id_, self.ends(id_))


def keep_history(runtime: Runtime, daemon: DaemonSettings, workers: Workers, *, resumed: bool = False) -> History:
    """Return the history of a daemon, which hears everything from now on; to be closed before the drain stops.

    `resumed`: as in `History`.
    """

    def spec(id_: ProcessId) -> ProcessSpec | None:
        member = runtime.overseer.member(id_)
        return member.spec if member is not None else None

    path = path_of(daemon.statedir, daemon.identifier, daemon.pidfile) if daemon.statedir else ""
    history = History(
        loop=runtime.loop,
        wall=runtime.wall,
        spec_of=spec,
        ask=workers.run,
        file=EndsFile(path, runtime.drain, runtime.mainlog.warn),
        witness=OomWitness(),
        resumed=resumed,
    )
    runtime.bus.subscribe(history.hear, *history.HEARS)
    return history


class _Past:
    """What the file has: ends by process, and lives nobody saw the end of."""

    def __init__(self, records: list[Record], now: float, boot: str, still_runs: Callable[[int, float], bool]) -> None:
        self._ends: dict[ProcessId, dict[float, End]] = {}
        """by time, in the order they were told: a clock that was set back or forth does not change it"""
        self._alive: dict[ProcessId, Alive] = {}
        self._now = now
        self._still_runs = still_runs
        self.starts: list[float] = []
        self._last_at = 0.0
        self._rebooted = False
        for record in records:
            if not self._plausible(record.at):
                continue
            self._last_at = max(self._last_at, record.at)
            if record.id is not None:
                self._learn(record.id, record)
            elif record.daemon == "started":
                self._rebooted = record.boot != boot
                if record.at not in self.starts:
                    self.starts.insert(0, record.at)

    def _plausible(self, *moments: float) -> bool:
        """Whether moments can have been: neither before all time nor in the future, but for a clock that was set."""
        return all(0 <= moment <= self._now + CLOCK_SET_S for moment in moments)

    def _learn(self, id_: ProcessId, record: Record) -> None:
        if record.gone:
            self._ends.pop(id_, None)
            self._alive.pop(id_, None)
            return
        known = self._ends.setdefault(id_, {})
        for end in reversed(record.ends):
            if self._plausible(end.at, end.started_at, end.since, end.boundary):
                known[end.at] = end
        if record.alive is None or not self._plausible(record.alive.at):
            self._alive.pop(id_, None)
        else:
            self._alive[id_] = record.alive

    def take(self, id_: ProcessId) -> list[End]:
        """Return the ends of a process, oldest first, with a life that was lost as the last of them."""
        known = self._ends.pop(id_, {})
        ends = list(known.values())
        alive = self._alive.pop(id_, None)
        if alive is not None:
            seen = max(self._last_at, alive.at)
            ends.append(
                End(
                    at=min(seen, self._now),
                    how="lost",
                    pid=alive.pid,
                    started_at=alive.at,
                    boundary=self._now,
                    rebooted=self._rebooted,
                    orphaned=not self._rebooted and self._still_runs(alive.pid, alive.at),
                )
            )
        return ends

    def forget(self) -> None:
        """Drop what belongs to nobody any more."""
        self._ends.clear()
        self._alive.clear()
