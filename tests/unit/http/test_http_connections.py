"""Connections under use and abuse: errors, deadlines, floods, disconnects, the end."""

import contextlib
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.support import eventually
from tests.unit.http.fake_daemon import group_of, spec_of
from tests.unit.http.serving import Serving, call_body, read_all
from tmd.daemon.surface import Result
from tmd.http import connection as connection_module
from tmd.http import server as server_module
from tmd.http.protocol import MAX_BODY
from tmd.wire.names import ProcessId
from tmd.wire.states import DaemonState, ProcessState

PID = call_body("supervisor.getPID")
POST_PID = b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(PID), PID)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# --- statuses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /RPC2 HTTP/1.1\r\n\r\n", 411),
        (b"POST /RPC2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 411),
        (b"POST /RPC2 HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /RPC2 HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /RPC2 HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", 400),
        (b"POST /RPC2 HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 400),
        (b"POST /RPC2 HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"GET /RPC2 HTTP/1.1\r\n\r\n", 400),
        (b"PUT /RPC2 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"DELETE / HTTP/1.0\r\n\r\n", 400),
        (b"POST /logtail/web HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
    ],
)  # fmt: skip
def test_statuses_of_refusals(serving: Serving, request_: bytes, status: int) -> None:
    answer = serving.raw(request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status_of(answer) == status
    assert b"Connection: close" in head
    assert b"Error code %d." % status in body
    assert answer.count(b"HTTP/1.1 ") == 1


def test_garbage_is_closed_without_a_word(serving: Serving) -> None:
    assert serving.raw(b"garbage\r\n\r\n") == b""
    assert serving.raw(b"\x16\x03\x01\x00\xa5\x01\r\n") == b""


def test_a_reply_has_what_clients_need(serving: Serving) -> None:
    answer = serving.raw(POST_PID.replace(b"1.1", b"1.0"))
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Type: text/xml" in lines
    assert b"Content-Length: %d" % len(body) in lines
    assert b"Server: tmd" in lines
    assert b"Connection: close" in lines
    assert body.startswith(b"<?xml version='1.0'?>")


def test_http_1_0_is_kept_alive_on_wish(serving: Serving) -> None:
    with serving.connect() as client:
        for _ in range(3):
            client.sendall(b"GET /ok.html HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            answer = client.recv(65536)
            assert b"Connection: Keep-Alive" in answer
            assert answer.endswith(b"OK")


def test_nil_for_a_name_is_a_500(serving: Serving) -> None:
    body = call_body("supervisor.startProcess", "x").replace(b"<string>x</string>", b"<nil/>")
    assert serving.post(body)[0] == 500


def test_a_handler_that_raises_is_a_500_and_logged(serving: Serving) -> None:
    serving.daemon.table = None  # type: ignore[assignment]
    assert serving.post(call_body("supervisor.getProcessInfo", "web"))[0] == 500
    assert serving.get("/")[0] == 500
    assert "Traceback" in serving.daemon.errors[0]
    assert len(serving.daemon.errors) == 2
    assert serving.post(PID)[0] == 200


def test_a_client_may_ask_before_it_sends(serving: Serving) -> None:
    with serving.connect() as client:
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(PID))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(PID)
        assert b"4242" in client.recv(65536)


def test_passwords_are_asked_for_on_every_path(serve: Callable[..., Serving]) -> None:
    serving = serve(username="user", password="secret")
    for path in ("/", "/index.html", "/ok.html", "/RPC2", "/logtail/web", "/mainlogtail", "/stylesheets/tmd.css", "/x"):
        status, headers, _ = serving.get(path)
        assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="default"')
        assert serving.get(path, "POST")[0] == 401
    assert serving.post(PID, Authorization="Basic dXNlcjpzZWNyZXQ=")[0] == 200


def test_a_cross_origin_request_is_refused_over_the_socket_and_does_nothing(serve: Callable[..., Serving]) -> None:
    serving = serve()
    foreign = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
    assert serving.post(call_body("supervisor.stopProcess", "web"), **foreign)[0] == 403
    assert serving.post(PID)[0] == 200
    assert len(serving.daemon.traces) == 1


@pytest.mark.parametrize("path", ["/ok.html", "/metrics", "/nothing", "/logtail/none", "/logtail/web", "/RPC2"])
def test_what_is_no_page_loads_nothing_and_is_framed_by_nobody(path: str, serve: Callable[..., Serving]) -> None:
    serving = serve()
    (serving.daemon.directory / "web.out").write_bytes(b"<script>alert(1)</script>")
    with serving.connect() as client:
        client.sendall(b"GET %b HTTP/1.0\r\nHost: localhost\r\n\r\n" % path.encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
    assert b"\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n" in head
    assert head.count(b"\r\nX-Content-Type-Options: nosniff\r\n") == 1
    assert head.count(b"\r\nCross-Origin-Resource-Policy: same-origin\r\n") == 1


@pytest.mark.parametrize("path", ["/", "/assets/page.css", "/download/main", "/live", "/token", "/RPC2"])
def test_no_page_of_others_may_have_a_reply(path: str, serve: Callable[..., Serving]) -> None:
    serving = serve()
    (serving.daemon.directory / "main.log").write_bytes(b"x")
    with serving.connect() as client:
        if path == "/RPC2":
            client.sendall(b"POST /RPC2 HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(PID), PID))
        else:
            client.sendall(b"GET %b HTTP/1.0\r\nHost: localhost\r\n\r\n" % path.encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
    assert head.startswith(b"HTTP/1.1 200 ")
    # Said twice it would count as not said.
    assert head.count(b"\r\nCross-Origin-Resource-Policy: same-origin\r\n") == 1


def test_a_cross_origin_request_is_refused_over_tcp(serve: Callable[..., Serving]) -> None:
    serving = serve(family="inet")
    assert serving.post(PID, Origin="http://evil.example")[0] == 403
    assert serving.post(PID, Host="evil.example")[0] == 403
    assert serving.post(PID)[0] == 200
    assert serving.daemon.traces.count("XML-RPC method called: supervisor.getPID()") == 1


# --- bodies -------------------------------------------------------------------------------------------------------


def test_a_huge_body_is_refused_with_flat_memory(serving: Serving) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving.connect() as client:
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (100 << 20))
        piece = bytes(1 << 16)
        with contextlib.suppress(OSError):
            for _ in range(1600):
                client.sendall(piece)
        assert status_of(read_all(client)) == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024
    assert serving.post(PID)[0] == 200


def test_a_body_of_an_unknown_client_is_not_taken_in(serve: Callable[..., Serving]) -> None:
    serving = serve(username="user", password="secret")
    with serving.connect() as client:
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % MAX_BODY)
        assert status_of(client.recv(65536)) == 401


def test_the_largest_body_is_read(serving: Serving) -> None:
    padded = PID.replace(b"<params>", b" " * (MAX_BODY - len(PID)) + b"<params>")
    assert len(padded) == MAX_BODY
    assert serving.post(padded)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><methodCall><methodName>&b;</methodName></methodCall>",
        b"<methodCall><methodName>x</methodName><params><param>" + b"<value><array><data>" * 20_000,
        b"<methodCall><methodName>x</methodName><params>" + b"<param><value/></param>" * 40_000,
        b"<" * 500_000,
        b"\0" * 1000,
    ],
)
def test_hostile_bodies_are_refused_quickly(serving: Serving, body: bytes) -> None:
    took_s = []
    for _ in range(3):  # a busy machine only makes it slower
        began = time.monotonic()
        assert serving.post(body)[0] == 400
        took_s.append(time.monotonic() - began)
    assert min(took_s) < 0.5


EXPLOIT = (
    b"<?xml version='1.0'?><methodCall><methodName>supervisor.supervisord.options.warnings.linecache.os.system"
    b"</methodName><params><param><string>touch /tmp/x</string></param></params></methodCall>"
)


@pytest.mark.parametrize(
    "name",
    [
        "supervisor.supervisord.options.warnings.linecache.os.system",
        "supervisor.__class__",
        "supervisor._update",
        "supervisor.getState.__call__",
        "system.rpc.call",
        "getState",
        "",
        ".",
        "supervisor.",
        "a" * 100_000,
    ],
)
def test_names_that_reach_into_objects_reach_nothing(serving: Serving, name: str) -> None:
    status, body = serving.post(call_body(name, "x"))
    if name:
        assert status == 200
        assert b"<int>1</int>" in body
        assert b"UNKNOWN_METHOD" in body
    else:
        assert status == 400
    assert len(body) < 1000


def test_the_public_exploit_does_nothing(serving: Serving) -> None:
    status, body = serving.post(EXPLOIT)
    assert status == 400 or b"UNKNOWN_METHOD" in body
    assert serving.daemon.asked == []


# --- many and slow ------------------------------------------------------------------------------------------------


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("family", ["unix", "inet"])
def test_a_thousand_idle_connections_lock_nobody_out(serve: Callable[..., Serving], family: str) -> None:
    serving = serve(family=family)
    with contextlib.ExitStack() as stack, serving.proxy() as proxy:
        assert proxy.supervisor.getPID() == 4242
        for number in range(1000):
            client = stack.enter_context(serving.connect())
            client.sendall((b"GET / HTT", b"", b"\r\n")[number % 3])
            if number % 100 == 0:
                assert proxy.supervisor.getPID() == 4242
        began = time.monotonic()
        assert proxy.supervisor.getPID() == 4242
        with serving.proxy() as newcomer:
            assert newcomer.supervisor.getPID() == 4242
        assert time.monotonic() - began < 0.5
        assert len(serving.server) <= (server_module.MAX_UNIX if family == "unix" else server_module.MAX_TCP)
        assert serving.server.figures["evicted"] >= 488


def test_a_storm_of_newcomers_evicts_nobody_before_he_could_ask(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_UNIX", 3)
    monkeypatch.setattr(server_module, "GRACE_S", 0.5)
    serving = serve()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(serving.connect())
        storm = [stack.enter_context(serving.connect()) for _ in range(8)]
        eventually(lambda: len(serving.server) == 3)
        first.sendall(b"GET /ok.html HTTP/1.1\r\n\r\n")
        assert status_of(first.recv(65536)) == 200
        # In the end everybody has his turn.
        storm[-1].sendall(b"GET /ok.html HTTP/1.1\r\n\r\n")
        assert status_of(storm[-1].recv(65536)) == 200
        assert serving.server.figures["evicted"] >= 6


def test_who_sends_the_half_of_a_request_is_evicted_before_who_has_just_come(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_UNIX", 3)
    monkeypatch.setattr(server_module, "GRACE_S", 60.0)
    serving = serve()
    with contextlib.ExitStack() as stack:
        just_come, slow, slower = (stack.enter_context(serving.connect()) for _ in range(3))
        for client in (slow, slower):
            client.sendall(b"POST /RPC2 HTTP/1.1\r\nX-Slow: ")
        eventually(lambda: serving.in_loop(lambda: sum(one.halfway for one in serving.server._connections)) == 2)
        newcomer = stack.enter_context(serving.connect())
        newcomer.sendall(b"GET /ok.html HTTP/1.1\r\n\r\n")
        assert status_of(newcomer.recv(65536)) == 200
        assert slow.recv(1) == b""
        just_come.sendall(b"GET /ok.html HTTP/1.1\r\n\r\n")
        assert status_of(just_come.recv(65536)) == 200


def test_who_waits_for_an_answer_is_not_evicted(serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_UNIX", 3)
    serving = serve()
    serving.daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    serving.daemon.hold = True
    body = call_body("supervisor.stopProcess", "web")
    request_ = b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(serving.connect()) for _ in range(3)]
        for client in waiting:
            client.sendall(request_)
        eventually(lambda: len(serving.daemon.held) == 3)
        assert stack.enter_context(serving.connect()).recv(1) == b""
        assert serving.server.figures["refused"] == 1
        for held in serving.daemon.held:
            serving.loop.post(partial(held.resolve, []))
        for client in waiting:
            assert status_of(client.recv(65536)) == 200


def test_a_slow_client_is_served(serving: Serving) -> None:
    with serving.connect() as client:
        for at in range(len(POST_PID)):
            client.sendall(POST_PID[at : at + 1])
        assert b"4242" in client.recv(65536)


@pytest.mark.parametrize(
    ("deadline", "begun"),
    [("HEAD_S", b"G"), ("HEAD_S", POST_PID + b"POST"), ("BODY_S", POST_PID[:-1])],
)
def test_who_stops_in_the_middle_is_cut_off(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, deadline: str, begun: bytes
) -> None:
    monkeypatch.setattr(connection_module, deadline, 0.1)
    with serving.connect() as client, serving.connect() as idle:
        client.sendall(begun)
        read_all(client)
        idle.sendall(POST_PID)
        assert b"4242" in idle.recv(65536)


def test_dripping_does_not_put_the_deadline_off(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEAD_S", 0.2)
    began = time.monotonic()
    with serving.connect() as client:

        def drip() -> bool:
            try:
                client.sendall(b"x")
            except OSError:
                return True
            return False

        client.sendall(b"GET / HTTP/1.1\r\nA: ")
        eventually(drip)
    assert time.monotonic() - began < 2


def test_requests_that_follow_each_other_closely_have_a_deadline_each(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HEAD_S", 0.3)
    with serving.connect() as client:
        client.sendall(POST_PID[:10])
        until = time.monotonic() + 0.6
        while time.monotonic() < until:  # each time one is completed and the next begun
            client.sendall(POST_PID[10:] + POST_PID[:10])
            assert b"4242" in client.recv(65536)


def test_requests_that_wait_for_room_have_no_deadline(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEAD_S", 0.05)
    for number in range(500):
        serving.daemon.add(group_of(f"g{number}", spec_of(f"p{number}")))
    body = call_body("supervisor.getAllProcessInfo")
    with serving.connect() as client:
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body) + POST_PID)
        fired = threading.Event()
        serving.loop.post(lambda: serving.loop.call_later(0.2, fired.set))
        assert fired.wait(5)
        client.shutdown(socket.SHUT_WR)
        assert b"4242" in read_all(client)


def test_a_client_that_reads_nothing_is_cut_off(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "UNREAD_S", 0.2)
    for number in range(500):
        serving.daemon.add(group_of(f"g{number}", spec_of(f"p{number}")))
    body = call_body("supervisor.getAllProcessInfo")
    with serving.connect() as client:
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        eventually(lambda: serving.server.figures["accepted"] == 1 and len(serving.server) == 0)


def test_a_client_that_reads_slowly_gets_all_of_a_large_reply(serving: Serving) -> None:
    for number in range(500):
        serving.daemon.add(group_of(f"g{number}", spec_of(f"p{number}")))
    body = call_body("supervisor.getAllProcessInfo")
    with serving.connect() as client:
        client.sendall(b"POST /RPC2 HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        answer = read_all(client)
    assert answer.count(b"<struct>") == 504
    assert answer.endswith(b"</methodResponse>\n")


def test_a_flood_of_requests_ahead_is_held_back_not_kept(serving: Serving) -> None:
    daemon = serving.daemon
    daemon.hold = True
    body = call_body("supervisor.stopProcess", "web")
    with serving.connect(timeout_s=0.3) as client:
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        eventually(lambda: daemon.held)
        with contextlib.suppress(TimeoutError):
            for _ in range(10_000):
                client.sendall(POST_PID * 100)
            raise AssertionError("everything was taken in")
        daemon.hold = False
        serving.loop.post(lambda: daemon.held[0].resolve([Result(ProcessId("web", "web"))]))
        assert b"<boolean>1</boolean>" in client.recv(200 + 200)


def test_clients_that_vanish_are_forgotten(serving: Serving) -> None:
    for data in (b"", b"GET", POST_PID[:-5], POST_PID, b"GET /mainlogtail HTTP/1.1\r\n\r\n"):
        client = serving.connect()
        client.sendall(data)
        client.close()
    eventually(lambda: serving.server.figures["accepted"] == 5 and len(serving.server) == 0)


def test_a_reset_in_the_middle_of_a_reply_is_survived(serve: Callable[..., Serving]) -> None:
    serving = serve(family="inet")
    for number in range(300):
        serving.daemon.add(group_of(f"g{number}", spec_of(f"p{number}")))
    body = call_body("supervisor.getAllProcessInfo")
    for _ in range(5):
        client = serving.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body) * 3)
        client.recv(10)
        client.close()
    eventually(lambda: len(serving.server) == 0)
    assert serving.post(PID)[0] == 200


def test_half_closed_clients_get_all_their_answers(serving: Serving) -> None:
    with serving.connect() as client:
        client.sendall(POST_PID * 5)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).count(b"4242") == 5


# --- without descriptors ------------------------------------------------------------------------------------------


def test_without_descriptors_the_reserve_serves_one_and_nothing_spins(serving: Serving) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first, second = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    spare: list[int] = []
    with first, second:
        first.settimeout(5)
        second.settimeout(5)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_highest_descriptor() + 1, hard))
            with contextlib.suppress(OSError):
                while True:
                    spare.append(os.dup(0))
            first.connect(serving.path)
            first.sendall(POST_PID)
            assert b"4242" in first.recv(65536)
            # The first is idle now: it makes room for the second, after a pause.
            wakeups = serving.loop.figures["wakeups"]
            second.connect(serving.path)
            second.sendall(POST_PID)
            assert b"4242" in second.recv(65536)
            assert serving.loop.figures["wakeups"] - wakeups < 50
            assert serving.server.figures["short_of_descriptors"] >= 1
        finally:
            for fd in spare:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    eventually(lambda: len(serving.server) == 0)
    assert serving.post(PID)[0] == 200


def _highest_descriptor() -> int:
    return max(int(name) for name in os.listdir("/proc/self/fd"))


# --- the end ------------------------------------------------------------------------------------------------------


def drain(serving: Serving, deadline_s: float = 5.0) -> threading.Event:
    drained = threading.Event()
    serving.loop.post(lambda: serving.server.drain(deadline_s, drained.set))
    return drained


def test_draining_without_connections_is_done_at_once(serving: Serving) -> None:
    assert drain(serving).wait(2)
    serving.in_loop(serving.server.close)
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(serving.path)


def test_shutdowns_own_answer_arrives(serving: Serving) -> None:
    done = threading.Event()
    daemon = serving.daemon

    def shutdown() -> None:
        daemon.state = DaemonState.SHUTDOWN
        serving.server.drain(5, done.set)

    daemon.shutdown = shutdown  # type: ignore[method-assign]
    from tmd.http.site import Services, Site

    site = Site(serving.spec, daemon, "h", Services(daemon), serving.server.turns)
    serving.in_loop(lambda: setattr(serving.server, "_site", site))
    with serving.proxy() as proxy:
        assert proxy.supervisor.shutdown() is True
    assert done.wait(2)
    assert len(serving.server) == 0


def test_draining_waits_for_answers_under_way_and_closes_the_idle(serving: Serving) -> None:
    daemon = serving.daemon
    daemon.hold = True
    body = call_body("supervisor.stopProcess", "web")
    with serving.connect() as waiting, serving.connect() as idle, serving.connect() as half:
        half.sendall(b"GET / HT")
        waiting.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        eventually(lambda: daemon.held and len(serving.server) == 3)
        drained = drain(serving)
        assert idle.recv(1) == b""
        assert half.recv(1) == b""
        assert not drained.is_set()
        serving.loop.post(lambda: daemon.held[0].resolve([]))
        answer = read_all(waiting)
        assert b"<boolean>1</boolean>" in answer
        assert b"Connection: close" in answer
        assert drained.wait(2)


def test_requests_that_have_arrived_are_answered_when_draining(serving: Serving) -> None:
    with serving.connect() as client:
        client.sendall(POST_PID)
        assert b"4242" in client.recv(65536)

        def arrive_and_drain() -> None:
            client.sendall(POST_PID)
            serving.server.drain(5, lambda: None)

        serving.in_loop(arrive_and_drain)
        assert b"4242" in read_all(client)


def test_a_large_answer_is_sent_to_its_end_when_draining(serving: Serving) -> None:
    for number in range(1000):
        serving.daemon.add(group_of(f"g{number}", spec_of(f"p{number}")))
    body = call_body("supervisor.getAllProcessInfo")
    with serving.connect() as client:
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        begun = client.recv(1000)
        drained = drain(serving)
        assert not drained.wait(0.05)
        answer = begun + read_all(client)
        assert answer.endswith(b"</methodResponse>\n")
        assert drained.wait(2)


def test_the_deadline_ends_what_does_not_end(serving: Serving) -> None:
    serving.daemon.hold = True
    body = call_body("supervisor.stopProcess", "web")
    with serving.connect() as client:
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        eventually(lambda: serving.daemon.held)
        assert drain(serving, 0.1).wait(2)
        assert client.recv(1) == b""
    serving.in_loop(lambda: serving.daemon.held[0].resolve([]))
