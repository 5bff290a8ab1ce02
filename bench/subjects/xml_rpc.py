"""XML-RPC over one kept connection to a unix socket, with as little of the asker in the answer's time as can be.

`state` and `all` send requests made once and look into the answer only as far as to know that it is one: an XML parser
would take longer than most of those who are asked.
"""

import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

_TIMEOUT_S = 180.0


class Fault(Exception):
    """The answer is a fault; its text is in the argument."""


class XmlRpc:
    """A connection; implements `bench.subjects.base.Rpc`."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._requests: dict[tuple[str, ...], bytes] = {}
        try:
            self._socket.settimeout(_TIMEOUT_S)
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def state(self, name: str | None = None) -> bytes:
        """Ask for the state of the supervisor (None) or of one program; return its name."""
        body = self._ask("supervisor.getState") if name is None else self._ask("supervisor.getProcessInfo", name)
        _, found, rest = body.partition(b"<name>statename</name>")
        if not found:
            raise Fault(body.decode())
        return rest[: rest.index(b"</string>")].rpartition(b">")[2]

    def all(self) -> list[bytes]:
        """Ask for everything about every program; return the raw struct of each."""
        body = self._ask("supervisor.getAllProcessInfo")
        if b"<fault>" in body[:200]:
            raise Fault(body.decode())
        return body.split(b"<struct>")[1:]

    def call(self, method: str, *arguments: Any) -> Any:
        """Call any method; return its value. Raises xmlrpc.client.Fault."""
        (value,), _ = xmlrpc.client.loads(self._exchange(_request(method, *arguments)).decode())
        return value

    def close(self) -> None:
        """Give the connection up."""
        self._socket.close()

    def _ask(self, *words: str) -> bytes:
        request = self._requests.get(words)
        if request is None:
            request = self._requests[words] = _request(*words)
        return self._exchange(request)

    def _exchange(self, request: bytes) -> bytes:
        """Send a request and return the body of the answer. Raises OSError."""
        self._socket.sendall(request)
        answer, head_size, size = bytearray(), -1, -1
        while size < 0 or len(answer) < size:
            got = self._socket.recv(1 << 20)
            if not got:
                raise ConnectionError("the connection was closed in the middle of an answer")
            answer += got
            if size < 0 and (head_size := answer.find(b"\r\n\r\n")) >= 0:
                size = head_size + 4 + _length(bytes(answer[:head_size]))
        return bytes(answer[head_size + 4 :])


def _request(method: str, *arguments: Any) -> bytes:
    body = xmlrpc.client.dumps(arguments, method).encode()
    head = f"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _length(head: bytes) -> int:
    status, *fields = head.split(b"\r\n")
    if b" 200 " not in status:
        raise Fault(status.decode())
    for field in fields:
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise Fault(f"no Content-Length: {head.decode()}")
