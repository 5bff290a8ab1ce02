"""What alerts read like in a mail."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

import tmd
from tmd.core.alerts import Alert
from tmd.daemon.sinks import letter
from tmd.wire.alerts import ALERT_EVENTS

NOW = 1_800_000_000.0


def alert(event_: str, process: str = "web", group: str = "", at: float = NOW, **payload: Any) -> Alert:
    names = {"program": process, "group": group or process, "process": process} if process else {}
    return Alert(event_, at, {**names, **payload})


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (alert("process_started", pid=7), "web was started (pid 7)"),
        (alert("process_running", "a", "g", pid=7), "g:a is RUNNING (pid 7)"),
        (
            alert("process_exited", pid=7, exit_code=3, expected=False, uptime_s=12.5, restarts=True),
            "web (pid 7) ended unexpectedly, exit status 3, after 12.5 s, and is started again",
        ),
        (
            alert("process_exited", pid=7, signal="SIGSEGV", core=True, expected=False, uptime_s=0.004, restarts=False),
            "web (pid 7) ended unexpectedly, by SIGSEGV (core dumped), after 0.004 s, and is not started again",
        ),
        (
            alert("process_exited", pid=7, exit_code=0, expected=True, uptime_s=1, restarts=False),
            "web (pid 7) ended as expected, exit status 0, after 1 s, and is not started again",
        ),
        (
            alert("process_backoff", pid=7, reason="Exited too quickly", tries=2, retry_in_s=2.0, exit_code=1),
            "web (pid 7) did not stay up (try 2), exit status 1: Exited too quickly; tried again in 2 s",
        ),
        (
            alert("process_backoff", pid=None, reason="no file", tries=4, retry_in_s=None),
            "web did not stay up (try 4): no file",
        ),
        (
            alert("process_fatal", pid=None, reason="no file", tries=4),
            "web is FATAL after 4 tries and not tried again: no file",
        ),
        (
            alert("process_fatal", pid=7, reason="too quick", tries=4, signal="SIGKILL", core=False),
            "web is FATAL after 4 tries and not tried again, by SIGKILL: too quick",
        ),
        (alert("process_stopped", pid=7, signal="SIGTERM", core=False, uptime_s=60, restarts=True),
         "web was stopped (pid 7), by SIGTERM, after 60 s, and is started again"),
        (alert("process_stopped", pid=None, restarts=False), "web was stopped"),
        (
            alert("process_killed", pid=7, waited_s=10.0),
            "web (pid 7) ignored its stop signal for 10.0 s and was sent SIGKILL",
        ),
        (
            alert("config_reloaded", "", path="/c", added=["a", "b"], changed=[], removed=["c"]),
            "configuration '/c' was read: added a, b; removed c",
        ),
        (
            alert("config_reloaded", "", path="/c", added=[], changed=[], removed=[]),
            "configuration '/c' was read: no group differs",
        ),
        (
            alert("config_rejected", "", path="/c", problems=["/c:1: a", "/c:2: b"]),
            "configuration '/c' was refused, nothing changed: /c:1: a; /c:2: b",
        ),
        (alert("daemon_started", "", pid=1, version="9.9"), "tmd 9.9 is up (pid 1)"),
        (alert("daemon_stopping", "", pid=1), "tmd goes down (pid 1)"),
        (
            alert("listener_stuck", "mail", pid=7, event="TICK_5", waited_s=300.0),
            "event listener mail (pid 7) gave no answer to TICK_5 for 300.0 s and is restarted",
        ),
        (
            alert("log_dropped", "", target="/l", bytes=5, reason="disk full"),
            "5 bytes of the log '/l' could not be kept: disk full",
        ),
        (alert("test", "", sink="mail", message="this is a test"), "test: this is a test"),
    ],
)  # fmt: skip
def test_a_sentence_for_each_event(one: Alert, said: str) -> None:
    assert letter.sentence(one) == said


def test_every_event_has_a_sentence_and_a_word() -> None:
    assert {*letter.SHORT} == {*ALERT_EVENTS, "test"}


def test_the_subject_counts() -> None:
    assert letter.subject([alert("process_fatal")], "box") == "[taskmaster@box] web: FATAL"
    assert letter.subject([alert("daemon_started", "")], "box") == "[taskmaster@box] tmd is up"
    loop = [alert("process_exited")] * 30 + [alert("process_fatal"), alert("process_backoff", "a", "g")]
    assert letter.subject(loop, "box") == "[taskmaster@box] 32 alerts: web: exited 30, FATAL 1; g:a: BACKOFF 1"
    many = [alert("process_fatal", f"program_{number:03}") for number in range(100)]
    assert len(letter.subject(many, "box")) == letter.MAX_SUBJECT


@pytest.fixture
def _in_utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_utc")
def test_the_letter_is_in_order_of_time_and_repeats_nothing() -> None:
    first = alert(
        "process_exited", at=NOW, pid=7, exit_code=3, uptime_s=1.0, restarts=True, stderr=["one", "two\x1b[2J"]
    )
    second = Alert("process_exited", NOW + 2.25, {**first.payload, "pid": 8})
    third = Alert("process_exited", NOW + 3, {**first.payload, "pid": 9, "stderr": ["three"]})
    assert letter.text([third, first, second], "box").splitlines() == [
        "2027-01-15 08:00:00.000 +0000  web (pid 7) ended unexpectedly, exit status 3, after 1 s, and is started again",
        "    its last lines of stderr:",
        "    | one",
        "    | two^[[2J",
        "",
        "2027-01-15 08:00:02.250 +0000  web (pid 8) ended unexpectedly, exit status 3, after 1 s, and is started again",
        "    (its last lines of stderr: as before)",
        "",
        "2027-01-15 08:00:03.000 +0000  web (pid 9) ended unexpectedly, exit status 3, after 1 s, and is started again",
        "    its last lines of stderr:",
        "    | three",
        "",
        "-- ",
        f"tmd {tmd.__version__} on box; ask it: tmctl status",
    ]


def test_a_letter_has_an_end() -> None:
    flood = [alert("process_exited", at=NOW + number, stderr=[f"{number}" * 3000]) for number in range(100)]
    text = letter.text(flood, "box")
    assert len(text) < letter.MAX_TEXT + 1000
    assert "more alerts, for which there is no room here" in text
