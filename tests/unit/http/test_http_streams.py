"""Followed logs over real connections."""

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import eventually
from tests.unit.http.serving import Serving, read_all
from tmd.http import streams as streams_module


@pytest.fixture
def log(serving: Serving) -> Path:
    path = serving.daemon.directory / "web.out"
    path.write_bytes(b"begun\n")
    (serving.daemon.directory / "web.err").write_bytes(b"errors\n")
    (serving.daemon.directory / "main.log").write_bytes(b"main\n")
    return path


class Following:
    """A client that follows; `text` is what it was sent, without the frames of the chunks."""

    def __init__(self, serving: Serving, path: str, version: str = "1.1") -> None:
        self.client = serving.connect()
        self.client.sendall(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n\r\n".encode())
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            self.head += self.client.recv(1)
        self._chunked = b"chunked" in self.head
        self._rest = b""
        self.text = b""
        self.ended = False

    def until(self, what: bytes, deadline_s: float = 5.0) -> bytes:
        end = time.monotonic() + deadline_s
        while what not in self.text:
            assert time.monotonic() < end, self.text
            data = self.client.recv(65536)
            assert data, "the stream has ended"
            self.take(data)
        return self.text

    def take(self, data: bytes) -> None:
        if not self._chunked:
            self.text += data
            return
        self._rest += data
        while b"\r\n" in self._rest:
            size, _, after = self._rest.partition(b"\r\n")
            length = int(size, 16)
            if len(after) < length + 2:
                return
            self.ended = length == 0
            self.text += after[:length]
            assert after[length : length + 2] == b"\r\n"
            self._rest = after[length + 2 :]

    def __enter__(self) -> "Following":
        return self

    def __exit__(self, *_why: object) -> None:
        self.client.close()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/logtail/web", b"begun\n"),
        ("/logtail/web/stdout", b"begun\n"),
        ("/logtail/web/stderr", b"errors\n"),
        ("/logtail/web:web", b"begun\n"),
        ("/logtail/web%3Aweb/stdout", b"begun\n"),
        ("/logtail/web?x=1", b"begun\n"),
        ("/mainlogtail", b"main\n"),
    ],
)
def test_a_log_is_followed(serving: Serving, path: str, first: bytes) -> None:
    with Following(serving, path) as following:
        lines = following.head.lower().split(b"\r\n")
        assert lines[0] == b"http/1.1 200 ok"
        assert b"content-type: text/plain;charset=utf-8" in lines
        assert b"transfer-encoding: chunked" in lines
        assert any(line.startswith(b"last-modified: ") for line in lines)
        assert (b"x-accel-buffering: no" in lines) is path.startswith("/logtail")
        assert following.until(first) == first


def test_bytes_come_as_they_are(serving: Serving, log: Path) -> None:
    with Following(serving, "/logtail/web") as following:
        following.until(b"begun\n")
        append(log, b"\xff\xfe\x1b[0m\0\r\n")
        assert following.until(b"\r\n") == b"begun\n\xff\xfe\x1b[0m\0\r\n"


def test_http_1_0_follows_without_chunks(serving: Serving, log: Path) -> None:
    with Following(serving, "/logtail/web", "1.0") as following:
        assert b"chunked" not in following.head
        assert b"Connection: close" in following.head
        following.until(b"begun\n")
        append(log, b"more\n")
        assert following.until(b"more\n") == b"begun\nmore\n"


@pytest.mark.parametrize(
    "path",
    [
        "/logtail", "/logtail/", "/logtail/nope", "/logtail/web/other", "/logtail/web/stdout/x", "/logtail/g:*",
        "/logtail/idle", "/logtail/../../etc/passwd", "/logtail/%2e%2e/etc/passwd", "/logtail/web%00", "/logtail//web",
        "/logtail/web/..", "/mainlogtail",
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_404(serving: Serving, path: str) -> None:
    if path == "/logtail//web":  # what the name means is looked up, not walked to
        path = "/logtail/%2Fweb"
    status, _, body = serving.get(path)
    assert status == 404
    assert b"Error code 404." in body


def test_a_fifo_is_not_followed(serving: Serving) -> None:
    os.mkfifo(serving.daemon.directory / "web.out")
    assert serving.get("/logtail/web")[0] == 404


def test_a_burst_arrives_whole(serving: Serving, log: Path) -> None:
    with Following(serving, "/logtail/web") as following:
        following.until(b"begun\n")
        lines = b"".join(b"line %06d\n" % number for number in range(300_000))
        append(log, lines + b"THE END")
        assert following.until(b"THE END", 10) == b"begun\n" + lines + b"THE END"


def test_rotations_under_a_follower_lose_nothing(serving: Serving, log: Path) -> None:
    expected = b"begun\n"
    with Following(serving, "/logtail/web") as following:
        for number in range(5):
            for older in range(4, 0, -1):
                if Path(f"{log}.{older}").exists():
                    Path(f"{log}.{older}").rename(f"{log}.{older + 1}")
            append(log, b"last of %d\n" % number)
            log.rename(f"{log}.1")
            log.write_bytes(b"first of %d\n" % (number + 1))
            expected += b"last of %d\nfirst of %d\n" % (number, number + 1)
            if number % 2:
                following.until(b"first of %d\n" % (number + 1))
        assert following.until(b"first of 5\n") == expected


def test_truncation_is_said(serving: Serving, log: Path) -> None:
    with Following(serving, "/logtail/web") as following:
        following.until(b"begun\n")
        log.write_bytes(b"x\n")
        assert following.until(b"x\n") == b"begun\n==> File truncated <==\nx\n"


@pytest.mark.usefixtures("log")
def test_nothing_is_looked_at_without_followers(serving: Serving) -> None:
    with Following(serving, "/logtail/web"), Following(serving, "/mainlogtail") as second:
        second.until(b"main\n")
        assert serving.in_loop(lambda: len(serving.daemon.timers)) == 1
    eventually(lambda: len(serving.server) == 0)
    assert serving.in_loop(lambda: len(serving.daemon.timers)) == 0


def test_a_follower_that_leaves_gives_its_descriptors_back(serving: Serving, log: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with Following(serving, "/logtail/web"):
            append(log, b"x")
    eventually(lambda: len(os.listdir("/proc/self/fd")) == before)


def test_many_followers_one_of_them_stuck(serving: Serving, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "PATIENCE_S", 2.0)
    lines = b"x" * (2 << 20) + b"THE END"
    with contextlib.ExitStack() as stack:
        followers = [stack.enter_context(Following(serving, "/logtail/web")) for _ in range(30)]
        stack.enter_context(Following(serving, "/logtail/web"))
        append(log, lines)
        pieces: dict[socket.socket, list[bytes]] = {follower.client: [] for follower in followers}
        waiting = set(pieces)
        while waiting:
            ready, _, _ = select.select(list(waiting), (), (), 5)
            assert ready
            for client in ready:
                data = client.recv(1 << 20)
                assert data, "a follower that reads was dropped"
                pieces[client].append(data)
                if b"".join(pieces[client][-3:]).endswith(b"END\r\n"):
                    waiting.remove(client)
        for follower in followers:
            follower.take(b"".join(pieces[follower.client]))
            assert follower.text == b"begun\n" + lines
        eventually(lambda: len(serving.server) == 30, what="the stuck one is dropped")


def test_a_follower_that_pauses_but_is_not_far_behind_stays(
    serving: Serving, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_module, "PATIENCE_S", 0.0)
    with Following(serving, "/logtail/web") as following:
        append(log, b"x" * 600_000)
        eventually(lambda: serving.in_loop(lambda: any(c.unsent_bytes for c in serving.server._connections)))
        append(log, b"THE END")
        following.until(b"THE END")


@pytest.mark.usefixtures("log")
def test_streams_end_in_order_when_the_server_drains(serving: Serving) -> None:
    with Following(serving, "/logtail/web") as following, Following(serving, "/logtail/web", "1.0") as old:
        following.until(b"begun\n")
        old.until(b"begun\n")
        append(serving.daemon.directory / "web.out", b"last words\n")
        drained: list[bool] = []
        serving.loop.post(lambda: serving.server.drain(5, lambda: drained.append(True)))
        following.take(read_all(following.client))
        assert following.text == b"begun\nlast words\n"
        assert following.ended
        old.take(read_all(old.client))
        assert old.text == b"begun\nlast words\n"
        eventually(lambda: drained)


@pytest.mark.usefixtures("log")
def test_input_after_the_request_is_swallowed(serving: Serving) -> None:
    with Following(serving, "/logtail/web") as following:
        following.client.sendall(b"GET / HTTP/1.1\r\n\r\n" * 1000)
        following.until(b"begun\n")
        assert following.text == b"begun\n"
        following.client.shutdown(socket.SHUT_WR)
        eventually(lambda: len(serving.server) == 0)


def test_the_stock_clients_error_text_is_possible(serve: Callable[..., Serving]) -> None:
    with serve().connect() as client:
        client.sendall(b"GET /logtail/nope HTTP/1.1\r\nHost: x\r\n\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_a_follower_says_how_much_of_what_is_there_it_wants(serving: Serving, log: Path) -> None:
    log.write_bytes(b"0123456789" * 1000)
    with Following(serving, "/logtail/web/stdout?last=4000") as following:
        assert b"Taskmaster-Log-Bytes: 4000\r\nTaskmaster-Log-Size: 10000\r\n" in following.head
        append(log, b"new")
        assert following.until(b"new") == b"0123456789" * 400 + b"new"
    with Following(serving, "/logtail/web/stdout?last=0") as following:
        assert b"Taskmaster-Log-Bytes: 0\r\n" in following.head
    with Following(serving, "/mainlogtail?x=1&last=999999999999") as following:
        assert following.until(b"main\n") == b"main\n"


@pytest.mark.parametrize("query", ["", "?last=all", "?last=-1", "?last=", "?last=9999999999999"])
def test_a_follower_that_says_nothing_of_the_kind_is_answered_as_ever(serving: Serving, log: Path, query: str) -> None:
    log.write_bytes(b"0123456789" * 1000 + b"end")
    with Following(serving, f"/logtail/web/stdout{query}") as following:
        assert b"Taskmaster" not in following.head
        assert len(following.until(b"end")) == 1024
