"""Couriers without a thread, and couriers that are sent elsewhere while they work."""

from tests.unit.daemon.office import Office
from tests.unit.daemon.virtual import Far
from tmd.daemon.sinks import NotDelivered
from tmd.daemon.sinks.courier import GIVE_UP_S, MAX_STRAYS

# --- where there is no thread


def test_without_a_thread_it_is_tried_again_like_any_trouble() -> None:
    office = Office()
    office.lacks = True
    office.offer(2)
    office.clock.advance(5)
    assert office.figures == (0, 0, 0, 2)
    assert office.log == ["cannot deliver alerts to 'ops' (there): no thread"]
    for hand in office.hands:
        hand.lacks = False
    office.clock.advance(10)
    assert office.far.numbers == [0, 1]
    assert office.figures == (2, 0, 0, 0)


def test_a_test_without_a_thread_says_so_each_time() -> None:
    office = Office()
    office.lacks = True
    for _ in range(2):
        fault = office.test(-1).fault
        assert fault is not None
        assert fault.text == "FAILED: no thread"
    assert office.clock.armed == 0
    office.lacks = False
    assert office.test(-1).value == "200 OK"


def test_leaving_without_a_thread_comes_to_an_end() -> None:
    office = Office()
    office.lacks = True
    office.offer(3)
    office.courier.leave()
    assert office.figures == (0, 3, 0, 0)


# --- another place


def redirected(office: Office) -> Far:
    """Send what the office has to another place."""
    far = Far(office.clock)
    office.courier.redirect(far.make, 5.0)
    office.clock.advance(0)
    return far


def test_what_waits_goes_to_the_new_place_at_once() -> None:
    office = Office()
    office.far.refusal = NotDelivered("no such host")
    office.offer(3)
    office.clock.advance(40)
    right = redirected(office)
    assert right.numbers == [0, 1, 2]
    assert [at for at, _ in right.came] == [40.0] * 3
    assert office.figures == (3, 0, 0, 0)
    assert office.log[-1] == "alerts are delivered to 'ops' (there) again"


def test_what_hangs_at_the_old_place_holds_nothing_up_and_comes_along_if_it_fails() -> None:
    office = Office()
    office.hangs = True
    office.offer(3)
    office.hangs = False
    right = redirected(office)
    assert right.numbers == [1, 2]
    assert office.figures == (2, 0, 0, 1)
    office.far.refusal = NotDelivered("404", lasting=True)
    office.release()
    assert right.numbers == [1, 2, 0]
    assert office.figures == (3, 0, 0, 0)
    assert office.log == [], "the trouble of a place that is no longer ours is no news"
    assert office.hands[0].closed


def test_what_arrives_at_the_old_place_is_not_sent_again() -> None:
    office = Office()
    office.hangs = True
    office.offer()
    office.hangs = False
    right = redirected(office)
    office.release()
    assert (office.far.numbers, right.numbers) == ([0], [])
    assert office.figures == (1, 0, 0, 0)


def test_many_changes_while_everything_hangs_leave_a_few_threads_and_lose_nothing() -> None:
    office = Office()
    office.hangs = True
    office.offer(3)
    places = [office.far]
    for _ in range(40):
        places.append(redirected(office))
        office.offer()
    assert len(office.hands) <= 1 + MAX_STRAYS
    assert office.figures == (0, 0, 0, 43)
    office.far.refusal = NotDelivered("moved", lasting=True)
    office.release()
    assert office.figures == (43, 0, 0, 0)
    assert sorted(number for place in places for number in place.numbers) == list(range(43))


def test_patience_begins_anew_at_a_new_place() -> None:
    office = Office()
    office.far.refusal = NotDelivered("500")
    office.offer()
    office.clock.advance(GIVE_UP_S - 100)
    right = Far(office.clock)
    right.refusal = NotDelivered("500")
    office.courier.redirect(right.make, 5.0)
    office.clock.advance(GIVE_UP_S - 100)
    assert office.figures == (0, 0, 0, 1)
    assert [at - right.tried[0] for at in right.tried[:3]] == [0.0, 0.5, 1.5]


def test_leaving_after_a_change_and_closing_in_the_middle_of_it() -> None:
    office = Office()
    office.hangs = True
    office.offer(2)
    right = redirected(office)
    office.courier.leave()
    assert not office.courier.settled
    office.far.refusal = NotDelivered("404", lasting=True)
    office.release()
    assert sorted(right.numbers) == [0, 1]
    office.offer(2)
    office.hangs = True
    redirected(office)
    office.courier.close()
    office.release()
    assert office.courier.waiting == 0
