"""Hook runs: commands that run once in a program's name, next to it or while it is down.

Promises that the end of each is told exactly once, after all it said is in the program's logs; that it comes within the
time-out and `SURVIVOR_S` whatever the command does; and that nothing of its process group outlives it. Does not know
why a command is run or what follows from its end.
"""

import os
import signal
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from tmd.config.settings import Hook, ProcessSpec
from tmd.core import words
from tmd.core.inputs import ExitStatus
from tmd.core.records import Run
from tmd.daemon.lives import DRAIN_GRACE_S, LINGERING_LIMIT, Lives
from tmd.daemon.surface import Channel
from tmd.posix import children
from tmd.posix.drain import Drain
from tmd.posix.identity import ticks_of
from tmd.posix.loop import ChildEvent, Loop, Timer
from tmd.wire.names import ProcessId
from tmd.wire.visible import visible_line

SURVIVOR_S = 2.0
"""how long the end of a command that got SIGKILL is waited for; what the kernel holds longer is left behind"""
QUOTED_CHARS = 200
"""of the last line of a command that failed"""


class HookKey(NamedTuple):
    """One output pipe of one run."""

    id: ProcessId
    hook: Hook
    channel: Channel
    number: int


class Outcome(NamedTuple):
    """How a run went. `failure`: what went wrong, in the words that follow `prestart hook`; empty for nothing."""

    failure: str = ""
    transient: bool = False
    """the system lacked something; the command is not to blame"""
    took_s: float = 0.0
    last_line: str = ""
    """what it said last, as one harmless line; of a failure only"""


class HookRun:
    """One run; `pid` is 0 before it is there."""

    def __init__(self, spec: ProcessSpec, hook: Hook, began: float, done: Callable[[Outcome], None]) -> None:
        self.id, self.hook, self.began = spec.id, hook, began
        self.timeout_s = spec.hook_timeout
        self.pid = 0
        self.token = ""
        self.keys: tuple[HookKey, ...] = ()
        self.timed_out = False
        self.timer: Timer | None = None
        self._done: Callable[[Outcome], None] | None = done

    @property
    def told(self) -> bool:
        """Whether its end was told."""
        return self._done is None

    def end(self, outcome: Outcome) -> None:
        """Tell the end, the first time."""
        if self.timer is not None:
            self.timer.cancel()
        done, self._done = self._done, None
        if done is not None:
            done(outcome)


class Book(Protocol):
    """Who remembers what is under way."""

    def next_token(self) -> str:
        """Return what marks the next run."""

    def note_run(self, run: Run) -> None:
        """Remember a run, or more about it."""

    def forget_run(self, token: str) -> None:
        """A run has ended."""


class HookRuns:
    """All runs that have not ended. `serverurl`: what programs are told as that of the daemon.

    `book`: marks runs, and keeps those under way for the next daemon.
    """

    def __init__(
        self,
        loop: Loop,
        drain: Drain,
        lives: Lives,
        serverurl: Callable[[], str | None],
        book: Book,
    ) -> None:
        self._loop, self._drain, self._lives = loop, drain, lives
        self._serverurl, self._book = serverurl, book
        self._by_pid: dict[int, HookRun] = {}
        self._number = 0
        self._lingering: dict[ProcessId, list[HookKey]] = {}

    def run(
        self,
        spec: ProcessSpec,
        hook: Hook,
        command: str,
        facts: Mapping[str, str | None],
        done: Callable[[Outcome], None],
    ) -> HookRun:
        """Start a command; `facts` are variables beside those of the program, None: not to be there.

        `done` is called in a later turn of the loop.
        """
        run = HookRun(spec, hook, self._loop.now(), done)
        noted = Run(token=self._book.next_token(), id=spec.id, hook=hook, facts=dict(facts))
        self._book.note_run(noted)
        try:
            pid, outputs = self._lives.start_beside(spec, command, self._serverurl(), noted.token, facts)
        except children.SpawnRefused as refusal:
            self._book.forget_run(noted.token)
            outcome = Outcome(f"cannot be run: {refusal.reason}", transient=refusal.transient)
            self._loop.call_soon(partial(run.end, outcome))
            return run
        run.pid, run.token = pid, noted.token
        self._by_pid[pid] = run
        self._book.note_run(replace(noted, pid=pid, ticks=ticks_of(pid)))
        run.keys = tuple(self._open(run, spec, channel, fd) for channel, fd in outputs.items())
        if run.timeout_s > 0:
            run.timer = self._loop.call_later(run.timeout_s, partial(self._time_out, run), patient=True)
        return run

    def pids(self) -> list[int]:
        """Return the pids of what runs."""
        return list(self._by_pid)

    def kill(self, run: HookRun) -> None:
        """End a run before its time; its end is told as ever."""
        if run.pid in self._by_pid:
            _kill(run.pid)
            self._survive(run)

    def child_event(self, event: ChildEvent) -> bool:
        """Take the kernel's word about a child; returns whether it was one of ours."""
        run = self._by_pid.get(event.pid)
        if run is None:
            return False
        if event.kind == "exited":
            del self._by_pid[event.pid]
            self._book.forget_run(run.token)
            trees = self._lives.trees
            if not trees.ends(event.pid):
                _kill_group(event.pid)  # what it has left; its number cannot have been given away yet
            status = ExitStatus(event.code, event.signal, event.core)
            trees.ended(event.pid, lambda _: self._listen_then_tell(run, status), group_ended=True)
        return True

    def lingering(self) -> list[HookKey]:
        """Return the pipes that are still drained."""
        return [key for keys in self._lingering.values() for key in keys]

    def take_over(self, keys: Sequence[HookKey]) -> None:
        """Go on with pipes of an earlier daemon."""
        for key in keys:
            self._number = max(self._number, key.number)
            self._lingering.setdefault(key.id, []).append(key)

    def forget(self, id_: ProcessId) -> None:
        """A process was removed: what its earlier hooks left open is drained no further."""
        running = {key for run in self._by_pid.values() for key in run.keys}
        for key in self._lingering.pop(id_, ()):
            if key not in running:
                self._drain.close(key)

    def close(self) -> None:
        """End all that still run; nobody is told."""
        for run in self._by_pid.values():
            if run.timer is not None:
                run.timer.cancel()
            _kill(run.pid)

    # --- inside -----------------------------------------------------------------------------------------------

    def _open(self, run: HookRun, spec: ProcessSpec, channel: Channel, fd: int) -> HookKey:
        self._number += 1
        key = HookKey(spec.id, run.hook, channel, self._number)
        self._drain.open(key, fd, self._lives.sinks(spec, channel, run.pid, run.hook))
        earlier = self._lingering.setdefault(spec.id, [])
        earlier.append(key)
        while len(earlier) > LINGERING_LIMIT:  # what a hook sent into the background holds its pipe open
            self._drain.close(earlier.pop(0))
        return key

    def _time_out(self, run: HookRun) -> None:
        run.timed_out = True
        _kill(run.pid)
        self._survive(run)

    def _survive(self, run: HookRun) -> None:
        """Wait for one that got SIGKILL, but not for ever."""
        if run.timer is not None:
            run.timer.cancel()
        failure = f"timed out after {words.seconds(run.timeout_s)} seconds" if run.timed_out else "was killed"
        outcome = Outcome(f"{failure}, and survives SIGKILL", took_s=self._loop.now() - run.began)
        run.timer = self._loop.call_later(SURVIVOR_S, partial(run.end, outcome))

    def _listen_then_tell(self, run: HookRun, status: ExitStatus) -> None:
        if run.told:
            return
        took_s = self._loop.now() - run.began
        failure = "" if status.code == 0 else f"failed: {words.ending(status)}"
        if run.timed_out:
            failure = f"timed out after {words.seconds(run.timeout_s)} seconds"

        def tell(last: Mapping[Hashable, bytes]) -> None:
            said = _last_line([last[key] for key in reversed(run.keys) if key in last]) if failure else ""
            run.end(Outcome(failure, took_s=took_s, last_line=said))

        if run.timer is not None:
            run.timer.cancel()
        if not run.keys:
            tell({})
            return
        run.timer = self._loop.call_later(DRAIN_GRACE_S, partial(tell, {}))
        self._drain.finish_listening(run.keys, tell)


def _kill(pid: int) -> None:
    """Kill a command that was not reaped yet, with its group, and also when it has changed to another one."""
    _kill_group(pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return  # of another user: not ours to end


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except OSError:
        return  # gone, or of another user: not ours to end


def _last_line(said: list[bytes]) -> str:
    """Return the last line with anything in it, of the first that has one."""
    for data in said:
        for line in reversed(data.decode(errors="backslashreplace").splitlines()):
            if line.strip():
                return visible_line(line.strip())[:QUOTED_CHARS]
    return ""
