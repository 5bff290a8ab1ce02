"""Servers for the tests of floor 5."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.fake_daemon import group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.wire.states import ProcessState


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    servings: list[Serving] = []

    def make(**options: Any) -> Serving:
        directory = tmp_path / str(len(servings))
        directory.mkdir()
        serving = Serving(directory, **options)
        servings.append(serving)
        return serving

    yield make
    for serving in servings:
        serving.close()


@pytest.fixture
def serving(serve: Callable[..., Serving]) -> Serving:
    """A unix socket; `web` runs, `idle` is stopped, group `g` has b (priority 1) and a."""
    serving = serve()
    daemon = serving.daemon
    daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    daemon.add(group_of("idle", spec_of("idle"), priority=5), ProcessState.STOPPED)
    daemon.add(group_of("g", spec_of("b", "g"), spec_of("a", "g", priority=1)), ProcessState.STOPPED)
    return serving
