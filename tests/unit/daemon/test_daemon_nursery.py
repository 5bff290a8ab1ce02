"""When those who have just begun are given a control group: once nobody begins any more, and not too late."""

from typing import Any, cast

import pytest

from tests.unit.daemon.virtual import VirtualClock
from tmd.daemon.clerk import Admission
from tmd.daemon.nursery import LONGEST_S, QUIET_S, Nursery

MOMENT_S = 0.01


class Ward:
    """A nursery, and whom it has let go when."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.grown: list[tuple[float, int]] = []
        self.nursery = Nursery(cast("Any", self.clock), self._admit)
        self._began = self.clock.now()

    def _admit(self, admission: Admission) -> None:
        self.grown.append((round(self.clock.now() - self._began, 3), admission.pid))

    def add(self, pid: int) -> Admission:
        admission = Admission(f"/groups/{pid}", pid, 0, pid)
        self.nursery.add(admission)
        return admission


@pytest.fixture
def ward() -> Ward:
    return Ward()


def test_they_grow_up_together_once_nobody_has_begun_for_a_moment(ward: Ward) -> None:
    ward.add(1)
    ward.clock.advance(QUIET_S - MOMENT_S)
    ward.add(2)
    ward.clock.advance(QUIET_S - MOMENT_S)
    assert ward.grown == []
    ward.clock.advance(MOMENT_S)
    when = round(2 * QUIET_S - MOMENT_S, 3)
    assert ward.grown == [(when, 1), (when, 2)]
    ward.clock.advance(60)
    assert (len(ward.grown), ward.clock.armed) == (2, 0), "once, and nobody looks any more"


def test_where_somebody_always_begins_the_first_of_them_waits_no_longer_than_so(ward: Ward) -> None:
    step = QUIET_S / 2
    for pid in range(1, 1 + int(2 * LONGEST_S / step)):
        ward.add(pid)
        ward.clock.advance(step)
    first, *_ = ward.grown
    assert first == (LONGEST_S, 1)
    assert len({when for when, _ in ward.grown}) == 2, "in two batches, not one by one"
    ward.clock.advance(QUIET_S)
    assert [pid for _, pid in ward.grown] == list(range(1, 1 + int(2 * LONGEST_S / step)))


def test_who_has_ended_meanwhile_is_left_out(ward: Ward) -> None:
    short, long = ward.add(1), ward.add(2)
    short.over = True
    ward.clock.advance(QUIET_S)
    assert ward.grown == [(QUIET_S, 2)]
    assert not long.over
    ward.add(3).over = True
    ward.clock.advance(60)
    assert (len(ward.grown), ward.clock.armed) == (1, 0)


def test_who_begins_after_all_others_have_ended_is_waited_for_as_long(ward: Ward) -> None:
    ward.add(1).over = True
    ward.clock.advance(10)
    ward.add(2)
    ward.clock.advance(QUIET_S - MOMENT_S)
    assert ward.grown == []
    ward.clock.advance(MOMENT_S)
    assert ward.grown == [(10 + QUIET_S, 2)]
