"""What waits in a pool: order, bounds, pauses, and how losses are told."""

import sys

import pytest

from tmd.core.backlog import MAX_WAITING_BYTES, PARCEL_BYTES, Backlog, Losses, Parcel, parcel, text_bytes
from tmd.core.effects import Log, Tell
from tmd.core.events import Event
from tmd.core.notices import EventsDropped
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId

A, B = ProcessId("p", "a"), ProcessId("p", "b")


def make(poolserial: int, payload: str = "abc") -> Parcel:
    return parcel(100 + poolserial, poolserial, Event("X", payload))


def test_it_is_ordered_by_pool_serial_whatever_comes_back_when() -> None:
    backlog = Backlog(10)
    parcels = [make(number) for number in range(6)]
    for number in (3, 4, 5, 1, 0, 2):
        backlog.put(parcels[number])
    assert list(backlog) == parcels
    assert backlog.head is parcels[0]
    assert [backlog.take() for _ in range(6)] == parcels
    assert backlog.head is None


def test_its_bytes_are_those_of_what_is_in_it() -> None:
    backlog = Backlog(10)
    first, second, third = make(0, "abc"), make(1, "é\ud800"), make(2, "")
    for each in (first, second, third):
        backlog.put(each)
    assert backlog.size_bytes == 3 * PARCEL_BYTES + 3 + 2 * 2
    assert backlog.remove(second)
    assert not backlog.remove(second)
    assert backlog.size_bytes == 2 * PARCEL_BYTES + 3
    assert backlog.take() is first
    assert backlog.size_bytes == PARCEL_BYTES
    assert len(backlog) == 1


@pytest.mark.parametrize(
    "text", ["", "plain", "é" * 100, "東" * 100, "x" * 1000 + "€", "x" * 1000 + "\U0001f600", "\ud800"]
)
def test_a_text_counts_as_the_memory_it_takes(text: str) -> None:
    assert abs(sys.getsizeof(text) - text_bytes(text)) <= 80


def test_wide_texts_are_bounded_by_their_memory() -> None:
    backlog = Backlog(1000)
    text = "x" * (MAX_WAITING_BYTES // 16) + "\U0001f600"
    for number in range(8):
        backlog.put(make(number, text))
    assert len(backlog.trim()) == 5


def test_who_is_in_a_pause_is_passed_by_and_takes_its_place_again_after_it() -> None:
    backlog = Backlog(10)
    late, later, free = make(0), make(1), make(2)
    late.not_before, later.not_before = 5.0, 3.0
    for each in (free, late, later):
        backlog.put(each)
    assert (backlog.head, backlog.oldest, backlog.next_due, len(backlog)) == (free, late, 3.0, 3)
    assert list(backlog) == [late, later, free]
    backlog.wake(2.9)
    assert backlog.head is free
    backlog.wake(3.0)
    assert (backlog.head, backlog.next_due) == (later, 5.0)
    backlog.wake(5.0)
    assert (backlog.head, backlog.next_due) == (late, None)
    assert [backlog.take() for _ in range(3)] == [late, later, free]
    assert (backlog.oldest, backlog.size_bytes) == (None, 0)


def test_one_in_a_pause_can_be_removed() -> None:
    backlog = Backlog(10)
    paused, other = make(0), make(1)
    paused.not_before = other.not_before = 5.0
    backlog.put(paused)
    backlog.put(other)
    assert backlog.remove(paused)
    assert not backlog.remove(paused)
    assert (list(backlog), backlog.size_bytes) == ([other], other.size_bytes)


def test_trimming_takes_the_oldest_in_a_pause_or_not() -> None:
    backlog = Backlog(2)
    parcels = [make(number) for number in range(6)]
    for number in (1, 3, 5):
        parcels[number].not_before = 100.0 - number
    for each in parcels:
        backlog.put(each)
    assert backlog.trim() == parcels[:4]
    assert list(backlog) == parcels[4:]
    assert backlog.size_bytes == sum(each.size_bytes for each in parcels[4:])
    assert backlog.next_due == 95.0


def test_trimming_takes_the_oldest() -> None:
    backlog = Backlog(2)
    parcels = [make(number) for number in range(4)]
    for each in parcels:
        backlog.put(each)
    assert backlog.trim() == parcels[:2]
    assert backlog.trim() == []


def test_pauses_between_tries() -> None:
    rejected, struck = make(0), make(1)
    pauses: list[tuple[float, float]] = []
    for _ in range(3000):
        rejected.reject(A, 10.0)
        struck.strike(A, 10.0)
        pauses.append((round(rejected.not_before - 10.0, 3), round(struck.not_before - 10.0, 3)))
    assert [pause for pause, _ in pauses[:8]] == [0, 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1]
    assert [pause for _, pause in pauses[:11]] == [0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    assert pauses[-1] == (1, 10)


def test_what_there_is_to_say_of_an_event_in_trouble() -> None:
    each = make(0)
    assert each.trouble(0.0) == ""
    each.reject(A, 5.0)
    assert each.trouble(5.0) == "event 100 (X): rejected once, next try with the next listener that is READY"
    each.reject(A, 5.0)
    each.strike(B, 5.0)
    each.strike(B, 6.0)
    assert each.trouble(6.0) == ("event 100 (X): rejected 2 times, listeners failed 2 times over it, next try in 0.2 s")
    assert (each.struck_at, each.failed, each.tries_by) == (5.0, frozenset({B}), {A: 2, B: 2})


def test_losses_are_told_at_once_and_then_by_the_second() -> None:
    losses = Losses("p", "why")
    assert losses.next_due is None
    assert losses.due(0.0) == []
    assert losses.add("lost 1", 5.0) == [Log(Level.ERRO, "lost 1"), Tell(EventsDropped("p", 1, "why"))]
    assert losses.next_due is None
    assert losses.add("lost 2", 5.5) == []
    assert losses.add("lost 3", 5.9) == []
    assert losses.next_due == 6.0
    assert losses.due(5.99) == []
    told = [Log(Level.ERRO, "lost 4 (and 2 more)"), Tell(EventsDropped("p", 3, "why"))]
    assert losses.add("lost 4", 6.0) == told
    assert losses.next_due is None
