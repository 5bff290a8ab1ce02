"""The thread that puts processes into their groups: one after the other, and told about many at once."""

import errno
import queue
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any, cast

import pytest

from tests.support import eventually
from tmd.daemon import clerk as module
from tmd.daemon.clerk import AT_ONCE, Admission, Clerk

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


class Office:
    """A clerk whose groups are a list; it works on as many as it is let, one at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inside: list[tuple[str, int]] = []
        self.refused: dict[int, OSError] = {}
        self.stubborn: set[int] = set()
        """pids with new children all the time"""
        self.asked: list[int] = []
        """pids that a group was to be made for"""
        self._allowed = threading.Semaphore(0)
        self.posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.entered: list[list[int]] = []
        self.failures: list[OSError] = []
        monkeypatch.setattr(module, "put", self._put)
        monkeypatch.setattr(module, "gather", self._gather)
        self.clerk = Clerk(
            cast("Any", self),
            self.posted.put,
            lambda admissions: self.entered.append([admission.pid for admission in admissions]),
            self.failures.append,
        )

    def admit(self, path: str, pid: int, still: Callable[[], bool]) -> bool:
        self.asked.append(pid)
        assert self._allowed.acquire(timeout=20)
        if pid in self.refused:
            raise self.refused[pid]
        return still() and self._put(path, pid)

    def _put(self, path: str, pid: int) -> bool:
        self.inside.append((path, pid))
        return True

    def _gather(self, path: str, pids: Collection[int]) -> bool:
        return not self.stubborn & set(pids)

    def give(self, *pids: int) -> list[Admission]:
        given = [Admission(f"/groups/{pid}", pid, 0, pid) for pid in pids]
        for admission in given:
            self.clerk.admit(admission)
        return given

    def allow(self, count: int = AT_ONCE * 2) -> None:
        self._allowed.release(count)

    def until_asked(self, *pids: int) -> None:
        eventually(lambda: self.asked == list(pids))

    def serve(self, batches: int) -> None:
        """Run so many of what the clerk has posted."""
        for _ in range(batches):
            self.posted.get(timeout=20)()


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    office = Office(monkeypatch)
    yield office
    office.allow()
    office.clerk.close(20)


def test_those_who_came_while_it_worked_are_one_batch(office: Office) -> None:
    office.give(1)
    office.until_asked(1)
    office.give(2, 3, 4)
    office.allow()
    office.serve(2)
    assert office.entered == [[1], [2, 3, 4]]
    assert office.inside == [(f"/groups/{pid}", pid) for pid in (1, 2, 3, 4)]
    assert office.posted.empty()


def test_a_batch_has_an_end_so_that_the_loop_hears_of_the_first(office: Office) -> None:
    office.give(1)
    office.until_asked(1)
    office.give(*range(2, AT_ONCE + 4))
    office.allow()
    office.serve(3)
    assert [len(batch) for batch in office.entered] == [1, AT_ONCE, 2]


def test_who_ends_before_its_turn_is_left_out(office: Office) -> None:
    office.give(1)
    office.until_asked(1)
    ended, _ = office.give(2, 3)
    ended.over = True
    office.allow()
    office.serve(2)
    assert office.entered == [[1], [3]]
    assert office.asked == [1, 3]


def test_one_that_ends_just_then_is_not_reported_inside(office: Office) -> None:
    (ended,) = office.give(1)
    office.until_asked(1)
    ended.over = True
    office.give(2)
    office.allow()
    office.serve(1)
    assert office.entered == [[2]]


def test_trouble_with_one_is_told_and_the_others_go_in(office: Office) -> None:
    office.allow()
    office.refused[2] = OSError(errno.EAGAIN, "not now")
    office.stubborn.add(3)
    office.give(1, 2, 3, 4)
    eventually(lambda: ("/groups/4", 4) in office.inside)
    office.clerk.close(20)
    while not office.posted.empty():
        office.serve(1)
    assert sorted(pid for batch in office.entered for pid in batch) == [1, 4]
    assert office.failures == [office.refused[2]]


def test_orphans_are_put_beside_their_leader_which_is_not_admitted_again(office: Office) -> None:
    office.allow()
    admission = Admission("/groups/1", 1, 0, 1)
    admission.orphans = {7, 8}
    office.clerk.admit(admission)
    office.serve(1)
    assert sorted(office.inside) == [("/groups/1", 7), ("/groups/1", 8)]
    assert office.entered == [[1]]


@pytest.mark.parametrize("turn", ["the first", "in the midst of a batch"])
def test_it_ends_with_its_daemon_whatever_waits(office: Office, turn: str) -> None:
    office.give(1)
    office.until_asked(1)
    office.give(2, 3)
    if turn != "the first":
        office.allow(1)
        office.until_asked(1, 2)
    before = list(office.asked)
    office.clerk.close(0)
    office.allow()
    eventually(lambda: not any(thread.name == "tmd-clerk" for thread in threading.enumerate()))
    assert office.asked == before


def test_without_a_thread_nobody_is_admitted_and_the_next_one_is_tried(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        office.give(1)
    office.allow()
    office.give(2)
    office.serve(1)
    assert office.entered == [[2]]
