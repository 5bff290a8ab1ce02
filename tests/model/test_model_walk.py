"""The machine of one process, everywhere it can get."""

import functools

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


@functools.cache
def walked(at: int) -> tuple[int, int, set[tuple[ProcessState, ProcessState]]]:
    """Walk in the corner of that number, once."""
    return walk(machine, ALL[at])


@pytest.mark.parametrize("at", range(len(ALL)), ids=[name(spec) for spec in ALL])
def test_every_reachable_step_keeps_every_claim(at: int) -> None:
    nodes, steps, _ = walked(at)
    assert nodes > 40
    assert steps > 500


def test_every_legal_edge_is_taken_somewhere() -> None:
    taken = set().union(*(walked(at)[2] for at in range(len(CORNERS))))
    legal = {(state, following) for state, others in machine.LEGAL.items() for following in others}
    assert legal - taken == UNREACHED


def test_the_map_has_every_state() -> None:
    assert set(machine.LEGAL) == set(ProcessState)
