"""What clients should not send: each gets a clear refusal, and the daemon stays as it was."""

import base64
import hashlib
import http.client
import json
import socket
import xmlrpc.client
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig
from tests.e2e.wire import UnixConnection, post, proxy, raw

SLEEP = "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"
CALL = b"<?xml version='1.0'?><methodCall><methodName>%s</methodName><params>%s</params></methodCall>"
STATE = CALL % (b"supervisor.getState", b"")


@pytest.fixture
def running(rig: Rig) -> Iterator[Rig]:
    """A rig that runs, and must be running as before when the test is through."""
    rig.write(SLEEP)
    rig.start()
    before = rig.until("web", "RUNNING")
    yield rig
    after = rig.info("web")
    assert (after["pid"], after["statename"]) == (before["pid"], "RUNNING")
    if rig.subject == "tmd":
        assert "Traceback" not in rig.text("d.log") + rig.text("said")
    rig.stop()


def status(answer: bytes) -> int:
    return int(answer.split()[1]) if answer else 0


def test_unknown_names_are_refused_by_every_method_that_takes_one(running: Rig) -> None:
    ask = running.rpc.supervisor
    calls: list[Callable[[], Any]] = [
        lambda: ask.startProcess("nobody"),
        lambda: ask.stopProcess("nobody"),
        lambda: ask.signalProcess("nobody", "HUP"),
        lambda: ask.startProcessGroup("nobody"),
        lambda: ask.stopProcessGroup("nobody"),
        lambda: ask.signalProcessGroup("nobody", "HUP"),
        lambda: ask.getProcessInfo("nobody"),
        lambda: ask.getProcessInfo("web:*"),
        lambda: ask.getProcessInfo("web:nobody"),
        lambda: ask.readProcessStdoutLog("nobody", 0, 1),
        lambda: ask.readProcessStderrLog("nobody", 0, 1),
        lambda: ask.tailProcessStdoutLog("nobody", 0, 1),
        lambda: ask.clearProcessLogs("nobody"),
        lambda: ask.sendProcessStdin("nobody", "x"),
        lambda: ask.addProcessGroup("nobody"),
        lambda: ask.removeProcessGroup("nobody"),
    ]
    for call in calls:
        with pytest.raises(xmlrpc.client.Fault, match="BAD_NAME") as refused:
            call()
        assert refused.value.faultCode == 10


def test_unknown_methods_and_wrong_arguments_are_faults(running: Rig) -> None:
    ask = running.rpc
    for method in ("supervisor.nope", "nope", "supervisor", "supervisor._start", "supervisor.getState.x", "nope.nope"):
        with pytest.raises(xmlrpc.client.Fault) as refused:
            getattr(ask, method)()
        assert (refused.value.faultCode, refused.value.faultString) == (1, "UNKNOWN_METHOD")
    calls: list[Callable[[], Any]] = [
        lambda: ask.supervisor.getState(1),
        ask.supervisor.getProcessInfo,
        lambda: ask.supervisor.startProcess("web", True, 3),
    ]
    if running.subject == "tmd":  # 500 there
        calls.append(lambda: ask.supervisor.readLog("a", "b"))
    for call in calls:
        with pytest.raises(xmlrpc.client.Fault, match="INCORRECT_PARAMETERS"):
            call()
    with pytest.raises(xmlrpc.client.Fault, match="BAD_SIGNAL"):
        ask.supervisor.signalProcess("web", "NOPE")
    with pytest.raises(xmlrpc.client.Fault, match="INCORRECT_PARAMETERS"):
        ask.supervisor.sendProcessStdin("web", 5)


def test_multicall_carries_faults_as_values(running: Rig) -> None:
    answers = running.rpc.system.multicall(
        [
            {"methodName": "supervisor.getAPIVersion", "params": []},
            {"methodName": "supervisor.nope"},
            {"methodName": "supervisor.getProcessInfo", "params": ["nobody"]},
            {"methodName": "system.multicall", "params": [[]]},
            {"params": []},
        ]
    )
    assert answers[0] == "3.0"
    assert [answer["faultCode"] for answer in answers[1:]] == [1, 10, 2, 2]


RUBBISH = {
    "no xml": b"rubbish",
    "empty": b"",
    "cut": STATE[:-20],
    "no method": b"<methodCall><params></params></methodCall>",
    "not utf-8": b"<methodCall><methodName>\xff\xfe</methodName></methodCall>",
    "zero bytes": b"\0" * 100,
    "deep": b"<a>" * 5000,
}


@pytest.mark.parametrize("what", RUBBISH)
def test_a_body_that_is_no_call_is_refused(running: Rig, what: str) -> None:
    if running.subject == "supervisord" and what in ("empty", "not utf-8"):
        pytest.skip("the original never answers these")
    assert status(raw(str(running.socket), post(RUBBISH[what]))) == 400


@pytest.mark.ours
@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE a [<!ENTITY x 'y'>]>" + STATE,
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><methodCall><methodName>&x;</methodName></methodCall>",
    ],
)
def test_doctypes_are_refused(running: Rig, body: bytes) -> None:
    answer = raw(str(running.socket), post(body))
    assert status(answer) == 400
    assert b"root:" not in answer


@pytest.mark.ours
def test_a_body_that_is_too_large_is_refused_and_not_kept(running: Rig) -> None:
    before = world.figures(running.daemon_pid).rss_bytes
    head = b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 268435456\r\n\r\n"
    assert status(raw(str(running.socket), head)) == 413
    assert world.figures(running.daemon_pid).rss_bytes - before < 4 * 1024 * 1024


@pytest.mark.ours
def test_heads_without_end_are_refused(running: Rig) -> None:
    flood = b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\n" + b"".join(
        b"X-%d: %s\r\n" % (n, b"y" * 100) for n in range(2000)
    )
    try:
        answer = raw(str(running.socket), flood + b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        return
    assert status(answer) in (400, 431)


def test_a_post_without_a_length_is_refused(running: Rig) -> None:
    request = b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert status(raw(str(running.socket), request)) == 411


def test_other_verbs_and_places_are_refused(running: Rig) -> None:
    for request, expected in ((b"GET /RPC2", 400), (b"GET /no/such/page", 404), (b"DELETE /", 400)):
        answer = raw(str(running.socket), request + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert status(answer) == expected, request


def test_rubbish_instead_of_http_is_dropped(running: Rig) -> None:
    answer = raw(str(running.socket), b"\x16\x03\x01\x02\0 rubbish\r\n\r\n", timeout_s=2)
    assert status(answer) in (0, 400) if answer.startswith(b"HTTP") or not answer else False


@pytest.mark.ours
def test_connections_that_say_nothing_cost_nothing(running: Rig) -> None:
    links = []
    for _ in range(60):
        link = socket.socket(socket.AF_UNIX)
        link.connect(str(running.socket))
        link.send(b"POST /RPC2 HTTP/1.1\r\n")
        links.append(link)
    before = world.figures(running.daemon_pid)
    for _ in range(20):
        assert running.rpc.supervisor.getState()["statename"] == "RUNNING"
    after = world.figures(running.daemon_pid)
    assert after.cpu_s - before.cpu_s < 0.2
    for link in links:
        link.close()


@pytest.mark.ours
def test_a_foreign_page_cannot_make_a_browser_ask(make_rig: Callable[..., Rig]) -> None:
    rig, port = tcp_rig(make_rig)
    for header in ("Origin: http://evil.example\r\n", "Host: evil.example\r\n"):
        request = post(STATE, header).replace(b"Host: localhost\r\n", b"", 1 if header.startswith("Host") else 0)
        assert status(raw(("127.0.0.1", port), request)) in (400, 403)
    rig.stop()


def tcp_rig(make_rig: Callable[..., Rig], credentials: str = "") -> tuple[Rig, int]:
    rig = make_rig()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    rig.write(SLEEP, head=f"[inet_http_server]\nport=127.0.0.1:{port}\n{credentials}")
    rig.start()
    return rig, port


@pytest.mark.parametrize("stored", ["secret", "{SHA}" + hashlib.sha1(b"secret").hexdigest()])
def test_a_password_is_asked_for(make_rig: Callable[..., Rig], stored: str) -> None:
    rig, port = tcp_rig(make_rig, f"username=me\npassword={stored}\n")
    with proxy(("127.0.0.1", port), ("me", "secret")) as right:
        assert right.supervisor.getAPIVersion() == "3.0"
    for user, password in (("me", "wrong"), ("you", "secret"), ("", ""), ("me", stored if "{" in stored else "")):
        with (
            proxy(("127.0.0.1", port), (user, password)) as wrong,
            pytest.raises(xmlrpc.client.ProtocolError) as refused,
        ):
            wrong.supervisor.getAPIVersion()
        assert refused.value.errcode == 401
    answer = raw(("127.0.0.1", port), post(STATE))
    assert status(answer) == 401
    assert b'WWW-Authenticate: Basic realm="default"' in answer
    assert "secret" not in rig.text("d.log") + rig.text("said")
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("header", ["Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(), "Bearer x", "Basic"])
def test_a_malformed_authorization_is_a_plain_refusal(make_rig: Callable[..., Rig], header: str) -> None:
    rig, port = tcp_rig(make_rig, "username=me\npassword=secret\n")
    assert status(raw(("127.0.0.1", port), post(STATE, f"Authorization: {header}\r\n"))) == 401
    rig.stop()


def test_the_client_says_so_when_the_password_is_wrong(rig: Rig) -> None:
    rig.credentials = ("me", "secret")
    rig.write(SLEEP, server="username=me\npassword=secret", ctl="username=me\npassword=wrong")
    rig.start()
    answer = rig.ctl("status")
    assert "Server requires authentication" in answer.text + answer.err
    assert answer.code == (1 if rig.subject == "supervisord" else answer.code) != 0
    rig.write(SLEEP, server="username=me\npassword=secret", ctl="username=me\npassword=secret")
    rig.until("web", "RUNNING")
    assert rig.ctl("status").code == 0
    rig.stop()


def test_chunks_of_any_size_make_one_request(running: Rig) -> None:
    request = post(STATE, "Connection: close\r\n")
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(str(running.socket))
        for byte in request:
            link.sendall(bytes([byte]))
        answer = link.recv(65536)
    assert status(answer) == 200


def test_one_connection_serves_many_requests(running: Rig) -> None:
    link = UnixConnection(str(running.socket), 5)
    for _ in range(5):
        link.request("POST", "/RPC2", STATE, {"Content-Type": "text/xml"})
        answer: http.client.HTTPResponse = link.getresponse()
        assert (answer.status, answer.getheader("Content-Type")) == (200, "text/xml")
        assert b"RUNNING" in answer.read()
    link.close()


CLIENT_ERRORS = [
    (("frobnicate",), "*** Unknown syntax: frobnicate\n", 1),
    (("status", "nobody"), "nobody: ERROR (no such process)\n", 4),
    (("status", "nobody:*"), "nobody: ERROR (no such group)\n", 4),
    (("start", "nobody"), "nobody: ERROR (no such process)\n", 1),
    (("start", "nobody:*"), "nobody: ERROR (no such group)\n", 2),
    (("stop", "nobody"), "nobody: ERROR (no such process)\n", 1),
    (("restart", "nobody"), None, 1),
    (("pid", "nobody"), "No such process nobody\n", 1),
    (("tail", "nobody"), "nobody: ERROR (no such process name)\n", 1),
    (("clear", "nobody"), "nobody: ERROR (no such process)\n", 1),
    (("tail", "web", "neither"), None, 1),
    (("remove", "nobody"), "ERROR: no such process/group: nobody\n", 1),
    (("add", "nobody"), "ERROR: no such process/group: nobody\n", 1),
    (("start",), None, 2),
    (("stop",), None, 1),
    (("signal",), None, 1),
    (("help", "nothing"), "*** No help on nothing\n", 0),
    (("avail", "x"), None, 1),
]


def test_the_client_refuses_what_makes_no_sense_with_its_exit_code(running: Rig) -> None:
    for words, text, code in CLIENT_ERRORS:
        answer = running.ctl(*words)
        assert answer.code == code, (words, answer)
        assert text is None or answer.text == text, (words, answer)
        assert "Traceback" not in answer.err


def test_without_a_daemon_the_client_says_where_it_looked(rig: Rig) -> None:
    rig.write(SLEEP)
    answer = rig.ctl("status")
    assert (answer.text, answer.code) == (f"unix://{rig.socket} no such file\n", 4)
    answer = rig.ctl("stop", "web")
    assert (answer.text, answer.code) == (f"unix://{rig.socket} no such file\n", 7)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(rig.socket))
    answer = rig.ctl("status")
    assert (answer.text, answer.code) == (f"unix://{rig.socket} refused connection\n", 4)
    rig.socket.unlink()


@pytest.mark.ours
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("programs:\n  web:\n    comand: x\n", "command"),
        ("programs:\n  web:\n    command: [1, {a: b}]\n", "tm.yaml:3"),
        ("programs:\n  web: 5\n", "tm.yaml:2"),
        ("programs:\n  web:\n    command: x\n  web:\n    command: y\n", "tm.yaml:4"),
        ("programs:\n  web: !!python/object/apply:os.system [id]\n", "tm.yaml:2"),
        ("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\n", "tm.yaml:"),
        ("programs: [\n", "tm.yaml:"),
        ("[" * 100_000, "tm.yaml:"),
        ("\x00\x01\x02", "tm.yaml"),
        ("programs:\n  web:\n    command: x\n    startsecs: -1\n", "tm.yaml:4"),
    ],
)
def test_a_bad_native_file_is_refused_with_its_place(rig: Rig, text: str, named: str) -> None:
    rig.conf = rig.dir / "tm.yaml"
    rig.conf.write_text(text)
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert named in answer.err
    assert "Traceback" not in answer.err
    assert not rig.processes()


@pytest.mark.ours
def test_json_is_shown_by_every_command_that_shows(running: Rig) -> None:
    for words in (("status",), ("avail",), ("version",), ("pid",), ("reread",), ("status", "web")):
        answer = running.ctl(*words, "--json")
        assert answer.code == 0, (words, answer)
        json.loads(answer.text)
