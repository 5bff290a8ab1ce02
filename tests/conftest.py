"""For all tests: signals as in a terminal, no property whose examples must be quick, what takes long first.

A shell without job control starts what runs in the background with SIGINT and SIGQUIT ignored, `nohup` with SIGHUP, and
that is inherited: no Ctrl-C or hang-up of a test would reach the program under test.
"""

import signal
from typing import Any

import pytest
from hypothesis import settings

USUAL: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}

for signum, handler in USUAL.items():
    if signal.getsignal(signum) is signal.SIG_IGN:
        signal.signal(signum, handler)

# How long an example takes says more about the machine and its other workers than about us.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that take long: one of them at the end is what all workers wait for."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
