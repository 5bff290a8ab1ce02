"""`taskmaster.getAlerts` and `taskmaster.testAlert`: what clients learn about where alerts go."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import FakeDaemon
from tmd.config.settings import AlertKind
from tmd.daemon.sinks import SinkView
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.methods import METHODS
from tmd.wire.structs import ALERT_SINK, ALERT_TEST


def sink(name: str, kind: AlertKind = "file", goes_to: str = "/a.jsonl", **more: Any) -> SinkView:
    counts = {"events": (), "programs": (), "sent": 0, "failed": 0, "dropped": 0, "waiting": 0, **more}
    return SinkView(name=name, kind=kind, goes_to=goes_to, **counts)


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    daemon = FakeDaemon(tmp_path)
    daemon.alerts.sinks = [
        sink("file"),
        sink(
            "ops", "webhook", "https://x/...", events=("process_fatal",), programs=("web", "api*"),
            sent=2**40, failed=1, dropped=2, waiting=3, last_error="connection refused", last_error_at=1_800_000_000.5,
        ),
    ]  # fmt: skip
    return daemon


def test_sinks_are_told_with_their_counts(daemon: FakeDaemon) -> None:
    told = Asker(daemon)("taskmaster.getAlerts")
    assert [item["name"] for item in told] == ["file", "ops"]
    assert told[1] == {
        "name": "ops", "kind": "webhook", "goes_to": "https://x/...", "events": ["process_fatal"],
        "programs": ["web", "api*"], "sent": 2**31 - 1, "failed": 1, "dropped": 2, "waiting": 3,
        "last_error": "connection refused", "last_error_at": 1_800_000_000,
    }  # fmt: skip
    assert list(told[0]) == [field.name for field in ALERT_SINK]


def test_a_sample_is_sent_to_all_at_once_and_answered_when_all_have(daemon: FakeDaemon) -> None:
    pending = Asker(daemon)("taskmaster.testAlert")
    daemon.alerts.tests["ops"].refuse(RpcFault(Fault.FAILED, "connection refused"))
    assert not pending.operation.done
    daemon.alerts.tests["file"].resolve("written")
    told = pending.outcome()
    assert told == [
        {"name": "file", "kind": "file", "goes_to": "/a.jsonl", "ok": True, "said": "written"},
        {"name": "ops", "kind": "webhook", "goes_to": "https://x/...", "ok": False, "said": "connection refused"},
    ]
    assert list(told[0]) == [field.name for field in ALERT_TEST]


def test_names_are_taken_once_each_and_unknown_ones_told(daemon: FakeDaemon) -> None:
    pending = Asker(daemon)("taskmaster.testAlert", ["nope", "file", "file"])
    assert list(daemon.alerts.tests) == ["file"]
    daemon.alerts.tests["file"].resolve("written")
    assert [(item["name"], item["kind"], item["ok"], item["said"]) for item in pending.outcome()] == [
        ("nope", "", False, "no such sink"),
        ("file", "file", True, "written"),
    ]


def test_without_any_sink_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    ask = Asker(FakeDaemon(tmp_path))
    assert ask("taskmaster.testAlert") == []
    assert ask("taskmaster.getAlerts") == []
    assert ask("taskmaster.testAlert", ["x" * 999])[0]["name"] == "x" * 200 + "..."


def test_a_name_must_be_a_text(daemon: FakeDaemon) -> None:
    assert Asker(daemon).fault("taskmaster.testAlert", [1]).startswith("2 INCORRECT_PARAMETERS")


def test_looking_is_free_and_sending_is_not() -> None:
    assert METHODS["taskmaster.getAlerts"].access == "read"
    assert METHODS["taskmaster.testAlert"].access == "control"
