"""Operators are told: the same story in a file, at a webhook and by mail, in time."""

import datetime
import json
import re
import time
from typing import Any

import pytest

from tests.alerting.servers import MailServer, WebhookServer
from tests.e2e.harness import Rig

pytestmark = pytest.mark.ours

LATE_S = 1.0
SHORT_LIVED = """\
  boom:
    command: sh -c 'echo first >&2; printf "all is \\033[31mlost" >&2; exit 3'
    startretries: 2
    startsecs: 1
"""


def epoch(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def told(alert: dict[str, Any]) -> tuple[str, ...]:
    """Return what an alert says, without what differs from run to run."""
    payload = alert["payload"]
    facts = [f"{key} {payload[key]}" for key in ("tries", "exit_code") if key in payload]
    if payload.get("retry_in_s") is not None:  # some milliseconds may have passed of it
        facts.append(f"again in {payload['retry_in_s']:.0f} s")
    return alert["event"], payload.get("process", ""), *facts


STORY: list[tuple[str, ...]] = [
    ("daemon_started", ""),
    ("process_started", "boom"),
    ("process_backoff", "boom", "tries 1", "exit_code 3", "again in 1 s"),
    ("process_started", "boom"),
    ("process_backoff", "boom", "tries 2", "exit_code 3", "again in 2 s"),
    ("process_started", "boom"),
    ("process_backoff", "boom", "tries 3", "exit_code 3"),
    ("process_fatal", "boom", "tries 3", "exit_code 3"),
    ("daemon_stopping", ""),
]
EVENTS = [event for event, *_ in STORY]
STDERR = ["first", "all is ^[[31mlost"]


@pytest.mark.alone
def test_a_crash_loop_is_told_everywhere_exactly_and_in_time(rig: Rig) -> None:
    with WebhookServer() as everything, WebhookServer() as serious, MailServer() as post:
        rig.write_native(
            SHORT_LIVED,
            daemon=f"""\
  alerts:
    - file: alerts.jsonl
    - webhook: {everything.url}
    - name: serious
      webhook: {serious.url}
      events: [process_fatal, process_killed, "process_exited:unexpected"]
    - name: others
      file: others.jsonl
      programs: [web, api*]
    - email: [ops@example.com, boss@example.com]
      smtp: localhost:{post.port}
""",
        )
        began = time.time()
        rig.start()
        seen: dict[int, float] = {}

        def all_written() -> bool:
            lines = rig.text("alerts.jsonl").splitlines()
            now = time.time()
            for number in range(len(seen), len(lines)):
                seen[number] = now
            return len(lines) >= len(STORY) - 1

        rig.wait(all_written, 30, "the file has all")
        rig.wait(lambda: len(everything.posted) == len(STORY) - 1, 20, "the webhook has all")
        rig.wait(lambda: any("FATAL" in mail.text for mail in post.mails), 20, "the mail server has all")
        rig.stop()
    written = [json.loads(line) for line in rig.text("alerts.jsonl").splitlines()]
    assert [told(alert) for alert in written] == STORY
    assert everything.alerts == written
    assert [told(alert) for alert in serious.alerts] == [STORY[7]]
    assert [json.loads(line)["event"] for line in rig.text("others.jsonl").splitlines()] == [
        "daemon_started",
        "daemon_stopping",
    ]
    assert all(alert["payload"]["stderr"] == STDERR for alert in written if "backoff" in alert["event"])

    # In time: what happened, when it was noticed, when it arrived.
    at = [epoch(alert["timestamp"]) for alert in written]
    assert at == sorted(at)
    assert began - 0.001 <= at[0]
    spawned = [line.at for line in rig.lines("spawned: 'boom'")]
    assert all(abs(a - b) < LATE_S for a, b in zip(at[1:7:2], spawned, strict=True))
    assert all(seen[number] - at[number] < LATE_S for number in seen)
    assert all(posted.at - when < LATE_S for posted, when in zip(everything.posted, at, strict=True))
    assert_mails(post, at)
    pids = [alert["payload"]["pid"] for alert in written]
    assert pids[0] == pids[-1]
    assert pids[1] == pids[2] != pids[3] == pids[4]


def assert_mails(post: MailServer, at: list[float]) -> None:
    """Assert that the mails tell the whole story, once, in order, each part in time."""
    found = []
    for mail in post.mails:
        assert mail.to == ["ops@example.com", "boss@example.com"]
        assert "\x1b" not in mail.message.as_string()
        for line in mail.text.splitlines():
            if match := re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) ([+-]\d{4})  (.*)", line):
                when = datetime.datetime.strptime(" ".join(match.groups()[:2]), "%Y-%m-%d %H:%M:%S.%f %z").timestamp()
                assert mail.at - when < LATE_S
                found.append((when, match[3]))
    assert [when for when, _ in found] == at
    patterns = [
        r"tmd \S+ is up",
        r"boom was started \(pid \d+\)",
        r"boom \(pid \d+\) did not stay up \(try 1\), exit status 3: .*; tried again in [\d.]+ s",
        r"boom was started .*",
        r"boom .* \(try 2\), .*",
        r"boom was started .*",
        r"boom .* \(try 3\), exit status 3: [^;]*",
        r"boom is FATAL after 3 tries .*",
        r"tmd goes down",
    ]
    for (_, text), pattern in zip(found, patterns, strict=True):
        assert re.match(pattern, text), text
    assert "    | all is ^[[31mlost\n" in post.mails[0].text
    assert post.mails[0].message["Subject"].endswith("alerts: tmd is up 1; boom: started 1, BACKOFF 1")


def test_a_thousand_crashes_are_no_thousand_mails(rig: Rig) -> None:
    with MailServer() as post:
        rig.write_native(
            "  loop:\n    command: sh -c 'exit 1'\n    startsecs: 0\n    autorestart: true\n",
            daemon=f"""\
  alerts:
    - file: alerts.jsonl
    - email: ops@example.com
      smtp: localhost:{post.port}
""",
        )
        rig.start()
        rig.wait(lambda: rig.text("alerts.jsonl").count("process_exited") >= 150, 40, "it crashed 150 times")
        rig.wait(lambda: len(post.mails) >= 3, 20, "mails came")
        rig.ctl("stop", "loop")
        (_, mail) = rig.rpc.taskmaster.getAlerts()
        assert len(post.mails) <= 6
        assert mail["sent"] > 10 * len(post.mails)
        assert mail["failed"] == 0
        written = rig.text("alerts.jsonl").count("\n")
        accounted = mail["sent"] + mail["waiting"] + mail["dropped"]
        assert written - 110 <= accounted <= written  # a hundred may be on their way
        began = time.monotonic()
        rig.stop()
        assert time.monotonic() - began < 6
    assert max(len(re.findall(r"^\d{4}-", mail.text, re.MULTILINE)) for mail in post.mails) > 10


def test_samples_on_demand(rig: Rig) -> None:
    with WebhookServer() as hook, WebhookServer((500, {}, b"out of order")) as broken, MailServer() as post:
        rig.write(
            "[program:web]\ncommand=sleep 1000\n",
            head=f"""\
[alert:lines]
file={{dir}}/alerts.jsonl

[alert:hook]
webhook={hook.url.replace("/hook", "/secret-path")}
events=process_fatal
headers=X-Team="ops"

[alert:broken]
webhook={broken.url}

[alert:mail]
email=ops@example.com
smtp=localhost:{post.port}
""",
        )
        rig.start()
        answer = rig.ctl("alert-test", "lines", "hook", "mail")
        assert answer.code == 0
        lines = answer.text.splitlines()
        assert lines[0].startswith(f"lines (file {rig.dir}/alerts.jsonl): delivered")
        assert lines[1] == f"hook (webhook http://localhost:{hook.port}/...): delivered: 204 No Content"
        assert lines[2] == "mail (email ops@example.com): delivered: 250 2.0.0 taken"
        assert hook.posted[0].headers["x-team"] == "ops"
        assert hook.posted[0].path == "/secret-path"
        assert [alert["event"] for alert in hook.alerts] == ["test"]
        assert '"event":"test"' in rig.text("alerts.jsonl")
        rig.wait(lambda: "[taskmaster@" in str([mail.message["Subject"] for mail in post.mails]), 20, "a mail came")

        answer = rig.ctl("alert-test")
        where = f"broken (webhook http://localhost:{broken.port}/...)"
        assert answer.code == 1
        refusal = "it answered 500 Internal Server Error: 'out of order'"
        assert f"{where}: not delivered: {refusal}" in answer.text.splitlines()
        assert rig.ctl("alert-test", "nope")[:2] == ("nope: ERROR (no such sink)\n", 1)
        document = json.loads(rig.ctl("alert-test", "--json", "hook").text)
        assert document["results"][0]["ok"] is True

        shown = rig.ctl("alerts", "broken").text
        assert f"  last trouble: {refusal}" in shown
        assert rig.ctl("help", "alert-test").code == 0
        rig.stop()


def test_a_supervisord_is_told_apart(make_rig: Any) -> None:
    rig = make_rig("supervisord", "tmctl")
    rig.write("[program:web]\ncommand=sleep 1000\n")
    rig.start()
    assert rig.ctl("alert-test")[:2] == ("ERROR: this server has no alerts (it is not tmd)\n", 1)
    rig.stop()
