"""The stock client of the standard library against a real server, over both kinds of sockets."""

import xmlrpc.client
from collections.abc import Callable

import pytest

from tests.support import eventually
from tests.unit.http.fake_daemon import group_of, spec_of
from tests.unit.http.serving import Serving, call_body
from tmd.wire.states import ProcessState


@pytest.mark.parametrize("family", ["unix", "inet"])
def test_the_stock_client_is_served(serve: Callable[..., Serving], family: str) -> None:
    serving = serve(family=family)
    serving.daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    with serving.proxy() as proxy:
        assert proxy.supervisor.getState() == {"statecode": 1, "statename": "RUNNING"}
        assert proxy.supervisor.getProcessInfo("web")["statename"] == "RUNNING"
        with pytest.raises(xmlrpc.client.Fault, match="BAD_NAME: nope"):
            proxy.supervisor.getProcessInfo("nope")


def test_one_connection_serves_many_calls(serving: Serving) -> None:
    with serving.proxy() as proxy:
        for _ in range(20):
            assert proxy.supervisor.getPID() == 4242
    assert serving.server.figures["accepted"] == 1


def test_a_waiting_call_keeps_nobody_else_waiting(serving: Serving) -> None:
    daemon = serving.daemon
    daemon.hold = True
    with serving.connect() as client:
        body = call_body("supervisor.startProcess", "idle", True)
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        eventually(lambda: daemon.held)
        with serving.proxy() as proxy:
            assert proxy.supervisor.getPID() == 4242
        serving.loop.post(lambda: daemon.held[0].resolve([]))
        assert b"<boolean>1</boolean>" in client.recv(65536)


def test_a_client_that_leaves_abandons_the_wait_and_not_the_operation(serving: Serving) -> None:
    daemon = serving.daemon
    daemon.hold = True
    client = serving.connect()
    body = call_body("supervisor.startProcess", "idle", True)
    client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    eventually(lambda: daemon.held)
    client.close()
    eventually(lambda: len(serving.server) == 0)
    assert not daemon.held[0].done
    serving.loop.post(lambda: daemon.held[0].resolve([]))
    with serving.proxy() as proxy:
        assert proxy.supervisor.getPID() == 4242


def test_a_client_that_only_stops_talking_still_gets_its_answer(serving: Serving) -> None:
    import socket

    daemon = serving.daemon
    daemon.hold = True
    with serving.connect() as client:
        body = call_body("supervisor.stopProcess", "web", True)
        client.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        client.shutdown(socket.SHUT_WR)
        eventually(lambda: daemon.held)
        serving.loop.post(lambda: daemon.held[0].resolve([]))
        assert b"<boolean>1</boolean>" in client.recv(65536)
        assert client.recv(10) == b""


def test_pipelined_requests_are_answered_in_order(serving: Serving) -> None:
    requests = b""
    for method in ("getPID", "getAPIVersion", "getIdentification") * 50:
        body = call_body(f"supervisor.{method}")
        requests += b"POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    answer = serving.raw(requests + b"GET /ok.html HTTP/1.1\r\nConnection: close\r\n\r\n")
    values = [piece.split(b"</")[0] for piece in answer.split(b"<value>")[1:]]
    assert values == [b"<int>4242", b"<string>3.0", b"<string>supervisor"] * 50
    assert answer.endswith(b"OK")
