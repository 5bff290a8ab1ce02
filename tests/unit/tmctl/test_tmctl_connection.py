"""Addresses, bodies in pieces, and a server that misbehaves."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tmctl.client import Client
from tmctl.connection import Address, Body, parse_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:///run/x.sock", Address("unix:///run/x.sock", path="/run/x.sock")),
        ("http://host", Address("http://host", host="host", port=80)),
        ("http://host:9001/RPC2", Address("http://host:9001/RPC2", host="host", port=9001)),
        ("http://[::1]:9001", Address("http://[::1]:9001", host="::1", port=9001)),
        ("http://me:a%20b@h:1", Address("http://me:a%20b@h:1", host="h", port=1, username="me", password="a b")),
    ],
)
def test_urls(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("unix:///x", "localhost"),
        ("http://h", "h"),
        ("http://h:9001", "h:9001"),
        ("http://[::1]:9001", "[::1]:9001"),
    ],
)
def test_the_host_header(url: str, host: str) -> None:
    assert parse_url(url).authority == host


@pytest.mark.parametrize(
    "url", ["", "foo", "unix://", "https://x", "http://", "http://:1", "http://h:x", "http://h:70000"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="is not a URL"):
        parse_url(url)


def chunked(pieces: list[bytes]) -> bytes:
    body = b"".join(f"{len(piece):X};x=1\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return body + b"0\r\nTrailer: x\r\n\r\n"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(1, 30), max_size=40))
def test_a_chunked_body_is_the_same_in_any_pieces(pieces: list[bytes], cuts: list[int]) -> None:
    wire = chunked(pieces) + b"NEXT"
    body = Body({"transfer-encoding": "chunked"})
    payload = b""
    for size in cuts:
        payload += body.feed(wire[:size])
        wire = wire[size:]
    payload += body.feed(wire)
    assert (payload, body.done, body.rest) == (b"".join(pieces), True, b"NEXT")


def test_a_body_with_a_length_ends_there() -> None:
    body = Body({"content-length": "5"})
    assert body.feed(b"abc") == b"abc"
    assert not body.done
    assert (body.feed(b"deNEXT"), body.done, body.rest) == (b"de", True, b"NEXT")


@contextmanager
def misbehaving(path: Path, behaviour: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that accepts connections one after another and does with each what `behaviour` does."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            accepted, _ = listener.accept()
            with accepted:
                if accepted.recv(65536) == b"end":
                    return
                behaviour(accepted)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"unix://{path}"
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(str(path))
        last.sendall(b"end")
    thread.join()
    listener.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "the server closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the answer is not HTTP: 'SSH-2.0-OpenSSH'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "the connection broke in the middle of an answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the reply is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "the reply is not XML-RPC"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", "the reply is not XML-RPC"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "the server answered 500 Oops"),
        (b"x" * 70000, "no end to its headers"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_nonsense_is_one_clean_line(answer: bytes, words: str, tmp_path: Path, tmctl: Tmctl) -> None:
    with misbehaving(tmp_path / "bad.sock", lambda accepted: accepted.sendall(answer)) as url:
        ran = tmctl("-s", url, "avail")
    assert ran.code == 1
    assert ran.out.startswith("error: ")
    assert ran.out.count("\n") == 1
    assert words in ran.out


def test_one_connection_serves_many_calls_and_is_replaced_when_stale(fake: FakeDaemon) -> None:
    client = Client(parse_url(fake.url))
    assert client.call("supervisor.getPID") == 4242
    first = client._connection._socket
    assert client.call("supervisor.getPID") == 4242
    assert client._connection._socket is first
    assert first is not None
    first.shutdown(socket.SHUT_RDWR)
    assert client.call("supervisor.getPID") == 4242
    client.close()


def test_over_tcp(tmp_path: Path, tmctl: Tmctl) -> None:
    reply = b"<methodResponse><params><param><value>4.3.0</value></param></params></methodResponse>"
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        accepted, _ = listener.accept()
        with accepted:
            for value in (b"3.0", b"4.3.0"):
                accepted.recv(65536)
                body = reply.replace(b"4.3.0", value)
                accepted.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert tmctl("-s", f"http://127.0.0.1:{listener.getsockname()[1]}", "version").outcome == ("4.3.0\n", 0)
    finally:
        thread.join()
        listener.close()
