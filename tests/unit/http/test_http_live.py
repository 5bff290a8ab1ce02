"""Streams for pages: snapshots, changes, resuming, slow and vanished readers, logs."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import eventually
from tests.unit.http.fake_daemon import NOW, group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.core import notices as n
from tmd.core.gauge import Gauge
from tmd.http import live, live_log
from tmd.wire.names import ProcessId
from tmd.wire.states import DaemonState, ProcessState

WEB = ProcessId("web", "web")


class Page:
    """A browser's EventSource, as far as needed."""

    def __init__(self, serving: Serving, path: str = "/live", **headers: str) -> None:
        self.socket = serving.connect()
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n{lines}\r\n".encode())
        self._buffer = b""
        self.last_id = ""
        self.head = self._until(b"\r\n\r\n").decode()

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self._buffer)
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def next(self, *kinds: str) -> tuple[str, Any]:
        """Return the next event of one of the kinds, of any if none is given."""
        while True:
            fields: dict[str, str] = {}
            for line in self._until(b"\n\n").decode().split("\n"):
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            self.last_id = fields.get("id", self.last_id)
            if "event" in fields and (not kinds or fields["event"] in kinds):
                return fields["event"], json.loads(fields["data"])

    def value(self, kind: str) -> Any:
        return self.next(kind)[1]


def change(serving: Serving, state: ProcessState, id_: ProcessId = WEB) -> None:
    def work() -> None:
        serving.daemon.change(id_.process, id_.group, state=state)
        serving.daemon.tell(n.ProcessRunning(id_, ProcessState.STARTING, 1))

    serving.in_loop(work)


def test_everything_first_then_what_changes(serving: Serving) -> None:
    with Page(serving) as page:
        assert "text/event-stream" in page.head
        kind, about = page.next()
        assert kind == "daemon"
        assert about["state"] == "RUNNING"
        assert about["controls"] is True
        kind, snapshot = page.next()
        assert kind == "snapshot"
        assert snapshot["groups"] == ["idle", "g", "web"]
        assert [process["name"] for process in snapshot["processes"]] == ["idle", "g:a", "g:b", "web"]
        web = snapshot["processes"][-1]
        assert (web["statename"], web["pid"], web["group"], web["since"]) == ("RUNNING", 100, "web", NOW - 500)
        change(serving, ProcessState.STOPPING)
        told = page.value("process")
        assert (told["name"], told["statename"], told["state"]) == ("web", "STOPPING", 40)


def test_processes_and_groups_that_come_and_go(serving: Serving) -> None:
    def come() -> None:
        serving.daemon.add(group_of("new", spec_of("new"), priority=1))
        serving.daemon.tell(n.ProcessAdded(ProcessId("new", "new")))
        serving.daemon.tell(n.GroupAdded("new"))

    def go() -> None:
        del serving.daemon.table[ProcessId("new", "new")]
        del serving.daemon.specs["new"]
        serving.daemon.tell(n.ProcessRemoved(ProcessId("new", "new")))
        serving.daemon.tell(n.GroupRemoved("new"))

    with Page(serving) as page:
        page.value("snapshot")
        serving.in_loop(come)
        assert page.value("process")["name"] == "new"
        assert page.value("groups")["groups"] == ["new", "idle", "g", "web"]
        serving.in_loop(go)
        assert page.value("gone") == {"group": "new", "process": "new", "name": "new"}
        assert page.value("groups")["groups"] == ["idle", "g", "web"]


def test_the_daemon_going_down_is_told(serving: Serving) -> None:
    def down() -> None:
        serving.daemon.state = DaemonState.SHUTDOWN
        serving.daemon.tell(n.DaemonStopping())

    with Page(serving) as page:
        page.value("snapshot")
        serving.in_loop(down)
        assert page.value("daemon")["state"] == "SHUTDOWN"


def test_figures_only_while_somebody_looks(serving: Serving) -> None:
    gauges = serving.daemon.gauges
    gauges.table[WEB] = Gauge(NOW, 1.26, 3.0, 2048 * 1024, 4, 10, 2)
    gauges.rings[WEB] = (Gauge(NOW, 7.0, 3.0, 1024, 1, 1, 1),)
    assert gauges.watchers == 0
    with Page(serving) as page:
        assert page.value("trends") == {"every_s": 2, "of": {"web": [[7.0, 1]]}}
        assert page.value("gauges")["of"] == {"web": [1.3, 2048, 4, 10, 2]}
        with Page(serving) as other:
            other.value("gauges")
            assert gauges.watchers == 1
        gauges.table[ProcessId("g", "a")] = Gauge(NOW, 0.0, 0.0, 1024, 1, -1, 1)
        serving.in_loop(gauges.sample)
        assert page.value("gauges")["of"]["g:a"] == [0.0, 1, 1, -1, 1]
    eventually(lambda: gauges.watchers == 0 and not gauges.callbacks)


def test_a_page_goes_on_where_it_was(serving: Serving) -> None:
    with Page(serving) as page:
        page.value("snapshot")
        change(serving, ProcessState.STOPPING)
        page.value("process")
        last = page.last_id
    change(serving, ProcessState.STOPPED)
    for headers, path in (({"Last_Event_ID": last}, "/live"), ({}, f"/live?after={last}")):
        with Page(serving, path, **headers) as page:
            assert page.next("process", "snapshot")[1]["statename"] == "STOPPED"


def test_a_page_that_was_away_is_told_the_figures_it_missed(serving: Serving) -> None:
    serving.daemon.gauges.rings[WEB] = tuple(Gauge(NOW + at, float(at), 0.0, 1024 * at, 1, 1, 1) for at in range(3))
    with Page(serving) as page:
        page.value("snapshot")
        last = page.last_id
    with Page(serving, f"/live?after={last}") as page:
        kind, told = page.next("snapshot", "trends")
        assert kind == "trends"
        assert told["of"] == {"web": [[0.0, 0], [1.0, 1], [2.0, 2]]}


@pytest.mark.parametrize(
    "last", ["", "x", "0-1", "zzz-99999999999999999999", "{epoch}-99", "{epoch}--1", "{epoch}-1e2"]
)
def test_ids_of_nobody_get_a_snapshot(serving: Serving, last: str) -> None:
    with Page(serving) as first:
        first.value("snapshot")
        epoch = first.last_id.partition("-")[0]
        with Page(serving, Last_Event_ID=last.format(epoch=epoch)) as page:
            assert page.next("process", "snapshot")[0] == "snapshot"


def test_too_long_ago_gets_a_snapshot(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    with Page(serving) as page:
        page.value("snapshot")
        change(serving, ProcessState.STOPPING)
        page.value("process")
        first = page.last_id
        for _ in range(3):
            for state in (ProcessState.STOPPED, ProcessState.STARTING):
                change(serving, state)
                assert page.value("process")["state"] == state
        with Page(serving, Last_Event_ID=first) as second:
            assert second.next("process", "snapshot")[0] == "process"
        feed = serving.services.common().feed
        serving.in_loop(lambda: [feed._kept.popleft() for _ in range(2)])
        with Page(serving, Last_Event_ID=first) as third:
            assert third.next("process", "snapshot")[0] == "snapshot"


def test_a_feed_nobody_reads_falls_asleep(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmd.http.feed.LINGER_S", 0.05)
    with Page(serving) as page:
        page.value("snapshot")
        assert len(serving.daemon.hearers) == 1
    eventually(lambda: not serving.daemon.hearers)
    assert not serving.services.common().feed.awake


def test_200_pages_that_go_away_in_the_middle(serve: Callable[..., Serving]) -> None:
    serving = serve(family="inet")
    serving.daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    pages = [Page(serving) for _ in range(200)]
    for page in pages:
        page.value("snapshot")
    change(serving, ProcessState.STOPPING)
    for page in pages[:50]:
        assert page.value("process")["statename"] == "STOPPING"
    for at, page in enumerate(pages):
        if at % 2:
            page.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset
        page.close()
    change(serving, ProcessState.STOPPED)
    eventually(lambda: len(serving.services.common().feed) == 0)
    eventually(lambda: len(serving.server) == 0)
    assert serving.get("/ok.html")[0] == 200
    assert serving.daemon.errors == []


def test_too_many_pages_leave_room_for_questions(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("tmd.http.site").http.site.MAX_STREAMS, "unix", 3)
    serving = serve()
    pages = [Page(serving) for _ in range(3)]
    with Page(serving) as refused:
        assert refused.status == 503
        assert "Retry-After: 5" in refused.head
    assert serving.get("/ok.html")[0] == 200
    assert serving.get("/")[0] == 200
    pages.pop().close()
    eventually(lambda: _status(serving) == 200)
    for page in pages:
        page.close()


def _status(serving: Serving) -> int:
    with Page(serving) as page:
        return page.status


def test_a_slow_reader_misses_nothing_that_counts_and_waits_for_no_memory(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FULL_BYTES", 1000)
    slow = Page(serving)
    slow.value("snapshot")
    feed = serving.services.common().feed
    (reader,) = feed._readers
    assert isinstance(reader, live.Overview)
    states = [ProcessState.STOPPED, ProcessState.STARTING, ProcessState.RUNNING]

    def storm() -> None:
        for at in range(300):
            serving.daemon.change("web", "web", state=states[at % 3], spawnerr="x" * 8000)
            serving.daemon.tell(n.ProcessRunning(WEB, ProcessState.STARTING, 1))
            serving.daemon.change("web", "web", state=ProcessState.FATAL)
            feed.flush()

    serving.in_loop(storm)
    backlog = serving.in_loop(lambda: reader.stream.backlog)
    assert 0 < backlog < 100_000
    serving.in_loop(lambda: serving.daemon.change("web", "web", state=ProcessState.UNKNOWN, spawnerr=""))
    change(serving, ProcessState.UNKNOWN)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        kind, told = slow.next("process", "snapshot")
        seen = told if kind == "process" else told["processes"][-1]
        if seen["statename"] == "UNKNOWN":
            break
    else:
        raise AssertionError("the last state was never told")
    slow.close()


def test_a_stuck_reader_is_dropped(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PATIENCE_S", 0.05)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    serving.daemon.change("web", "web", state=ProcessState.FATAL, spawnerr="x" * 3_000_000)
    stuck = Page(serving)
    eventually(lambda: len(serving.server) == 0)
    stuck.close()
    assert len(serving.services.common().feed) == 0


def test_heartbeats(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.02)
    with Page(serving) as page:
        page.value("gauges")
        assert page._until(b":\n\n") == b""


@pytest.mark.parametrize("path", ["/live", "/live/log", "/live/program/web", "/download/main"])
def test_streams_are_only_got(serving: Serving, path: str) -> None:
    (serving.daemon.directory / "main.log").write_bytes(b"x")
    for method in ("POST", "HEAD"):
        assert serving.get(path, method)[0] == 405


# --- logs ------------------------------------------------------------------------------------------------------------


def test_the_log_of_the_daemon_as_it_grows(serving: Serving) -> None:
    log = serving.daemon.directory / "main.log"
    log.write_bytes(b"one\n<b>two</b>\n")
    with Page(serving, "/live/log") as page:
        assert page.value("log") == {"stream": "main", "lines": ["one", "<b>two</b>"], "open": False}
        with log.open("ab") as file:
            file.write(b"data: x\n\nevent: gone\x1b[0m")
        assert page.value("log") == {"stream": "main", "lines": ["data: x", "", "event: gone\x1b[0m"], "open": True}


def test_a_program_page_gets_all_in_one_stream(serving: Serving) -> None:
    directory = serving.daemon.directory
    (directory / "web.out").write_bytes(b"out\n")
    with Page(serving, "/live/program/web:web") as page:
        assert page.next("daemon")[1]["controls"] is True
        snapshot = page.value("snapshot")
        assert [process["name"] for process in snapshot["processes"]] == ["web"]
        assert page.value("log")["lines"] == ["out"]
        assert page.value("log_none")["stream"] == "stderr"
        (directory / "web.err").write_bytes(b"late\n")  # it is there as soon as something is said
        assert page.value("log") == {"stream": "stderr", "lines": ["late"], "open": False}
        change(serving, ProcessState.STOPPED, ProcessId("g", "a"))
        change(serving, ProcessState.STOPPED)
        assert page.value("process")["name"] == "web"
        serving.daemon.change("web", "web", stdout_logfile=str(directory / "other.out"))
        (directory / "other.out").write_bytes(b"elsewhere\n")
        change(serving, ProcessState.RUNNING)
        assert page.value("log")["lines"] == ["elsewhere"]

        def go() -> None:
            del serving.daemon.table[WEB]
            serving.daemon.tell(n.ProcessRemoved(WEB))

        serving.in_loop(go)
        assert page.value("gone")["name"] == "web"


def test_a_log_goes_on_after_the_last_event_over_a_rotation(serving: Serving) -> None:
    log = serving.daemon.directory / "web.out"
    log.write_bytes(b"one\n")
    with Page(serving, "/live/log/web:web/stdout") as page:
        assert page.value("log")["lines"] == ["one"]
        last = page.last_id
    with log.open("ab") as file:
        file.write(b"two\n")
    log.rename(f"{log}.1")
    log.write_bytes(b"three\n")
    seen: list[str] = []
    with Page(serving, "/live/log/web:web/stdout", Last_Event_ID=last) as page:
        while len(seen) < 2:
            seen += page.value("log")["lines"]
    assert seen == ["two", "three"]


@pytest.mark.parametrize("last", ["stdout=1.1", "stdout=x", "stdout=99999999999999999999.1", "stderr=1.0", "=", "\x7f"])
def test_places_of_nobody_get_the_end_of_the_log(serving: Serving, last: str) -> None:
    (serving.daemon.directory / "web.out").write_bytes(b"one\ntwo\n")
    with Page(serving, "/live/log/web:web/stdout", Last_Event_ID=last) as page:
        assert page.value("log")["lines"] == ["one", "two"]


def test_truncation_is_told(serving: Serving) -> None:
    log = serving.daemon.directory / "web.out"
    log.write_bytes(b"one\ntwo\n")
    with Page(serving, "/live/log/web/stdout") as page:
        page.value("log")
        log.write_bytes(b"new\n")
        assert page.value("log_gap") == {"stream": "stdout", "skipped": 0, "why": "truncated"}
        assert page.value("log")["lines"] == ["new"]


def test_a_log_that_grows_too_fast_has_its_middle_left_out(serving: Serving) -> None:
    log = serving.daemon.directory / "web.out"
    log.write_bytes(b"one\n")
    with Page(serving, "/live/log/web/stdout") as page:
        page.value("log")

        def grow() -> None:  # in the loop, which looks at all of it or at nothing
            with log.open("ab") as file:
                file.write(b"x" * 99 + b"\n" + b"y" * 5_000_000 + b"\nlast\n")

        serving.in_loop(grow)
        gap = page.value("log_gap")
        assert gap["why"] == "behind"
        assert gap["skipped"] > 4_000_000
        assert page.value("log")["lines"] == ["last"]


def test_a_line_of_any_length_is_cut(serving: Serving) -> None:
    log = serving.daemon.directory / "web.out"
    with log.open("wb") as file:
        file.truncate(2 * 1024**3)  # one line, all zeros, and no block on the disk
    with Page(serving, "/live/log/web/stdout") as page:
        (line,) = page.value("log")["lines"]
        assert len(line) < 17_000


@pytest.mark.parametrize("last", ["0", "5", "99999999999", "-1", "x"])
def test_how_much_of_the_past_can_be_asked_for(serving: Serving, last: str) -> None:
    (serving.daemon.directory / "web.out").write_bytes(b"one\ntwo\n")
    with Page(serving, f"/live/log/web/stdout?last={last}") as page:
        if last != "0":
            assert page.value("log")["lines"][-1] == "two"


def test_a_program_page_that_is_behind_is_told_the_last_state(serving: Serving) -> None:
    elsewhere = serving.daemon.directory / "elsewhere.out"
    elsewhere.write_bytes(b"over here\n")
    with Page(serving, "/live/program/web") as slow:
        slow.value("snapshot")
        (reader,) = serving.services.common().feed._readers
        assert isinstance(reader, live_log.LogPage)

        def fall_behind() -> None:
            reader.stream.write(b":" + b"x" * 4_000_000 + b"\n\n")
            assert reader.stream.backlog > live.FULL_BYTES
            serving.daemon.change("web", "web", state=ProcessState.FATAL, stdout_logfile=str(elsewhere))
            serving.daemon.tell(n.ProcessFatal(WEB, ProcessState.BACKOFF, 3, "no such file"))
            serving.services.common().feed.flush()

        serving.in_loop(fall_behind)
        assert slow.value("process")["statename"] == "FATAL"
        assert slow.value("log")["lines"] == ["over here"]

        def go() -> None:
            reader.stream.write(b":" + b"x" * 4_000_000 + b"\n\n")
            del serving.daemon.table[WEB]
            serving.daemon.tell(n.ProcessRemoved(WEB))
            serving.services.common().feed.flush()

        serving.in_loop(go)
        assert slow.value("gone")["name"] == "web"


def test_a_stuck_log_reader_is_not_read_for(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PATIENCE_S", 0.1)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(live_log, "MAX_BEHIND_BYTES", 1 << 40)
    log = serving.daemon.directory / "web.out"
    log.write_bytes(b"z" * 999 + b"\n")
    page = Page(serving, "/live/log/web/stdout")
    with log.open("ab") as file:
        file.write((b"z" * 999 + b"\n") * 20_000)
    eventually(lambda: len(serving.server) == 0, 20)
    page.close()


@pytest.mark.parametrize(
    "path", ["/live/log/none/stdout", "/live/log/web/stdin", "/live/program/none", "/download/x/stdout"]
)
def test_logs_of_nobody(serving: Serving, path: str) -> None:
    assert serving.get(path)[0] == 404


def test_downloads(serving: Serving) -> None:
    directory = serving.daemon.directory
    data = bytes(range(256)) * 20_000
    (directory / "web.out").write_bytes(data)
    (directory / "main.log").write_bytes(b"main\n")
    status, headers, body = serving.get("/download/web:web/stdout")
    assert (status, body) == (200, data)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == 'attachment; filename="web-stdout.log"'
    assert serving.get("/download/main")[2] == b"main\n"
    assert serving.get("/download/web:web/stderr")[0] == 404


def test_a_downloads_name_is_harmless(serving: Serving) -> None:
    name = 'a"; x=\r\nSet-Cookie: y'
    serving.daemon.add(group_of("h", spec_of(name, "h")), ProcessState.RUNNING)
    serving.daemon.change(name, "h", stdout_logfile=str(serving.daemon.directory / "h.out"))
    (serving.daemon.directory / "h.out").write_bytes(b"")
    status, headers, _ = serving.get("/download/h:a%22%3B%20x%3D%0D%0ASet-Cookie%3A%20y/stdout")
    assert status in (200, 404)
    assert "Set-Cookie" not in headers


def test_the_end_of_the_server_ends_the_streams(serving: Serving) -> None:
    (serving.daemon.directory / "main.log").write_bytes(b"main\n")
    with Page(serving) as page, Page(serving, "/live/log") as log:
        page.value("gauges")
        log.value("log")
        serving.in_loop(lambda: serving.server.drain(5, lambda: None))
        for each in (page, log):
            with pytest.raises(EOFError):
                each.value("never")
