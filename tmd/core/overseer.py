"""The whole daemon as one machine: groups, their processes, and what concerns more than one of them.

`step` takes one input and returns all its effects in the order they are to be carried out; what they bring about comes
back as further inputs. The overseer decides what starts on its own, in which order things stop, how a group with new
settings gets from the old ones to the new, and when everything is down. What one process does is `process.step`.

A group or a process that is to go stays in view until it is at rest. If it is asked for again before that, it simply
stays: the last wish wins, and its next life begins when the present one has ended.
"""

from typing import assert_never

from tmd.config.plan import GroupChange
from tmd.config.settings import GroupSpec, ProcessSpec
from tmd.core.effects import ArmOverseer, Effect, Halt, Log, Tell
from tmd.core.group import Group, Member, in_order
from tmd.core.inputs import (
    AddGroupAsked,
    ChangeGroupAsked,
    DaemonStarted,
    Exited,
    ForProcess,
    LevelDue,
    OverseerInput,
    ProcessInput,
    Quiesced,
    RemoveGroupAsked,
    RestartAsked,
    ShutdownAsked,
    SpawnFailed,
    SpecReplaced,
    StartAsked,
    StopAsked,
    StopCause,
    StopInOrderAsked,
)
from tmd.core.notices import (
    DaemonRunning,
    DaemonStopping,
    GroupAdded,
    GroupChanged,
    GroupRemoved,
    Notice,
    ProcessAdded,
    ProcessRemoved,
    ProcessSpared,
)
from tmd.core.process import Process, Wanted, step
from tmd.core.records import Entry
from tmd.core.restoring import restored
from tmd.core.stopping import (
    REPORT_EVERY_S,
    StopPlan,
    UnfinishedStop,
    is_going,
    next_look,
    process_levels,
    shutdown_levels,
    survives,
)
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState


class Overseer:
    """All groups and processes of a daemon.

    `groups`: by name, those on their way out included. `started`, `stopping`, `halted`: how far the daemon got.
    `touched`: whose process is another one than before, or gone; it grows until somebody empties it.
    """

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.started = False
        self.stopping = False
        self.halted = False
        self.touched: set[ProcessId] = set()
        self._plans: list[StopPlan] = []
        self._shutdown: StopPlan | None = None
        self._report_at = 0.0
        self._leaving: dict[ProcessId, Member] = {}
        self._tokens = 0
        self._now = 0.0
        self._out: list[Effect] = []

    def member(self, id: ProcessId) -> Member | None:  # noqa: A002
        """Return a process in view."""
        group = self.groups.get(id.group)
        return None if group is None else group.members.get(id.process)

    def ordered_groups(self) -> list[Group]:
        """Return the groups in view by (priority, name)."""
        return in_order(self.groups)

    def active(self) -> tuple[GroupSpec, ...]:
        """Return the settings of the groups that are to stay: what an update starts from. By (priority, name)."""
        return tuple(group.spec for group in self.ordered_groups() if not group.leaving)

    def step(self, input: OverseerInput, now: float) -> list[Effect]:  # noqa: A002
        """Take in one input; return what is to be done, in order. `now`: monotonic seconds.

        After `Halt` nothing is done any more.
        """
        out: list[Effect] = []
        if self.halted:
            return out
        self._now, self._out = now, out
        match input:
            case ForProcess():
                self._for_process(input.id, input.input)
            case DaemonStarted():
                self._start(resumed=input.resumed)
            case AddGroupAsked():
                self._add_group(input.spec)
            case RemoveGroupAsked():
                self._remove_group(input.name)
            case ChangeGroupAsked():
                self._change_group(input.change)
            case StopInOrderAsked():
                self._stop_in_order(input)
            case LevelDue():
                self._level_due(input.token)
            case ShutdownAsked():
                self._shut_down()
                if input.at_once and self._shutdown is not None:
                    self._shutdown.at_once = True
            case _:
                assert_never(input)
        self._settle()
        self._out = []
        return out

    def restore(self, entry: Entry, now: float, *, same_daemon: bool = False) -> list[Effect]:
        """Have a process go on as it was under an earlier daemon; return what is to be done. `now`: monotonic seconds.

        For one that has just been added, before `DaemonStarted`. Whatever happened meanwhile follows as inputs.
        `same_daemon`: as in `restored`.
        """
        member = self.member(entry.id)
        if member is None:
            return []
        member.spec, member.next_spec = entry.spec or member.spec, entry.next_spec
        member.process, effects = restored(entry.process, member.spec, entry.life, now, same_daemon=same_daemon)
        member.restored = True
        self.touched.add(entry.id)
        return list(effects)

    def unfinished(self) -> list[UnfinishedStop]:
        """Return the stops in order that are under way."""
        return [
            UnfinishedStop(plan.levels, list(plan.waiting), plan.by_hand)
            for plan in self._plans
            if plan is not self._shutdown
        ]

    def resume(self, unfinished: UnfinishedStop) -> None:
        """Have a stop in order go on with the next step."""
        plan = StopPlan(unfinished.levels, by_hand=unfinished.by_hand)
        plan.waiting = dict.fromkeys(unfinished.waiting)
        self._plans.append(plan)

    # --- one process -----------------------------------------------------------------------------------------

    def _for_process(self, id: ProcessId, input: ProcessInput) -> None:  # noqa: A002
        member = self.member(id)
        if member is None:
            return
        if isinstance(input, StartAsked | RestartAsked):
            if member.leaving:
                self._log(Level.WARN, f"cannot start '{member.spec.name}': it is being removed")
                return
            self._spare(id)
        self._feed(member, input)
        for plan in self._plans:
            if id in plan.waiting and not is_going(member.process):
                del plan.waiting[id]
                if plan is self._shutdown and member.process.pid:
                    self._abandon(plan, member, "the kernel refuses to signal it")

    def _feed(self, member: Member, input: ProcessInput) -> None:  # noqa: A002
        before = member.process
        if isinstance(input, SpecReplaced):
            member.spec = input.spec
        elif member.next_spec is not None and _ends_life(input, before):
            member.spec, member.next_spec = member.next_spec, None
        member.process, effects = step(before, member.spec, input, self._now)
        if member.process is not before:
            self.touched.add(member.id)
        self._out.extend(effects)

    def _spare(self, id: ProcessId) -> None:  # noqa: A002
        """Take a process out of the stops that have not reached it yet: it is wanted up again. A shutdown stands."""
        if self.stopping:
            return
        planned = [plan.spare(id) for plan in self._plans]
        if any(planned):
            self._tell(ProcessSpared(id))

    # --- the daemon's start ----------------------------------------------------------------------------------

    def _start(self, *, resumed: bool) -> None:
        if self.started or self.stopping:
            return
        self.started = True
        self._tell(DaemonRunning(resumed))
        for group in self.ordered_groups():
            for member in group.start_order():
                self._autostart(member)

    def _autostart(self, member: Member) -> None:
        """Start what is to start on its own. Nothing waits for anything."""
        if self.started and member.spec.autostart and not member.leaving and not member.restored:
            self._feed(member, StartAsked())

    # --- groups come, go and change --------------------------------------------------------------------------

    def _add_group(self, spec: GroupSpec) -> None:
        group = self.groups.get(spec.name)
        if self.stopping or (group is not None and not group.leaving):
            return
        if group is not None:
            self._reshape(group, spec, {}, {})
            return
        self.groups[spec.name] = group = Group(spec)
        self._tell(GroupAdded(spec.name))
        for process in spec.processes:
            self._join(group, process)
        for member in group.start_order():
            self._autostart(member)

    def _join(self, group: Group, spec: ProcessSpec) -> None:
        group.members[spec.name] = Member(spec)
        self._tell(ProcessAdded(spec.id))
        self._spare(spec.id)

    def _remove_group(self, name: str) -> None:
        group = self.groups.get(name)
        if self.stopping or group is None:
            return
        group.leaving = True
        for member in group.stop_order():
            self._leave(member)
        self._drop_if_empty(group)

    def _leave(self, member: Member) -> None:
        member.leaving, member.next_spec = True, None
        self._leaving[member.id] = member
        self._feed(member, StopAsked(by_hand=False, cause="removed"))

    def _change_group(self, change: GroupChange) -> None:
        group = self.groups.get(change.name)
        if self.stopping:
            return
        if group is None or group.leaving:
            self._add_group(change.new)
            return
        restart = {spec.name: spec for spec in change.restart}
        live = {spec.name: spec for spec in change.live}
        self._reshape(group, change.new, restart, live)

    def _reshape(
        self, group: Group, new: GroupSpec, restart: dict[str, ProcessSpec], live: dict[str, ProcessSpec]
    ) -> None:
        """Bring a group to new settings: leavers go (newest first), newcomers join, then the rest, in start order."""
        group.spec, group.leaving = new, False
        wanted = {spec.name: spec for spec in new.processes}
        for member in reversed(list(group.members.values())):
            if member.spec.name not in wanted and not member.leaving:
                self._leave(member)
        present = group.members
        group.members = {}
        for name, spec in wanted.items():
            if name in present:
                group.members[name] = present[name]
            else:
                self._join(group, spec)
        group.members |= {name: member for name, member in present.items() if name not in wanted}
        self._tell(GroupChanged(new.name))
        for member in group.start_order():
            name = member.spec.name
            if name not in present:
                self._autostart(member)
            elif member.leaving and name in wanted:
                self._stay(member, wanted[name])
            elif name in restart:
                self._renew(member, restart[name])
            elif name in live:
                self._refresh(member, live[name])

    def _stay(self, member: Member, spec: ProcessSpec) -> None:
        """Keep a leaver that is asked for again: when its present life has ended, a new one begins."""
        member.leaving, member.next_spec = False, spec
        del self._leaving[member.id]
        self._spare(member.id)
        if self.started and spec.autostart:
            self._feed(member, RestartAsked("changed"))

    def _renew(self, member: Member, spec: ProcessSpec) -> None:
        """Give a process settings that only a new life can have, and begin that life if it should be up."""
        process = member.process
        if process.at_rest or process.state is ProcessState.BACKOFF:
            starts = self.started and self._starts_anew(member, spec)
            self._feed(member, SpecReplaced(spec))
            if starts:
                self._feed(member, RestartAsked("changed"))
            return
        member.next_spec = spec
        if process.wanted is not Wanted.DOWN:
            self._feed(member, RestartAsked("changed"))

    def _refresh(self, member: Member, spec: ProcessSpec) -> None:
        """Give a process settings that apply without a new life."""
        if member.next_spec is not None:
            member.next_spec = spec
            return
        starts = self.started and self._starts_first(member, spec)
        self._feed(member, SpecReplaced(spec))
        if starts:
            self._feed(member, StartAsked())

    def _starts_anew(self, member: Member, spec: ProcessSpec) -> bool:
        ended = member.process.state in (ProcessState.EXITED, ProcessState.FATAL, ProcessState.BACKOFF)
        wanted_up = spec.autostart and not member.process.stopped_by_hand
        return (ended and wanted_up) or self._starts_first(member, spec)

    def _starts_first(self, member: Member, spec: ProcessSpec) -> bool:
        newly = spec.autostart and not member.spec.autostart
        return newly and member.process.started_at is None and not member.process.stopped_by_hand

    def _drop_leavers(self) -> None:
        for going, member in list(self._leaving.items()):
            if member.process.at_rest:
                group = self.groups[going.group]
                del self._leaving[going], group.members[going.process]
                self.touched.add(going)
                self._tell(ProcessRemoved(going))
                self._drop_if_empty(group)

    def _drop_if_empty(self, group: Group) -> None:
        if group.leaving and not group.members:
            del self.groups[group.spec.name]
            self._tell(GroupRemoved(group.spec.name))

    # --- stops in order --------------------------------------------------------------------------------------

    def _stop_in_order(self, asked: StopInOrderAsked) -> None:
        if not self.stopping:
            self._plans.append(StopPlan(process_levels(self.groups, asked.ids), by_hand=asked.by_hand))

    def _shut_down(self) -> None:
        if self.stopping:
            return
        self.stopping = True
        self._tell(DaemonStopping())
        for group in self.ordered_groups():
            for member in group.members.values():
                self._feed(member, Quiesced())
        self._shutdown = StopPlan(shutdown_levels(self.groups), by_hand=False)
        self._plans = [self._shutdown]

    def _advance(self, plan: StopPlan) -> None:
        cause: StopCause = "shutdown" if plan is self._shutdown else "asked" if plan.by_hand else "restart"
        while plan.levels and (plan.at_once or not plan.waiting):
            for asked in plan.levels.pop(0):
                member = self.member(asked)
                if member is not None:
                    self._feed(member, StopAsked(by_hand=plan.by_hand, cause=cause))
                    if is_going(member.process):
                        plan.waiting[asked] = None

    def _watch(self, plan: StopPlan) -> None:
        """See to it that a plan that waits looks round again."""
        if plan is self._shutdown:
            self._report(plan)
        if plan.waiting and plan.token is None:
            self._tokens += 1
            plan.token = self._tokens
            self._out.append(ArmOverseer(plan.token, next_look(self._waited_for(plan), self._now)))

    def _level_due(self, token: int) -> None:
        for plan in self._plans:
            if plan.token != token:
                continue
            plan.token = None
            for member in self._waited_for(plan):
                if survives(member.process, self._now):
                    del plan.waiting[member.id]
                    self._abandon(plan, member, "it survives SIGKILL")

    def _abandon(self, plan: StopPlan, member: Member, reason: str) -> None:
        plan.abandoned.add(member.id)
        self._log(
            Level.CRIT, f"cannot stop '{member.spec.name}' (pid {member.process.pid}): {reason}; leaving it behind"
        )

    def _waited_for(self, plan: StopPlan) -> list[Member]:
        return [member for asked in plan.waiting if (member := self.member(asked)) is not None]

    def _report(self, plan: StopPlan) -> None:
        if not plan.waiting or self._now < self._report_at:
            return
        names = [
            member.spec.name
            for group in self.ordered_groups()
            for member in group.members.values()
            if not member.process.at_rest and member.id not in plan.abandoned
        ]
        self._log(Level.INFO, f"waiting for {', '.join(names)} to die")
        self._report_at = self._now + REPORT_EVERY_S

    # --- the end of every step -------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self._plans:
            for plan in self._plans:
                self._advance(plan)
                self._watch(plan)
            self._plans = [plan for plan in self._plans if not plan.done]
        if self._leaving:
            self._drop_leavers()
        if self._shutdown is not None and self._shutdown.done:
            self.halted = True
            self._out.append(Halt())

    def _tell(self, notice: Notice) -> None:
        self._out.append(Tell(notice))

    def _log(self, level: Level, text: str) -> None:
        self._out.append(Log(level, text))


def _ends_life(input: ProcessInput, process: Process) -> bool:  # noqa: A002
    return isinstance(input, SpawnFailed) or (isinstance(input, Exited) and process.pid != 0)
