"""Whether walk and playbooks find the faults somebody could make."""

import types
from collections.abc import Sequence

import pytest

from tests.model.hook_playbooks import HOOK_PLAYBOOKS
from tests.model.mutants import HOOK_MUTANTS, MUTANTS, RESTORING_MUTANTS, Mutant, build
from tests.model.playbooks import PLAYBOOKS, play
from tests.model.restoring_playbooks import RESTORING_PLAYBOOKS, play_restoring
from tests.model.walk import CORNERS, walk
from tmd.config.settings import ProcessSpec

WHERE = (CORNERS[2], CORNERS[7], *CORNERS[:2], *CORNERS[3:7], *CORNERS[8:])
"""all corners, those first where most faults show"""


def found(module: types.ModuleType, corners: Sequence[ProcessSpec] = WHERE) -> bool:
    """Return whether a playbook or the walk objects."""
    try:
        for playbook in (*PLAYBOOKS, *HOOK_PLAYBOOKS):
            play(module.step, module.Process(), playbook)
        for restoring in RESTORING_PLAYBOOKS:
            play_restoring(module, restoring)
        for spec in corners:
            walk(module, spec)
    except (AssertionError, KeyError):
        return True
    return False


@pytest.mark.parametrize("mutant", MUTANTS + HOOK_MUTANTS + RESTORING_MUTANTS, ids=lambda mutant: mutant.fault)
def test_the_fault_is_found(mutant: Mutant) -> None:
    assert found(build(mutant)), "neither walk nor playbooks notice"


def test_in_a_patched_source_without_a_fault_nothing_is_found() -> None:
    same = MUTANTS[0]._replace(new=MUTANTS[0].old)
    assert not found(build(same), WHERE[:2]), "as in the machine itself, which is walked through elsewhere"
