"""Adoption: processes that outlived the daemon that had started them go on under this one.

Promises that only what is provably the same process is taken back (pid, moment of its beginning, boot of the machine,
the mark it was started with), that nobody is started a second time while its first life goes on and may be taken back,
and that what the configuration says by now is put in force as an update would. What is to be known is in the journal;
how a process goes on is decided in the core, and here only what became of it meanwhile.

    read (before anything is touched) -> populate (groups, processes that live, those that ended) -> the daemon starts
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from tmd.config.plan import fingerprint, plan_update
from tmd.config.settings import Adopt, GroupSpec, ProcessSpec
from tmd.core import inputs as i
from tmd.core import notices as n
from tmd.core.condition import Process
from tmd.core.records import Entry, Life
from tmd.core.why import duration
from tmd.daemon import abandoned
from tmd.daemon.interrupted import Interrupted
from tmd.daemon.kin import carriers_of, standing
from tmd.daemon.runtime import Runtime
from tmd.daemon.streams import CannotTakeOver, Streams, take_over
from tmd.posix.descriptors import pipes_of
from tmd.posix.identity import age_s
from tmd.posix.marks import Carrier
from tmd.posix.pidfds import Gone
from tmd.posix.trust import unsafe_directory
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

CLOCK_SET_S = 60.0
"""when the kernel and the journal do not agree by that much on when a process began, the clock was set meanwhile"""
ENDED = (ProcessState.EXITED, ProcessState.FATAL)
UP = (ProcessState.STARTING, ProcessState.RUNNING)


class _Case(NamedTuple):
    """One process that an earlier daemon knew, as far as it concerns this one."""

    entry: Entry
    spec: ProcessSpec
    rule: Adopt
    alive: bool


class Adoption:
    """What an earlier daemon has left. `wanted`: not, and nothing of it is taken back, whatever the settings say."""

    def __init__(self, runtime: Runtime, *, wanted: bool) -> None:
        self._runtime, self._wanted = runtime, wanted
        self._entries: dict[ProcessId, Entry] = {}
        self._carriers: list[Carrier] = []
        self._interrupted: Interrupted | None = None
        self._then: list[Callable[[], None]] = []
        """what follows once the daemon has started"""
        self._lost: set[str] = set()
        """tokens of starts of which no process was found"""
        counted = ("taken back", "restarted", "ended meanwhile", "not to be ended", "left alone", "not to be seen")
        self._counts = dict.fromkeys(counted, 0)

    def read(self) -> None:
        """Learn what there was; changes nothing, but for which log files are spared."""
        journal = self._runtime.journal
        self._entries = {entry.id: _as_the_clock_is_now(entry, self._runtime.wall()) for entry in journal.read()}
        self._runtime.listeners.resume()
        self._tell_of_others()
        if not self._entries and not journal.spared:
            return
        self._carriers = carriers_of(journal.key)
        if journal.spared:
            for token in journal.spared - abandoned.going_on(journal, self._carriers):
                journal.spare_no_more(token)
        if self._wanted:
            for entry in self._entries.values():
                self._runtime.logbook.keep(entry.id, entry.logs)

    def _tell_of_others(self) -> None:
        """Warn of programs that go on and that the journal cannot name: they would be started a second time."""
        journal, mainlog = self._runtime.journal, self._runtime.mainlog
        if journal.refused and (text := abandoned.without_a_journal(journal.stray_key)):
            mainlog.warn(text)
        for text in abandoned.by_other_daemons(journal):
            mainlog.warn(text)

    def populate(self, groups: Sequence[GroupSpec]) -> None:
        """Add the groups, and to them what is left of earlier lives; what follows is done by `begin`."""
        configured = {spec.id: spec for group in groups for spec in group.processes}
        known = {id_: self._entries[id_] for id_ in configured if id_ in self._entries} | self._entries
        cases = [case for entry in known.values() if (case := self._judge(entry, configured)) is not None]
        if not self._wanted:
            Interrupted(self._runtime.journal, self._runtime.mainlog).leave_alone()
        elif self._entries:
            self._end_leftovers()
        strangers = [case.spec for case in cases if case.entry.id not in configured]
        for group in _with(groups, strangers):
            self._runtime.feed(i.AddGroupAsked(group))
        self._take_up_hooks("poststop")  # what follows an end comes before the next start
        for case in cases:
            self._take(case, changed=case.entry.id in configured)
        self._then.append(partial(self._take_up_hooks, "poststart"))
        if strangers:
            self._then.append(partial(self._update, groups))

    def begin(self) -> None:
        """The daemon has started: tell the ends that nobody saw, and put in force what the configuration says."""
        then, self._then = self._then, []
        for follow in then:
            follow()
        said = [f"{count} {what}" for what, count in self._counts.items() if count]
        if said:
            self._runtime.mainlog.info(
                f"an earlier daemon was killed or broke down; of its programs: {', '.join(said)}"
            )
        self._entries, self._carriers = {}, []

    # --- one process ------------------------------------------------------------------------------------------

    def _judge(self, entry: Entry, configured: Mapping[ProcessId, ProcessSpec]) -> _Case | None:
        """Return what is to become of an entry, None when nothing is."""
        spec = configured.get(entry.id)
        entry = self._found(entry, spec)
        life, is_there = entry.life, "gone"
        if life is not None and life.pid:
            is_there, life = standing(life)
            entry = replace(entry, life=life)
        alive = is_there == "alive"
        rule: Adopt = spec.adopt if spec is not None else "yes"
        if not self._wanted:
            rule = "no"
        if rule == "no":
            if is_there != "gone" and life is not None:
                self._leave_alone(entry.id, life, known=spec is not None)
                return None
            if not self._wanted:
                return None
        if is_there == "hidden" and life is not None:
            self._tell_hidden(entry.id, life)
            return _Case(_given_up(entry, life), spec, rule, alive=False) if spec is not None else None
        if spec is None:
            return _Case(entry, _as_it_was(entry), rule, alive) if alive else None
        return _Case(entry, spec, rule, alive)

    def _found(self, entry: Entry, spec: ProcessSpec | None) -> Entry:
        """Look for the process of a start whose outcome nobody wrote down.

        It has to be of the user that it was to be started as: others could carry any mark. Is it not found, then
        whatever carries its mark is a leftover.
        """
        life = entry.life
        if life is None or life.pid:
            return entry
        uid = life.uid if life.uid >= 0 or spec is None else _uid(spec)
        for each in self._carriers:
            if each.value == life.token and each.leads and uid in (-1, each.uid):
                found = replace(life, pid=each.pid, ticks=each.ticks, pipes=pipes_of(each.pid))
                return replace(entry, life=found)
        self._lost.add(life.token)
        return replace(entry, life=None)

    def _tell_hidden(self, id_: ProcessId, life: Life) -> None:
        self._counts["not to be seen"] += 1
        self._runtime.journal.spare(life.token)
        self._runtime.mainlog.critical(
            f"cannot tell whether '{id_.namespec}' (pid {life.pid}) outlived an earlier daemon: /proc does not show "
            "that process to this user (mounted with hidepid); it is left alone, and not started a second time"
        )

    def _leave_alone(self, id_: ProcessId, life: Life, *, known: bool) -> None:
        self._counts["left alone"] += 1
        self._runtime.journal.spare(life.token)
        then = "if it is started, then beside it" if known else "it has left the configuration"
        whom = f"'{id_.namespec}' (pid {life.pid})"
        self._runtime.mainlog.warn(f"{whom} outlived an earlier daemon and is left alone, as asked for; {then}")

    def _take(self, case: _Case, *, changed: bool) -> None:
        entry, runtime = case.entry, self._runtime
        life = entry.life
        changed = changed and bool(entry.fingerprint) and entry.fingerprint != fingerprint(case.spec)
        if life is None or not life.pid:
            runtime.restore(entry)
            if changed:
                self._then.append(partial(self._renew, case))
            return
        reason = "" if case.rule == "yes" else "its settings say 'adopt = kill'"
        if case.alive:
            reason = self._adopt(case, life) or reason
        else:
            with suppress(CannotTakeOver):  # then nobody has anything of it
                streams = take_over(life, self._kin(life))
                runtime.lives.inherit(case.spec, life.pid, streams.outputs)
                if streams.stdin is not None:
                    os.close(streams.stdin)
            self._gone(case, life, i.ExitStatus())
        self._restore(case, life)
        if reason:
            self._then.append(partial(self._end, case, reason))
        elif changed and case.alive:
            self._then.append(partial(self._renew, case))

    def _restore(self, case: _Case, life: Life) -> None:
        entry = case.entry
        self._runtime.restore(entry)
        member = self._runtime.overseer.member(entry.id)
        if entry.process.pid and member is not None:
            started_at = entry.process.started_at
            started_at = self._runtime.loop.now() if started_at is None else started_at
            self._runtime.bus.publish(n.ProcessRestored(entry.id, life.pid, entry.started, started_at))

    def _adopt(self, case: _Case, life: Life) -> str:
        """Take a living process over; return why it cannot go on as it is, empty if it can."""
        runtime, reason = self._runtime, ""
        streams = Streams()
        try:
            streams = take_over(life, self._kin(life))
            if case.spec.socket is not None and not runtime.sockets.adopt(case.spec, life.pid):
                reason = "its listening socket cannot be taken from it"
        except CannotTakeOver as why:
            reason = str(why)
        try:
            runtime.lives.adopt(case.spec, life, streams.stdin, streams.outputs)
        except Gone as gone:
            self._gone(case, life, i.ExitStatus(gone.event.code, gone.event.signal, gone.event.core))
            return ""
        if not reason and case.rule == "yes":
            self._counts["taken back"] += 1
            started_at = case.entry.process.started_at
            age = 0.0 if started_at is None else max(0.0, runtime.loop.now() - started_at)
            runtime.mainlog.info(f"adopted: '{case.spec.name}' with pid {life.pid} (up for {duration(age)})")
        return reason

    def _kin(self, life: Life) -> list[int]:
        """Return the leader of a life and all that carries its mark."""
        others = [each.pid for each in self._carriers if each.value == life.token and each.pid != life.pid]
        return [life.pid, *others]

    def _gone(self, case: _Case, life: Life, status: i.ExitStatus) -> None:
        """Have its end told, once the daemon has started and nothing is in the way of a next life."""
        self._counts["ended meanwhile"] += 1
        runtime, spec = self._runtime, case.spec
        runtime.lives.records.put(spec.id, life)

        def tell(left: i.LeftBehind) -> None:
            runtime.tell(spec.id, i.Exited(replace(status, left=left) if left.count else status))

        trees = runtime.lives.trees
        self._then.append(partial(trees.lost, spec.id.namespec, spec.orphans, life.token, life.cgroup, tell))

    # --- once the daemon has started --------------------------------------------------------------------------

    def _end(self, case: _Case, reason: str) -> None:
        """End a process that lives, and start it anew if it was to be up."""
        member = self._runtime.overseer.member(case.entry.id)
        if member is None or not member.process.pid:
            self._counts["ended meanwhile"] += 1
            return
        self._runtime.mainlog.warn(
            f"'{case.entry.id.namespec}' (pid {member.process.pid}) outlived the daemon that had started it, but "
            f"cannot go on: {reason}; restarting it"
        )
        if member.process.state in UP:
            self._runtime.tell(case.entry.id, i.RestartAsked("outlived"))
        refused = member.process.state is ProcessState.UNKNOWN
        self._counts["not to be ended" if refused else "restarted"] += 1

    def _renew(self, case: _Case) -> None:
        """Put changed settings in force, as an update would."""
        member = self._runtime.overseer.member(case.entry.id)
        if member is None:
            return
        process = member.process
        ended = process.state in (*ENDED, ProcessState.BACKOFF) and case.spec.autostart and not process.stopped_by_hand
        if ended or process.state in UP:
            self._runtime.mainlog.info(f"'{case.entry.id.namespec}': its settings have changed, restarting it")
            self._runtime.tell(case.entry.id, i.RestartAsked("changed"))

    def _update(self, groups: Sequence[GroupSpec]) -> None:
        """Have those leave that the configuration does not know any more."""
        plan = plan_update(self._runtime.overseer.active(), tuple(groups))
        for name in plan.removed:
            self._runtime.feed(i.RemoveGroupAsked(name))
        for change in plan.changed:
            self._runtime.feed(i.ChangeGroupAsked(change))

    def _end_leftovers(self) -> None:
        """End what is left of hooks, and of lives that nobody knows any more; before anything new is started."""
        runtime, journal = self._runtime, self._runtime.journal
        self._interrupted = Interrupted(journal, runtime.mainlog)
        self._interrupted.end()
        living = journal.spared | {entry.life.token for entry in self._entries.values() if entry.life} - self._lost
        runtime.lives.trees.sweep(journal.key, living)

    def _take_up_hooks(self, hook: str) -> None:
        if self._interrupted is not None:
            self._interrupted.run_again(self._runtime.hooks, hook)


def _as_the_clock_is_now(entry: Entry, now: float) -> Entry:
    """Return an entry with the time of its start as it is by a clock that may have been set since."""
    life = entry.life
    if life is None or not life.ticks or not entry.started:
        return entry
    began = now - age_s(life.ticks)
    return entry if abs(began - entry.started) < CLOCK_SET_S else replace(entry, started=began)


def _given_up(entry: Entry, life: Life) -> Entry:
    """Return an entry for a process of which nobody can tell whether it lives."""
    was = entry.process
    process = Process(
        state=ProcessState.FATAL,
        epoch=was.epoch,
        starts=was.starts,
        exitstatus=was.exitstatus,
        started_at=was.started_at,
        stopped_at=was.stopped_at,
        stopped_by_hand=was.stopped_by_hand,
        spawnerr=f"may still run as pid {life.pid}, which /proc does not show; end that one, then start it",
    )
    return replace(entry, process=process, life=None)


def _uid(spec: ProcessSpec) -> int:
    return os.geteuid() if spec.uid is None else spec.uid


def _as_it_was(entry: Entry) -> ProcessSpec:
    """Return settings for a process that has none any more, but what is needed to end it."""
    life = entry.life
    assert life is not None
    return ProcessSpec(
        name=entry.id.process,
        group=entry.id.group,
        program=entry.id.process,
        command="(left the configuration)",
        autostart=False,
        stopsignal=life.stopsignal,
        stopwaitsecs=life.stopwaitsecs,
        stopasgroup=life.stopasgroup,
        killasgroup=life.killasgroup,
        tty=life.tty,
        stdout_logfile=_safe_log(entry, "stdout"),
        stderr_logfile=_safe_log(entry, "stderr"),
    )


def _safe_log(entry: Entry, stream: str) -> str | None:
    """Return where its output went, if no configuration is needed to say that root may write there."""
    path = entry.logs.get(stream)
    if path and os.geteuid() == 0 and unsafe_directory(os.path.dirname(path), ()) is not None:
        return None
    return path


def _with(groups: Sequence[GroupSpec], others: Iterable[ProcessSpec]) -> list[GroupSpec]:
    """Return groups with more processes in them, and those that are needed for the rest."""
    left: dict[str, list[ProcessSpec]] = {}
    for spec in others:
        left.setdefault(spec.group, []).append(spec)
    added = []
    for group in groups:
        more = left.pop(group.name, [])
        added.append(replace(group, processes=(*group.processes, *more)) if more else group)
    return [*added, *(GroupSpec(name=name, processes=tuple(specs)) for name, specs in left.items())]
