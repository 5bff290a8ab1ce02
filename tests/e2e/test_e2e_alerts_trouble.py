"""Alerts whose other side is in trouble: nothing waits for it, the log says so once, and the end comes in time."""

import contextlib
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.table import median
from tests.alerting.respawning import respawn_times
from tests.alerting.servers import MailServer, WebhookServer, drips, hangs, nobody, raw_server
from tests.e2e import world
from tests.e2e.harness import Rig

pytestmark = pytest.mark.ours

END_S = 2.0
"""how long alerts may keep the daemon from its end"""
SLACK_S = 2.0
"""for the machine"""
CRASHING = "  loop:\n    command: sh -c 'exit 1'\n    startsecs: 0\n    autorestart: true\n"
Trouble = Callable[[Path], contextlib.AbstractContextManager[str]]


@contextlib.contextmanager
def answering(status: int, **headers: str) -> Iterator[str]:
    with WebhookServer((status, headers, b"\x1b[2Jno")) as server:
        yield f"webhook: {server.url}"


@contextlib.contextmanager
def a_hanging_webhook(_: Path) -> Iterator[str]:
    with raw_server(hangs) as port:
        yield f"webhook: http://127.0.0.1:{port}/"


@contextlib.contextmanager
def a_webhook_hanging_in_tls(_: Path) -> Iterator[str]:
    with raw_server(hangs) as port:
        yield f"webhook: https://127.0.0.1:{port}/"


@contextlib.contextmanager
def a_dripping_webhook(_: Path) -> Iterator[str]:
    with raw_server(drips(b"HTTP/1.1 200 " + b"O" * 1000, 0.1)) as port:
        yield f"webhook: http://127.0.0.1:{port}/"


@contextlib.contextmanager
def a_webhook_without_tls(_: Path) -> Iterator[str]:
    with WebhookServer() as server:
        yield f"webhook: {server.url.replace('http:', 'https:')}"


@contextlib.contextmanager
def a_hanging_mail_server(_: Path) -> Iterator[str]:
    with raw_server(hangs) as port:
        yield f"{{email: ops@example.com, smtp: '127.0.0.1:{port}'}}"


@contextlib.contextmanager
def a_mail_server_without_starttls(_: Path) -> Iterator[str]:
    with MailServer() as server:
        yield f"{{email: ops@example.com, smtp: 'localhost:{server.port}', security: starttls}}"
        assert server.tried == []


@contextlib.contextmanager
def a_hanging_sendmail(directory: Path) -> Iterator[str]:
    yield sendmail(directory, "exec sleep 1000")


def sendmail(directory: Path, script: str) -> str:
    path = directory / "sendmail"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"{{email: ops@example.com, sendmail: {path}}}"


TROUBLES: dict[str, tuple[Trouble, str]] = {
    "hangs": (a_hanging_webhook, r"no answer within 1 s"),
    "hangs in tls": (a_webhook_hanging_in_tls, r"no answer within 1 s"),
    "drips": (a_dripping_webhook, r"no answer within 1 s"),
    "no tls": (a_webhook_without_tls, r"TLS failed: wrong version number"),
    "500": (lambda _: answering(500), r"it answered 500 Internal Server Error: '\^\[\[2Jno'"),
    "404": (lambda _: answering(404), r"it answered 404 Not Found: '\^\[\[2Jno'"),
    "redirects": (
        lambda _: answering(302, Location="http://127.0.0.1:9/"),
        r"it answered 302 Found: it redirects to 'http://127\.0\.0\.1:9/', which is not followed \(name that url\)",
    ),
    "no such name": (
        lambda _: contextlib.nullcontext("webhook: http://no-such-host.invalid/x"),
        r"cannot find 'no-such-host\.invalid': .*",
    ),
    "refused": (
        lambda _: contextlib.nullcontext(f"webhook: http://127.0.0.1:{nobody()}/x"),
        r"cannot connect to 127\.0\.0\.1:\d+: connection refused",
    ),
    "mail refused": (
        lambda _: contextlib.nullcontext(f"{{email: ops@example.com, smtp: 'localhost:{nobody()}'}}"),
        r"cannot connect to localhost:\d+: connection refused",
    ),
    "mail hangs": (a_hanging_mail_server, r"no answer within 1 s"),
    "no starttls": (a_mail_server_without_starttls, r"it does not offer STARTTLS, and nothing is sent in the clear.*"),
    "sendmail hangs": (a_hanging_sendmail, r"'.*/sendmail' did not end within 1 s and was killed"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_on_the_other_side(rig: Rig, tmp_path: Path, name: str) -> None:
    make, reason = TROUBLES[name]
    with make(tmp_path) as place:
        network = place if place.startswith("{") else f"{{{place}}}"
        network = network[:-1] + (", timeout: 1}" if "no-such" not in place else ", timeout: 20}")
        rig.write_native(CRASHING, daemon=f"  alerts:\n    - file: alerts.jsonl\n    - {network}\n")
        rig.start()
        lines = rig.until_line(rf"cannot deliver alerts to '\w+' \(.*\): {reason}( \(\d+ alerts? given up\))?$", 1, 40)
        rig.wait(lambda: rig.text("alerts.jsonl").count("process_exited") >= 60, 40, "the program goes on crashing")
        (_, sink) = rig.rpc.taskmaster.getAlerts()
        assert re.match(reason, sink["last_error"])
        (result,) = rig.rpc.taskmaster.testAlert([sink["name"]])
        assert not result["ok"]
        assert re.match(reason, result["said"])
        assert len(rig.lines("cannot deliver alerts")) == 1, "one line, not one for each"
        began = time.monotonic()
        rig.stop()
        assert time.monotonic() - began < END_S + SLACK_S
    assert (len(lines), lines[0].level) == (1, "WARN")
    assert len(rig.lines("alerts")) <= 3, "one more for those that were given up at the end"
    assert not rig.lines("Traceback|defect|unknown pid")
    assert "\x1b" not in rig.text("d.log")


@pytest.mark.alone
def test_a_hanging_webhook_does_not_delay_a_respawn(make_rig: Callable[[], Rig]) -> None:
    rounds = 12
    plain, alerting = make_rig(), make_rig()
    without = median(respawn_times(plain, rounds))
    plain.stop()
    with raw_server(hangs) as port:
        hanging = median(respawn_times(alerting, rounds, f"  alerts: [{{webhook: 'http://127.0.0.1:{port}/'}}]"))
        (sink,) = alerting.rpc.taskmaster.getAlerts()
        assert sink["sent"] == 0
        assert sink["waiting"] >= 2 * rounds
        began = time.monotonic()
        assert alerting.state("web") == "RUNNING"
        assert time.monotonic() - began < 0.5
        began = time.monotonic()
        alerting.stop()
        assert time.monotonic() - began < END_S + SLACK_S
    assert hanging < 2 * without + 0.02, f"{hanging} s with a hanging webhook, {without} s without"


def test_what_could_not_be_delivered_comes_when_it_can(rig: Rig) -> None:
    with WebhookServer((503, {}, b""), (503, {}, b""), (200, {}, b"")) as server:
        rig.write_native(
            "  web:\n    command: sleep 1000\n    startsecs: 0\n", daemon=f"  alerts: [webhook: {server.url}]\n"
        )
        rig.start()
        rig.until_line(r"alerts are delivered to 'webhook' \(.*\) again", 1, 20)
        rig.wait(lambda: len(server.posted) >= 5, 20, "all have arrived")
        events = [alert["event"] for alert in server.alerts]
        assert events == ["daemon_started"] * 3 + ["process_started", "process_running"]
        assert len({posted.headers["x-taskmaster-delivery"] for posted in server.posted[:3]}) == 1
        rig.stop()


def test_the_local_sendmail_and_the_reaping_of_children(rig: Rig) -> None:
    """The daemon reaps whatever ends; a mailer's end must reach who waits for it, however quick it is."""
    place = sendmail(rig.dir, f"cat > {rig.dir}/letter.$$; exit $(cat {rig.dir}/code)")
    (rig.dir / "code").write_text("0")
    rig.write_native(CRASHING, daemon=f"  alerts:\n    - {place[:-1]}, events: [process_fatal]}}\n")
    rig.start()
    for code in (0, 3, 75) * 5:
        (rig.dir / "code").write_text(str(code))
        (result,) = rig.rpc.taskmaster.testAlert()
        said = f"ended with exit status {code}" if code else "handed to "
        assert said in result["said"], result
        assert result["ok"] is (code == 0)
    letters = [path.read_text() for path in rig.dir.glob("letter.*")]
    assert len(letters) == 15
    assert all("Subject: [taskmaster@" in letter for letter in letters)
    assert not rig.lines("unknown pid")
    rig.stop()


def test_a_restart_of_everything_waits_no_longer_and_goes_on(rig: Rig) -> None:
    sendmail(rig.dir, f"cat > {rig.dir}/letter")
    with raw_server(hangs) as port:
        rig.write(
            "[program:web]\ncommand=sleep 1000\nstartsecs=0\n",
            head=f"""\
[alert:lines]
file={{dir}}/alerts.jsonl

[alert:hook]
webhook=http://127.0.0.1:{port}/

[alert:mail]
email=ops@example.com
sendmail={rig.dir}/sendmail
events=process_fatal
""",
        )
        rig.start()
        rig.until("web", "RUNNING")
        began = time.monotonic()
        world.kill(rig.daemon_pid, signal.SIGHUP)
        rig.wait(lambda: rig.text("alerts.jsonl").count("daemon_started") == 2, 20, "it has started anew")
        assert time.monotonic() - began < END_S + SLACK_S
        rig.wait_ready()
        (result,) = rig.rpc.taskmaster.testAlert(["mail"])
        assert result["said"] == f"handed to '{rig.dir}/sendmail'"
        rig.stop()


def test_a_full_disk_under_the_file(rig: Rig) -> None:
    full = "/dev/full"
    rig.write_native(CRASHING, daemon=f"  alerts:\n    - file: {full}\n    - name: good\n      file: alerts.jsonl\n")
    rig.start()
    rig.wait(lambda: rig.text("alerts.jsonl").count("process_exited") >= 60, 40, "the program goes on crashing")
    lines = rig.until_line(r"cannot deliver alerts to 'file' \(/dev/full\): .*[Nn]o space left", 1, 20)
    answer = rig.ctl("alert-test")
    assert answer.code == 1
    assert "file (file /dev/full): not delivered: " in answer.text
    began = time.monotonic()
    rig.stop()
    assert time.monotonic() - began < END_S + SLACK_S
    assert len(lines) == 1
    alerts = [json.loads(line) for line in rig.text("alerts.jsonl").splitlines()]
    assert len([alert for alert in alerts if alert["event"] == "log_dropped"]) <= 3


def test_nothing_a_program_says_can_move_a_terminal(rig: Rig) -> None:
    shout = r"""printf '\033]0;owned\007\033[2J\r\n\302\205\342\200\256evil\377\n' >&2; exit 9"""
    (rig.dir / "shout").write_text(f"#!/bin/sh\n{shout}\n")
    (rig.dir / "shout").chmod(0o755)
    with WebhookServer() as hook, MailServer() as post:
        # Supervisor takes any name
        rig.write(
            "[program:odd]\ncommand={dir}/shout\nstartsecs=0\nautorestart=false\n"
            "process_name=x\x1b[31m%(process_num)s\n"
            f"[alert:file]\nfile=alerts.jsonl\n[alert:hook]\nwebhook={hook.url}\n"
            f"[alert:mail]\nemail=ops@example.com\nsmtp=localhost:{post.port}\n"
        )
        rig.start()
        rig.wait(lambda: any("ended" in mail.text for mail in post.mails), 20, "a mail came")
        rig.stop()
    (alert,) = [alert for alert in hook.alerts if alert["event"] == "process_exited"]
    assert alert["payload"]["stderr"] == ["^[]0;owned^G^[[2J", "\\x85\\u202eevil\ufffd"]
    assert alert["payload"]["process"] == "x^[[31m0"
    told = [rig.text("alerts.jsonl"), *(posted.body.decode() for posted in hook.posted)]
    told += [mail.text + str(mail.message["Subject"]) for mail in post.mails]
    for text in told:
        assert not set(text) & {"\x1b", "\x07", "\x85", "\u202e", "\r"}
