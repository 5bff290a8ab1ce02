"""Pages and metrics of a daemon with a thousand programs, and many who look at them."""

import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from tests.e2e.harness import Rig
from tests.e2e.wire import UnixConnection
from tests.support import eventually

COUNT = 1000
READERS = 50
ROUNDS = 7

pytestmark = [pytest.mark.slow, pytest.mark.ours, pytest.mark.alone]


@pytest.fixture(scope="module")
def many() -> Iterator[Rig]:
    """One such daemon for all: they only look at it, and restart `x`."""
    rig = Rig()
    rig.write(
        f"[program:p]\ncommand=sleep 100000\nstartsecs=0\nnumprocs={COUNT - 1}\nprocess_name=p%(process_num)04d\n"
        "stdout_logfile=NONE\nstderr_logfile=NONE\n"
        "[program:x]\ncommand=sleep 100000\nstartsecs=0\nstdout_logfile=NONE\nstderr_logfile=NONE\n",
        daemon="minfds=8192",
    )
    try:
        rig.start()
        rig.until_all("RUNNING", deadline_s=40)
        yield rig
        rig.stop(deadline_s=60)
    finally:
        rig.close()


def first_byte_s(rig: Rig) -> float:
    took_s, body = got(rig, "/")
    assert body.count(b'<tr class="process RUNNING"') == COUNT
    return took_s


def got(rig: Rig, path: str) -> tuple[float, bytes]:
    """Return how long the first byte took, and the body."""
    connection = UnixConnection(str(rig.socket), 20)
    connection.connect()
    try:
        began = time.perf_counter()
        connection.request("GET", path)
        response: HTTPResponse = connection.getresponse()
        took_s = time.perf_counter() - began
        assert response.status == 200
        return took_s, response.read()
    finally:
        connection.close()


def test_the_first_byte_comes_at_once(many: Rig) -> None:
    took_s = [first_byte_s(many) for _ in range(ROUNDS)]
    print("first byte, ms:", *(f"{each * 1000:.1f}" for each in took_s))
    assert statistics.median(took_s) < 0.1
    assert took_s[0] < 0.5  # the very first, with all that is imported for it


def test_all_metrics_are_told_without_holding_the_loop_up(many: Rig) -> None:
    got(many, "/metrics")

    def busy_s() -> float:
        return float(many.rpc.taskmaster.getFigures()["loop_busy_s"])

    spent = []
    for _ in range(3):
        threading.Event().wait(0.6)  # a page is good for half a second
        before = busy_s()
        text = got(many, "/metrics")[1].decode()
        spent.append(busy_s() - before)
        assert len(re.findall(r"^tmd_process_up\{.*\} 1$", text, re.MULTILINE)) == COUNT
        assert len(re.findall(r"^tmd_process_open_fds\{.*\} \d+$", text, re.MULTILINE)) == COUNT
    assert min(spent) < 0.1, spent


class Watcher(threading.Thread):
    """Open pages: notes when each of them hears something."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(name="watcher")
        self._sockets: list[socket.socket] = []
        for _ in range(READERS):
            opened = socket.socket(socket.AF_UNIX)
            opened.settimeout(20)
            opened.connect(str(rig.socket))
            opened.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self._sockets.append(opened)
        self._tails = dict.fromkeys(self._sockets, b"")
        self.heard: dict[bytes, dict[socket.socket, float]] = {}
        self._stopping = False

    def run(self) -> None:
        import select

        poll = select.poll()
        by_fd = {opened.fileno(): opened for opened in self._sockets}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        while not self._stopping:
            for fd, _ in poll.poll(100):
                opened = by_fd[fd]
                data = opened.recv(1 << 20)
                if not data:
                    poll.unregister(fd)
                    continue
                text = self._tails[opened] + data
                now = time.perf_counter()
                for mark, seen in self.heard.items():
                    if mark in text:
                        seen.setdefault(opened, now)
                self._tails[opened] = text[-200:]

    def close(self) -> None:
        self._stopping = True
        self.join()
        for opened in self._sockets:
            opened.close()


@pytest.fixture
def watcher(many: Rig) -> Iterator[Watcher]:
    watcher = Watcher(many)
    watcher.heard[b"event: snapshot"] = {}
    watcher.start()
    yield watcher
    watcher.close()


def test_a_change_reaches_all_open_pages_at_once(many: Rig, watcher: Watcher) -> None:
    eventually(lambda: len(watcher.heard[b"event: snapshot"]) == READERS, 20)
    took_s = []
    for at in range(ROUNDS):
        pid = many.pid("x")
        mark = b'"process":"x","name":"x","state":20,"statename":"RUNNING"'
        watcher.heard = {mark: {}}
        began = time.perf_counter()
        assert many.rpc.taskmaster.restartProcesses(["x"], False) is not None
        eventually(lambda mark=mark: len(watcher.heard[mark]) == READERS, 20, what=f"round {at}")  # type: ignore[misc]
        took_s.append(max(watcher.heard[mark].values()) - began)
        many.until_new_pid("x", pid)
    print("change to the last page, ms:", *(f"{each * 1000:.1f}" for each in took_s))
    assert statistics.median(took_s) < 0.1
