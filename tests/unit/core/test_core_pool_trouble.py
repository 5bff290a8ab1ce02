"""A pool of listeners: those that end, get stuck or do not read, and more events than can wait."""

import pytest

from tests.world.pool_bench import FAIL, OK, A, B, Bench, C, spec
from tmd.core.backlog import MAX_WAITING_BYTES, PARCEL_BYTES
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
    bench.say(FAIL, B)
    bench.wait(1)
    bench.say(b"READY\n", B)
    assert bench.given() == [(B, 0)]
    assert bench.counts() == (1, 1, 1, 1, 0)  # rejected is not redelivered


def test_an_event_that_always_ends_its_listener_is_dropped_after_a_minute() -> None:
    bench = Bench()
    bench.offer()
    began, ends_at = bench.now, []
    while not bench.counts()[4]:
        bench.up(A)
        while not bench.given():
            bench.wait((bench.pool.next_due or 0) - bench.now)
        bench.ended()
        ends_at.append(round(bench.now - began, 2))
    assert ends_at[:6] == [0, 0, 0.05, 0.15, 0.35, 0.75]
    assert 60 <= ends_at[-1] < 75
    assert bench.log() == [
        f"pool mail discarding event 0 (REMOTE_COMMUNICATION): listeners failed {len(ends_at)} times over it"
    ]
    assert bench.told() == [EventsDropped("mail", 1, "every listener failed over an event")]


def test_listeners_that_end_for_a_minute_lose_nothing() -> None:
    bench = Bench(members=(A, B), pool_spec=spec(buffer_size=100))
    bench.offer(50)
    bench.up(A, B)
    for turn in range(59):
        id_ = (A, B)[turn % 2]
        bench.wait(1)
        bench.ended(id_)
        bench.up(id_)
    assert bench.counts()[4] == 0
    for _ in range(60):
        bench.say(OK + b"READY\n", A)
        bench.say(OK + b"READY\n", B)
        bench.wait(1)
    assert bench.counts()[:2] == (0, 50)
    assert bench.counts()[4] == 0


def test_an_event_that_ends_its_listener_holds_up_no_other() -> None:
    bench = Bench()
    bench.offer(3)
    for _ in range(2):
        bench.up(A)
        bench.ended()
    assert bench.given() == [(A, 0)] * 2
    bench.up(A)
    assert bench.given() == [(A, 1)]
    bench.say(OK + b"READY\n")
    assert bench.given() == [(A, 2)]


def test_an_event_that_ended_a_listener_is_tried_by_another_and_not_dropped_before() -> None:
    bench = Bench(members=(A, B, C))
    bench.up(A, B, C)
    bench.offer()
    assert bench.given() == [(A, 0)]
    bench.ended(A)
    assert bench.given() == [(B, 0)]
    bench.up(A)
    bench.ended(B)
    bench.wait(0.1)
    assert bench.given() == [(C, 0)]
    bench.say(OK, C)
    assert bench.counts() == (0, 1, 0, 2, 0)


def test_an_event_is_not_dropped_while_somebody_is_there_who_has_not_tried_it() -> None:
    bench = Bench(members=(A, B))
    bench.up(B)
    bench.offer()
    assert bench.given() == [(B, 0)]  # and is busy with this one to the end
    bench.offer()
    for _ in range(5):
        bench.up(A)
        assert bench.given() == [(A, 1)]
        bench.ended(A)
        bench.wait(40)
    assert bench.counts()[4] == 0
    bench.say(OK + b"READY\n", B)
    assert bench.given() == [(B, 1)]
    bench.ended(B)
    assert bench.counts()[4] == 1


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
        bench.wait(30)
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
    bench = Bench(spec(ackwaitsecs=40))
    bench.offer()
    for _ in range(3):
        bench.up(A)
        bench.wait(41)
        bench.take(bench.pool.not_running(A, bench.now))
        bench.ended()
    assert bench.given() == [(A, 0)] * 3
    assert bench.counts() == (0, 0, 0, 2, 1)


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


def test_ready_is_no_step_forward_for_one_who_does_not_read() -> None:
    bench = Bench(spec(ackwaitsecs=5))
    bench.up(A)
    bench.offer(2)
    bench.say(OK + b"READY\n", flushed=False)
    for _ in range(10):
        bench.wait(1)
        bench.say(b"READY\n", flushed=False)
    assert bench.restarts() == [A]


def test_whoever_reads_in_the_end_has_its_time_from_then_on() -> None:
    bench = Bench(spec(ackwaitsecs=5))
    bench.up(A)
    bench.offer()
    bench.wait(4)
    bench.take(bench.pool.flushed(A, bench.now))
    bench.wait(4.9)
    assert bench.restarts() == []
    bench.wait(0.2)
    assert bench.restarts() == [A]


def test_a_daemon_that_slept_blames_nobody() -> None:
    bench = Bench(spec(ackwaitsecs=5), members=(A, B))
    bench.up(A)
    bench.offer(2)
    bench.now += 60
    assert bench.pool.overdue(bench.now) == [A]
    bench.pool.overslept(bench.now)
    assert bench.pool.overdue(bench.now) == []
    bench.wait(4.9)
    assert bench.restarts() == []
    bench.wait(0.2)
    assert bench.restarts() == [A]


def test_a_closed_stdout_is_told_the_event_given_to_another_and_the_listener_restarted_soon() -> None:
    bench = Bench(members=(A, B))
    bench.up(A, B)
    bench.offer()
    bench.take(bench.pool.hung_up(A, bench.now))
    assert bench.log() == [
        "mail_0: closed its stdout and can answer no more, event 0 (REMOTE_COMMUNICATION) is given again"
    ]
    assert bench.given() == [(A, 0), (B, 0)]
    bench.say(OK + b"READY\n", A)
    assert bench.counts() == (0, 0, 0, 1, 0)
    bench.say(OK + b"READY\n", B)
    assert bench.restarts() == []
    bench.wait(1.1)
    assert bench.restarts() == [A]
    assert bench.log() == ["mail_0: has closed its stdout, restarting it"]
    bench.offer()
    assert bench.given() == [(B, 1)]


def test_an_event_over_which_listeners_close_their_stdout_holds_up_no_other() -> None:
    bench = Bench()
    bench.offer(2)
    for _ in range(2):
        bench.up(A)
        bench.take(bench.pool.hung_up(A, bench.now))
        bench.ended(A)
    assert bench.given() == [(A, 0)] * 2
    bench.up(A)
    assert bench.given() == [(A, 1)]


def test_whoever_closes_its_stdout_in_every_life_is_restarted_ever_more_slowly() -> None:
    bench = Bench()

    def restarted_after() -> float:
        bench.up(A)
        bench.take(bench.pool.hung_up(A, bench.now))
        return (bench.pool.next_due or 0) - bench.now

    graces = []
    for _ in range(9):
        graces.append(restarted_after())
        bench.wait(graces[-1])
        assert bench.restarts() == [A]
        bench.ended()
    assert graces == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    bench.up(A)
    bench.offer()
    bench.say(OK)
    bench.ended()
    assert restarted_after() == 1


def test_a_listener_that_closed_its_stdout_before_it_ran_is_told_of_once_it_runs() -> None:
    bench = Bench()
    bench.take(bench.pool.began(A, bench.now))
    bench.take(bench.pool.hung_up(A, bench.now))
    assert bench.log() == []
    bench.wait(10)
    bench.take(bench.pool.running(A, bench.now))
    assert bench.log() == ["mail_0: closed its stdout and can answer no more"]
    assert bench.restarts() == []
    bench.wait(1.1)
    assert bench.restarts() == [A]


def test_a_listener_that_closes_its_stdout_when_it_is_stopped_is_not_blamed() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    bench.take(bench.pool.not_running(A, bench.now))
    bench.take(bench.pool.hung_up(A, bench.now))
    bench.wait(10)
    assert bench.log() == []
    assert bench.restarts() == []
    assert bench.pool.view(bench.now).note == ""
    assert bench.counts() == (1, 0, 0, 0, 0)


def test_with_patience_without_end_a_closed_stdout_is_told_and_nobody_restarted() -> None:
    bench = Bench(spec(ackwaitsecs=0))
    bench.up(A)
    bench.take(bench.pool.hung_up(A, bench.now))
    bench.wait(100)
    assert len(bench.log()) == 1
    assert bench.restarts() == []


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
    third = Event("MY_OWN", "é" * (MAX_WAITING_BYTES // 3 - PARCEL_BYTES))
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
