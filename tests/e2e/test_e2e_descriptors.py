"""Clients over TCP take what descriptors there are: programs are started all the same."""

import contextlib
import resource
import socket

from tests.e2e.harness import Rig

LIMIT = 300


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_programs_start_while_clients_hold_whatever_they_can_get(rig: Rig) -> None:
    port = free_port()
    rig.write(
        "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"
        "[program:late]\ncommand=sleep 100000\nstartsecs=0\nautostart=false\n",
        head=f"[inet_http_server]\nport=127.0.0.1:{port}\n",
    )
    rig.start()
    resource.prlimit(rig.daemon_pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    refused = 0
    with contextlib.ExitStack() as stack:
        for number in range(LIMIT):
            path = ("/live/program/web", "/logtail/web")[number % 2]
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            try:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                answer = client.recv(64)
            except ConnectionError:
                answer = b""
            refused += not answer.startswith(b"HTTP/1.1 200 ")
        assert refused, "the limit was reached"
        for _ in range(3):
            assert rig.rpc.supervisor.startProcess("late")
            assert rig.rpc.supervisor.stopProcess("late")
    rig.stop()
