"""`taskmaster.getEventPools`: what a client learns about event listeners."""

from pathlib import Path

import pytest

from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import FakeDaemon
from tmd.core.delivery import PoolView
from tmd.core.link import ListenerView
from tmd.wire.methods import METHODS
from tmd.wire.names import ProcessId
from tmd.wire.structs import EVENT_LISTENER, EVENT_POOL


def test_pools_are_told_with_their_counts_and_listeners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listeners = (
        ListenerView(ProcessId("mail", "mail_00"), "BUSY", 2.9, "has not read its stdin"),
        ListenerView(ProcessId("mail", "mail"), "-", 2**40),
    )
    pool = PoolView("mail", ("TICK_5", "EVENT"), 10, 3, 2**40, 1, 2, 4, listeners, "event 3 (X): rejected once")
    daemon = FakeDaemon(tmp_path)
    monkeypatch.setattr(daemon, "pools", lambda: [pool])
    (told,) = Asker(daemon)("taskmaster.getEventPools")
    assert told == {
        "name": "mail", "events": ["TICK_5", "EVENT"], "buffer_size": 10, "waiting": 3, "delivered": 2**31 - 1,
        "rejected": 1, "redelivered": 2, "dropped": 4,
        "listeners": [
            {"name": "mail:mail_00", "state": "BUSY", "for_s": 2, "note": "has not read its stdin"},
            {"name": "mail", "state": "-", "for_s": 2**31 - 1, "note": ""},
        ],
        "note": "event 3 (X): rejected once",
    }  # fmt: skip
    assert list(told) == [field.name for field in EVENT_POOL]
    assert list(told["listeners"][0]) == [field.name for field in EVENT_LISTENER]


def test_they_may_be_read_without_control() -> None:
    assert METHODS["taskmaster.getEventPools"].access == "read"
