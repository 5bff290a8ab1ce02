"""Troubles of the machine: counted always, told rarely, and told when they are over."""

import errno

import pytest

from tests.unit.daemon.virtual import VirtualClock
from tmd.config.settings import ProcessSpec
from tmd.daemon.shortages import Shortages
from tmd.daemon.troubles import AT_ONCE, EVERY_S, KINDS, MANY, Troubles
from tmd.posix.children import SpawnRefused
from tmd.wire.faults import Fault
from tmd.wire.levels import Level


class Told:
    """Troubles, and the lines that told of them."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.lines: list[str] = []
        self.troubles = Troubles(self.clock.now, lambda level, text: self.lines.append(f"{level.name} {text}"))

    def take(self) -> list[str]:
        lines, self.lines[:] = list(self.lines), []
        return lines


@pytest.fixture
def told() -> Told:
    return Told()


def test_one_line_when_it_begins_and_one_when_it_is_over(told: Told) -> None:
    for _ in range(50):
        told.troubles.happened("log", "/l", "trouble with log '/l': full", lost=10)
        told.clock.advance(1)
    told.troubles.over("log", "/l", "log '/l' works again")
    assert told.take() == [
        "WARN trouble with log '/l': full (10 bytes dropped)",
        "INFO log '/l' works again (after 50 s, 490 more bytes dropped)",
    ]
    assert told.troubles.counts == {**dict.fromkeys(KINDS, 0), "log": 50}
    told.troubles.over("log", "/l", "never")
    assert told.take() == []


def test_what_lasts_is_told_again_once_a_minute_with_how_often_it_happened(told: Told) -> None:
    for _ in range(121):
        told.troubles.happened("log", "/l", "full", lost=1)
        told.clock.advance(1)
    assert told.take() == [
        "WARN full (1 bytes dropped)",
        "WARN full (60 bytes dropped) (60 times in 1 min)",
        "WARN full (60 bytes dropped) (60 times in 1 min)",
    ]


def test_what_comes_and_goes_is_told_no_more_than_so_often(told: Told) -> None:
    for _ in range(100):
        told.troubles.happened("socket", "/s", "gone", level=Level.CRIT)
        told.clock.advance(0.2)
        told.troubles.over("socket", "/s", "back")
        told.clock.advance(0.2)
    lines = told.take()
    assert lines.count("CRIT gone") == AT_ONCE
    assert lines.count("INFO back (after 0.2 s)") == AT_ONCE
    told.clock.advance(EVERY_S)
    told.troubles.happened("socket", "/s", "gone", level=Level.CRIT)
    (line,) = told.take()
    assert line.startswith("CRIT gone (98 times in 1 min")
    assert told.troubles.counts["socket"] == 101


def test_what_nobody_said_was_over_begins_anew(told: Told) -> None:
    told.troubles.happened("log", "/l", "full")
    told.clock.advance(10 * EVERY_S)
    told.troubles.happened("log", "/l", "full")
    told.clock.advance(1)
    told.troubles.over("log", "/l", "fine")
    assert told.take() == ["WARN full", "WARN full", "INFO fine (after 1 s)"]


def test_things_are_told_apart(told: Told) -> None:
    told.troubles.happened("log", "/a", "a")
    told.troubles.happened("log", "/b", "b")
    told.troubles.over("log", "/a", "a is well")
    assert told.take() == ["WARN a", "WARN b", "INFO a is well (after 0 ms)"]
    assert (told.troubles.is_in("log", "/a"), told.troubles.is_in("log", "/b")) == (False, True)
    assert not told.troubles.is_in("log", "/c")


def test_what_was_lost_and_not_told_is_told_at_the_end(told: Told) -> None:
    told.troubles.happened("log", "/l", "full", lost=5)
    told.troubles.happened("log", "/l", "full", lost=7)
    told.troubles.happened("log", "/m", "full too", lost=0)
    told.take()
    told.troubles.close()
    assert told.take() == ["WARN full (7 bytes dropped)"]


def test_a_moment_is_no_state(told: Told) -> None:
    told.troubles.once("clock", "set")
    told.troubles.once("clock", "set back")
    assert told.take() == ["WARN set", "WARN set back"]
    assert not told.troubles.is_in("clock", "")
    assert told.troubles.counts["clock"] == 2


def test_things_that_are_well_are_forgotten(told: Told) -> None:
    for number in range(3 * MANY):
        told.troubles.happened("log", str(number), "full")
        told.troubles.over("log", str(number), "fine")
        told.clock.advance(EVERY_S / MANY)
    told.troubles.happened("log", "last", "full")
    assert len(told.troubles._cases) <= MANY + 1


# --- shortages -------------------------------------------------------------------------------------------------------


def spec(uid: int | None = None) -> ProcessSpec:
    return ProcessSpec(name="p", group="p", program="p", command="true", uid=uid)


def refusal(number: int) -> SpawnRefused:
    refused = SpawnRefused("no", Fault.SPAWN_ERROR, transient=True)
    refused.__cause__ = OSError(number, "no")
    return refused


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EMFILE, "descriptors", "too many open files"),
        (errno.ENFILE, "descriptors", "too many open files"),
        (errno.EAGAIN, "processes", "too many processes"),
        (errno.ENOMEM, "memory", "out of memory"),
    ],
)
def test_a_shortage_is_told_until_somebody_can_be_started(told: Told, number: int, kind: str, words: str) -> None:
    shortages = Shortages(told.troubles)
    shortages.started(spec())
    for _ in range(30):
        shortages.refused(spec(), refusal(number))
    again = "(they are tried again every 2 s, and this is not counted against them)"
    assert told.take() == [f"WARN cannot start programs: {words} {again}"]
    told.clock.advance(4)
    shortages.started(spec(1000))
    assert told.take() == []
    shortages.started(spec())
    assert told.take() == ["INFO programs can be started again (after 4 s)"]
    assert told.troubles.counts[kind] == 30  # type: ignore[index]


def test_what_is_short_for_one_user_is_told_of_him(told: Told) -> None:
    shortages = Shortages(told.troubles)
    shortages.refused(spec(1000), refusal(errno.EAGAIN))
    shortages.started(spec())
    shortages.started(spec(1000))
    assert [line.partition(" (")[0] for line in told.take()] == [
        "WARN cannot start programs of uid 1000: too many processes",
        "INFO programs of uid 1000 can be started again",
    ]


def test_other_refusals_are_no_shortage(told: Told) -> None:
    shortages = Shortages(told.troubles)
    shortages.refused(spec(), refusal(errno.ENOENT))
    shortages.refused(spec(), SpawnRefused("no", Fault.SPAWN_ERROR))
    assert told.take() == []
