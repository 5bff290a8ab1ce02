"""Hooks: which command of a program runs at which turn of its life, and what waits for it.

Of one process one hook runs at a time, in the order of its life: what follows a hook, be it the next one or the spawn,
waits for its end; only a `poststart` is not waited for but ended. Nothing waits for the hooks of another process, and
who has none pays nothing. What a failure means is decided here, or by the core for what concerns a state.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import msgspec

from tmd.config.settings import Hook, ProcessSpec
from tmd.core import inputs as i
from tmd.core import notices as n
from tmd.core import words
from tmd.core.effects import RunPrestop, Spawn, StartReason
from tmd.core.overseer import Overseer
from tmd.daemon.bus import Told
from tmd.daemon.hook_runs import HookKey, HookRun, HookRuns, Outcome
from tmd.daemon.mainlog import MainLog
from tmd.posix.loop import ChildEvent
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

PRESTOP_REASONS: dict[i.StopCause, str] = {
    "asked": "stop",
    "poststart": "stop",
    "restart": "restart",
    "changed": "restart",
    "listener": "restart",
    "outlived": "restart",
    "removed": "removal",
    "shutdown": "shutdown",
}

Facts = Mapping[str, str | None]


class _Job:
    """A hook that runs or waits for its turn; without a command it only keeps a place."""

    def __init__(
        self, spec: ProcessSpec, hook: Hook, command: str | None, facts: Facts, done: Callable[[str, bool], None]
    ) -> None:
        self.spec, self.hook, self.command, self.facts, self.done = spec, hook, command, facts, done
        self.run: HookRun | None = None
        self.dropped = False


class _Lane:
    """The hooks of one process."""

    def __init__(self) -> None:
        self.running: _Job | None = None
        self.waiting: deque[_Job] = deque()


class PastState(msgspec.Struct):
    """What later hooks are told of the last life of a process, as another daemon goes on with it."""

    id: ProcessId
    pid: int
    status: i.ExitStatus | None
    killed: bool


class _Past:
    """What later hooks of a process are told of its last life, and the settings of the present one."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.pid = 0
        self.status: i.ExitStatus | None = None
        self.killed = False


class Hooks:
    """The hooks of all processes. `tell` feeds the core; `spawn` carries out a spawn that was held back."""

    HEARS: ClassVar[tuple[type[n.Notice], ...]] = (
        n.ProcessSpawned,
        n.ProcessRestored,
        n.ProcessRunning,
        n.ProcessKilled,
        n.ProcessExited,
        n.ProcessStopped,
        n.ProcessBackoff,
        n.GroupChanged,
        n.ProcessRemoved,
    )

    def __init__(
        self,
        *,
        overseer: Overseer,
        runs: HookRuns,
        mainlog: MainLog,
        tell: Callable[[ProcessId, i.ProcessInput], None],
        spawn: Callable[[Spawn], None],
    ) -> None:
        self._overseer, self._runs, self._mainlog, self._tell, self._spawn = overseer, runs, mainlog, tell, spawn
        self._lanes: dict[ProcessId, _Lane] = {}
        self._held: dict[ProcessId, _Job] = {}
        """the spawn that waits for what comes before it, as a place in its lane"""
        self._past: dict[ProcessId, _Past] = {}
        """of processes with hooks"""
        self._when_idle: Callable[[], object] | None = None

    # --- what the runtime asks for ----------------------------------------------------------------------------

    def hold(self, effect: Spawn) -> bool:
        """Tell whether a spawn has to wait; then `spawn` or `SpawnFailed` follow in their time."""
        id_, spec = effect.id, effect.spec
        if not spec.prestart and id_ not in self._lanes:
            return False
        job = _Job(spec, "prestart", spec.prestart, self._facts_of_start(id_, effect.reason), lambda *_: None)
        job.done = partial(self._before_spawn_ended, effect, job)
        self._held[id_] = job
        self._submit(job)
        return True

    def drop(self, id_: ProcessId) -> None:
        """Nobody wants the spawn any more that waits; a hook before it is ended."""
        job = self._held.pop(id_, None)
        if job is not None:
            self._withdraw(job)
            self._tell(id_, i.SpawnFailed("stopped before it was started"))

    def run_prestop(self, effect: RunPrestop) -> None:
        """Run the hook before a stop, and answer."""
        reason = PRESTOP_REASONS[effect.cause]
        facts = _facts("prestop", reason, ProcessState.RUNNING, effect.pid)

        def done(failure: str, _transient: bool) -> None:
            self._tell(effect.id, i.PrestopEnded(effect.epoch, failure))

        self._end_poststart(effect.id)
        self._submit(_Job(effect.spec, "prestop", effect.spec.prestop, facts, done))

    def run_again(self, id_: ProcessId, hook: str, facts: Facts) -> None:
        """Run a hook that was under way when an earlier daemon was killed, with what that one was told.

        Only one after a start or a stop: for the others the core asks again. One after a start only if the very process
        that was started runs.
        """
        member = self._overseer.member(id_)
        if member is None:
            return
        spec = member.spec
        if hook == "poststop" and spec.poststop:
            self._submit(_Job(spec, "poststop", spec.poststop, facts, partial(self._poststop_ended, spec)))
        elif hook == "poststart" and member.process.state is ProcessState.RUNNING:
            pid = member.process.pid
            if facts.get("TMD_PID") == str(pid):
                self._run_poststart(spec, pid)

    def child_event(self, event: ChildEvent) -> bool:
        """Take the kernel's word about a child; returns whether it is a hook."""
        return self._runs.child_event(event)

    def pids(self) -> list[int]:
        """Return the pids of hooks that run."""
        return self._runs.pids()

    def when_idle(self, callback: Callable[[], object]) -> None:
        """Call back once no hook runs or waits any more: now if there is none."""
        if not self._lanes:
            callback()
            return
        self._when_idle = callback
        self._mainlog.info(f"waiting for hooks to end: {', '.join(self.under_way)}")

    @property
    def under_way(self) -> list[str]:
        """Which hooks run, or wait for their turn, as words."""
        return [f"{lane.running.hook} of {id_.process}" for id_, lane in self._lanes.items() if lane.running]

    def state(self) -> list[PastState]:
        """Return what has to be known, for another daemon to go on with, when nothing is under way."""
        return [PastState(id_, past.pid, past.status, past.killed) for id_, past in self._past.items()]

    def linger(self, keys: Sequence[HookKey]) -> None:
        """Know of pipes of an earlier daemon's hooks that are drained still."""
        self._runs.take_over(keys)

    def take_over(self, state: list[PastState]) -> None:
        """Go on where an earlier daemon was."""
        for kept in state:
            member = self._overseer.member(kept.id)
            if member is not None:
                past = self._past[kept.id] = _Past(member.spec)
                past.pid, past.status, past.killed = kept.pid, kept.status, kept.killed

    def close(self) -> None:
        """End what still runs."""
        self._runs.close()

    def hear(self, told: Told) -> None:
        """Run what belongs to the turns of a life that were told."""
        notice = told.notice
        match notice:
            case n.ProcessSpawned(id=id_) | n.ProcessRestored(id=id_):
                self._begin_life(id_)
            case n.GroupChanged(name=name):
                self._refresh(name)
            case n.ProcessRemoved(id=id_):
                self._past.pop(id_, None)
                self._runs.forget(id_)
            case n.ProcessRunning() | n.ProcessKilled() | n.ProcessExited() | n.ProcessStopped() | n.ProcessBackoff():
                if past := self._past.get(notice.id):
                    self._go_on(past, notice)

    # --- turns of a life --------------------------------------------------------------------------------------

    def _go_on(self, past: _Past, notice: n.Notice) -> None:
        match notice:
            case n.ProcessRunning(pid=pid):
                self._run_poststart(past.spec, pid)
            case n.ProcessKilled():
                past.killed = True
            case n.ProcessExited(pid=pid, status=status):
                self._end_life(past, "exited", ProcessState.EXITED, pid, status)
            case n.ProcessStopped(pid=pid, status=status) if status:
                self._end_life(past, "killed" if past.killed else "stopped", ProcessState.STOPPED, pid, status)
            case n.ProcessBackoff(pid=pid, status=status) if pid and status:
                state = ProcessState.FATAL if notice.retry_at is None else ProcessState.BACKOFF
                self._end_life(past, "failed", state, pid, status, notice.tries)

    def _begin_life(self, id_: ProcessId) -> None:
        member = self._overseer.member(id_)
        if member is None:
            return
        past = self._past.get(id_)
        if past is not None:
            past.spec, past.killed = member.spec, False
        elif _has_hooks(member.spec):
            self._past[id_] = _Past(member.spec)

    def _refresh(self, group: str) -> None:
        """Take over hooks that changed without a new life."""
        found = self._overseer.groups.get(group)
        for member in found.members.values() if found is not None else ():
            if member.next_spec is not None:
                continue
            past = self._past.get(member.id)
            if past is not None:
                past.spec = member.spec
            elif member.process.pid and _has_hooks(member.spec):
                self._past[member.id] = _Past(member.spec)

    def _run_poststart(self, spec: ProcessSpec, pid: int) -> None:
        if not spec.poststart:
            return

        def done(failure: str, _transient: bool) -> None:
            if failure and spec.hook_failure == "abort":
                self._tell(spec.id, i.PoststartFailed(pid, failure))

        facts = _facts("poststart", "running", ProcessState.RUNNING, pid)
        self._submit(_Job(spec, "poststart", spec.poststart, facts, done))

    def _end_life(
        self, past: _Past, reason: str, state: ProcessState, pid: int, status: i.ExitStatus, tries: int = 0
    ) -> None:
        past.pid, past.status = pid, status
        spec = past.spec
        self._end_poststart(spec.id)
        if spec.poststop:
            facts = _facts("poststop", reason, state, pid, status, tries)
            self._submit(_Job(spec, "poststop", spec.poststop, facts, partial(self._poststop_ended, spec)))

    def _end_poststart(self, id_: ProcessId) -> None:
        lane = self._lanes.get(id_)
        for job in (lane.running, *lane.waiting) if lane is not None else ():
            if job is not None and job.hook == "poststart":
                self._withdraw(job)

    def _poststop_ended(self, spec: ProcessSpec, failure: str, transient: bool) -> None:
        job = self._held.get(spec.id)
        if failure and spec.hook_failure == "abort" and job is not None:
            del self._held[spec.id]
            self._withdraw(job)
            self._tell(spec.id, i.SpawnFailed(failure, transient))

    def _before_spawn_ended(self, effect: Spawn, job: _Job, failure: str, transient: bool) -> None:
        if self._held.get(effect.id) is not job:
            return
        del self._held[effect.id]
        if failure and effect.spec.hook_failure != "ignore":
            self._tell(effect.id, i.SpawnFailed(failure, transient))
        else:
            self._spawn(effect)

    def _facts_of_start(self, id_: ProcessId, reason: StartReason) -> Facts:
        member, past = self._overseer.member(id_), self._past.get(id_)
        tries = 0 if member is None else member.process.backoff
        pid, status = (past.pid, past.status) if past is not None else (0, None)
        return _facts("prestart", reason, ProcessState.STARTING, pid, status, tries)

    # --- lanes ------------------------------------------------------------------------------------------------

    def _submit(self, job: _Job) -> None:
        self._lanes.setdefault(job.spec.id, _Lane()).waiting.append(job)
        self._advance(job.spec.id)

    def _withdraw(self, job: _Job) -> None:
        """Take a job out, or end it; its end means nothing any more."""
        job.dropped = True
        lane = self._lanes.get(job.spec.id)
        if lane is not None and job in lane.waiting:
            lane.waiting.remove(job)
            self._advance(job.spec.id)
        elif job.run is not None:
            self._runs.kill(job.run)

    def _advance(self, id_: ProcessId) -> None:
        """Run what is next; forget a lane where nothing is."""
        lane = self._lanes.get(id_)
        while lane is not None and lane.running is None:
            if not lane.waiting:
                if self._lanes.get(id_) is lane:
                    del self._lanes[id_]
                    self._look_idle()
                return
            job = lane.running = lane.waiting.popleft()
            if job.command:
                self._mainlog.debug(f"running {job.hook} hook of '{id_.process}' ({job.facts['TMD_REASON']})")
                job.run = self._runs.run(job.spec, job.hook, job.command, job.facts, partial(self._ended, job))
            else:
                lane.running = None
                job.done("", False)

    def _ended(self, job: _Job, outcome: Outcome) -> None:
        id_, hook = job.spec.id, job.hook
        self._lanes[id_].running = None
        failure = f"{hook} hook {outcome.failure}" if outcome.failure else ""
        if job.dropped:
            self._mainlog.debug(f"{hook} hook of '{id_.process}' was ended: it is of no use any more")
        elif failure:
            quoted = f"; it said last: {outcome.last_line}" if outcome.last_line else ""
            self._mainlog.warn(f"{hook} hook of '{id_.process}' {outcome.failure}{quoted}")
        else:
            self._mainlog.info(f"{hook} hook of '{id_.process}' succeeded in {outcome.took_s:.3f} seconds")
        try:
            if not job.dropped:
                job.done(failure, outcome.transient)
        finally:
            self._advance(id_)

    def _look_idle(self) -> None:
        if not self._lanes and self._when_idle is not None:
            callback, self._when_idle = self._when_idle, None
            callback()


def _has_hooks(spec: ProcessSpec) -> bool:
    return bool(spec.prestart or spec.poststart or spec.prestop or spec.poststop)


def _facts(
    hook: Hook, reason: str, state: ProcessState, pid: int, status: i.ExitStatus | None = None, tries: int = 0
) -> Facts:
    """Return the variables that tell a hook why it runs."""
    code = None if status is None or status.code is None else str(status.code)
    name = None if status is None or status.signal is None else words.signal_name(status.signal)
    return {
        "TMD_HOOK": hook,
        "TMD_REASON": reason,
        "TMD_STATE": state.name,
        "TMD_TRIES": str(tries),
        "TMD_PID": str(pid) if pid else None,
        "TMD_EXIT_CODE": code,
        "TMD_SIGNAL": name,
    }
