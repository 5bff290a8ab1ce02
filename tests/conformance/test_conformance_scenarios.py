"""The same steps under supervisord and under tmd, through both clients: the transcripts are equal."""

import difflib
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.scenarios import SCENARIOS
from tests.conformance.transcript import Scenario, play
from tests.e2e.harness import Client, Rig, Subject

CASTS: tuple[tuple[Subject, Client], ...] = (
    ("supervisord", "supervisorctl"),
    ("tmd", "supervisorctl"),
    ("tmd", "tmctl"),
)


ATTEMPTS = 3
"""On a busy machine supervisord itself is irregular (it may take a program that died at once for RUNNING, or lose a
signal sent before the exec); what really differs differs every time."""


def perform(scenario: Scenario, cast: tuple[Subject, Client]) -> list[str]:
    rig = Rig(*cast)
    try:
        return play(scenario, rig)
    except BaseException as failed:
        failed.add_note(f"{cast}\n{rig.story()}")
        raise
    finally:
        rig.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_tmd_and_its_client_look_like_the_originals(scenario: Scenario) -> None:
    for _ in range(ATTEMPTS):
        differences = differences_of(scenario)
        if not differences:
            return
    raise AssertionError("\n".join(differences))


def differences_of(scenario: Scenario) -> list[str]:
    """Play the scenario with every cast at once; return how the others differ from the first, as a unified diff."""
    with ThreadPoolExecutor(len(CASTS)) as pool:
        original, *ours = pool.map(lambda cast: perform(scenario, cast), CASTS)
    differences: list[str] = []
    for cast, told in zip(CASTS[1:], ours, strict=True):
        differences += difflib.unified_diff(original, told, "+".join(CASTS[0]), "+".join(cast), lineterm="", n=3)
    return differences
