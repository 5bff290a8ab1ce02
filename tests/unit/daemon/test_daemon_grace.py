"""The grace of an end: who is killed when, in virtual time."""

import signal
from typing import Any, cast

import pytest

from tests.unit.daemon.virtual import VirtualClock
from tmd.config.settings import DaemonSettings
from tmd.core import notices as n
from tmd.daemon.bus import Told
from tmd.daemon.grace import AGAIN_S, CONTAINER_S, IN_ORDER, TWICE_S, Grace, grace_of


class Stage:
    def __init__(self, grace_s: float) -> None:
        self.clock = VirtualClock()
        self.left = [101, 102]
        self.restarting = False
        self.refuses = False
        self.sent: list[tuple[int, bool]] = []
        self.warned: list[str] = []
        self.hurried: list[float] = []
        self.grace = Grace(
            cast("Any", self.clock),
            lambda: grace_s,
            left=lambda: self.left,
            send=self.send,
            hurry=lambda: self.hurried.append(self.clock.time),
            restarting=lambda: self.restarting,
            warn=self.warned.append,
        )

    def send(self, pid: int, signum: int, whole_group: bool) -> None:
        assert signum == signal.SIGKILL
        if self.refuses:
            raise PermissionError
        self.sent.append((pid, whole_group))

    def stopping(self) -> None:
        self.grace.hear(Told(1, 0.0, 0.0, n.DaemonStopping()))


def settings(**fields: Any) -> DaemonSettings:
    return DaemonSettings(logfile="/l", pidfile="/p", childlogdir="/c", **fields)


def test_a_container_has_a_grace_unless_another_one_is_said() -> None:
    assert grace_of(settings()) == 0
    assert grace_of(settings(container=True)) == CONTAINER_S
    assert grace_of(settings(container=True, stop_grace=30.0)) == 30
    assert grace_of(settings(container=True, stop_grace=0.0)) == 0
    assert grace_of(settings(stop_grace=2.0)) == 2


def test_what_is_left_is_killed_with_its_group_when_the_time_is_over() -> None:
    stage = Stage(7)
    stage.stopping()
    began = stage.clock.time
    stage.clock.advance(6.9)
    assert stage.sent == []
    assert stage.hurried == [pytest.approx(began + 7 * IN_ORDER)]
    stage.clock.advance(0.1)
    assert stage.sent == [(101, True), (101, False), (102, True), (102, False)]
    assert stage.warned == ["the end has taken 7 s (stop_grace): killing 2 that still run"]


def test_what_an_end_has_started_is_killed_soon_and_told_once() -> None:
    stage = Stage(1)
    stage.left = [101]
    stage.stopping()
    stage.clock.advance(1)
    stage.left = [103]
    stage.sent.clear()
    stage.clock.advance(AGAIN_S)
    assert stage.sent == [(103, True), (103, False)]
    assert stage.warned == ["the end has taken 1 s (stop_grace): killing 1 that still runs"]


def test_with_nobody_left_nothing_is_said_and_no_refusal_ends_it() -> None:
    stage = Stage(1)
    stage.left = []
    stage.stopping()
    stage.clock.advance(1 + AGAIN_S)
    assert stage.warned == []
    stage.left, stage.refuses = [101], True
    stage.clock.advance(AGAIN_S)
    stage.refuses = False
    stage.clock.advance(AGAIN_S)
    assert stage.sent == [(101, True), (101, False)]


def test_without_a_grace_nothing_is_armed() -> None:
    stage = Stage(0)
    stage.stopping()
    assert stage.clock.armed == 0
    assert stage.grace.at_most(2.0) == 2.0


def test_a_restart_is_not_cut_short_until_it_becomes_an_end() -> None:
    stage = Stage(1)
    stage.restarting = True
    stage.stopping()
    stage.clock.advance(100)
    assert (stage.sent, stage.hurried) == ([], [])
    stage.restarting = False
    stage.clock.advance(0.9)
    assert stage.sent == []
    stage.clock.advance(0.1 + AGAIN_S)
    assert len(stage.sent) == 4


def test_all_that_follows_a_grace_has_its_share_of_time() -> None:
    assert Stage(7).grace.at_most(2.0) == pytest.approx(0.6)


def test_who_asks_twice_cannot_wait_but_the_same_request_may_come_twice() -> None:
    stage = Stage(0)
    stage.grace.asked(may_hurry=True)
    stage.clock.advance(TWICE_S / 2)
    stage.grace.asked(may_hurry=True)
    assert stage.sent == []
    stage.clock.advance(TWICE_S)
    stage.grace.asked(may_hurry=False)
    assert stage.sent == []
    stage.grace.asked(may_hurry=True)
    assert len(stage.sent) == 4
    assert stage.warned == ["asked again to end: killing 2 that still run"]
    stage.grace.asked(may_hurry=True)
    assert len(stage.sent) == 4
    assert stage.grace.at_most(2.0) == pytest.approx(0.6)
