"""The courier in virtual time: order, patience, bounds, and what it says about itself."""

import itertools

import pytest

from tests.unit.daemon.office import Office
from tmd.daemon.alerts import EMAIL_PACE
from tmd.daemon.sinks import NotDelivered
from tmd.daemon.sinks.courier import GIVE_UP_S, IDLE_S, LONGEST_AFTER_S, MAX_WAITING, _Work


def test_an_alert_goes_at_once() -> None:
    office = Office()
    office.offer(3)
    assert [(at, len(alerts)) for at, alerts in office.far.came] == [(0.0, 1)] * 3
    assert office.far.numbers == [0, 1, 2]
    assert office.figures == (3, 0, 0, 0)
    assert office.log == []


def test_without_alerts_there_is_no_thread_and_it_ends_when_idle() -> None:
    office = Office()
    assert (office.hands, office.clock.armed) == ([], 0)
    office.offer()
    office.clock.advance(IDLE_S - 1)
    office.offer()
    office.clock.advance(IDLE_S - 1)
    assert not office.hands[0].closed
    office.clock.advance(1)
    assert office.hands[0].closed
    assert office.clock.armed == 0
    office.offer()
    assert (len(office.hands), office.far.made) == (2, 2)


def test_a_failure_is_tried_again_ever_more_rarely_in_order() -> None:
    office = Office()
    office.far.refusal = NotDelivered("500")
    office.offer(3)
    office.clock.advance(150)
    assert office.far.tried == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, 123.5]
    office.far.refusal = None
    office.clock.advance(60)
    assert office.far.numbers == [0, 1, 2]
    assert office.figures == (3, 0, 0, 0)


def test_jitter_stretches_the_waits() -> None:
    office = Office(jitter=1.0)
    office.far.refusal = NotDelivered("500")
    office.offer()
    office.clock.advance(3)
    assert office.far.tried == [0.0, 0.75, 2.25]


def test_after_a_success_patience_begins_anew() -> None:
    office = Office()
    office.far.refusal = NotDelivered("500")
    office.offer()
    office.clock.advance(10)
    office.far.refusal = None
    office.clock.advance(10)
    office.far.refusal = NotDelivered("500")
    before = len(office.far.tried)
    office.offer()
    office.clock.advance(0.5)
    assert len(office.far.tried) == before + 2


def test_an_alert_is_given_up_after_a_while_and_the_next_gets_its_chance() -> None:
    office = Office()
    office.far.refusal = NotDelivered("500")
    office.offer()
    office.clock.advance(GIVE_UP_S - 60)
    office.offer()
    office.clock.advance(120)
    assert office.figures == (0, 1, 0, 1)
    office.far.refusal = None
    office.clock.advance(60)
    assert office.figures == (1, 1, 0, 0)
    assert office.far.numbers == [1]


def test_what_is_refused_for_good_is_not_tried_again() -> None:
    office = Office()
    office.far.refusal = NotDelivered("404 Not Found", lasting=True)
    office.offer(2)
    office.clock.advance(1000)
    assert office.far.tried == [0.0, 0.0]
    assert office.figures == (0, 2, 0, 0)


@pytest.mark.parametrize(("asked_s", "waited_s"), [(30.0, 30.0), (0.1, 0.5), (10_000.0, LONGEST_AFTER_S)])
def test_the_other_side_may_ask_for_patience(asked_s: float, waited_s: float) -> None:
    office = Office()
    office.far.refusal = NotDelivered("429", after_s=asked_s)
    office.offer()
    office.clock.advance(waited_s)
    assert office.far.tried == [0.0, waited_s]


def test_of_too_many_the_oldest_go() -> None:
    office = Office()
    office.hangs = True
    office.offer(MAX_WAITING + 10)
    assert office.figures == (0, 0, 10, MAX_WAITING)
    office.release()
    assert office.far.numbers == [0, *range(11, MAX_WAITING + 10)]
    assert office.figures == (MAX_WAITING, 0, 10, 0)


def test_what_is_tried_again_counts_among_those_that_wait() -> None:
    office = Office()
    office.far.refusal = NotDelivered("down")
    office.offer(MAX_WAITING)
    office.offer()
    assert office.figures == (0, 0, 1, MAX_WAITING)
    office.far.refusal = None
    office.clock.advance(1)
    assert office.far.numbers == list(range(1, MAX_WAITING + 1))


def test_a_defect_of_the_sink_is_a_failure_like_others() -> None:
    office = Office()
    office.far.refusal = ValueError("oops")
    office.offer()
    assert office.log == ["cannot deliver alerts to 'ops' (there): a defect: ValueError: oops"]
    office.far.refusal = ConnectionRefusedError(111, "Connection refused")
    office.clock.advance(1)
    assert office.complaints.last_error == "Connection refused"


def test_the_log_hears_of_it_once_a_minute_and_when_it_is_over() -> None:
    office = Office()
    office.far.refusal = NotDelivered("500")
    office.offer()
    office.clock.advance(70)
    office.far.refusal = None
    office.clock.advance(60)
    assert office.log == [
        "cannot deliver alerts to 'ops' (there): 500",
        "cannot deliver alerts to 'ops' (there): 500, 7 failures in 64 seconds",
        "alerts are delivered to 'ops' (there) again",
    ]
    assert (office.complaints.last_error, office.complaints.last_error_at) == ("500", 5.0)


def test_the_log_hears_how_many_were_given_up() -> None:
    office = Office()
    office.far.refusal = NotDelivered("404", lasting=True)
    office.offer(5)
    office.far.refusal = None
    office.offer()
    assert office.log == [
        "cannot deliver alerts to 'ops' (there): 404 (1 alert given up)",
        "alerts are delivered to 'ops' (there) again (4 alerts given up meanwhile)",
    ]


# --- mail


def test_mail_gathers_for_half_a_second() -> None:
    office = Office(EMAIL_PACE)
    office.offer(2)
    office.clock.advance(0.4)
    office.offer()
    assert office.far.came == []
    office.clock.advance(0.1)
    assert [(at, len(alerts)) for at, alerts in office.far.came] == [(0.5, 3)]


def test_a_full_mail_goes_at_once() -> None:
    office = Office(EMAIL_PACE)
    office.offer(250)
    assert [len(alerts) for _, alerts in office.far.came] == [100, 100]
    office.clock.advance(0.5)
    assert office.far.numbers == list(range(250))


def test_a_crash_loop_is_a_few_mails() -> None:
    office = Office(EMAIL_PACE)
    for _ in range(600):
        office.offer()
        office.clock.advance(1)
    times = [at for at, _ in office.far.came]
    assert times[:5] == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert len(times) == 5 + 9
    assert all(later - earlier >= 59.9 for earlier, later in itertools.pairwise(times[5:]))
    office.clock.advance(120)
    assert office.far.numbers == list(range(600))
    assert office.figures == (600, 0, 0, 0)


def test_calm_gives_the_right_to_several_mails_back() -> None:
    office = Office(EMAIL_PACE)
    for _ in range(6):
        office.offer()
        office.clock.advance(1)
    office.clock.advance(600)
    before = len(office.far.came)
    for _ in range(5):
        office.offer()
        office.clock.advance(1)
    assert len(office.far.came) == before + 5


def test_a_mail_that_failed_takes_along_what_came_meanwhile() -> None:
    office = Office(EMAIL_PACE)
    office.far.refusal = NotDelivered("down")
    for _ in range(20):
        office.offer()
        office.clock.advance(1)
    office.far.refusal = None
    office.clock.advance(60)
    assert [len(alerts) for _, alerts in office.far.came] == [20]
    office.offer()
    office.clock.advance(0.5)
    assert len(office.far.came) == 2, "failures do not count as mails"


# --- what is kept of a failure


def test_a_failure_holds_on_to_nothing_that_was_read() -> None:
    office = Office()
    office.far.refusal = NotDelivered("500", after_s=3.0)
    kept: list[NotDelivered] = []
    work = _Work(office.far.make)
    for _ in range(2):
        outcome = work(())
        assert isinstance(outcome, NotDelivered)
        kept.append(outcome)
    assert [(why.__traceback__, why.__context__, why.reason, why.after_s) for why in kept] == [
        (None, None, "500", 3.0)
    ] * 2


# --- a test of the sink


def test_a_test_goes_past_what_waits() -> None:
    office = Office()
    office.hangs = True
    office.offer(3)
    office.hangs = False
    operation = office.test(-1)
    assert operation.value == "200 OK"
    assert office.far.numbers == [-1]
    assert office.hands[1].closed
    assert office.figures == (0, 0, 0, 3)


def test_a_test_that_fails_says_why() -> None:
    office = Office()
    office.far.refusal = NotDelivered("connection refused")
    fault = office.test(-1).fault
    assert fault is not None
    assert fault.text == "FAILED: connection refused"
    assert office.figures == (0, 0, 0, 0)
    assert office.log == []


def test_a_test_that_works_ends_the_wait_of_others() -> None:
    office = Office()
    office.far.refusal = NotDelivered("500")
    office.offer()
    office.clock.advance(40)
    office.far.refusal = None
    office.test(-1)
    assert office.far.numbers == [-1, 0]


def test_one_test_at_a_time_and_never_without_an_end() -> None:
    office = Office()
    office.hangs = True
    first = office.test(-1)
    second = office.test(-2)
    assert second.fault is not None
    assert second.fault.text == "FAILED: another test is under way"
    office.clock.advance(15)
    assert first.fault is not None
    assert first.fault.text == "FAILED: no outcome within 15 seconds"
    office.release()
    assert office.hands[0].closed
    office.hangs = False
    assert office.test(-3).value == "200 OK"


# --- the end


def test_leaving_delivers_what_was_held_back() -> None:
    office = Office(EMAIL_PACE)
    for _ in range(7):
        office.offer()
        office.clock.advance(1)
    assert not office.courier.settled
    office.courier.leave()
    office.clock.advance(0)
    assert office.far.numbers == list(range(7))
    assert (office.courier.settled, office.figures) == (True, (7, 0, 0, 0))
    assert office.idles


def test_leaving_tries_nothing_twice() -> None:
    office = Office()
    office.hangs = True
    office.offer(3)
    office.courier.leave()
    assert not office.courier.settled
    office.far.refusal = NotDelivered("500")
    office.release()
    assert office.courier.settled
    assert office.figures == (0, 3, 0, 0)
    assert office.log == ["cannot deliver alerts to 'ops' (there): 500 (3 alerts given up)"]


def test_who_is_known_to_fail_gets_a_last_chance_that_nobody_waits_for() -> None:
    office = Office()
    office.far.refusal = NotDelivered("500")
    office.offer(3)
    assert office.courier.settled
    office.courier.leave()
    assert office.courier.settled
    office.clock.advance(0)
    assert office.far.tried == [0.0, 0.0]
    assert office.figures == (0, 3, 0, 0)
    assert office.log[1:] == ["cannot deliver alerts to 'ops' (there): 500 (3 alerts given up)"]


def test_closing_in_the_middle_of_a_delivery_leaves_nothing_behind() -> None:
    office = Office()
    office.hangs = True
    office.offer(3)
    office.courier.close()
    assert office.figures == (0, 0, 3, 0)
    assert office.hands[0].closed
    office.release()
    office.offer()
    assert office.figures == (0, 0, 3, 0)
    assert office.clock.armed == 0
