"""What waits in a pool: order, bounds, pauses, and how losses are told."""

from tmd.core.backlog import Backlog, Losses, Parcel, parcel
from tmd.core.effects import Log, Tell
from tmd.core.events import Event
from tmd.core.notices import EventsDropped
from tmd.wire.levels import Level


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
    assert backlog.size_bytes == 6
    assert backlog.remove(second)
    assert not backlog.remove(second)
    assert backlog.size_bytes == 3
    assert backlog.take() is first
    assert backlog.size_bytes == 0
    assert len(backlog) == 1


def test_trimming_takes_the_oldest() -> None:
    backlog = Backlog(2)
    parcels = [make(number) for number in range(4)]
    for each in parcels:
        backlog.put(each)
    assert backlog.trim() == parcels[:2]
    assert backlog.trim() == []


def test_pauses_between_tries() -> None:
    each = make(0)
    pauses = []
    for _ in range(3000):
        each.reject(10.0)
        pauses.append(round(each.not_before - 10.0, 3))
    assert pauses[:8] == [0, 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1]
    assert pauses[-1] == 1


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
