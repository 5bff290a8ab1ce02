"""One Chromium for all stories, a rig whose daemon serves pages, and visits whose console must stay silent."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.fetched_browser import chromium
from tests.browser.visiting import Served, Visit
from tests.clients.free import free_port
from tests.e2e.conftest import make_rig, pytest_runtest_makereport, rig
from tests.e2e.harness import Rig

__all__ = ["make_rig", "pytest_runtest_makereport", "rig"]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Playwright runs its loop in a greenlet: it is over before tests of others begin.
    path, environment = chromium()
    with sync_playwright() as playwright:
        # The sandbox needs more rights than a test may have; it is our own pages that are seen.
        launched = playwright.chromium.launch(
            executable_path=path, env={**environment}, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


@pytest.fixture
def serve(rig: Rig) -> Callable[..., Served]:
    """Start a daemon with these programs (indented YAML), serving pages with a password."""

    def start(programs: str, *, password: bool = True) -> Served:
        port = free_port()
        secret = secrets.token_hex(8) if password else ""
        http = f"  http:\n    port: 127.0.0.1:{port}\n"
        if password:
            http += f"    username: op\n    password: {secret}\n"
        rig.write_native(programs, daemon=http)
        rig.start()
        return Served(rig, port, secret)

    return start


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open pages: `visit(served, path, ...)`; at the end each must have had nothing to complain about."""
    visits: list[Visit] = []

    def opened(served: Served, path: str = "/", **wishes: Any) -> Visit:
        visits.append(Visit(browser, served, path, **wishes))
        return visits[-1]

    yield opened
    for each in visits:
        each.close()
    for each in visits:
        assert each.complaints == []
