"""Ends: how lives of a process came to an end, and starts came to nothing; told from the notices about it.

An `End` carries everything there is to say about it, the rules in force among it, so that it can be explained long
after these have changed. Knows nothing of how ends are kept or worded.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from tmd.config.settings import Autorestart, ProcessSpec
from tmd.core import notices as n
from tmd.core.inputs import NOTHING_LEFT, ExitStatus, LeftBehind, StopCause

How: TypeAlias = Literal["exited", "too_soon", "stopped", "not_started", "lost"]
"""exited: by itself, when it was up; too_soon: by itself, before `startsecs`; stopped: as asked; not_started: there was
no process at all; lost: tmd ended before it, so that nobody knows"""
Then: TypeAlias = Literal["rest", "restart", "retry", "fatal", "quiesced", "stopped"]
"""What followed: nothing, a start at once, another try later, FATAL; nothing because the daemon went down; nothing
because somebody asked for a stop before the next try."""
Verdict: TypeAlias = Literal["", "yes", "perhaps", "no", "unknown"]
"""whether the kernel killed it for want of memory; empty: nobody asked"""

SIGKILL = 9
RELAYED_S = 10.0
"""a death so much later than a signal that somebody asked for was of another of that number"""


class Rules(msgspec.Struct, frozen=True):
    """The settings that decide what an end means and what follows."""

    autorestart: Autorestart = Autorestart.UNEXPECTED
    exitcodes: tuple[int, ...] = (0,)
    startsecs: float = 1
    startretries: int = 3
    stopsignal: int = 15
    stopwaitsecs: float = 10


class End(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One end. Times `at`, `started_at`, `retry_at`, `since` are epoch seconds, 0 for none."""

    at: float
    how: How
    rules: Rules = Rules()
    pid: int = 0
    started_at: float = 0.0
    uptime_s: float = 0.0
    code: int | None = None
    signal: int | None = None
    core: bool = False
    expected: bool = False
    """its code is in `exitcodes`"""
    cause: StopCause | None = None
    """of a stop"""
    ignored_s: float | None = None
    """it got SIGKILL from tmd after it ignored its stop signal for so long"""
    relayed: bool = False
    """tmd sent the signal it died of because somebody asked for that"""
    oom: Verdict = ""
    oom_detail: str = ""
    """what the witness said, as the end of a sentence"""
    reason: str = ""
    """why it could not be started"""
    tries: int = 0
    """failed starts in a row, this one included; 0 where the system was to blame"""
    then: Then = "rest"
    retry_at: float = 0.0
    stdout: bytes = b""
    stderr: bytes = b""
    more: int = 0
    """so many ends just like it came before it and are not kept"""
    since: float = 0.0
    """when the first of these was"""
    boundary: float = 0.0
    """lost: the start of the daemon that found it so"""
    rebooted: bool = False
    """lost: the machine has started anew since"""
    left: LeftBehind = NOTHING_LEFT
    """what it had started and was still there"""
    orphaned: bool = False
    """lost: the next tmd found it still running"""

    @property
    def killed_from_outside(self) -> bool:
        """Whether it got a SIGKILL that tmd knows nothing of."""
        return self.signal == SIGKILL and self.ignored_s is None and not self.relayed and not self.as_asked

    @property
    def as_asked(self) -> bool:
        """Whether it was stopped, and died of its stop signal."""
        return self.how == "stopped" and self.signal == self.rules.stopsignal


def rules_of(spec: ProcessSpec) -> Rules:
    """Return the rules that settings make."""
    return Rules(
        spec.autorestart, spec.exitcodes, spec.startsecs, spec.startretries, spec.stopsignal, spec.stopwaitsecs
    )


def shifted(end: End, seconds: float) -> End:
    """Return the same end, so much later."""

    def later(at: float) -> float:
        return at + seconds if at else 0.0

    return replace(
        end,
        at=end.at + seconds,
        started_at=later(end.started_at),
        retry_at=later(end.retry_at),
        since=later(end.since),
        boundary=later(end.boundary),
    )


def alike(one: End, other: End) -> bool:
    """Tell whether two ends differ in nothing but time and output."""
    return _kind(one) == _kind(other)


def _kind(end: End) -> tuple[object, ...]:
    killed = end.ignored_s is not None
    return (
        end.how,
        end.code,
        end.signal,
        end.core,
        end.cause,
        killed,
        end.relayed,
        end.oom,
        end.reason,
        end.rebooted,
        end.orphaned,
        (end.left.count > 0, end.left.killed, end.left.survivors > 0),
    )


def folded(older: End, newer: End) -> End | None:
    """Return the newer one with the older one counted in, or None when they are not alike."""
    if not alike(older, newer):
        return None
    return replace(newer, more=newer.more + older.more + 1, since=older.since or older.at)


def fold(ends: Sequence[End], starts: Sequence[float] = ()) -> list[End]:
    """Return ends, newest first, with neighbours that are alike counted as one: the newest of them.

    Not over a start of the daemon; `starts`: when these were.
    """
    shown: list[End] = []
    for end in ends:
        apart = not shown or between(end, shown[-1], starts)
        both = None if apart else folded(end, shown[-1])
        if both is None:
            shown.append(end)
        else:
            shown[-1] = both
    return shown


def between(older: End, newer: End, starts: Sequence[float]) -> list[float]:
    """Return the starts of the daemon between two ends."""
    return [at for at in starts if older.at < at <= newer.at]


class CourseState(msgspec.Struct, omit_defaults=True):
    """What goes on with one process, as another daemon goes on with it; fields as in `Course`."""

    pid: int = 0
    started_at: float = 0.0
    trouble: str = ""
    last: End | None = None
    started: float | None = None
    ignored_s: float | None = None
    sent: tuple[int, float] | None = None


class Course:
    """What goes on with one process, as far as its next end will have to tell.

    Fed with its notices in order; `hear` returns an end that has come about, or the last one with something added (it
    then has the same `at`).
    """

    def __init__(self) -> None:
        self.pid = 0
        self.started_at = 0.0
        self.trouble = ""
        """why the kernel refuses to signal it"""
        self.last: End | None = None
        self._started: float | None = None
        self._ignored_s: float | None = None
        self._sent: tuple[int, float] | None = None
        """the last signal somebody asked for, and when"""

    def state(self) -> CourseState:
        """Return all of it, for another daemon to go on with."""
        return CourseState(
            self.pid, self.started_at, self.trouble, self.last, self._started, self._ignored_s, self._sent
        )

    @classmethod
    def resumed(cls, state: CourseState) -> "Course":
        """Return one that goes on where an earlier daemon was."""
        course = cls()
        course.pid, course.started_at, course.trouble, course.last = (
            state.pid,
            state.started_at,
            state.trouble,
            state.last,
        )
        course._started, course._ignored_s, course._sent = state.started, state.ignored_s, state.sent
        return course

    @property
    def alive(self) -> bool:
        """Whether a process exists."""
        return self.pid != 0

    def shift(self, seconds: float) -> None:
        """The clock was set by so much."""
        self.started_at += seconds
        if self.last is not None:
            self.last = shifted(self.last, seconds)

    def relayed(self, signum: int, at: float) -> None:
        """Take note of a signal sent because somebody asked; `at`: monotonic."""
        self._sent = (signum, at)

    def hear(self, notice: n.Notice, at: float, wall: float, rules: Rules) -> End | None:
        """Take a notice about the process. `at`: monotonic, `wall`: epoch seconds."""
        match notice:
            case n.ProcessSpawned(pid=pid):
                self.pid, self.started_at, self._started = pid, wall, at
                self._ignored_s = self._sent = None
                self.trouble = ""
            case n.ProcessRestored():
                self.pid, self.started_at, self._started = notice.pid, notice.started, notice.started_at
            case n.ProcessKilled(waited_s=waited_s):
                if self._ignored_s is None:
                    self._ignored_s = waited_s
            case n.ProcessUnknown(reason=reason):
                self.trouble = reason
            case n.ProcessExited():
                then: Then = "restart" if notice.restarts else "rest"
                return self._ended(
                    End(at=wall, how="exited", rules=rules, expected=notice.expected, then=then), notice.status, at
                )
            case n.ProcessStopped(status=ExitStatus()):
                then = "restart" if notice.restarts else "rest"
                end = End(at=wall, how="stopped", rules=rules, cause=notice.cause, then=then)
                return self._ended(end, notice.status, at)
            case n.ProcessStopped() if self.last is not None and self.last.then == "retry":
                return self._amended(replace(self.last, then="stopped", cause=notice.cause))
            case n.ProcessBackoff():
                return self._failed(notice, at, wall, rules)
            case n.ProcessFatal() if self.last is not None and self.last.then == "retry":
                exhausted = notice.tries > self.last.rules.startretries
                return self._amended(replace(self.last, then="fatal" if exhausted else "quiesced", retry_at=0.0))
        return None

    def _failed(self, notice: n.ProcessBackoff, at: float, wall: float, rules: Rules) -> End:
        retry_at = 0.0 if notice.retry_at is None else wall + notice.retry_at - at
        if notice.status is None:
            reason, tries = notice.reason, notice.tries
            return self._amended(
                End(
                    at=wall, how="not_started", rules=rules, reason=reason, tries=tries, then="retry", retry_at=retry_at
                )
            )
        end = End(at=wall, how="too_soon", rules=rules, tries=notice.tries, then="retry", retry_at=retry_at)
        return self._ended(end, notice.status, at)

    def _ended(self, end: End, status: ExitStatus | None, at: float) -> End:
        assert status is not None
        words = status.last_words
        end = replace(
            end,
            pid=self.pid,
            started_at=self.started_at,
            uptime_s=0.0 if self._started is None else round(max(0.0, at - self._started), 3),
            code=status.code,
            signal=status.signal,
            core=status.core,
            ignored_s=self._ignored_s,
            relayed=self._died_of_what_was_sent(end, status, at),
            stdout=words.stdout,
            stderr=words.stderr,
            left=status.left,
        )
        self.pid = 0
        return self._amended(end)

    def _died_of_what_was_sent(self, end: End, status: ExitStatus, at: float) -> bool:
        if self._sent is None or status.signal != self._sent[0]:
            return False
        by_the_stop = end.how == "stopped" and status.signal == end.rules.stopsignal
        return not by_the_stop and at - self._sent[1] <= RELAYED_S

    def _amended(self, end: End) -> End:
        self.last = end
        return end
