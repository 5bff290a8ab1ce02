"""The rig of a story: made on demand, closed after it, its log shown when the story failed."""

import os
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from tests.e2e.harness import Client, Rig, Subject
from tests.e2e.identities import words_for_all

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[_FAILED] = report.failed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With SUBJECT=supervisord the stories that hold for both are played on the original, the others skipped."""
    if _subject() == "supervisord":
        for item in items:
            if item.get_closest_marker("ours"):
                item.add_marker(pytest.mark.skip(reason="tmd promises more than supervisord here"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ours: holds for tmd only, supervisord behaves otherwise")


def _subject() -> Subject:
    return cast("Subject", os.environ.get("SUBJECT", "tmd"))


@pytest.fixture
def make_rig(request: pytest.FixtureRequest) -> Iterator[Callable[..., Rig]]:
    """Make rigs: `make_rig(subject=..., client=...)`."""
    rigs: list[Rig] = []

    def make(subject: Subject | None = None, client: Client | None = None) -> Rig:
        rig = Rig(subject or _subject(), client)
        rigs.append(rig)
        return rig

    yield make
    failed = request.node.stash.get(_FAILED, False)
    for rig in rigs:
        if failed:
            print(rig.story())
        rig.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """One rig on the subject under test."""
    return make_rig()


@pytest.fixture
def python_for_all() -> list[str]:
    """The words that start an interpreter anybody can run, with what the daemon needs."""
    return words_for_all()
