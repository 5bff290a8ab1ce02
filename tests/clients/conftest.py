"""What the tests with other people's clients share: a rig on demand, its log shown when the test failed."""

import os
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.e2e.harness import Rig, Subject

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[_FAILED] = report.failed


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """One daemon in a directory of its own; SUBJECT=supervisord makes it the original."""
    made = Rig(cast("Subject", os.environ.get("SUBJECT", "tmd")))
    yield made
    if request.node.stash.get(_FAILED, False):
        print(made.story())
    made.close()
