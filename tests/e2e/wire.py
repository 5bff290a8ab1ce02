"""How the harness talks to a daemon: `xmlrpc.client` and raw HTTP, over a unix socket or TCP.

Independent of the clients under test: standard library only, nothing of `tmctl`.
"""

import base64
import http.client
import socket
import xmlrpc.client


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class TcpConnection(http.client.HTTPConnection):
    """HTTP over TCP with a deadline."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, connection: http.client.HTTPConnection, credentials: tuple[str, str] | None) -> None:
        headers = []
        if credentials:
            token = base64.b64encode(":".join(credentials).encode()).decode()
            headers.append(("Authorization", f"Basic {token}"))
        super().__init__(headers=headers)
        self._only = connection

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        self._connection = (host, self._only)  # type: ignore[assignment]
        return self._only

    def close(self) -> None:
        self._only.close()


def proxy(
    target: str | tuple[str, int], credentials: tuple[str, str] | None = None, timeout_s: float = 30.0
) -> xmlrpc.client.ServerProxy:
    """Return a proxy for a socket path or a (host, port); use it as a context manager."""
    if isinstance(target, str):
        connection: http.client.HTTPConnection = UnixConnection(target, timeout_s)
    else:
        connection = TcpConnection(*target, timeout_s)
    return xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_Transport(connection, credentials))


def raw(target: str | tuple[str, int], request: bytes, timeout_s: float = 5.0) -> bytes:
    """Send bytes, say no more, and return all that comes until the peer closes or the deadline passes."""
    family = socket.AF_UNIX if isinstance(target, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        link.connect(target)
        link.sendall(request)
        answer = b""
        try:
            while chunk := link.recv(65536):
                answer += chunk
                if _whole(answer):
                    break
        except TimeoutError:
            return answer
        return answer


def _whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False


def post(body: bytes, extra: str = "") -> bytes:
    """Return the bytes of a POST to /RPC2 with that body."""
    return f"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body
