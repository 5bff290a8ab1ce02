"""What a service manager is told and when, on a loop with a clock of our own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.packaging.service_manager import ServiceManager
from tests.unit.daemon.virtual import Timer, VirtualClock
from tmd.core import notices as n
from tmd.daemon.bus import Told
from tmd.daemon.service import ServiceReports, status_text
from tmd.posix.loop import Loop
from tmd.posix.notify import Contract, Notifier, Sent
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

STARTING, RUNNING, STOPPED = ProcessState.STARTING, ProcessState.RUNNING, ProcessState.STOPPED
FATAL, BACKOFF = ProcessState.FATAL, ProcessState.BACKOFF


class Timers(VirtualClock):
    """Virtual time in which something is done after each callback."""

    def __init__(self, after: Callable[[], object]) -> None:
        super().__init__()
        self._after = after

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        return super().call_at(when, lambda: (callback(), self._after()))


class Stage:
    """Reports to a manager on virtual time, about processes that the test moves."""

    def __init__(self, directory: Path) -> None:
        self.manager = ServiceManager(str(directory / "notify"))
        self.timers = Timers(self.manager.receive)
        self.states: dict[str, ProcessState] = {}
        self.lines: list[str] = []
        self._made: list[ServiceReports] = []

    def reports(
        self, *, watchdog_s: float | None = None, foreground: bool = True, address: str | None = ""
    ) -> ServiceReports:
        made = ServiceReports(
            Contract(self.manager.address if address == "" else address, watchdog_s),
            cast("Loop", self.timers),
            states=lambda: list(self.states.items()),
            debug=self.lines.append,
            foreground=foreground,
        )
        self._made.append(made)
        return made

    def crowd(self) -> None:
        """Have so many messages wait that no other fits in."""
        notifier = Notifier(self.manager.address)
        while notifier.send({"STATUS": "crowd"}) is Sent.TAKEN:
            continue
        notifier.close()

    def close(self) -> None:
        for made in self._made:
            made.close()
        self.manager.close()


def told(notice: n.Notice) -> Told:
    return Told(1, 0.0, 0.0, notice)


CHANGE = told(n.ProcessRunning(ProcessId("web", "web"), STARTING, 7))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def test_the_status_line_names_who_is_in_trouble_the_worst_first() -> None:
    states = {"web": RUNNING, "a": BACKOFF, "worker": FATAL, "off": STOPPED, "b": ProcessState.UNKNOWN}
    assert status_text(states.items()) == "1 of 5 running; worker FATAL, a BACKOFF, b UNKNOWN"
    assert status_text([]) == "0 of 0 running"
    assert status_text({"web": RUNNING}.items()) == "1 of 1 running"


def test_the_status_line_does_not_grow_with_the_trouble() -> None:
    crowd = [(f"p{number:03}", FATAL) for number in range(400)]
    text = status_text(crowd)
    assert text == "0 of 400 running; p000 FATAL, p001 FATAL, p002 FATAL, p003 FATAL, p004 FATAL, 395 more"


def test_ready_comes_with_a_status(stage: Stage) -> None:
    stage.states = {"web": STARTING}
    stage.reports().ready()
    assert stage.manager.receive() == [{"READY": "1", "STATUS": "0 of 1 running"}]
    assert not stage.timers.armed


def test_in_the_background_the_manager_learns_our_pid(stage: Stage) -> None:
    reports = stage.reports(foreground=False)
    reports.ready()
    assert stage.manager.receive()[0]["MAINPID"].isdigit()
    reports.reloading()
    reports.ready()
    assert len(stage.manager.said("MAINPID")) == 1


def test_changes_are_told_soon_but_not_more_than_once_a_second(stage: Stage) -> None:
    reports = stage.reports()
    reports.ready()
    stage.timers.advance(10)
    for number in range(1000):
        stage.states = {"web": RUNNING, "worker": FATAL if number % 2 else BACKOFF}
        reports.hear(CHANGE)
        stage.timers.advance(0.01)
    stage.timers.advance(2)
    said = stage.manager.said("STATUS")
    assert 10 <= len(said) <= 13
    assert said[-1] == "1 of 2 running; worker FATAL"
    assert not stage.timers.armed


def test_a_first_change_after_quiet_is_told_at_once(stage: Stage) -> None:
    reports = stage.reports()
    reports.ready()
    stage.timers.advance(10)
    stage.states = {"web": RUNNING}
    reports.hear(CHANGE)
    stage.timers.advance(0.1)
    assert stage.manager.said("STATUS")[-1] == "1 of 1 running"


def test_what_is_the_same_is_not_said_again(stage: Stage) -> None:
    reports = stage.reports()
    reports.ready()
    stage.timers.advance(10)
    reports.hear(CHANGE)
    stage.timers.advance(10)
    assert len(stage.manager.receive()) == 1


def test_output_of_programs_is_no_change(stage: Stage) -> None:
    reports = stage.reports()
    reports.ready()
    reports.hear(told(n.ProcessSaid(ProcessId("web", "web"), 7, "stdout", b"x")))
    assert not stage.timers.armed


def test_nothing_is_said_before_ready(stage: Stage) -> None:
    reports = stage.reports()
    reports.hear(CHANGE)
    stage.timers.advance(10)
    assert stage.manager.receive() == []


def test_a_reload_begins_with_the_clock_and_ends_ready(stage: Stage) -> None:
    reports = stage.reports()
    reports.ready()
    reports.reloading()
    reports.ready()
    _, begun, ended = stage.manager.receive()
    assert begun == {"RELOADING": "1", "MONOTONIC_USEC": "1000000000", "STATUS": "reloading; 0 of 0 running"}
    assert ended == {"READY": "1", "STATUS": "0 of 0 running"}


def test_a_refused_configuration_is_in_the_status_until_a_better_one(stage: Stage) -> None:
    reports = stage.reports()
    reports.ready()
    reports.reloading()
    reports.hear(told(n.ConfigRejected("tm.yaml", ("broken",))))
    reports.ready()
    assert stage.manager.said("STATUS")[-1] == ("0 of 0 running; the configuration was refused, the one before goes on")
    reports.hear(told(n.ConfigReloaded("tm.yaml", (), (), ())))
    stage.timers.advance(2)
    assert stage.manager.said("STATUS")[-1] == "0 of 0 running"


def test_an_end_asks_for_time_for_as_long_as_it_takes(stage: Stage) -> None:
    reports = stage.reports()
    reports.ready()
    reports.stopping()
    stage.timers.advance(30)
    assert stage.manager.said("STOPPING") == ["1"]
    assert set(stage.manager.said("EXTEND_TIMEOUT_USEC")) == {"20000000"}
    assert len(stage.manager.said("EXTEND_TIMEOUT_USEC")) == 5
    reports.close()
    assert not stage.timers.armed


def test_no_ready_follows_a_stop(stage: Stage) -> None:
    reports = stage.reports()
    reports.ready()
    reports.reloading()
    reports.stopping()
    reports.ready()
    reports.reloading()
    reports.stopping()
    assert stage.manager.receive()[-1] == {"EXTEND_TIMEOUT_USEC": "20000000"}
    assert len(stage.manager.said("READY")) == len(stage.manager.said("STOPPING")) == 1


def test_a_restart_that_becomes_an_end_asks_for_time_once(stage: Stage) -> None:
    reports = stage.reports()
    reports.ready()
    reports.restarting()
    stage.timers.advance(1)
    reports.stopping()
    before = len(stage.manager.said("EXTEND_TIMEOUT_USEC"))
    stage.timers.advance(7)
    assert len(stage.manager.said("EXTEND_TIMEOUT_USEC")) == before + 1
    assert stage.manager.said("RELOADING") == ["1"]


def test_signs_of_life_come_twice_in_an_interval_from_ready_on(stage: Stage) -> None:
    reports = stage.reports(watchdog_s=3.0)
    stage.timers.advance(10)
    assert stage.manager.said("WATCHDOG") == []
    reports.ready()
    stage.timers.advance(15)
    assert len(stage.manager.said("WATCHDOG")) == 11
    reports.reloading()
    reports.ready()
    stage.timers.advance(3)
    assert len(stage.manager.said("WATCHDOG")) == 13


def test_what_a_busy_manager_does_not_take_comes_later(stage: Stage) -> None:
    reports = stage.reports()
    stage.crowd()
    reports.ready()
    assert stage.manager.said("READY") == []
    stage.timers.advance(1)
    assert stage.manager.said("READY") == ["1"]


def test_what_waits_and_is_no_longer_true_is_never_said(stage: Stage) -> None:
    reports = stage.reports()
    stage.crowd()
    reports.ready()
    reports.stopping()
    stage.manager.receive()
    stage.manager.messages.clear()
    stage.timers.advance(1)
    (message,) = stage.manager.receive()
    assert "STOPPING" in message
    assert "READY" not in message


def test_a_manager_that_is_gone_costs_one_line(stage: Stage) -> None:
    reports = stage.reports(address="/nowhere/notify", watchdog_s=1.0)
    reports.ready()
    stage.timers.advance(20)
    assert stage.lines == ["cannot tell the service manager at '/nowhere/notify': No such file or directory"]


def test_without_a_manager_nothing_happens_at_all(stage: Stage) -> None:
    reports = stage.reports(address=None, watchdog_s=1.0)
    reports.ready()
    reports.hear(CHANGE)
    reports.reloading()
    reports.restarting()
    reports.stopping()
    assert not stage.timers.armed
    assert stage.lines == []
