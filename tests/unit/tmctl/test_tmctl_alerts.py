"""What is shown about places that are told of alerts."""

from typing import Any

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tmctl.complete import completions

USUAL = {"sent": 12, "failed": 0, "dropped": 0, "waiting": 1, "last_error": "", "last_error_at": 0}
HOOK: dict[str, Any] = {"name": "ops", "kind": "webhook", "goes_to": "https://x/..."}


@pytest.fixture
def alerting(own_fake: FakeDaemon) -> FakeDaemon:
    own_fake.sinks = [
        {"name": "file", "kind": "file", "goes_to": "/log/alerts.jsonl", "events": [], "programs": [], **USUAL},
        {**HOOK, "events": ["process_fatal"], "programs": ["web", "api*"], **USUAL, "dropped": 7,
         "last_error": "connection refused", "last_error_at": 1_800_000_000},
        {"name": "s", "kind": "syslog", "goes_to": "syslog daemon", "events": [], "programs": [], **USUAL},
    ]  # fmt: skip
    own_fake.samples = [
        sample("file", "file", "/log/alerts.jsonl", said="written"),
        sample(**HOOK, said="204 No Content"),
    ]
    return own_fake


def sample(name: str, kind: str, goes_to: str, *, ok: bool = True, said: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "goes_to": goes_to, "ok": ok, "said": said}


def test_sinks_in_lines(alerting: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", alerting.url, "alerts").outcome == (
        "file (file /log/alerts.jsonl)  all events  sent 12  waiting 1  failed 0  dropped 0\n"
        "ops (webhook https://x/...)  events process_fatal  programs web,api*"
        "  sent 12  waiting 1  failed 0  dropped 7\n"
        "  last trouble: connection refused\n"
        "s (syslog daemon)  all events  sent 12  waiting 1  failed 0  dropped 0\n",
        0,
    )
    coloured = tmctl("--color=always", "-s", alerting.url, "alerts", "ops").out
    assert "failed 0  \x1b[31mdropped 7\x1b[0m\n" in coloured


def test_some_sinks(alerting: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", alerting.url, "alerts", "s", "nope")
    assert (ran.code, ran.out.splitlines()[0]) == (1, "nope: ERROR (no such sink)")
    assert tmctl("-s", alerting.url, "alerts", "--json", "ops").document == {"alerts": [alerting.sinks[1]]}
    assert len(tmctl("-s", alerting.url, "alerts", "all").out.splitlines()) == 4


def test_without_any(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", own_fake.url, "alerts").outcome == ("no alerts are configured\n", 0)
    assert tmctl("-s", own_fake.url, "alert-test").outcome == ("ERROR: no alerts are configured\n", 1)


def test_samples_that_arrive(alerting: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", alerting.url, "alert-test").outcome == (
        "file (file /log/alerts.jsonl): delivered: written\nops (webhook https://x/...): delivered: 204 No Content\n",
        0,
    )
    assert tmctl("-s", alerting.url, "alert-test", "ops").out.startswith("ops ")
    assert [params for name, params in alerting.calls if name == "taskmaster.testAlert"] == [([],), (["ops"],)]


def test_a_sample_that_does_not_arrive_fails_the_command(alerting: FakeDaemon, tmctl: Tmctl) -> None:
    alerting.samples[1] |= {"ok": False, "said": "no answer within 10 s\x1b[2J"}
    alerting.samples.append({"name": "nope", "kind": "", "goes_to": "", "ok": False, "said": "no such sink"})
    ran = tmctl("--color=always", "-s", alerting.url, "alert-test", "all")
    assert ran.code == 1
    assert ran.out.splitlines()[1:] == [
        "ops (webhook https://x/...): \x1b[31mnot delivered\x1b[0m: no answer within 10 s\x1b[2J",
        "nope: ERROR (no such sink)",
    ]
    ran = tmctl("-s", alerting.url, "alert-test", "--json")
    assert (ran.code, ran.document) == (1, {"results": alerting.samples})


def test_a_name_that_cannot_be_sent_is_that_of_no_sink(alerting: FakeDaemon, tmctl: Tmctl) -> None:
    odd = "a\x1b[2J"
    assert tmctl("-s", alerting.url, "alerts", odd).outcome == ("a^[[2J: ERROR (no such sink)\n", 1)
    assert tmctl("-s", alerting.url, "alert-test", odd, "\x01").outcome == (
        "a^[[2J: ERROR (no such sink)\n^A: ERROR (no such sink)\n",
        1,
    )
    assert "taskmaster.testAlert" not in alerting.methods_called(), "without names it would mean all"
    ran = tmctl("-s", alerting.url, "alert-test", "ops", odd)
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "a^[[2J: ERROR (no such sink)",
        "ops (webhook https://x/...): delivered: 204 No Content",
    ]
    ran = tmctl("-s", alerting.url, "alert-test", "--json", "ops", odd)
    assert (ran.code, [result["name"] for result in ran.document["results"]]) == (1, [odd, "ops"])


def test_a_supervisord_has_none(fake: FakeDaemon, tmctl: Tmctl) -> None:
    for command in ("alerts", "alert-test"):
        assert tmctl("-s", fake.url, command).outcome == ("ERROR: this server has no alerts (it is not tmd)\n", 1)


def test_names_of_sinks_are_offered() -> None:
    def offered(before: str) -> list[str]:
        return completions(before, lambda: [], None, lambda: ["ops", "file"])

    assert offered("alert") == ["alert-test", "alerts"]
    assert offered("alert-test ") == offered("alerts ") == ["all", "file", "ops"]
    assert offered("alert-test o") == ["ops"]
    assert offered("alert-test --") == ["--json"]


def test_a_command_with_a_hyphen_is_one_word(alerting: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", alerting.url, "help", "alert-test").out.startswith("alert-test ")
    assert tmctl("-s", alerting.url, "alert-tes").out == "*** Unknown syntax: alert-tes\n"
