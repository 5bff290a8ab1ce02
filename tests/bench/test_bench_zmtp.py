"""The few words of ZMTP that are spoken with circus, against a ROUTER played byte by byte."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.subjects.zmtp import Dealer

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
PROPERTIES = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER"
READY = bytes((4, len(PROPERTIES))) + PROPERTIES


@contextmanager
def router(path: Path, play: Callable[[socket.socket], None]) -> Iterator[Path]:
    """Play a peer for one connection."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            link, _ = server.accept()
            with link:
                play(link)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            thread.join(10)


def take(link: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (more := link.recv(size - len(got))):
        got += more
    return got


def shake(link: socket.socket) -> bytes:
    greeting = take(link, 64)
    link.sendall(GREETING)
    assert greeting[:1] == b"\xff"
    assert greeting[12:16] == b"NULL"
    flags, size = take(link, 2)
    assert flags == 4
    ready = take(link, size)
    link.sendall(READY)
    return ready


def test_a_message_goes_and_one_comes(tmp_path: Path) -> None:
    heard = []

    def play(link: socket.socket) -> None:
        heard.append(shake(link))
        heard.append(take(link, 2 + 5))
        link.sendall(b"\x04\x07\x04PING\x00\x00" + b"\x00\x02ok")

    with router(tmp_path / "s", play) as path:
        dealer = Dealer(path)
        assert dealer.exchange(b"hello") == b"ok"
        dealer.close()
    assert heard == [b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00", b"\x00\x05hello"]


def test_long_messages_have_long_lengths(tmp_path: Path) -> None:
    def play(link: socket.socket) -> None:
        shake(link)
        message = take(link, 9 + 300)
        link.sendall(message[:4])
        link.sendall(message[4:])

    with router(tmp_path / "s", play) as path:
        dealer = Dealer(path)
        assert dealer.exchange(b"x" * 300) == b"x" * 300
        dealer.close()


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(64), b""])
def test_another_protocol_is_refused(tmp_path: Path, said: bytes) -> None:
    def play(link: socket.socket) -> None:
        take(link, 64)
        link.sendall(said)

    with router(tmp_path / "s", play) as path, pytest.raises(ConnectionError):
        Dealer(path)
