"""A pool of listeners: those that end, get stuck or do not read, and more events than can wait."""

import pytest

from tests.world.pool_bench import FAIL, OK, A, B, Bench, spec
from tmd.core.backlog import MAX_WAITING_BYTES
from tmd.core.events import Event
from tmd.core.notices import EventsDropped, ListenerStuck
from tmd.wire.levels import Level

# --- listeners that go, or do nothing ------------------------------------------------------------------------


def test_an_event_whose_listener_ended_goes_to_the_next() -> None:
    bench = Bench(members=(A, B))
    bench.up(A, B)
    bench.offer(3)
    bench.say(OK, B)
    assert bench.given() == [(A, 0), (B, 1)]
    bench.ended(A)
    bench.say(b"READY\n", B)
    assert bench.given() == [(B, 0)]
    assert bench.counts() == (1, 1, 0, 1, 0)
    bench.say(FAIL + b"READY\n", B)
    assert bench.given() == [(B, 0)]
    assert bench.counts() == (1, 1, 1, 1, 0)  # rejected is not redelivered


def test_an_event_that_ends_three_listeners_is_dropped() -> None:
    bench = Bench()
    bench.offer(2)
    for _ in range(3):
        bench.up(A)
        bench.ended()
    assert bench.given() == [(A, 0)] * 3
    assert bench.log() == ["pool mail discarding event 0 (REMOTE_COMMUNICATION): listeners failed 3 times over it"]
    bench.up(A)
    assert bench.given() == [(A, 1)]
    assert bench.counts() == (0, 0, 0, 2, 1)


def test_a_listener_that_somebody_stopped_is_not_the_events_fault() -> None:
    bench = Bench()
    bench.offer()
    for _ in range(5):
        bench.up(A)
        bench.take(bench.pool.not_running(A, bench.now))
        bench.ended()
    assert bench.counts() == (1, 0, 0, 4, 0)
    bench.up(A)
    bench.say(OK)
    assert bench.counts() == (0, 1, 0, 5, 0)


def test_a_listener_that_began_anew_unnoticed_gives_its_event_back() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    bench.up(A)
    assert bench.given() == [(A, 0)] * 2


def test_a_closed_stdin_passes_the_event_to_the_next() -> None:
    bench = Bench(members=(A, B))
    bench.up(A)
    bench.offer()
    bench.up(B)
    bench.log()
    bench.take(bench.pool.refused(A, bench.now))
    assert bench.pool.view(bench.now).listeners[0].state == "READY"
    assert bench.given() == [(A, 0), (B, 0)]
    assert bench.log(Level.DEBG) == [
        "epipe occurred while sending event 0 to listener mail_0, listener state unchanged",
        "rebuffering event 0 for pool mail (buf size=0, max=10)",
        "event 0 sent to listener mail_1",
    ]
    bench.say(OK + b"READY\n", B)
    bench.offer()
    assert bench.given() == [(B, 1)]
    bench.ended(A)
    bench.up(A)
    bench.offer()
    assert bench.given() == [(A, 2)]
    assert bench.counts() == (0, 1, 0, 0, 0)


def test_an_event_that_ends_listeners_before_they_have_read_it_is_dropped_too() -> None:
    bench = Bench()
    bench.offer()
    for _ in range(3):
        bench.up(A)
        bench.take(bench.pool.refused(A, bench.now))
        bench.ended()
    assert bench.counts() == (0, 0, 0, 0, 1)


def test_a_listener_that_does_not_answer_is_restarted_and_its_event_given_again() -> None:
    bench = Bench(spec(ackwaitsecs=5), (A, B))
    bench.up(A, B)
    bench.offer()
    bench.wait(4.9)
    assert bench.restarts() == []
    bench.wait(0.1)
    assert bench.log() == ["mail_0: has not answered event 0 (REMOTE_COMMUNICATION) for 5 seconds, restarting it"]
    assert bench.told() == [ListenerStuck(A, "REMOTE_COMMUNICATION", 5.0)]
    assert bench.restarts() == [A]
    assert bench.given() == [(A, 0), (B, 0)]
    bench.say(OK + b"READY\n", A)  # too late
    assert bench.log(Level.DEBG) == []
    bench.say(OK + b"READY\n", B)
    assert bench.counts() == (0, 1, 0, 1, 0)
    bench.offer()
    assert bench.given() == [(B, 1)]
    bench.take(bench.pool.not_running(A, bench.now))
    bench.ended(A)
    bench.up(A)
    bench.offer()
    assert bench.given() == [(A, 2)]


def test_an_event_over_which_three_listeners_get_stuck_is_dropped() -> None:
    bench = Bench(spec(ackwaitsecs=5))
    bench.offer(2)
    for _ in range(3):
        bench.up(A)
        bench.wait(6)
        bench.take(bench.pool.not_running(A, bench.now))
        bench.ended()
    assert bench.given() == [(A, 0)] * 3
    assert bench.counts() == (1, 0, 0, 2, 1)


def test_patience_without_end() -> None:
    bench = Bench(spec(ackwaitsecs=0))
    bench.up(A)
    bench.offer(2)
    assert bench.pool.next_due is None


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (b"", "has not been READY"),
        (b"Welcome!\n", "broke the protocol and has not been READY"),
    ],
)
def test_a_listener_that_is_not_ready_is_restarted_only_when_events_wait(said: bytes, complaint: str) -> None:
    bench = Bench(spec(ackwaitsecs=5))
    bench.take(bench.pool.began(A, bench.now))
    bench.take(bench.pool.running(A, bench.now))
    bench.say(said)
    bench.wait(100)
    bench.log()
    bench.offer()
    bench.wait(4.9)
    assert bench.restarts() == []
    bench.offer()
    bench.wait(0.1)
    assert bench.restarts() == [A]
    assert bench.log() == [f"mail_0: {complaint} for 5 seconds while 2 events wait, restarting it"]
    assert bench.told() == [ListenerStuck(A, "", 105.0)]
    assert bench.pool.next_due is None


def test_a_listener_that_does_not_read_or_cannot_is_restarted_when_events_wait() -> None:
    bench = Bench(spec(ackwaitsecs=5))
    bench.up(A)
    bench.offer()
    bench.say(OK + b"READY\n", flushed=False)
    bench.wait(100)
    assert bench.restarts() == []
    bench.offer()
    bench.wait(5)
    assert bench.restarts() == [A]
    assert "has not read its stdin" in bench.log()[-1]
    bench.ended()
    bench.up(A)
    bench.take(bench.pool.refused(A, bench.now))
    bench.wait(5)
    assert bench.restarts() == [A]
    assert "closed its stdin" in bench.log()[-1]


def test_nobody_is_restarted_while_somebody_is_free() -> None:
    bench = Bench(spec(ackwaitsecs=5), (A, B))
    bench.take(bench.pool.began(A, bench.now))
    bench.take(bench.pool.running(A, bench.now))
    bench.up(B)
    for _ in range(5):
        bench.offer()
        bench.wait(3)
        bench.say(OK + b"READY\n", B)
    assert bench.restarts() == []


def test_a_listener_that_is_not_running_is_not_judged() -> None:
    bench = Bench(spec(ackwaitsecs=5))
    bench.take(bench.pool.began(A, bench.now))
    bench.offer()
    bench.wait(100)
    assert bench.restarts() == []
    bench.take(bench.pool.running(A, bench.now))
    bench.wait(4.9)
    assert bench.restarts() == []
    bench.wait(0.1)
    assert bench.restarts() == [A]


def test_nobody_is_restarted_because_an_event_is_always_rejected() -> None:
    bench = Bench(spec(ackwaitsecs=0.5), (A, B))
    bench.up(A)
    bench.take(bench.pool.began(B, bench.now))
    bench.take(bench.pool.running(B, bench.now))
    bench.offer()
    for _ in range(20):
        while bench.given():
            bench.say(FAIL + b"READY\n")
        bench.wait(max(0, (bench.pool.next_due or 0) - bench.now))
    assert bench.restarts() == []
    assert bench.counts() == (0, 0, 21, 0, 0)  # the first retry is given at once


# --- bounds --------------------------------------------------------------------------------------------------


def test_overflow_drops_the_oldest_and_folds_what_it_says() -> None:
    bench = Bench(spec(buffer_size=2))
    bench.offer(3)
    assert bench.log() == ["pool mail event buffer overflowed, discarding event 0"]
    assert bench.told() == [EventsDropped("mail", 1, "the buffer overflowed")]
    bench.offer(38)
    assert bench.log() == []
    bench.wait(0.9)
    assert bench.log() == []
    bench.wait(0.1)
    assert bench.log() == ["pool mail event buffer overflowed, discarding event 38 (and 37 more)"]
    assert bench.told() == [EventsDropped("mail", 38, "the buffer overflowed")]
    assert bench.counts() == (2, 0, 0, 0, 39)
    assert bench.pool.next_due is None
    bench.wait(5)
    bench.offer()
    assert bench.log() == ["pool mail event buffer overflowed, discarding event 39"]


def test_an_event_for_a_free_listener_never_overflows() -> None:
    bench = Bench(spec(buffer_size=1))
    bench.up(A)
    bench.offer(2)
    assert bench.counts() == (1, 0, 0, 0, 0)


def test_an_event_that_comes_back_pushes_nothing_out() -> None:
    bench = Bench(spec(buffer_size=2))
    bench.up(A)
    bench.offer(3)
    bench.ended()
    assert bench.counts() == (3, 0, 0, 0, 0)
    bench.offer()
    assert bench.counts() == (2, 0, 0, 0, 2)


def test_waiting_bytes_are_bounded_but_for_one_event_that_is_bigger() -> None:
    bench = Bench(spec(buffer_size=1000))
    third = Event("MY_OWN", "é" * (MAX_WAITING_BYTES // 6))
    for serial in range(3):
        bench.take(bench.pool.offer(serial, third, bench.now))
    assert bench.counts()[0] == 3
    bench.take(bench.pool.offer(3, third, bench.now))
    assert bench.counts() == (3, 0, 0, 0, 1)
    bench.take(bench.pool.offer(4, Event("MY_OWN", "x" * (MAX_WAITING_BYTES + 1)), bench.now))
    assert bench.counts() == (1, 0, 0, 0, 4)
    bench.up(A)
    assert bench.given() == [(A, 4)]
    bench.offer()
    assert bench.counts() == (1, 0, 0, 0, 4)
