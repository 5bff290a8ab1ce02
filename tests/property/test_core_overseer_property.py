"""The overseer under arbitrary orders: groups that come, go and change, starts, stops, suspensions, a shutdown.

Beside the overseer runs a model that only remembers the last wish for each process. Whatever happened on the way, in
the end each well-behaved program is where it was last wanted, every operation has its outcome, the shutdown ends.
"""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.world.fake_os import Behaviour, World, process
from tmd.config.plan import GroupChange
from tmd.config.settings import Autorestart, GroupSpec, ProcessSpec
from tmd.core.inputs import (
    AddGroupAsked,
    ChangeGroupAsked,
    DaemonStarted,
    ExitStatus,
    ForProcess,
    RemoveGroupAsked,
    RestartAsked,
    ShutdownAsked,
    SignalAsked,
    StartAsked,
    StopAsked,
    StopInOrderAsked,
)
from tmd.core.process import Wanted
from tmd.wire.names import ProcessId
from tmd.wire.states import RUNNING_STATES, STOPPED_STATES, ProcessState

STOPWAIT_S, PRESTOP_S = 2.0, 0.7
BEHAVIOURS = {
    "good": Behaviour(),
    "slow": Behaviour(stops_in_s=1.5),
    "deaf": Behaviour(stops_in_s=None),
    "crash": Behaviour(lives_s=0.3, status=ExitStatus(code=1)),
    "brief": Behaviour(lives_s=1.7),
    "missing": Behaviour(spawns=False),
    "foreign": Behaviour(signallable=False),
    "drains": Behaviour(prestop_s=PRESTOP_S),
    "vetoes": Behaviour(prestop_s=0.3, prestop_failure="not now"),
}
FAITHFUL = ("good", "slow", "deaf", "drains")
"""They run until they are stopped."""
WILFUL = ("foreign", "vetoes")
"""They may go on running whatever is wanted, with the settings they have."""
NAMES = ("a", "b", "c")


def spec(name: str, group: str, priority: int, command: str) -> ProcessSpec:
    again = Autorestart.ALWAYS if name == "brief" and group == "a" else Autorestart.UNEXPECTED
    return process(
        name,
        group,
        priority=priority,
        command=command,
        autorestart=again,
        startretries=2,
        stopwaitsecs=STOPWAIT_S,
        prestop="drain" if name in ("drains", "vetoes") else None,
        hook_failure="abort" if name == "vetoes" else None,
    )


@st.composite
def groups(draw: Any, name: str) -> GroupSpec:
    members = draw(st.lists(st.sampled_from(sorted(BEHAVIOURS)), unique=True, max_size=4))
    return GroupSpec(
        name=name,
        kind=draw(st.sampled_from(["program", "group"])),
        priority=draw(st.integers(1, 3)),
        processes=tuple(
            spec(member, name, draw(st.integers(1, 2)), draw(st.sampled_from(["/bin/x", "/bin/y"])))
            for member in members
        ),
    )


def plan(old: GroupSpec, new: GroupSpec) -> GroupChange:
    """A changed command needs a new life, a changed priority does not."""
    before = {each.name: each for each in old.processes}
    kept = [each for each in new.processes if each.name in before]
    return GroupChange(
        old=old,
        new=new,
        added=tuple(each for each in new.processes if each.name not in before),
        removed=tuple(each.id for each in old.processes if each.name not in {one.name for one in new.processes}),
        restart=tuple(each for each in kept if each.command != before[each.name].command),
        live=tuple(each for each in kept if each.command == before[each.name].command and each != before[each.name]),
    )


class OverseerMachine(RuleBasedStateMachine):
    """The overseer in its world, and the last wish for each process."""

    @initialize(seed=st.integers(0, 1000), data=st.data())
    def begin(self, seed: int, data: st.DataObject) -> None:
        self.world = World(seed)
        self.world.behaviours = dict(BEHAVIOURS)
        self.configured: dict[str, GroupSpec] = {}
        self.up: dict[ProcessId, bool] = {}
        for name in NAMES[: data.draw(st.integers(0, 3))]:
            self.join(data.draw(groups(name)))
        self.world.feed(DaemonStarted())

    # --- the configuration

    def join(self, group: GroupSpec) -> None:
        self.configured[group.name] = group
        self.up |= {each.id: True for each in group.processes}
        self.world.feed(AddGroupAsked(group))

    @rule(data=st.data())
    def add_group(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(NAMES))
        if name not in self.configured and not self.world.overseer.stopping:
            self.join(data.draw(groups(name)))

    @rule(name=st.sampled_from(NAMES))
    def remove_group(self, name: str) -> None:
        if name in self.configured and not self.world.overseer.stopping:
            del self.configured[name]
            self.up = {each: wish for each, wish in self.up.items() if each.group != name}
            self.world.feed(RemoveGroupAsked(name))

    @rule(name=st.sampled_from(NAMES), data=st.data())
    def change_group(self, name: str, data: st.DataObject) -> None:
        if name not in self.configured or self.world.overseer.stopping:
            return
        change = plan(self.configured[name], data.draw(groups(name)))
        touched = {each.name for each in (*change.added, *change.restart)} | {each.process for each in change.removed}
        members = self.world.overseer.groups[name].members
        before = {key: member.process for key, member in members.items() if key not in touched}
        self.configured[name] = change.new
        self.up |= {each.id: True for each in change.added}
        for gone in change.removed:
            del self.up[gone]
        self.world.feed(ChangeGroupAsked(change))
        members = self.world.overseer.groups[name].members
        after = {key: member.process for key, member in members.items() if key not in touched}
        assert all(after[key] is before[key] for key in before), "an unchanged program noticed a reload"

    # --- the operators

    def pick(self, data: st.DataObject) -> ProcessId | None:
        present = [member.id for group in self.world.overseer.ordered_groups() for member in group.members.values()]
        return data.draw(st.sampled_from(present)) if present else None

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        picked = self.pick(data)
        if picked is None:
            return
        member = self.world.overseer.member(picked)
        assert member is not None
        if picked in self.up and not self.world.overseer.stopping:
            if member.process.at_rest:
                self.up[picked] = True
                self.world.await_all("start", picked)
            elif member.process.wanted is not Wanted.DOWN:
                self.up[picked] = True
        self.world.feed(ForProcess(picked, StartAsked()))

    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        picked = self.pick(data)
        if picked is None:
            return
        member = self.world.overseer.member(picked)
        assert member is not None
        if member.process.state in RUNNING_STATES:
            self.world.await_all("stop", picked)
        if picked in self.up:
            self.up[picked] = False
        self.world.feed(ForProcess(picked, StopAsked()))

    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        picked = self.pick(data)
        if picked is None or picked not in self.up or self.world.overseer.stopping:
            return
        self.up[picked] = True
        self.world.await_all("restart", picked)
        self.world.feed(ForProcess(picked, RestartAsked()))

    @rule(data=st.data())
    def stop_in_order(self, data: st.DataObject) -> None:
        overseer = self.world.overseer
        present = [member for group in overseer.ordered_groups() for member in group.members.values()]
        running = [member.id for member in present if member.process.state in RUNNING_STATES and not member.leaving]
        if not running or overseer.stopping:
            return
        chosen = tuple(data.draw(st.lists(st.sampled_from(running), unique=True, min_size=1)))
        self.up |= dict.fromkeys(chosen, False)
        self.world.await_all("stop", *chosen)
        self.world.feed(StopInOrderAsked(chosen))

    @rule(data=st.data(), signum=st.sampled_from([1, 18, 19]))
    def signal(self, data: st.DataObject, signum: int) -> None:
        picked = self.pick(data)
        if picked is not None:
            self.world.feed(ForProcess(picked, SignalAsked(signum)))

    # --- the world

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, 5.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        alive = [child for child in self.world.children.values() if child.alive]
        if alive:
            child = data.draw(st.sampled_from(alive))
            mature = self.world.now - child.born >= 1.0
            if mature or child.id.process not in FAITHFUL:
                self.world.end(child, ExitStatus(signal=9))
                self.world.run(0)

    @precondition(lambda self: not self.world.overseer.stopping)
    @rule(rarely=st.integers(0, 9))
    def shut_down(self, rarely: int) -> None:
        if rarely == 0:
            self.world.feed(ShutdownAsked())

    # --- the claims

    @invariant()
    def what_is_seen_is_what_was_told(self) -> None:
        if hasattr(self, "world"):
            self.world.check_view()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        if not self.world.overseer.stopping:
            self.world.run(120)
            self.check_wishes()
            self.check_removals()
        began = self.world.now
        self.world.feed(ShutdownAsked())
        bound_s = sum(STOPWAIT_S + PRESTOP_S for _ in self.world.overseer.groups)
        if self.world.halted_at is None:
            self.world.run_until_halt()
        assert self.world.halted_at is not None
        assert self.world.halted_at - began <= bound_s, "the shutdown takes too long"
        for child in self.world.children.values():
            assert not child.alive or child.id.process == "foreign", "left alive"
        for operation in self.world.operations:
            assert operation.done, f"a {operation.kind} without an outcome: {list(operation.pending)}"
            assert len({each for each, _, _ in operation.results}) == len(operation.results)
        self.world.check_view()

    def check_wishes(self) -> None:
        for id_, up in self.up.items():
            member = self.world.overseer.member(id_)
            assert member is not None, "a program was lost"
            assert not member.leaving
            assert member.next_spec is None or id_.process in WILFUL
            if id_.process in FAITHFUL:
                state = member.process.state
                wanted = (ProcessState.RUNNING,) if up else tuple(STOPPED_STATES)
                assert state in wanted, f"{id_} is {state.name}, last wish: {'up' if up else 'down'}"
        for name, group in self.configured.items():
            held = self.world.overseer.groups[name]
            assert held.spec is group
            staying = [member for member in held.members.values() if not member.leaving]
            assert [member.spec.name for member in staying] == [each.name for each in group.processes]
            for member, each in zip(staying, group.processes, strict=True):
                assert member.spec == each or each.name in WILFUL, "not the last settings"

    def check_removals(self) -> None:
        for name, group in self.world.overseer.groups.items():
            leavers = [key for key, member in group.members.items() if member.leaving]
            assert leavers in ([], ["foreign"]), "what was removed is still there"
            assert name in self.configured or leavers, "a removed group is still there"


OverseerMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True, database=None
)
TestOverseer = OverseerMachine.TestCase


class OverseerForLong(OverseerMachine):
    """The same, with more of everything."""


OverseerForLong.TestCase.settings = settings(
    max_examples=1000, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
TestOverseerForLong = pytest.mark.soak(pytest.mark.timeout(900)(OverseerForLong.TestCase))
