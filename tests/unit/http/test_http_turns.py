"""What clients may cost in one turn of the loop, and that everybody has his turn."""

import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from tests.support import eventually
from tests.unit.http.fake_daemon import group_of, spec_of
from tests.unit.http.serving import Serving, call_body, read_all
from tmd.config.settings import Dialect
from tmd.http import server as server_module
from tmd.http import web
from tmd.http.pages.dashboard import dashboard
from tmd.http.replies import Exchange
from tmd.http.site import Site
from tmd.http.turns import AT_ONCE_S, Turns
from tmd.wire.states import ProcessState

MIB = 1024 * 1024
COST_S = 0.004
"""of each answer of a server that `costly` has made slow"""


class FakeLoop:
    """Turns and time by hand."""

    def __init__(self) -> None:
        self.turn = 0
        self.time = 0.0
        self.soon: list[Callable[[], None]] = []

    def now(self) -> float:
        return self.time

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def next_turn(self) -> None:
        self.turn += 1
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()


def test_a_turn_is_used_up_and_the_next_one_is_new() -> None:
    loop = FakeLoop()
    turns = Turns(loop)
    assert turns.free()
    loop.time += AT_ONCE_S
    assert not turns.free()
    loop.next_turn()
    assert turns.free()


def test_who_waits_goes_on_in_order_and_nobody_overtakes() -> None:
    loop, done = FakeLoop(), list[int]()
    turns = Turns(loop)

    def step(number: int) -> Callable[[], None]:
        def take() -> None:
            loop.time += AT_ONCE_S * 0.6
            done.append(number)

        return take

    for number in range(5):
        turns.ask(step(number))
    assert (done, len(turns)) == ([], 5)
    loop.next_turn()
    assert done == [0, 1], "two steps use the turn up"
    assert not turns.free(), "others wait"
    loop.next_turn()
    loop.next_turn()
    assert done == [0, 1, 2, 3, 4]
    assert loop.soon == []


def test_who_asks_and_who_is_sent_something_go_on_by_turns() -> None:
    loop, done = FakeLoop(), list[str]()
    turns = Turns(loop)
    for number in range(3):
        turns.send(lambda number=number: done.append(f"piece {number}"))  # type: ignore[misc]
    assert turns.free(), "a long reply keeps nobody from asking"
    for number in range(2):
        turns.ask(lambda number=number: done.append(f"request {number}"))  # type: ignore[misc]
    loop.next_turn()
    assert done == ["request 0", "piece 0", "request 1", "piece 1", "piece 2"]


def test_one_goes_on_in_a_turn_whose_time_is_over() -> None:
    loop, done = FakeLoop(), list[int]()
    turns = Turns(loop)
    turns.ask(lambda: done.append(1))
    loop.turn += 1
    assert not turns.free()
    loop.time += 1
    loop.soon.pop()()
    assert done == [1]


def test_a_step_that_fails_keeps_nobody_else_from_his_turn() -> None:
    loop, done = FakeLoop(), list[int]()
    turns = Turns(loop)
    turns.ask(lambda: done.append(1 // 0))
    turns.ask(lambda: done.append(2))
    with pytest.raises(ZeroDivisionError):
        loop.next_turn()
    loop.next_turn()
    assert done == [2]


# --- the server ---------------------------------------------------------------------------------------------------


class Costly:
    """A server each of whose answers takes the loop some milliseconds."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.server = serving.server
        self.loop = serving.loop
        self.connect = serving.connect
        self.answered: list[tuple[int, int]] = []
        """in which turn of the loop each was answered, and in which version of HTTP"""

    def answer(self, exchange: Exchange) -> None:
        """Note and delay one answer."""
        self.answered.append((self.loop.turn, exchange.head.minor))
        until = self.loop.now() + COST_S
        while self.loop.now() < until:
            os.getpid()

    @property
    def most_at_once(self) -> int:
        """How many answers one turn of the loop has made at most."""
        return max(Counter(turn for turn, _ in self.answered).values())


@pytest.fixture
def costly(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Costly:
    costly, answer = Costly(serving), Site.answer

    def slowly(site: Site, exchange: Exchange) -> None:
        costly.answer(exchange)
        answer(site, exchange)

    monkeypatch.setattr(Site, "answer", slowly)
    return costly


@contextmanager
def held(costly: Costly) -> Iterator[None]:
    """Keep the loop from looking at anything meanwhile."""
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go.wait(10)

    costly.loop.post(hold)
    assert begun.wait(10)
    yield
    go.set()


AT_MOST = 3
"""answers in one turn: a second one is begun within `AT_ONCE_S`, a third by whoever waits since the turn before"""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_requests_sent_ahead_leave_the_loop_to_others(costly: Costly, method: str) -> None:
    with costly.connect(30) as client:
        with held(costly):
            client.sendall(f"{method} /ok.html HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 300)
            client.shutdown(socket.SHUT_WR)
        assert read_all(client).count(b"HTTP/1.1 200 OK") == 300
    assert costly.most_at_once <= AT_MOST


def test_many_clients_at_once_leave_the_loop_to_others(costly: Costly) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(costly.connect(30)) for _ in range(200)]
        assert eventually(lambda: len(costly.server) == 200, 10)
        with held(costly):  # all have asked before the loop looks at one of them
            for client in clients:
                client.sendall(b"GET /ok.html HTTP/1.0\r\n\r\n")
        assert all(read_all(client).endswith(b"OK") for client in clients)
    assert len(costly.answered) == 200
    assert costly.most_at_once <= AT_MOST


def test_who_asks_once_does_not_wait_for_who_asks_ahead(costly: Costly) -> None:
    with costly.connect(30) as greedy, costly.connect(30) as modest:
        assert eventually(lambda: len(costly.server) == 2, 10)
        with held(costly):
            greedy.sendall(b"GET /ok.html HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
            modest.sendall(b"GET /ok.html HTTP/1.0\r\n\r\n")
        assert read_all(modest).endswith(b"OK")
        greedy.shutdown(socket.SHUT_WR)
        assert read_all(greedy).count(b"\r\n\r\nOK") == 500
    before = [minor for _, minor in costly.answered].index(0)
    assert before <= 2 * AT_MOST, "some of the other's are answered before it, not all 500"


def test_who_waits_for_his_turn_is_answered_when_draining(costly: Costly) -> None:
    with costly.connect(30) as client:
        assert eventually(lambda: len(costly.server) == 1, 10)
        waiting: list[int] = []
        drained = threading.Event()

        def drain() -> None:
            waiting.append(len(costly.server.turns))
            costly.server.drain(10, drained.set)

        with held(costly):
            client.sendall(b"GET /ok.html HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
            costly.loop.post(drain)
        answers = read_all(client)
        assert drained.wait(10)
    assert waiting == [1]
    assert 2 <= answers.count(b"\r\n\r\nOK") < 5
    assert answers.count(b"Connection: close") == 1


# --- the dashboard ------------------------------------------------------------------------------------------------


@pytest.fixture
def many(serving: Serving) -> Serving:
    group = group_of("many", *(spec_of(f"p{number}", "many") for number in range(200)))
    serving.in_loop(lambda: serving.daemon.add(group, ProcessState.RUNNING))
    return serving


def count_pages(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []

    def counting(*args: Any) -> Any:
        made.append(args)
        return dashboard(*args)

    monkeypatch.setattr(web, "dashboard", counting)
    return made


def test_no_row_is_made_for_a_head(many: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_pages(monkeypatch)
    status, headers, body = many.get("/", "HEAD")
    assert (status, body, made) == (200, b"", [])
    assert headers["Content-Type"] == "text/html;charset=utf-8"
    assert "Content-Length" not in headers, "it is not known how long it would be"
    assert many.get("/ok.html", "HEAD")[1]["Content-Length"] == "2"


def test_all_who_come_too_many_get_one_page(many: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "CROWDED_S", 60.0)
    made = count_pages(monkeypatch)
    many.in_loop(lambda: setattr(many.daemon, "room", False))
    status, _, first = many.get("/?q=p1")
    assert (status, first.count(b'<tr class="process RUNNING"')) == (200, 111)
    assert many.get("/?q=p1")[2] == first
    assert b'data-token=""' in first or b"data-token" not in first, "what many get has no token"
    status, headers, _ = many.get("/?q=p2")
    assert (status, headers["Retry-After"]) == (503, "5")
    assert len(made) == 1
    many.in_loop(lambda: setattr(many.daemon, "room", True))
    assert many.get("/?q=p1")[2] != first, "who has a stream has a page of his own"
    assert len(made) == 2


def test_the_page_of_all_gets_old(many: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "CROWDED_S", 0.0)
    many.in_loop(lambda: setattr(many.daemon, "room", False))
    assert many.get("/?q=p1")[2].count(b'<tr class="process RUNNING"') == 111
    assert many.get("/?q=p2")[0] == 200


# --- what has come ------------------------------------------------------------------------------------------------


def test_who_holds_most_goes_when_too_much_has_come(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_HELD", 4 * MIB)
    serving = serve()
    head = b"POST /RPC2 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MIB
    body = call_body("supervisor.getPID")
    with ExitStack() as stack:
        honest = stack.enter_context(serving.connect())
        honest.sendall(head + body)
        for _ in range(20):
            client = stack.enter_context(serving.connect())
            with suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(head + b" " * (MIB - 1))
        assert eventually(lambda: serving.server.figures["evicted"] >= 15, 10)
        assert eventually(lambda: serving.in_loop(lambda: serving.server._held) <= 4 * MIB, 10)
        honest.sendall(b" " * (MIB - len(body)))
        assert honest.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert eventually(lambda: len(serving.server) == 0, 10)
    assert serving.in_loop(lambda: serving.server._held) == 0, "what was given up or answered is no longer counted"


def test_less_is_held_for_whoever_comes(serve: Callable[..., Serving]) -> None:
    most = [serve(family="inet", dialect=dialect).server._most_held for dialect in (Dialect.NATIVE, Dialect.SUPERVISOR)]
    assert most == [server_module.MAX_HELD_SHOWING, server_module.MAX_HELD]
    assert most[0] < most[1]


# --- descriptors --------------------------------------------------------------------------------------------------


def test_a_download_that_never_began_gives_its_descriptor_back(serving: Serving) -> None:
    log = serving.daemon.directory / "web.out"
    log.write_bytes(b"x" * 1000)

    def open_logs() -> int:
        found = 0
        for fd in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                found += os.readlink(f"/proc/self/fd/{fd}") == str(log)
        return found

    with serving.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sheet = b"GET /assets/page.css HTTP/1.1\r\nHost: a\r\n\r\n"
        client.sendall(sheet * 16 + b"GET /download/web/stdout HTTP/1.1\r\nHost: a\r\n\r\n")
        assert eventually(lambda: open_logs() == 1, 10)
    assert eventually(lambda: len(serving.server) == 0, 10)
    assert open_logs() == 0
