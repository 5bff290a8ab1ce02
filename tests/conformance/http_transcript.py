"""Raw HTTP of a scenario: what is sent, and what of the reply is written down."""

import re
import socket
import xmlrpc.client
from collections.abc import Callable, Iterator

from tests.conformance.steps import Http

HEADERS = (
    "content-type",
    "location",
    "transfer-encoding",
    "www-authenticate",
    "x-accel-buffering",
)
"""what clients look at; of `last-modified` and `content-length` only whether they are there"""

Target = str | tuple[str, int]
_PATIENCE_S = 15.0
_QUIET_S = 0.6
"""a reply without an end (a log that is followed) counts as told when nothing came for so long"""


def exchange(target: Target, step: Http, filled: Callable[[str], str]) -> list[str]:
    """Send the request (lines end with a plain newline in the scenario) and return what the reply says."""
    told: list[str] = []
    with _connected(target) as link:
        for request in (step.request, step.more):
            if not request:
                continue
            link.sendall(_as_sent(filled(request)))
            head, body = _reply(link, request.startswith("HEAD"))
            told += [f"> {request.splitlines()[0]}", *_headers(head, step), *_body(body, step, head)]
    return told


def talk(target: Target, text: str) -> str:
    """Send a text and return everything up to the end of the connection."""
    with _connected(target) as link:
        link.sendall(text.encode())
        link.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := link.recv(65536):
            answer += chunk
    return answer.decode()


def _connected(target: Target) -> socket.socket:
    link = socket.socket(socket.AF_UNIX if isinstance(target, str) else socket.AF_INET, socket.SOCK_STREAM)
    link.settimeout(_PATIENCE_S)
    try:
        link.connect(target)
    except OSError:
        link.close()
        raise
    return link


def _as_sent(request: str) -> bytes:
    head, _, body = request.partition("\n\n")
    content = body.encode()
    return head.replace("\n", "\r\n").replace("LENGTH", str(len(content))).encode() + b"\r\n\r\n" + content


def _reply(link: socket.socket, bodyless: bool) -> tuple[str, bytes]:
    """Read one reply: by its length, to the end of the connection, or until a stream falls silent."""
    got = b""
    while b"\r\n\r\n" not in got:
        chunk = link.recv(65536)
        if not chunk:
            return got.decode(), b""
        got += chunk
    head, _, body = got.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    if bodyless:
        return head.decode(), b""
    if not length:
        link.settimeout(_QUIET_S)
    try:
        while not length or len(body) < int(length[1]):
            chunk = link.recv(65536)
            if not chunk:
                break
            body += chunk
    except TimeoutError:
        pass
    link.settimeout(_PATIENCE_S)
    return head.decode(), body


def _headers(head: str, step: Http) -> Iterator[str]:
    status, *lines = head.split("\r\n")
    yield status if step.wire else status.partition(" ")[2]
    found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    for name in (*HEADERS, "connection") if step.wire else HEADERS:
        if name in found:
            yield f"{name}: {found[name]}"
    for name in ("content-length", "last-modified"):
        if name in found:
            yield f"{name}: some"


def _body(body: bytes, step: Http, head: str) -> Iterator[str]:
    if "chunked" in head.lower():
        body = b"".join(_dechunked(body))
    text = body.decode()
    match step.body:
        case "text":
            yield repr(text)
        case "error":
            yield repr(re.findall(r"Error code \d+\.", text))
        case "rpc":
            try:
                yield repr(xmlrpc.client.loads(text))
            except xmlrpc.client.Fault as fault:
                yield repr(fault)
        case "none":
            return


def _dechunked(body: bytes) -> Iterator[bytes]:
    while body:
        size, found, rest = body.partition(b"\r\n")
        if not found:
            return
        length = int(size, 16)
        yield rest[:length]
        body = rest[length + 2 :]
