"""What clients may cost all together: streams, descriptors, unsent bytes, pages of metrics, looks at logs."""

import os
import xmlrpc.client
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually
from tests.unit.http.fake_daemon import FakeDaemon, group_of, spec_of
from tests.unit.http.serving import Serving, call_body, read_all
from tests.unit.http.test_http_live import Page
from tmd.config.settings import Dialect
from tmd.http import live_log, metrics, room
from tmd.http import server as server_module
from tmd.http.log_lines import LogLines
from tmd.wire.states import ProcessState

MIB = 1024 * 1024


@pytest.fixture
def log(serving: Serving) -> Path:
    path = serving.daemon.directory / "web.out"
    path.write_bytes(b"begun\n")
    (serving.daemon.directory / "web.err").write_bytes(b"")
    return path


def status_of(serving: Serving, path: str, method: str = "GET", **headers: str) -> int:
    """Return the status of a reply that may have no end."""
    with serving.connect() as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        client.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{lines}\r\n".encode())
        return int(client.recv(65536).split()[1])


# --- metrics ------------------------------------------------------------------------------------------------------


def count_gathers(monkeypatch: pytest.MonkeyPatch, fail: bool = False) -> list[float]:
    gathered: list[float] = []
    gather = metrics.gather

    def counting(daemon: FakeDaemon, lag_s: float) -> metrics.Facts:
        gathered.append(lag_s)
        if fail:
            raise ValueError("no figures")
        return gather(daemon, lag_s)

    monkeypatch.setattr(metrics, "gather", counting)
    return gathered


def scrape_together(serving: Serving, count: int) -> list[bytes]:
    """Return the answers to scrapes that all wait for the same sample."""
    serving.in_loop(lambda: setattr(serving.daemon.gauges, "hold", True))
    with ExitStack() as stack:
        clients = [stack.enter_context(serving.connect()) for _ in range(count)]
        for client in clients:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert eventually(lambda: bool(serving.daemon.gauges.asked), 5)
        assert eventually(lambda: len(serving.server) == count, 5)
        assert serving.get("/ok.html")[0] == 200

        def resolve() -> None:
            serving.daemon.gauges.hold = False
            for asked in serving.daemon.gauges.asked:
                asked.resolve(None)

        serving.in_loop(resolve)
        return [read_all(client) for client in clients]


def test_scrapes_that_come_together_cost_one_page(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FRESH_S", 60.0)
    gathered = count_gathers(monkeypatch)
    answers = scrape_together(serving, 20)
    assert len(gathered) == 1
    assert len({answer.partition(b"\r\n\r\n")[2] for answer in answers}) == 1
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert serving.get("/metrics")[2] in answers[0], "who asks a little later gets the same"
    assert b"# EOF" in serving.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")[2]
    assert b"node_supervisord_up" in serving.get("/metrics?names=node_exporter")[2]


def test_a_page_of_metrics_gets_old(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FRESH_S", 0.0)
    up = b'tmd_process_up{group="web",process="web",program="web"} %d'
    assert up % 1 in serving.get("/metrics")[2]
    serving.in_loop(lambda: serving.daemon.change("web", state=ProcessState.FATAL))
    assert eventually(lambda: up % 0 in serving.get("/metrics")[2], 5)


def test_a_page_of_metrics_tells_what_has_just_happened(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FRESH_S", 60.0)
    gathered = count_gathers(monkeypatch)
    notices = [1]
    monkeypatch.setattr(serving.daemon, "figures", lambda: {"notices": notices[0]})
    serving.get("/metrics")
    serving.get("/metrics")
    assert len(gathered) == 1
    notices[0] = 2
    serving.get("/metrics")
    assert len(gathered) == 2


def test_all_who_wait_for_metrics_are_told_when_there_are_none(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_gathers(monkeypatch, fail=True)
    answers = scrape_together(serving, 5)
    assert all(answer.startswith(b"HTTP/1.1 500 ") for answer in answers)
    (told,) = serving.daemon.errors
    assert told.startswith("cannot write metrics: ")
    assert "no figures" in told


# --- streams and descriptors --------------------------------------------------------------------------------------


def test_streams_of_all_kinds_are_counted_together(
    serving: Serving, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.daemon.mainlog = str(log)
    monkeypatch.setattr(serving.server._site._room, "_limit", 3)
    with Page(serving), Page(serving, "/logtail/web") as second, Page(serving, "/mainlogtail"):
        assert status_of(serving, "/live") == 503
        assert status_of(serving, "/live/log") == 503
        assert status_of(serving, "/logtail/web") == 503
        assert status_of(serving, "/mainlogtail") == 503
        assert status_of(serving, "/download/main") == 503
        assert serving.get("/")[0] == 200, "there is always room to ask"
        second.close()
        assert eventually(lambda: status_of(serving, "/logtail/web") == 200, 5)


def test_streams_take_at_most_half_of_the_connections() -> None:
    assert room.MAX_STREAMS["inet"] * 2 <= server_module.MAX_TCP
    assert room.MAX_STREAMS["unix"] * 2 <= server_module.MAX_UNIX


def test_no_stream_takes_the_descriptors_that_programs_need(serving: Serving, log: Path) -> None:
    serving.daemon.mainlog = str(log)
    serving.in_loop(lambda: setattr(serving.daemon, "room", False))
    for path in ("/live", "/live/program/web", "/logtail/web", "/mainlogtail", "/download/main"):
        assert status_of(serving, path) == 503, path
    assert serving.get("/")[0] == 200
    with serving.proxy() as proxy:
        assert proxy.supervisor.getState()["statecode"] == 1


def test_tcp_connections_leave_the_descriptors_that_programs_need(serve: Callable[..., Serving]) -> None:
    serving = serve(family="inet")
    serving.in_loop(lambda: setattr(serving.daemon, "room", False))
    with serving.connect() as client:
        assert read_all(client) in (b"", b"<reset>")
    assert serving.server.figures["refused"] == 1
    serving.in_loop(lambda: setattr(serving.daemon, "room", True))
    assert serving.get("/ok.html")[0] == 200


# --- logs that are read -------------------------------------------------------------------------------------------


def test_a_listener_that_only_shows_reads_little_at_once(serve: Callable[..., Serving]) -> None:
    serving = serve(family="inet", dialect=Dialect.NATIVE)
    main = Path(serving.daemon.directory / "main.log")
    main.write_bytes(b"x" * (2 * MIB))
    with serving.proxy() as proxy:
        words = f"cannot read {2 * MIB} bytes at once \\(at most {MIB} over a listener without a password\\)"
        with pytest.raises(xmlrpc.client.Fault, match=words):
            proxy.supervisor.readLog(0, 0)
        assert len(proxy.supervisor.readLog(-MIB, 0)) == MIB


def test_a_listener_that_may_do_everything_reads_more(serving: Serving) -> None:
    (serving.daemon.directory / "main.log").write_bytes(b"x" * (2 * MIB))
    with serving.proxy() as proxy:
        assert len(proxy.supervisor.readLog(0, 0)) == 2 * MIB


def test_a_tail_over_a_listener_that_only_shows_is_short(serve: Callable[..., Serving]) -> None:
    serving = serve(family="inet", dialect=Dialect.NATIVE)
    serving.daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    (serving.daemon.directory / "web.out").write_bytes(b"x" * (3 * MIB))
    with serving.proxy() as proxy:
        text, size, _ = proxy.supervisor.tailProcessStdoutLog("web", 0, 3 * MIB)
    assert (len(text), size) == (MIB, 3 * MIB)


def test_the_one_furthest_behind_goes_when_too_much_is_unsent(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_UNSENT", 12 * MIB)
    serving = serve()
    main = serving.daemon.directory / "main.log"
    main.write_bytes(b"x" * (20 * MIB))
    lesser, greater = (call_body("supervisor.readLog", -size * MIB, 0) for size in (5, 9))
    with serving.connect() as first, serving.connect() as second:
        for client, body in ((first, lesser), (second, greater)):
            client.sendall(b"POST /RPC2 HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert eventually(lambda: serving.server.figures["evicted"] == 1, 10)
        assert len(read_all(second)) < 9 * MIB
        assert len(read_all(first)) > 5 * MIB
    assert serving.server.figures["evicted"] == 1
    with serving.proxy() as proxy:
        assert len(proxy.supervisor.readLog(-9 * MIB, 0)) == 9 * MIB, "what was given up is no longer counted"


# --- pages that follow one log ------------------------------------------------------------------------------------


def lines_of(page: Page, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        found.extend(page.value("log")["lines"])
    return found


def test_what_many_pages_are_told_of_a_log_is_made_once(
    serving: Serving, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[bytes] = []
    feed = LogLines.feed

    def counting(lines: LogLines, data: bytes) -> Any:
        fed.append(data)
        return feed(lines, data)

    monkeypatch.setattr(LogLines, "feed", counting)
    with ExitStack() as stack:
        pages = [stack.enter_context(Page(serving, "/live/program/web")) for _ in range(10)]
        for page in pages:
            assert lines_of(page, 1) == ["begun"]
        with log.open("ab") as file:
            file.write(b"more\n")
        assert [lines_of(page, 1) for page in pages] == [["more"]] * 10
    assert fed.count(b"more\n") == 1


def test_many_pages_are_told_in_several_turns(serving: Serving, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_log, "TELL_AT_ONCE_BYTES", 1)
    turns: list[int] = []
    go_on = live_log.LiveLogs._go_on

    def counting(logs: live_log.LiveLogs) -> None:
        waiting = len(logs._waiting)
        go_on(logs)
        turns.append(waiting - len(logs._waiting))

    monkeypatch.setattr(live_log.LiveLogs, "_go_on", counting)
    with ExitStack() as stack:
        pages = [stack.enter_context(Page(serving, "/live/log/web/stdout")) for _ in range(10)]
        for page in pages:
            assert lines_of(page, 1) == ["begun"]
        turns.clear()
        expected = [str(number) for number in range(200)]
        for number in expected:
            with log.open("ab") as file:
                file.write(f"{number}\n".encode())
        assert [lines_of(page, len(expected)) for page in pages] == [expected] * 10
    assert max(turns) == 1, "each that is told something has a turn of its own"


def test_one_number_on_two_file_systems_is_two_files(
    serving: Serving, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.daemon.add(group_of("far", spec_of("far")), ProcessState.RUNNING)
    far = serving.daemon.directory / "far.out"
    far.write_bytes(b"begun\n")
    near_number, far_number = log.stat().st_ino, far.stat().st_ino

    def moved(status: os.stat_result) -> os.stat_result:
        """Return what would be told if that log were on another file system and had the number of the first one."""
        if status.st_ino != far_number:
            return status
        return os.stat_result((status.st_mode, near_number, status.st_dev + 1, *status[3:]))

    stat, fstat = os.stat, os.fstat
    monkeypatch.setattr(os, "stat", lambda path, **options: moved(stat(path, **options)))
    monkeypatch.setattr(os, "fstat", lambda fd: moved(fstat(fd)))
    with Page(serving, "/live/log/web/stdout") as first, Page(serving, "/live/log/far/stdout") as second:
        for page in (first, second):
            assert lines_of(page, 1) == ["begun"]
        for number in range(20):  # whichever was looked at first
            for path in (log, far):
                with path.open("ab") as file:
                    file.write(b"x" * (number * (7 if path == far else 1)) + b"\n")
        assert lines_of(first, 20) == ["x" * number for number in range(20)]
        assert lines_of(second, 20) == ["x" * (number * 7) for number in range(20)]


def test_an_event_is_shared_only_by_those_at_the_same_place() -> None:
    told = live_log.Told()
    begun, fresh, later = LogLines(), LogLines(), LogLines()
    assert b'"lines":["caf"]' in told.event("stdout", begun, b"caf\xc3")
    first, second = told.event("stdout", begun, b"\xa9\n"), told.event("stdout", fresh, b"\xa9\n")
    assert "é".encode() in first or b"\\u00e9" in first
    assert first != second
    told.event("stdout", later, b"caf\xc3")
    assert told.event("stdout", later, b"\xa9\n") is first
    assert told.event("stderr", LogLines(), b"\xa9\n") != second
