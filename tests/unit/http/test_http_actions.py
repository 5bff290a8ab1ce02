"""Forms: what they do, and all the ways in which nothing is done."""

import json
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.unit.http.fake_daemon import group_of, spec_of
from tests.unit.http.serving import Serving, call_body
from tmd.config.plan import Plan
from tmd.config.settings import Dialect, GroupSpec
from tmd.daemon.surface import Result
from tmd.http.web import MAX_FORM_BYTES
from tmd.wire.faults import Fault
from tmd.wire.names import ProcessId
from tmd.wire.states import DaemonState, ProcessState

WEB, A, B, IDLE = ProcessId("web", "web"), ProcessId("g", "a"), ProcessId("g", "b"), ProcessId("idle", "idle")


def token(serving: Serving, **headers: str) -> str:
    status, _, body = serving.get("/token", **headers)
    assert status == 200
    return str(json.loads(body)["token"])


def send(serving: Serving, headers: Any = None, **fields: str) -> tuple[int, dict[str, str], bytes]:
    """POST a form; `token` is a good one unless it is given."""
    if "token" not in fields:
        fields["token"] = token(serving)
    connection = serving.http()
    try:
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        connection.request("POST", "/act", urllib.parse.urlencode(fields), sent)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def script(serving: Serving, status: Any = 200, headers: Any = None, **fields: str) -> dict[str, Any]:
    got, _, body = send(serving, {"Accept": "application/json", **(headers or {})}, **fields)
    answer: dict[str, Any] = json.loads(body)
    assert got == status, answer
    return answer


def test_a_form_acts_and_leads_back_with_a_word_about_it(serving: Serving) -> None:
    status, headers, body = send(serving, do="stop web")
    assert (status, body) == (303, b"")
    assert serving.daemon.asked == [("stop", [WEB], True)]
    place = headers["Location"]
    assert re.fullmatch(r"\./\?said=[0-9a-f]{16}", place)
    page = serving.get(place[1:])[2].decode()
    assert '<p class="message ok" role="status">web: stopped</p>' in page
    assert "web: stopped" not in serving.get(place[1:])[2].decode()


def test_a_form_on_the_page_of_a_program_leads_back_there(serving: Serving) -> None:
    _, headers, _ = send(serving, do="start g%3Aa", back="program", signal="HUP")
    assert headers["Location"].startswith("./program/g:a?said=")
    assert b"g:a: started" in serving.get(headers["Location"][1:])[2]


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"verb": "start", "name": "idle"}, ("start", [IDLE], True)),
        ({"verb": "restart", "name": "web"}, ("restart_processes", [WEB], True)),
        ({"verb": "clear", "name": "g:a"}, ("clear_logs", [A])),
        ({"verb": "signal", "name": "web", "signal": "hup"}, ("signal", [WEB], 1)),
        ({"verb": "start", "name": "g:*"}, ("start", [A, B], True)),
        ({"verb": "stop", "name": "all"}, ("stop", [WEB], True)),
        ({"verb": "restart", "name": "g:*"}, ("restart_processes", [A, B], True)),
        ({"verb": "signal", "name": "all", "signal": "10"}, ("signal", [WEB], 10)),
        ({"verb": "clear", "name": "all"}, ("clear_logs", [IDLE, A, B, WEB])),
        ({"verb": "reread"}, ("reread", None)),
    ],
)
def test_a_script_acts_and_is_told(serving: Serving, fields: dict[str, str], asked: tuple[Any, ...]) -> None:
    answer = script(serving, **fields)
    assert serving.daemon.asked == [asked]
    assert answer["ok"] is True
    assert all(result["ok"] for result in answer["results"])
    assert script(serving, token=answer["token"], verb="clear", name="web")["ok"] is True  # each answer brings the next


def test_update_reads_and_applies(serving: Serving) -> None:
    serving.daemon.plan = Plan(added=(GroupSpec(name="new"),))
    answer = script(serving, verb="update")
    assert [asked[0] for asked in serving.daemon.asked] == ["reread", "update"]
    assert answer["text"] == "configuration applied: added new"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"verb": "start", "name": "web"}, "cannot start web: it runs already"),
        ({"verb": "stop", "name": "idle"}, "cannot stop idle: it is not running"),
        ({"verb": "stop", "name": "none"}, "cannot stop none: there is no such program or group"),
        ({"verb": "stop", "name": "none:*"}, "cannot stop none:*: there is no such program or group"),
        ({"verb": "signal", "name": "web", "signal": "NOPE"}, "cannot send SIGNOPE to web: there is no such signal"),
        ({"verb": "signal", "name": "web"}, "cannot send a signal to web: there is no such signal"),
        ({"verb": "stop", "name": "a\x1bb"}, "cannot stop a^[b: there is no such program or group"),
    ],
)
def test_what_cannot_be_done_is_said(serving: Serving, fields: dict[str, str], said: str) -> None:
    answer = script(serving, **fields)
    assert answer["ok"] is False
    assert answer["text"] == said


def test_of_many_the_ones_that_failed_are_told(serving: Serving) -> None:
    serving.daemon.outcomes[B] = Result(B, Fault.SPAWN_ERROR)
    answer = script(serving, verb="start", name="g:*")
    assert answer["ok"] is False
    assert answer["text"] == "cannot start g:b: it could not be started"
    assert [(result["name"], result["ok"]) for result in answer["results"]] == [("g:a", True), ("g:b", False)]


def test_nothing_to_do_is_no_failure(serving: Serving) -> None:
    send(serving, do="stop web")
    assert script(serving, verb="stop", name="all")["text"] == "nothing to stop: nothing runs"


def test_a_daemon_that_goes_down_takes_no_wishes(serving: Serving) -> None:
    serving.daemon.state = DaemonState.SHUTDOWN
    assert script(serving, verb="stop", name="web")["text"] == "cannot stop web: the daemon is going down"
    assert serving.daemon.asked == []


def test_what_takes_long_is_under_way(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmd.http.web.SCRIPT_S", 0.05)
    serving.daemon.hold = True
    assert script(serving, verb="stop", name="web")["text"] == "under way: stop web"
    serving.in_loop(lambda: serving.daemon.held[0].resolve([Result(WEB)]))
    assert serving.daemon.errors == []


# --- asked first -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", ["stop all", "start all", "restart g%3A%2A", "clear g%3A*", "signal web", "update "])
def test_without_a_script_what_is_grave_is_asked_first(serving: Serving, wish: str) -> None:
    status, _, body = send(serving, do=wish)
    page = body.decode()
    assert status == 200
    assert serving.daemon.asked == []
    fields = dict(re.findall(r'<input type="hidden"[^>]* name="(\w+)" value="([^"]*)"', page))
    if wish.startswith("signal"):
        assert '<select id="signal" name="signal" form="act">' in page
        fields["signal"] = "USR1"
    status, _, _ = send(serving, **fields)
    assert status == 303
    assert len(serving.daemon.asked) in (1, 2)


def test_a_group_is_started_without_a_question(serving: Serving) -> None:
    assert send(serving, do="start g%3A%2A")[0] == 303


# --- nothing is done -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["", "x", "0" * 56, "\x00"])
def test_without_a_good_token_a_person_is_asked_and_a_script_is_refused(serving: Serving, bad: str) -> None:
    status, _, body = send(serving, token=bad, do="stop web")
    assert status == 403
    assert b"Nothing was done" in body
    answer = script(serving, 403, token=bad, verb="stop", name="web")
    assert answer["ok"] is False
    assert serving.daemon.asked == []
    assert script(serving, token=answer["token"], verb="stop", name="web")["ok"] is True


def test_a_form_sent_again_does_nothing(serving: Serving) -> None:
    good = token(serving)
    assert send(serving, token=good, do="stop web")[0] == 303
    assert send(serving, token=good, do="stop web")[0] == 403
    assert len(serving.daemon.asked) == 1


@pytest.mark.parametrize("family", ["unix", "inet"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_forms_of_other_pages_do_nothing_even_with_a_token(
    serve: Callable[..., Serving], family: str, headers: dict[str, str]
) -> None:
    serving = serve(family=family)
    status, _, body = send(serving, headers, do="stop all", confirm="yes")
    assert status == 403
    assert b"data-token" not in body
    assert serving.daemon.asked == []


def test_own_forms_of_browsers_pass(serving: Serving) -> None:
    assert send(serving, {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, do="stop web")[0] == 303


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/json"])
def test_other_kinds_of_forms_do_nothing(serving: Serving, kind: str) -> None:
    assert send(serving, {"Content-Type": kind}, do="stop web")[0] == 400
    assert serving.daemon.asked == []


def test_a_form_that_is_too_large_to_take_apart_does_nothing(serving: Serving) -> None:
    assert send(serving, do="stop web", back="x" * MAX_FORM_BYTES)[0] == 413
    answer = script(serving, 413, do="stop web", back="%" * MAX_FORM_BYTES)
    assert (answer["ok"], str(MAX_FORM_BYTES) in answer["text"]) == (False, True)
    assert serving.daemon.asked == []
    assert send(serving, do="stop web", back="x" * (MAX_FORM_BYTES - 100))[0] == 303


@pytest.mark.parametrize(
    "fields", [{}, {"do": ""}, {"do": "stop"}, {"do": "explode web"}, {"verb": "stop"}, {"verb": "update", "name": "x"}]
)
def test_what_is_no_wish_does_nothing(serving: Serving, fields: dict[str, str]) -> None:
    assert send(serving, **fields)[0] == 400
    assert serving.daemon.asked == []


def test_a_get_does_nothing(serving: Serving) -> None:
    status, headers, _ = serving.get(f"/act?token={token(serving)}&do=stop+web")
    assert (status, headers["Allow"]) == (405, "POST")
    assert serving.daemon.asked == []


# --- listeners that only show ----------------------------------------------------------------------------------------


@pytest.fixture
def showing(serve: Callable[..., Serving]) -> Serving:
    """TCP without a password, in the native dialect."""
    serving = serve(family="inet", dialect=Dialect.NATIVE)
    serving.daemon.add(group_of("web", spec_of("web", environment={"KEY": "s3cret"})), ProcessState.RUNNING)
    return serving


def test_pages_without_a_password_only_show(showing: Serving) -> None:
    page = showing.get("/")[2]
    assert b"<button form=" not in page
    assert b'data-controls="no" data-token=""' in page
    assert b"Shows only" in page
    assert showing.get("/token")[0] == 403
    status, _, _ = send(showing, token="x", do="stop web")
    assert status == 403
    page = showing.get("/program/web:web")[2]
    assert b"KEY" in page
    assert b"s3cret" not in page
    assert showing.daemon.asked == []


def test_methods_without_a_password_only_show(showing: Serving) -> None:
    status, body = showing.post(call_body("supervisor.stopProcess", "web"))
    assert status == 200
    assert b"cannot call supervisor.stopProcess: this listener has no password, so it only shows" in body
    calls = [{"methodName": "supervisor.shutdown", "params": []}, {"methodName": "supervisor.getPID", "params": []}]
    _, body = showing.post(call_body("system.multicall", calls))
    assert b"only shows" in body
    assert b"<int>4242</int>" in body
    assert showing.daemon.asked == []


def test_with_a_password_they_act(serve: Callable[..., Serving]) -> None:
    serving = serve(family="inet", dialect=Dialect.NATIVE, username="u", password="p")
    assert serving.get("/token")[0] == 401
    login = {"Authorization": "Basic dTpw"}
    good = token(serving, **login)
    answer = script(serving, headers=login, token=good, verb="clear", name="all")
    assert answer["text"] == "nothing to clear: there are no programs"


def test_the_answer_is_json_whatever_is_in_names(serving: Serving) -> None:
    name = '"</script><b>\u2028\\'
    answer = script(serving, verb="stop", name=name)
    assert msgspec.json.decode(msgspec.json.encode(answer)) == answer
    assert "there is no such program" in answer["text"]
