"""What tests of the daemon's rooms share."""

import threading
from collections.abc import Iterator

import pytest

from tests.posix.station import Station


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    station.close()


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()
