"""Whether walk and playbooks find the faults somebody could make."""

import types

import pytest

from tests.model.hook_playbooks import HOOK_PLAYBOOKS
from tests.model.mutants import HOOK_MUTANTS, MUTANTS, RESTORING_MUTANTS, Mutant, build
from tests.model.playbooks import PLAYBOOKS, play
from tests.model.restoring_playbooks import RESTORING_PLAYBOOKS, play_restoring
from tests.model.walk import CORNERS, walk
from tmd.core import process as machine


def found(module: types.ModuleType) -> bool:
    """Return whether a playbook or the walk objects."""
    try:
        for playbook in (*PLAYBOOKS, *HOOK_PLAYBOOKS):
            play(module.step, module.Process(), playbook)
        for restoring in RESTORING_PLAYBOOKS:
            play_restoring(module, restoring)
        for spec in CORNERS:
            walk(module, spec)
    except (AssertionError, KeyError):
        return True
    return False


@pytest.mark.parametrize("mutant", MUTANTS + HOOK_MUTANTS + RESTORING_MUTANTS, ids=lambda mutant: mutant.fault)
def test_the_fault_is_found(mutant: Mutant) -> None:
    assert found(build(mutant)), "neither walk nor playbooks notice"


def test_without_a_fault_nothing_is_found() -> None:
    assert not found(machine)
