"""The overseer under arbitrary orders, and killed at any moment: the next one goes on from what was written down.

The last wish for each process outlives the daemon, but for the part of a stop of many that had not been begun. Nobody
is started twice, nobody is forgotten: the world itself objects to both.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from msgspec.structs import replace

from tests.property.test_core_overseer_property import OverseerMachine
from tmd.config.plan import plan_update
from tmd.config.settings import GroupSpec
from tmd.core.inputs import ChangeGroupAsked, RemoveGroupAsked


class MortalMachine(OverseerMachine):
    """An overseer that may be killed."""

    @precondition(lambda self: self.world.halted_at is None)
    @rule(down_s=st.sampled_from([0.0, 0.05, 0.5, 1.5, 30.0]))
    def kill(self, down_s: float) -> None:
        overseer = self.world.overseer
        for plan in overseer._plans:
            if plan is not overseer._shutdown:
                self.up |= {id_: True for level in plan.levels for id_ in level if id_ in self.up}
        found = dict(self.configured)
        for name, group in overseer.groups.items():
            there = found.get(name, GroupSpec(name=name))
            known = {each.name for each in there.processes}
            strangers = tuple(member.spec for key, member in group.members.items() if key not in known)
            if strangers:
                found[name] = replace(there, processes=(*there.processes, *strangers))
        self.world.replace_daemon(found.values(), down_s)
        # What the configuration does not know any more leaves, as with an update.
        plan_ = plan_update(self.world.overseer.active(), tuple(self.configured.values()))
        for name in plan_.removed:
            self.world.feed(RemoveGroupAsked(name))
        for change in plan_.changed:
            self.world.feed(ChangeGroupAsked(change))


MortalMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True, database=None
)
TestMortalOverseer = MortalMachine.TestCase
del OverseerMachine
