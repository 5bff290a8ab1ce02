"""Notices on the bus, the ledger that hears them, and the log line."""

import time
from typing import Any

import pytest

from tmd.core import notices as n
from tmd.core.inputs import ExitStatus
from tmd.daemon.bus import MAX_CROWD, MAX_ECHOES, Bus, Told, emitted
from tmd.daemon.ledger import Ledger
from tmd.daemon.mainlog import MainLog
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

WEB = ProcessId("web", "web")


class Reports(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def bus(reports: Reports) -> Bus:
    return Bus(lambda: 5.0, lambda: 1000.0, reports)


def test_an_event_of_an_extensions_own() -> None:
    assert emitted("Rolled_Out", "a b: c\n") == n.EventEmitted("ROLLED_OUT", "a b: c\n")


@pytest.mark.parametrize(
    ("name", "payload"), [("a b", ""), ("a:b", ""), ("a\nb", ""), ("", ""), ("\ud800", ""), (7, ""), ("a", b"bytes")]
)
def test_an_event_that_cannot_travel_to_a_listener_is_refused(name: Any, payload: Any) -> None:
    with pytest.raises(RpcFault, match="INCORRECT_PARAMETERS: cannot emit event") as refused:
        emitted(name, payload)
    assert refused.value.code is Fault.INCORRECT_PARAMETERS


def test_notices_are_numbered_and_stamped(bus: Bus) -> None:
    heard: list[Told] = []
    bus.subscribe(heard.append)
    bus.publish(n.GroupAdded("a"))
    bus.publish(n.GroupAdded("b"))
    assert heard == [Told(1, 5.0, 1000.0, n.GroupAdded("a")), Told(2, 5.0, 1000.0, n.GroupAdded("b"))]


def test_who_leaves_hears_no_more(bus: Bus) -> None:
    heard: list[Told] = []
    leave = bus.subscribe(heard.append)
    leave()
    leave()
    bus.publish(n.GroupAdded("a"))
    assert heard == []


@pytest.mark.parametrize(
    "error", [ValueError("broken reader"), SystemExit("broken reader"), GeneratorExit("broken reader")]
)
def test_a_failing_subscriber_is_reported_and_the_others_hear(bus: Bus, reports: Reports, error: BaseException) -> None:
    def bad(_: Told) -> None:
        raise error

    heard: list[Told] = []
    bus.subscribe(bad)
    bus.subscribe(heard.append)
    bus.publish(n.GroupAdded("a"))
    assert len(heard) == 1
    assert "broken reader" in reports[0]


def test_all_hear_in_the_same_order_even_when_a_reader_publishes(bus: Bus) -> None:
    first: list[int] = []
    second: list[int] = []

    def echo(told: Told) -> None:
        first.append(told.serial)
        if told.notice == n.GroupAdded("a"):
            bus.publish(n.GroupAdded("b"))

    bus.subscribe(echo)
    bus.subscribe(lambda told: second.append(told.serial))
    bus.publish(n.GroupAdded("a"))
    assert first == second == [1, 2]


def test_an_endless_echo_ends_and_is_told_once(bus: Bus, reports: Reports) -> None:
    taken: list[bool] = []
    bus.subscribe(lambda _: taken.append(bus.offer(n.EventEmitted("ECHO", ""))))
    for times in (1, 2):
        bus.publish(n.GroupAdded("a"))
        assert taken == ([True] * MAX_ECHOES + [False]) * times
        assert len(reports) == times
        assert "without an end" in reports[-1]
    assert bus.serial == 2 * (MAX_ECHOES + 1), "what was dropped leaves no hole"


def test_echoes_that_multiply_end_too(bus: Bus, reports: Reports) -> None:
    taken: list[bool] = []

    def twice(_: Told) -> None:
        taken.append(bus.offer(n.EventEmitted("A", "")))
        taken.append(bus.offer(n.RemoteCommunicated("B", "")))

    bus.subscribe(twice)
    assert bus.offer(n.EventEmitted("X", ""))
    assert taken.count(True) == MAX_CROWD
    assert len(reports) == 1


def test_the_daemons_own_notices_are_never_dropped(bus: Bus, reports: Reports) -> None:
    def add(told: Told) -> None:
        if told.serial <= MAX_ECHOES + MAX_CROWD:
            bus.publish(n.GroupAdded(str(told.serial)))

    bus.subscribe(add)
    bus.publish(n.GroupAdded("a"))
    assert bus.serial == MAX_ECHOES + MAX_CROWD + 1
    assert reports == []


def told(wall: float, notice: n.Notice) -> Told:
    return Told(1, 0.0, wall, notice)


def test_the_ledger_keeps_start_and_stop() -> None:
    ledger = Ledger()
    assert (ledger.start(WEB), ledger.stop(WEB)) == (0.0, 0.0)
    ledger.hear(told(10.0, n.ProcessStarting(WEB, ProcessState.STOPPED, 0)))
    ledger.hear(told(20.0, n.ProcessExited(WEB, ProcessState.RUNNING, True, 7, ExitStatus(0), 10.0, False)))
    assert (ledger.start(WEB), ledger.stop(WEB)) == (10.0, 20.0)
    ledger.hear(told(30.0, n.ProcessStopped(WEB, ProcessState.BACKOFF, 0, None)))
    assert ledger.stop(WEB) == 20.0
    ledger.hear(told(40.0, n.ProcessBackoff(WEB, ProcessState.STARTING, 1, "x", 7, ExitStatus(1), 41.0)))
    assert ledger.stop(WEB) == 40.0
    ledger.hear(told(50.0, n.ProcessBackoff(WEB, ProcessState.STARTING, 1, "x", None, None, 51.0)))
    assert ledger.stop(WEB) == 40.0
    ledger.hear(told(60.0, n.ProcessStopped(WEB, ProcessState.STOPPING, 7, ExitStatus(signal=15))))
    assert ledger.stop(WEB) == 60.0
    ledger.hear(told(70.0, n.ProcessRemoved(WEB)))
    assert (ledger.start(WEB), ledger.stop(WEB)) == (0.0, 0.0)


def test_the_ledger_takes_what_an_earlier_daemon_knew() -> None:
    ledger = Ledger()
    ledger.restore(WEB, 5.0, 3.0)
    assert (ledger.start(WEB), ledger.stop(WEB)) == (5.0, 3.0)
    ledger.hear(told(20.0, n.ProcessExited(WEB, ProcessState.RUNNING, True, 7, ExitStatus(0), 10.0, False)))
    assert (ledger.start(WEB), ledger.stop(WEB)) == (5.0, 20.0)


def test_a_log_line() -> None:
    written: list[bytes] = []
    now = 1_700_000_000.25
    log = MainLog(Level.INFO, [lambda _level, line, _text: written.append(line)], lambda: now)
    log.info("spawned: 'web' with pid 7")
    log.debug("not wanted")
    log.warn("caf\udce9")
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_700_000_000))
    assert written == [
        f"{stamp},250 INFO spawned: 'web' with pid 7\n".encode(),
        f"{stamp},250 WARN caf\\udce9\n".encode(),
    ]


def test_the_level_can_change() -> None:
    written: list[bytes] = []
    log = MainLog(Level.INFO, [lambda _level, line, _text: written.append(line)], lambda: 0.0)
    log.level = Level.DEBG
    log.debug("now wanted")
    assert written[0].endswith(b" DEBG now wanted\n")
