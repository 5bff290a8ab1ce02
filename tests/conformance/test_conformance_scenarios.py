"""The same steps under supervisord and under tmd, through both clients: the transcripts are equal."""

import difflib
import re
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.every import DIFFERENCES, EVERY
from tests.conformance.forked import Hosts
from tests.conformance.steps import Scenario
from tests.conformance.transcript import play
from tests.e2e.harness import Client, Rig, Subject

Cast = tuple[Subject, Client]
Troupe = dict[Cast, Hosts]

ORIGINAL: Cast = ("supervisord", "supervisorctl")
OURS: tuple[Cast, ...] = (("tmd", "supervisorctl"), ("tmd", "tmctl"))

AT_LEAST = 80

ATTEMPTS = 3
"""On a busy machine supervisord itself is irregular (it may take a program that died at once for RUNNING, or lose a
signal sent before the exec); what really differs differs every time."""

ALIKE = [scenario for scenario in EVERY if scenario.differs is None]
DIFFERENT = [scenario for scenario in EVERY if scenario.differs is not None]


@pytest.fixture(scope="session")
def troupe() -> Iterator[Troupe]:
    """The loaded programs of each cast: casts play at the same time, and a host runs one thing at a time."""
    hosts = {cast: Hosts() for cast in (ORIGINAL, *OURS)}
    yield hosts
    for each in hosts.values():
        each.close()


def perform(scenario: Scenario, cast: Cast, hosts: Hosts) -> list[str]:
    """Play a scenario with one daemon and one client; return the transcript."""
    rig = Rig(*cast)
    try:
        return play(scenario, rig, hosts)
    except BaseException as failed:
        failed.add_note(f"{cast}\n{rig.story()}")
        raise
    finally:
        rig.close()


def transcripts(scenario: Scenario, troupe: Troupe) -> list[tuple[Cast, list[str]]]:
    """Play the scenario with every cast at once, the original first; without a client in it, ours is one."""
    casts = (ORIGINAL, *(OURS if scenario.asks_clients else OURS[:1]))
    with ThreadPoolExecutor(len(casts)) as pool:
        return list(zip(casts, pool.map(lambda cast: perform(scenario, cast, troupe[cast]), casts), strict=True))


@pytest.mark.parametrize("scenario", ALIKE, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_tmd_and_its_client_look_like_the_originals(scenario: Scenario, troupe: Troupe) -> None:
    for _ in range(ATTEMPTS):
        try:
            differences = differences_of(scenario, troupe)
        except OSError as gone:  # one that ended before it was asked
            differences = ["".join(traceback.format_exception(gone))]
        if not differences:
            return
    raise AssertionError("\n".join(differences))


def differences_of(scenario: Scenario, troupe: Troupe) -> list[str]:
    """Return how the transcripts of ours differ from the original's, as a unified diff."""
    (_, original), *ours = transcripts(scenario, troupe)
    differences: list[str] = []
    for cast, told in ours:
        differences += difflib.unified_diff(original, told, "+".join(ORIGINAL), "+".join(cast), lineterm="", n=3)
    return differences


@pytest.mark.parametrize("scenario", DIFFERENT, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_what_differs_on_purpose_differs_as_the_table_says(scenario: Scenario, troupe: Troupe) -> None:
    said = scenario.differs
    assert said is not None
    for _ in range(ATTEMPTS):
        told = transcripts(scenario, troupe)
        wrong = [
            f"{'+'.join(cast)}: {pattern!r} is {'there' if found else 'missing'} in\n" + "\n".join(lines)
            for cast, lines in told
            for pattern, wanted in ((said.original, said.who not in cast), (said.ours, said.who in cast))
            if pattern and (found := any(re.search(pattern, line) for line in lines)) != wanted
        ]
        if not wrong:
            return
    raise AssertionError("\n".join(wrong))


def test_there_are_enough_scenarios_and_no_name_twice() -> None:
    twice = [name for name, count in Counter(scenario.name for scenario in EVERY).items() if count > 1]
    assert not twice
    print(f"{len(ALIKE)} of {len(ALIKE)} scenarios ask for equal transcripts, {len(DIFFERENT)} show a difference")
    assert len(ALIKE) >= AT_LEAST


def test_the_table_and_the_scenarios_name_each_other() -> None:
    shown = {scenario.differs.key: scenario.name for scenario in DIFFERENT if scenario.differs}
    assert len(shown) == len(DIFFERENT)
    assert {key: entry["scenario"] for key, entry in DIFFERENCES.items() if "scenario" in entry} == shown
