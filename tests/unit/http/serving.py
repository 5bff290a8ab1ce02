"""A server on a real loop in a thread, and raw clients to talk to it."""

import http.client
import socket
import threading
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.unit.http.fake_daemon import FakeDaemon
from tmd.config.settings import Dialect, ServerSpec
from tmd.http.server import HttpServer
from tmd.http.site import Services
from tmd.posix.loop import Loop


class Serving:
    """One server over TCP (port 0) or a unix socket; everything of the loop runs in its thread."""

    def __init__(
        self, directory: Path, *, family: str = "unix", dialect: Dialect = Dialect.SUPERVISOR, **spec: Any
    ) -> None:
        self.errors: list[str] = []
        self.loop = Loop(on_error=self.errors.append)
        self.daemon = FakeDaemon(directory, self.loop)
        self.daemon.settings = msgspec.structs.replace(self.daemon.settings, dialect=dialect)
        self.services = Services(self.daemon)
        self.rpc = self.services.rpc
        if family == "unix":
            listener = socket.socket(socket.AF_UNIX)
            self.path = str(directory / "s")
            listener.bind(self.path)
            self.spec = ServerSpec(section="unix_http_server", family="unix", file=self.path, **spec)
        else:
            listener = socket.socket(socket.AF_INET)
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
            self.spec = ServerSpec(section="inet_http_server", family="inet", host="127.0.0.1", port=self.port, **spec)
        listener.listen(1024)
        self.server = HttpServer(self.loop, listener, self.spec, self.daemon, self.services)
        self._thread = threading.Thread(target=self.loop.run, name="serving")
        self._thread.start()

    def in_loop(self, work: Callable[[], Any]) -> Any:
        """Run something in the loop's thread and return what it returns."""
        done = threading.Event()
        results: list[Any] = []

        def run() -> None:
            try:
                results.append(work())
            finally:
                done.set()

        self.loop.post(run)
        assert done.wait(5)
        return results[0]

    def close(self) -> None:
        def end() -> None:
            self.server.close()
            self.services.close()
            self.loop.stop()

        self.loop.post(end)
        self._thread.join(5)
        self.loop.close()
        assert not self._thread.is_alive()
        assert self.errors == []

    # --- clients ----------------------------------------------------------------------------------------------

    def connect(self, timeout_s: float = 5.0) -> socket.socket:
        if self.spec.family == "unix":
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(timeout_s)
            client.connect(self.path)
        else:
            client = socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)
        return client

    def http(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = self.connect()
        return connection

    def raw(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own; return all that comes until the server closes."""
        with self.connect() as client:
            client.sendall(data)
            return read_all(client)

    def proxy(self, headers: tuple[tuple[str, str], ...] = ()) -> Any:
        return xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=Transport(self), headers=headers)

    def post(self, body: bytes, **headers: str) -> tuple[int, bytes]:
        """POST to /RPC2; return status and body."""
        connection = self.http()
        try:
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml", **headers})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = self.http()
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


class Transport(xmlrpc.client.Transport):
    def __init__(self, serving: Serving) -> None:
        super().__init__()
        self._serving = serving

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        if not (self._connection and self._connection[0]):
            self._connection = host, self._serving.http()
        connection = self._connection[1]
        assert isinstance(connection, http.client.HTTPConnection)
        return connection


def read_all(client: socket.socket) -> bytes:
    pieces = []
    try:
        while piece := client.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pieces.append(b"<reset>")
    return b"".join(pieces)


def call_body(method: str, *params: Any) -> bytes:
    return xmlrpc.client.dumps(params, method).encode()
