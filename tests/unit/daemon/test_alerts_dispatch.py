"""From notices to sinks, with a real loop, a real drain and places that can be written, are full, or hang."""

import itertools
import json
import queue
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.alerting.servers import WebhookServer, nobody
from tests.support import eventually
from tmd.config.settings import AlertSpec, ProcessSpec
from tmd.core import notices as n
from tmd.core.alerts import Reporter
from tmd.core.inputs import ExitStatus
from tmd.daemon import alerts as alerts_module
from tmd.daemon.alerts import MAX_LEAVING, Alerts, goes_to
from tmd.daemon.bus import Bus
from tmd.daemon.mainlog import MainLog
from tmd.daemon.sinks import SinkView
from tmd.daemon.sinks.courier import MAX_STRAYS
from tmd.daemon.surface import Operation
from tmd.posix.drain import QUEUE_BYTES, Drain, LogTarget
from tmd.posix.loop import Loop
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

T = TypeVar("T")
WEB = ProcessSpec(name="web", group="web", program="web", command="/bin/web")


class Desk:
    """Alerts on a loop that runs; all that belongs to it is asked for through `do`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.lines: list[str] = []
        self.loop = Loop()
        self.running = threading.Thread(target=self.loop.run)
        self.running.start()
        self.drain = Drain(
            post=self.loop.post,
            dropped=self._dropped,
            heard=lambda key, transformed: None,
            syslog_path=str(place / "syslog"),
        )
        self.drain.start()
        mainlog = MainLog(Level.INFO, [lambda _level, _line, text: self.lines.append(text)], time.time)
        self.alerts = Alerts(
            host="box",
            reporter=Reporter({WEB.id: WEB}.get, 77, "1"),
            loop=self.loop,
            drain=self.drain,
            mainlog=mainlog,
            wall=time.time,
            jitter=lambda: 0.0,
        )
        self.bus = Bus(self.loop.now, time.time, self.lines.append)
        self.bus.subscribe(self.alerts.hear)

    def do(self, work: Callable[[], T]) -> T:
        """Return the outcome of something done on the loop."""
        answers: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

        def answer() -> None:
            try:
                answers.put((work(), None))
            except RpcFault as why:
                answers.put((None, why))

        self.loop.post(answer)
        value, why = answers.get(timeout=10)
        if why is not None:
            raise why
        return value  # type: ignore[return-value]

    def apply(self, *specs: AlertSpec) -> None:
        self.do(lambda: self.alerts.apply(specs))

    def tell(self, *notices: n.Notice) -> None:
        for notice in notices:
            self.do(partial(self.bus.publish, notice))

    def view(self, name: str) -> SinkView:
        return next(view for view in self.do(self.alerts.views) if view.name == name)

    def test(self, name: str) -> Operation[str]:
        """Return the outcome of a test."""
        operation = self.do(lambda: self.alerts.test(name))
        eventually(lambda: operation.done, 20)
        return operation

    def finish(self, deadline_s: float) -> float:
        """Finish, and return how long it took."""
        done = threading.Event()
        began = time.monotonic()
        self.do(lambda: self.alerts.finish(deadline_s, done.set))
        assert done.wait(deadline_s + 10)
        return time.monotonic() - began

    def file(self, name: str = "file", **fields: Any) -> AlertSpec:
        return AlertSpec(name=name, kind="file", **{"path": str(self.place / name), **fields})

    def events(self, name: str = "file") -> list[str]:
        path = self.place / name
        return [json.loads(line)["event"] for line in path.read_text().splitlines()] if path.exists() else []

    def close(self) -> None:
        self.do(self.alerts.close)
        self.drain.stop(2.0)
        self.loop.post(self.loop.stop)
        self.running.join()
        self.loop.close()

    def _dropped(self, target: str, count: int, reason: str) -> None:
        if not self.alerts.trouble(target, reason):
            self.lines.append(f"trouble with '{target}': {reason}")
        if count:
            self.bus.publish(n.LogDropped(target, count, reason))


@pytest.fixture
def desk() -> Iterator[Desk]:
    before = set(threading.enumerate())
    with tempfile.TemporaryDirectory(prefix="tm") as place:
        desk = Desk(Path(place))
        yield desk
        desk.close()
    eventually(lambda: set(threading.enumerate()) <= before, what="no thread is left")


@pytest.fixture
def hanging() -> Iterator[str]:
    """The url of a server that takes connections and never answers; it is gone when the test is over."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"


def webhook(url: str, name: str = "webhook", **fields: Any) -> AlertSpec:
    return AlertSpec(name=name, kind="webhook", url=url, **{"timeout": 2.0, **fields})


def spawned(pid: int = 5) -> n.Notice:
    return n.ProcessSpawned(WEB.id, pid)


def fatal(id_: ProcessId = WEB.id) -> n.Notice:
    return n.ProcessFatal(id_, ProcessState.BACKOFF, 4, "Exited too quickly")


# --- files


def test_a_file_gets_a_line_for_each_alert_it_wants(desk: Desk) -> None:
    desk.apply(desk.file(), desk.file("some", events=("process_fatal",)))
    desk.tell(n.DaemonRunning(), spawned(), fatal())
    eventually(lambda: desk.events() == ["daemon_started", "process_started", "process_fatal"])
    eventually(lambda: desk.events("some") == ["process_fatal"])
    assert (desk.place / "file").stat().st_mode & 0o777 == 0o600
    eventually(lambda: desk.view("file").sent == 3)
    assert desk.view("file").waiting == desk.view("file").dropped == 0


def test_the_programs_of_a_sink(desk: Desk) -> None:
    desk.apply(desk.file(programs=("oth*",)))
    desk.tell(fatal(), fatal(ProcessId("other", "one")), n.DaemonStopping())
    eventually(lambda: desk.events() == ["process_fatal", "daemon_stopping"])


def test_a_file_rotates(desk: Desk) -> None:
    desk.apply(desk.file(maxbytes=1000, backups=1))
    for pid in range(20):
        desk.tell(spawned(pid))
    eventually(lambda: desk.view("file").sent == 20)
    kept = [path for path in (desk.place / "file", desk.place / "file.1") if path.exists()]
    assert desk.place / "file.1" in kept
    assert all(json.loads(line) for path in kept for line in path.read_text().splitlines())


def test_a_place_that_comes_late_gets_all_in_order(desk: Desk) -> None:
    desk.apply(desk.file(path=str(desk.place / "later" / "file")))
    desk.tell(*(spawned(pid) for pid in range(50)))
    eventually(lambda: desk.lines)
    assert desk.view("file").waiting == 50
    assert desk.view("file").last_error == "no such file or directory"
    (desk.place / "later").mkdir()
    log = desk.place / "later" / "file"
    eventually(lambda: log.exists() and log.read_text().count("\n") == 50)
    assert [json.loads(line)["payload"]["pid"] for line in log.read_text().splitlines()] == list(range(50))
    desk.tell(spawned())
    eventually(lambda: len(desk.lines) == 2)
    first, last = desk.lines
    assert first == f"cannot deliver alerts to 'file' ({log}): no such file or directory"
    assert last == f"alerts are delivered to 'file' ({log}) again"
    assert (desk.view("file").sent, desk.view("file").waiting) == (51, 0)


def test_a_full_disk_keeps_what_it_may_and_counts_the_rest(desk: Desk) -> None:
    desk.apply(desk.file(path="/dev/full"))
    status = ExitStatus(1)
    reason = "x" * 8000
    big = n.ProcessBackoff(WEB.id, ProcessState.STARTING, 1, reason, 5, status, None)
    count = QUEUE_BYTES // 8000 + 100
    for _ in range(count):
        desk.tell(big)
    view = desk.view("file")
    assert view.dropped > 50
    assert (view.sent, view.waiting + view.dropped) == (0, count)
    eventually(lambda: desk.view("file").last_error == "no space left on device")
    fault = desk.test("file").fault
    assert fault is not None
    assert fault.text.startswith("FAILED: cannot write '/dev/full': no space left on device")
    assert desk.do(lambda: desk.alerts.dropped) == desk.view("file").dropped
    assert [line for line in desk.lines if "trouble" in line] == []


def test_trouble_with_a_place_for_alerts_is_told_elsewhere_only(desk: Desk) -> None:
    desk.apply(desk.file(), desk.file("full", path="/dev/full"), AlertSpec(name="syslog", kind="syslog"))
    for log in ("/dev/full", "syslog", "/var/log/other"):
        desk.tell(n.LogDropped(log, 5, "no space left on device"))
    eventually(lambda: desk.events() == ["log_dropped"])
    assert json.loads((desk.place / "file").read_text())["payload"]["target"] == "/var/log/other"
    assert desk.view("full").waiting == 1
    eventually(lambda: desk.view("syslog").failed == 1)


def test_trouble_with_other_logs_is_not_ours(desk: Desk) -> None:
    desk.apply(desk.file())
    assert not desk.do(lambda: desk.alerts.trouble("/var/log/other", "full"))
    assert desk.do(lambda: desk.alerts.trouble(str(desk.place / "file"), "full"))
    assert desk.view("file").last_error == "full"


# --- syslog


def test_syslog_gets_severity_event_and_json(desk: Desk) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(desk.place / "syslog"))
        log.settimeout(10)
        desk.apply(AlertSpec(name="s", kind="syslog", facility="local3"))
        exited = [
            n.ProcessExited(WEB.id, ProcessState.RUNNING, expected, 5, ExitStatus(1), 1, False)
            for expected in (True, False)
        ]
        desk.tell(fatal(), *exited, n.DaemonRunning())
        got = [log.recv(10_000) for _ in range(4)]
        assert [line[: line.index(b">") + 1] for line in got] == [b"<154>", b"<158>", b"<155>", b"<157>"]
        event, line = got[0].split(b"]: ", 1)[1].split(b" ", 1)
        assert (event, json.loads(line)["host"]) == (b"process_fatal", "box")
        eventually(lambda: desk.view("s").sent == 4)
        assert desk.test("s").value == "taken by syslog (local3)"


def test_a_missing_syslog_is_counted_and_told(desk: Desk) -> None:
    desk.apply(AlertSpec(name="s", kind="syslog"))
    desk.tell(fatal())
    eventually(lambda: desk.view("s").failed == 1)
    assert desk.lines[0].startswith("cannot deliver alerts to 's' (syslog daemon): cannot write to syslog")
    fault = desk.test("s").fault
    assert fault is not None
    assert fault.code is Fault.FAILED


# --- what changes


def test_a_sink_that_goes_to_the_same_place_keeps_what_waits(desk: Desk, hanging: str) -> None:
    desk.apply(webhook(hanging), desk.file())
    desk.tell(*(spawned(pid) for pid in range(5)))
    assert desk.view("webhook").waiting == 5
    desk.apply(desk.file("audit", path=str(desk.place / "file"), maxbytes=5), webhook(hanging, "x", events=("test",)))
    assert desk.do(desk.alerts.names) == ["audit", "x"]
    desk.tell(spawned())
    assert desk.view("x").waiting == 5
    assert desk.view("x").events == ("test",)
    eventually(lambda: desk.view("audit").sent == 6)


def test_a_wrong_url_put_right_takes_along_what_waits(desk: Desk) -> None:
    with WebhookServer() as server:
        desk.apply(webhook(f"http://127.0.0.1:{nobody()}/"))
        desk.tell(*(spawned(pid) for pid in range(3)))
        eventually(lambda: desk.view("webhook").last_error, 20)
        desk.apply(webhook(server.url, secret="s", headers={"X-A": "b"}))
        eventually(lambda: desk.view("webhook").sent == 3, 20)
        assert [alert["payload"]["pid"] for alert in server.alerts] == [0, 1, 2]
        assert all("x-taskmaster-signature-256" in posted.headers for posted in server.posted)
    assert desk.lines[-1] == f"alerts are delivered to 'webhook' (http://localhost:{server.port}/...) again"


def test_a_place_counts_for_more_than_a_name(desk: Desk) -> None:
    refusing = [f"http://127.0.0.1:{nobody()}/{letter}" for letter in "ab"]
    desk.apply(webhook(refusing[0], "a"), webhook(refusing[1], "b", events=("process_fatal",)))
    desk.tell(spawned(), spawned(), fatal())
    assert [desk.view(name).waiting for name in "ab"] == [3, 1]
    desk.apply(webhook(refusing[1], "a"), webhook(refusing[0], "b"), webhook(refusing[0] + "c", "c"))
    assert [desk.view(name).waiting for name in "abc"] == [1, 3, 0]


def test_a_name_of_another_kind_takes_nothing_along(desk: Desk, hanging: str) -> None:
    desk.apply(webhook(hanging, "x"))
    desk.tell(spawned())
    desk.apply(AlertSpec(name="x", kind="email", to=("root",), sendmail="/bin/true"))
    assert desk.view("x").waiting == 0


def test_many_reloads_against_a_sink_that_hangs_leave_a_few_threads(desk: Desk, hanging: str) -> None:
    before = threading.active_count()
    for number in range(40):
        desk.apply(webhook(f"{hanging}/{number}", timeout=3.0))
        desk.tell(spawned())
    assert desk.view("webhook").waiting == 40
    assert threading.active_count() <= before + 1 + MAX_STRAYS


def test_of_many_sinks_that_leave_the_oldest_is_given_up(desk: Desk, hanging: str) -> None:
    for number in range(MAX_LEAVING + 3):
        desk.apply(webhook(f"{hanging}/{number}", f"hook{number}"))
        desk.tell(spawned())
    assert desk.do(lambda: desk.alerts.dropped) == 2
    assert desk.lines == [
        f"alerts for 'hook{number}' ({hanging[:-4]}...), which is no longer configured, are given up: 1"
        for number in (0, 1)
    ]


def test_what_is_removed_hears_nothing_more_and_its_thread_ends(desk: Desk, hanging: str) -> None:
    desk.apply(desk.file(), webhook(hanging))
    desk.tell(spawned())
    eventually(lambda: desk.events() == ["process_started"])
    desk.apply()
    desk.tell(spawned())
    assert desk.do(desk.alerts.views) == []
    eventually(lambda: desk.do(lambda: desk.alerts.dropped) == 1, 20, what="the hanging delivery is given up")
    desk.apply(desk.file())
    desk.tell(fatal())
    eventually(lambda: desk.events() == ["process_started", "process_fatal"])


# --- for clients


def test_a_test_of_a_file(desk: Desk) -> None:
    desk.apply(desk.file(events=("process_fatal",)))
    assert desk.test("file").value == f"written to '{desk.place / 'file'}'"
    assert desk.events() == ["test"]


def test_a_test_of_nothing(desk: Desk) -> None:
    with pytest.raises(RpcFault, match="BAD_NAME: nobody"):
        desk.test("nobody")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com/services/T0/SECRET", "https://hooks.example.com/..."),
        ("https://user:pass@example.com:8443/?token=1", "https://example.com:8443/..."),
        ("http://example.com?token=1", "http://example.com"),
        ("http://example.com", "http://example.com"),
        ("http://example.com/", "http://example.com/"),
        ("http://example.com#SECRET/x", "http://example.com"),
        ("http://example.com/#SECRET", "http://example.com/..."),
        ("http://us:pa@ss@example.com", "http://example.com"),
    ],
)
def test_what_is_shown_of_a_url_is_no_secret(url: str, shown: str) -> None:
    assert goes_to(webhook(url)) == shown


# --- the end


def test_the_end_waits_for_nothing_where_there_is_nothing(desk: Desk) -> None:
    desk.apply(desk.file())
    assert desk.finish(20.0) < 5


def test_the_end_waits_for_what_hangs_but_not_for_long(desk: Desk, hanging: str) -> None:
    desk.apply(webhook(hanging, timeout=30.0), webhook(hanging, "idle", events=("config_rejected",)))
    desk.tell(*(spawned(pid) for pid in range(3)))
    assert 0.5 <= desk.finish(0.5) < 10
    desk.do(desk.alerts.close)
    assert desk.lines == ["alerts not delivered before the end: 3 (webhook: 3)"]
    assert desk.do(lambda: desk.alerts.dropped) == 3


def test_the_end_waits_for_what_is_under_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = itertools.count(1)
    let_go = threading.Event()

    def slowly(alerts: object) -> str:
        let_go.wait(20)
        next(arrived)
        return "done"

    monkeypatch.setattr(alerts_module, "_webhook", lambda spec, host: slowly)
    desk.apply(webhook("http://x"))
    desk.tell(spawned(), spawned())
    threading.Timer(0.3, let_go.set).start()
    assert desk.finish(20.0) < 10
    assert next(arrived) == 3


def test_the_end_does_not_wait_for_who_is_known_to_fail(desk: Desk) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        desk.apply(webhook(f"http://127.0.0.1:{nobody.getsockname()[1]}/"))
        desk.tell(spawned())
        eventually(lambda: desk.view("webhook").last_error, 20)
        assert desk.finish(20.0) < 10


def test_what_a_full_disk_did_not_take_is_told_at_the_end(desk: Desk) -> None:
    desk.apply(desk.file(path="/dev/full"))
    desk.tell(spawned(), spawned())
    eventually(lambda: desk.lines)
    assert desk.finish(20.0) < 5
    desk.do(desk.alerts.close)
    assert "alerts not delivered before the end: 2 (file: 2)" in desk.lines


def test_limits_of_a_file_may_change(desk: Desk) -> None:
    desk.apply(desk.file())
    desk.tell(spawned())
    eventually(lambda: desk.events() == ["process_started"])
    desk.apply(desk.file(maxbytes=100, backups=1))
    desk.tell(spawned(), spawned())
    eventually((desk.place / "file.1").exists)


def test_waiting_bytes_of_a_target_that_nobody_wrote_to(desk: Desk) -> None:
    assert desk.drain.waiting_bytes(LogTarget(str(desk.place / "nothing"))) == 0
