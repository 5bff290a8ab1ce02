"""`taskmaster.getGauges`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import NOW, FakeDaemon, group_of, spec_of
from tmd.core.ends import End
from tmd.core.gauge import Counts, Gauge
from tmd.http.gauges import KEEP_S
from tmd.http.rpc import Pending
from tmd.posix.loop import Loop
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState
from tmd.wire.structs import GAUGE, MAX_INT

WEB = ProcessId("web", "web")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    loop = Loop()
    daemon = FakeDaemon(tmp_path, loop)
    daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    daemon.add(group_of("g", spec_of("a", "g"), spec_of("<b>", "g")), ProcessState.STOPPED)
    daemon.gauges.table[WEB] = Gauge(NOW, 12.5, 3.25, 4096 * 1024, 7, 42, 3)
    daemon.counters.table[WEB] = Counts(5, {"unexpected": 3, "asked": 1})
    yield daemon
    loop.close()


@pytest.fixture
def ask(daemon: FakeDaemon) -> Asker:
    return Asker(daemon)


def test_all_that_is_known_of_a_process(daemon: FakeDaemon, ask: Asker) -> None:
    (told,) = ask("taskmaster.getGauges", ["web"])
    assert told == {
        "name": "web",
        "group": "web",
        "process": "web",
        "state": 20,
        "statename": "RUNNING",
        "pid": daemon.table[WEB].pid,
        "uptime_s": 500,
        "cpu_percent": 12.5,
        "cpu_ms": 3250,
        "rss_kib": 4096,
        "threads": 7,
        "fds": 42,
        "processes": 3,
        "starts": 5,
        "restarts": 4,
        "last_end": "",
    }
    assert list(told) == [field.name for field in GAUGE]


def test_how_it_ended_last(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.history.past[WEB] = [End(at=NOW - 5, how="exited", code=3, pid=9, started_at=NOW - 8, uptime_s=3.0)]
    (told,) = ask("taskmaster.getGauges", ["web"])
    assert "exit status 3" in told["last_end"] or "code 3" in told["last_end"]


def test_what_does_not_run_uses_nothing(ask: Asker) -> None:
    told = {item["process"]: item for item in ask("taskmaster.getGauges")}
    assert set(told) == {"web", "a", "<b>"}
    for key in ("pid", "uptime_s", "cpu_percent", "cpu_ms", "rss_kib", "threads", "fds", "processes"):
        assert told["<b>"][key] == 0


@pytest.mark.parametrize(
    ("names", "processes"),
    [
        (["g:*"], ["a", "<b>"]),
        (["g:a", "web"], ["a", "web"]),
        (["g:a", "g:*", "g:a"], ["a", "<b>"]),
        (["all"], ["<b>", "a", "web"]),
    ],
)
def test_some_of_them(ask: Asker, names: list[str], processes: list[str]) -> None:
    assert [item["process"] for item in ask("taskmaster.getGauges", names)] == processes


def test_an_unknown_name_is_refused_and_nothing_is_measured(daemon: FakeDaemon, ask: Asker) -> None:
    assert ask.fault("taskmaster.getGauges", ["web", "nobody"]) == "10 BAD_NAME: nobody"
    assert ask.fault("taskmaster.getGauges", [1]).startswith("2 ")
    assert daemon.gauges.asked == []
    assert daemon.gauges.watchers == 0


def test_numbers_stop_where_integers_do(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.gauges.table[WEB] = Gauge(NOW, 1e5, 1e9, 2**50, 2**40, 1, 1)
    (told,) = ask("taskmaster.getGauges", ["web"])
    assert told["cpu_ms"] == told["rss_kib"] == told["threads"] == MAX_INT


def test_a_process_that_went_while_it_was_measured_is_a_bad_name(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.gauges.hold = True
    pending: Any = ask("taskmaster.getGauges", ["web"])
    assert isinstance(pending, Pending)
    del daemon.table[WEB]
    daemon.gauges.asked[0].resolve(None)
    with pytest.raises(Exception, match="BAD_NAME"):
        pending.outcome()


def test_each_call_keeps_measuring_going_and_then_it_ends(daemon: FakeDaemon, ask: Asker) -> None:
    timers: list[tuple[float, Any]] = []

    def call_later(delay_s: float, callback: Any) -> Any:
        entry = (delay_s, callback)
        timers.append(entry)
        return lambda: timers.remove(entry)

    daemon.call_later = call_later  # type: ignore[method-assign]
    for _ in range(3):
        ask("taskmaster.getGauges")
    assert daemon.gauges.watchers == 1
    ((delay_s, expire),) = timers
    assert delay_s == KEEP_S
    timers.clear()
    expire()
    assert daemon.gauges.watchers == 0
    ask("taskmaster.getGauges")
    assert daemon.gauges.watchers == 1
