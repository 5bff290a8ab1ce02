"""Many attackers at once, over TCP and over the unix socket; the operator on the unix socket must not notice."""

import contextlib
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig
from tests.support import eventually

MB = 1024 * 1024
BODY = 100 * MB
DRIPPERS = 1000
ANSWERS_WITHIN_S = 0.2
"""what `tmctl status` may take while all this goes on, or three times of what it takes in peace where that is more: the
machine may have other things to do; the median of several"""

ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol" * 10}">' for n in range(10))
BOMB = (
    f"<?xml version='1.0'?><!DOCTYPE x [{ENTITIES}]>"
    "<methodCall><methodName>supervisor.getState</methodName><params><param><value>&e9;</value></param></params></methodCall>"
).encode()


def rss(pid: int) -> int:
    """Return the resident bytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


class Attack:
    """Does one thing over and over in a thread until it is told to stop; `done` counts how often it was through."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.done = 0
        self._act = act
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):  # cut off in the middle: that is what they deserve
                self._act()
                self.done += 1


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def head(length: int) -> bytes:
    return (
        f"POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n".encode()
    )


def answer_to(connect: Callable[[], socket.socket], request: bytes) -> bytes:
    with connect() as sock:
        sock.sendall(request)
        return sock.recv(4096)


def send_large_body(connect: Callable[[], socket.socket]) -> None:
    piece = b"x" * MB
    with connect() as sock:
        sock.sendall(head(BODY))
        for _ in range(BODY // MB):
            sock.sendall(piece)


def status_took(rig: Rig) -> float:
    """Return how long `tmctl status` takes."""
    began = time.monotonic()
    answer = rig.ctl("status")
    took = time.monotonic() - began
    assert (answer.code, "RUNNING" in answer.text) == (0, True), answer
    return took


@contextlib.contextmanager
def dripping(connect: Callable[[], socket.socket], count: int) -> Iterator[list[socket.socket]]:
    """Hold connections that send one byte of a request now and then, and open new ones where they are cut off."""
    held: list[socket.socket] = []
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.2):
            for at, sock in enumerate(held):
                try:
                    sock.send(b"X")
                except OSError:
                    sock.close()
                    with contextlib.suppress(OSError):
                        held[at] = connect()
                        held[at].send(b"POST /RPC2 HTTP/1.1\r\nX-Slow: ")

    thread = threading.Thread(target=drip)
    try:
        for _ in range(count):
            sock = connect()
            held.append(sock)
            with contextlib.suppress(OSError):
                sock.send(b"POST /RPC2 HTTP/1.1\r\nX-Slow: ")
        thread.start()
        yield held
    finally:
        over.set()
        if thread.is_alive():
            thread.join()
        for sock in held:
            sock.close()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_a_bomb_a_huge_body_and_a_thousand_slow_senders_at_once(rig: Rig, port: int, family: str) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\n", head=f"[inet_http_server]\nport=127.0.0.1:{port}\n")
    rig.start()
    web = rig.until("web", "RUNNING")["pid"]
    calm = statistics.median(status_took(rig) for _ in range(5))
    before, files = rss(rig.daemon_pid), len(os.listdir(f"/proc/{rig.daemon_pid}/fd"))

    def connect() -> socket.socket:
        if family == "tcp":
            return socket.create_connection(("127.0.0.1", port), 20)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(str(rig.socket))
        return sock

    # What each of them is told.
    assert answer_to(connect, head(len(BOMB)) + BOMB).startswith(b"HTTP/1.1 400 ")
    assert answer_to(connect, head(BODY)).startswith(b"HTTP/1.1 413 ")

    def send_bomb() -> None:
        answer_to(connect, head(len(BOMB)) + BOMB)

    highest = before
    took: list[float] = []
    with dripping(connect, DRIPPERS):
        attacks = [
            Attack(lambda: send_large_body(connect)),
            Attack(send_bomb),
        ]
        try:
            for _ in range(9):
                took.append(status_took(rig))
                highest = max(highest, rss(rig.daemon_pid))
            eventually(lambda: all(attack.done for attack in attacks), 30, what="every attack was through once")
        finally:
            for attack in attacks:
                attack.stop()
        highest = max(highest, rss(rig.daemon_pid))
    median = statistics.median(took)
    assert highest - before < 20 * MB, f"grew by {(highest - before) / MB:.1f} MB"
    assert median < max(ANSWERS_WITHIN_S, 3 * calm), [f"{each:.3f}" for each in took]
    eventually(lambda: len(os.listdir(f"/proc/{rig.daemon_pid}/fd")) <= files, 30, what="all connections are closed")
    eventually(lambda: rss(rig.daemon_pid) - before < 4 * MB, 30, what="the memory is given back")
    assert rig.pid("web") == web
    assert world.alive(web)
    assert not rig.lines("Traceback|failed")
    rig.stop()
