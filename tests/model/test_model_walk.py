"""The machine of one process, everywhere it can get."""

import pytest

from tests.model.walk import CORNERS, MORE_CORNERS, walk
from tmd.config.settings import ProcessSpec
from tmd.core import process as machine
from tmd.wire.states import ProcessState

ALL = CORNERS + MORE_CORNERS
UNREACHED = {(ProcessState.UNKNOWN, ProcessState.STARTING)}
"""Legal, but only for a process that is found UNKNOWN without a pid."""


def name(spec: ProcessSpec) -> str:
    codes = "+".join(map(str, spec.exitcodes))
    return f"{spec.startsecs}s-{spec.startretries}retries-{spec.autorestart.value}-codes{codes}-{spec.stopasgroup}"


@pytest.mark.parametrize("spec", ALL, ids=name)
def test_every_reachable_step_keeps_every_claim(spec: ProcessSpec) -> None:
    nodes, steps, taken = walk(machine, spec)
    assert nodes > 40
    assert steps > 500
    assert not taken & UNREACHED
    if spec is CORNERS[0]:
        legal = {(state, following) for state, others in machine.LEGAL.items() for following in others}
        assert legal - taken == UNREACHED, "in the most usual of them every other legal edge is taken"


def test_the_map_has_every_state() -> None:
    assert set(machine.LEGAL) == set(ProcessState)
