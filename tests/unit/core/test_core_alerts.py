"""Which notice becomes which alert, who wants it, and the form it travels in."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmd.config.settings import AlertSpec, ProcessSpec
from tmd.core import notices as n
from tmd.core.alerts import ALERT_BYTES, Alert, Now, Reporter, as_json, last_lines, sample, timestamp, wants
from tmd.core.inputs import ExitStatus, LastWords
from tmd.wire.alerts import ALERT_EVENTS, UNEXPECTED_EXIT
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

WEB = ProcessId("site", "web_00")
SPEC = ProcessSpec(name="web_00", group="site", program="web", command="/bin/web")
NAMES = {"program": "web", "group": "site", "process": "web_00"}
STARTING, RUNNING, STOPPING = ProcessState.STARTING, ProcessState.RUNNING, ProcessState.STOPPING
BACKOFF = ProcessState.BACKOFF


class Desk:
    """A reporter at a time that can be set."""

    def __init__(self, *specs: ProcessSpec) -> None:
        known = {spec.id: spec for spec in specs or (SPEC,)}
        self.reporter = Reporter(known.get, 77, "9.9")
        self.at = 100.0

    def tell(self, notice: n.Notice) -> Alert | None:
        return self.reporter.report(notice, Now(self.at, 1_700_000_000.25))

    def payload(self, notice: n.Notice, event: str) -> dict[str, Any]:
        alert = self.tell(notice)
        assert alert is not None
        assert alert.event == event
        assert alert.at == 1_700_000_000.25
        assert event in ALERT_EVENTS
        return alert.payload


def test_a_start_and_what_comes_of_it() -> None:
    desk = Desk()
    assert desk.tell(n.ProcessStarting(WEB, ProcessState.STOPPED, 0)) is None
    assert desk.payload(n.ProcessSpawned(WEB, 5), "process_started") == NAMES | {"pid": 5}
    assert desk.payload(n.ProcessRunning(WEB, STARTING, 5), "process_running") == NAMES | {"pid": 5}


def test_an_exit_with_a_code() -> None:
    status = ExitStatus(3, last_words=LastWords(b"out\n", b"first\nboom\x1b[31m\n"))
    exited = n.ProcessExited(WEB, RUNNING, False, 5, status, 1.23456, True)
    assert Desk().payload(exited, "process_exited") == NAMES | {
        "pid": 5,
        "exit_code": 3,
        "expected": False,
        "uptime_s": 1.235,
        "restarts": True,
        "stderr": ["first", "boom^[[31m"],
    }


def test_an_exit_by_signal() -> None:
    exited = n.ProcessExited(WEB, RUNNING, False, 5, ExitStatus(None, 11, True), 1, False)
    payload = Desk().payload(exited, "process_exited")
    assert (payload["signal"], payload["core"], payload["stderr"]) == ("SIGSEGV", True, [])
    assert "exit_code" not in payload


def test_an_end_that_nobody_saw() -> None:
    exited = n.ProcessExited(WEB, RUNNING, False, 5, ExitStatus(), 1, False)
    payload = Desk().payload(exited, "process_exited")
    assert payload["exit_code"] is None
    assert "signal" not in payload


def test_with_stderr_redirected_the_last_words_are_those_of_stdout() -> None:
    merged = msgspec.structs.replace(SPEC, redirect_stderr=True)
    status = ExitStatus(1, last_words=LastWords(b"both\n"))
    payload = Desk(merged).payload(n.ProcessExited(WEB, RUNNING, False, 5, status, 1, False), "process_exited")
    assert payload["stderr"] == ["both"]


def test_a_crash_loop_to_its_end() -> None:
    desk = Desk()
    status = ExitStatus(2, last_words=LastWords(b"", b"no\n"))
    failed = n.ProcessBackoff(WEB, STARTING, 1, "Exited too quickly", 5, status, 101.5)
    assert desk.payload(failed, "process_backoff") == NAMES | {
        "pid": 5,
        "reason": "Exited too quickly",
        "tries": 1,
        "retry_in_s": 1.5,
        "exit_code": 2,
        "stderr": ["no"],
    }
    last = msgspec.structs.replace(failed, tries=4, retry_at=None)
    assert desk.payload(last, "process_backoff")["retry_in_s"] is None
    assert desk.payload(n.ProcessFatal(WEB, BACKOFF, 4, "Exited too quickly"), "process_fatal") == NAMES | {
        "pid": 5,
        "reason": "Exited too quickly",
        "tries": 4,
        "exit_code": 2,
        "stderr": ["no"],
    }


def test_a_program_that_cannot_be_spawned_has_no_pid() -> None:
    desk = Desk()
    failed = n.ProcessBackoff(WEB, STARTING, 1, "can't find command '/bin/web'", None, None, 101.0)
    payload = desk.payload(failed, "process_backoff")
    assert payload["pid"] is None
    assert "exit_code" not in payload
    assert desk.payload(n.ProcessFatal(WEB, BACKOFF, 4, "x"), "process_fatal")["pid"] is None


def test_an_end_long_ago_is_not_told_again() -> None:
    desk = Desk()
    status = ExitStatus(2, last_words=LastWords(b"", b"no\n"))
    desk.tell(n.ProcessBackoff(WEB, STARTING, 1, "Exited too quickly", 5, status, 101.5))
    desk.tell(n.ProcessRunning(WEB, STARTING, 6))
    assert "stderr" not in desk.payload(n.ProcessFatal(WEB, BACKOFF, 4, "x"), "process_fatal")


def test_a_stop() -> None:
    desk = Desk()
    desk.tell(n.ProcessSpawned(WEB, 5))
    desk.at += 2.5
    stopped = n.ProcessStopped(WEB, STOPPING, 5, ExitStatus(None, 15), True)
    assert desk.payload(stopped, "process_stopped") == NAMES | {
        "pid": 5,
        "restarts": True,
        "signal": "SIGTERM",
        "core": False,
        "uptime_s": 2.5,
    }


def test_a_stop_of_what_did_not_run() -> None:
    stopped = n.ProcessStopped(WEB, BACKOFF, 0, None)
    assert Desk().payload(stopped, "process_stopped") == NAMES | {"pid": None, "restarts": False}


def test_an_ignored_stop_signal() -> None:
    killed = n.ProcessKilled(WEB, 5, 10.00049)
    assert Desk().payload(killed, "process_killed") == NAMES | {"pid": 5, "waited_s": 10.0}


def test_a_retry_that_the_end_of_the_daemon_cuts_off_is_a_stop() -> None:
    desk = Desk()
    desk.tell(n.ProcessBackoff(WEB, STARTING, 2, "x", 5, ExitStatus(1), 101.0))
    desk.tell(n.DaemonStopping())
    assert desk.payload(n.ProcessFatal(WEB, BACKOFF, 2, "x"), "process_stopped")["pid"] is None
    assert desk.payload(n.ProcessFatal(WEB, BACKOFF, 4, "x"), "process_fatal")["tries"] == 4


def test_the_daemon_itself() -> None:
    desk = Desk()
    assert desk.payload(n.DaemonRunning(), "daemon_started") == {"pid": 77, "version": "9.9"}
    assert desk.payload(n.DaemonStopping(), "daemon_stopping") == {"pid": 77}


def test_configurations() -> None:
    desk = Desk()
    read = n.ConfigReloaded("/etc/a", ("new",), (), ("old\n",))
    expected = {"path": "/etc/a", "added": ["new"], "changed": [], "removed": ["old^J"]}
    assert desk.payload(read, "config_reloaded") == expected
    refused = desk.payload(n.ConfigRejected("/etc/a", tuple(f"line {i}" for i in range(60))), "config_rejected")
    assert (len(refused["problems"]), refused["problems"][0], refused["more_problems"]) == (50, "line 0", 10)


def test_a_listener_that_is_stuck() -> None:
    desk = Desk()
    desk.tell(n.ProcessSpawned(WEB, 5))
    stuck = n.ListenerStuck(WEB, "TICK_5", 300)
    assert desk.payload(stuck, "listener_stuck") == NAMES | {"pid": 5, "event": "TICK_5", "waited_s": 300}


def test_a_log_that_lost_something() -> None:
    dropped = n.LogDropped("/var/log/x", 12, "no space left on device")
    expected = {"target": "/var/log/x", "bytes": 12, "reason": "no space left on device"}
    assert Desk().payload(dropped, "log_dropped") == expected


def test_every_event_is_told_of_something() -> None:
    desk = Desk()
    status = ExitStatus(1)
    notices: list[n.Notice] = [
        n.ProcessSpawned(WEB, 5),
        n.ProcessRunning(WEB, STARTING, 5),
        n.ProcessExited(WEB, RUNNING, False, 5, status, 1, False),
        n.ProcessBackoff(WEB, STARTING, 1, "x", 5, status, None),
        n.ProcessFatal(WEB, BACKOFF, 1, "x"),
        n.ProcessStopped(WEB, STOPPING, 5, status),
        n.ProcessKilled(WEB, 5, 1),
        n.ConfigReloaded("x", (), (), ()),
        n.ConfigRejected("x", ()),
        n.DaemonRunning(),
        n.DaemonStopping(),
        n.ListenerStuck(WEB, "", 1),
        n.LogDropped("x", 1, "y"),
    ]
    assert {alert.event for notice in notices if (alert := desk.tell(notice))} == set(ALERT_EVENTS)


def test_a_process_that_is_gone_keeps_the_name_of_its_group() -> None:
    gone = ProcessId("site", "gone")
    assert Desk().payload(n.ProcessSpawned(gone, 5), "process_started")["program"] == "site"


def test_names_are_harmless() -> None:
    odd = msgspec.structs.replace(SPEC, name="a\x1b[2Jb", program="p\nq")
    payload = Desk(odd).payload(n.ProcessSpawned(odd.id, 5), "process_started")
    assert (payload["process"], payload["program"]) == ("a^[[2Jb", "p^Jq")


def test_of_an_output_the_last_lines_are_told() -> None:
    many = b"".join(b"line %d\r\n" % i for i in range(1000))
    assert last_lines(many) == [f"line {i}" for i in range(990, 1000)]
    assert last_lines(b"\n\n") == []
    assert last_lines(b"") == []
    assert last_lines(b"\xff\x00") == ["\N{REPLACEMENT CHARACTER}^@"]
    assert sum(map(len, last_lines(b"x" * 100_000))) == 2048


# --- who wants it


def alert(event: str = "process_fatal", **payload: Any) -> Alert:
    return Alert(event, 0.0, payload, ("site", "web", "site:web_00"))


def spec(**fields: Any) -> AlertSpec:
    return AlertSpec(name="x", kind="file", path="/x", **fields)


def test_without_a_filter_all_is_wanted() -> None:
    assert wants(spec(), alert())


def test_only_the_events_that_were_asked_for() -> None:
    assert wants(spec(events=("process_fatal",)), alert())
    assert not wants(spec(events=("process_exited",)), alert())


@pytest.mark.parametrize(("expected", "wanted"), [(True, False), (False, True)])
def test_only_unexpected_exits(expected: bool, wanted: bool) -> None:
    assert wants(spec(events=(UNEXPECTED_EXIT,)), alert("process_exited", expected=expected)) is wanted
    assert wants(spec(events=("process_exited",)), alert("process_exited", expected=expected))


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [("web", True), ("site", True), ("site:*", True), ("w?b", True), ("other", False), ("WEB", False), ("we", False)],
)
def test_only_the_programs_that_were_asked_for(pattern: str, wanted: bool) -> None:
    assert wants(spec(programs=("nobody", pattern)), alert()) is wanted


@pytest.mark.parametrize(
    ("pattern", "name", "wanted"),
    [
        ("web[1]", "web[1]", True),
        ("web[*", "web[1]", True),
        ("*]", "web[1]", True),
        ("web[1]", "web1", False),
        ("web[!2]", "web1", False),
        ("a*b", "a*b", True),
        ("[[]", "[", False),
    ],
)
def test_only_an_asterisk_and_a_question_mark_mean_something_in_a_pattern(
    pattern: str, name: str, wanted: bool
) -> None:
    assert wants(spec(programs=(pattern,)), Alert("process_fatal", 0.0, {}, (name,))) is wanted


def test_what_is_about_no_program_passes() -> None:
    assert wants(spec(programs=("other",)), Alert("daemon_started", 0.0, {}))


# --- the form


def test_the_form() -> None:
    line = as_json(Alert("process_fatal", 1_700_000_000.1239, {"pid": None}), "box")
    assert line == (
        b'{"timestamp":"2023-11-14T22:13:20.123Z","event":"process_fatal","host":"box","payload":{"pid":null}}'
    )


def test_a_whole_second_has_its_milliseconds() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


def test_a_sample_says_that_it_is_one() -> None:
    shown = json.loads(as_json(sample("ops\n", 0.0), "box"))
    assert shown["event"] == "test"
    assert shown["payload"]["sink"] == "ops^J"


@given(
    st.lists(st.text(st.characters(exclude_categories=()), max_size=500), max_size=60),
    st.binary(max_size=3000),
    st.text(st.characters(exclude_categories=())),
)
def test_whatever_it_says_it_is_one_bounded_line_of_json(problems: list[str], output: bytes, name: str) -> None:
    odd = msgspec.structs.replace(SPEC, name=name or "x")
    desk = Desk(odd)
    status = ExitStatus(1, last_words=LastWords(b"", output))
    for notice in (
        n.ConfigRejected(name * 100, tuple(problems)),
        n.ConfigReloaded(name * 100, tuple(problems), tuple(problems), tuple(problems)),
        n.ProcessBackoff(odd.id, STARTING, 1, name * 100, 5, status, None),
    ):
        told = desk.tell(notice)
        assert told is not None
        line = as_json(told, name)
        assert len(line) <= ALERT_BYTES
        assert b"\n" not in line
        assert json.loads(line)["event"] == told.event


def test_what_is_too_long_is_cut_and_says_so() -> None:
    told = Desk().tell(n.ConfigRejected("/etc/a", tuple("x" * 5000 for _ in range(50))))
    assert told is not None
    shown = json.loads(as_json(told, "box", 4096))
    assert shown["payload"]["path"] == "/etc/a"
    assert shown["payload"]["problems"][0].endswith("x...")
