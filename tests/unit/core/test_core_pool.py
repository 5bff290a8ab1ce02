"""A pool of listeners: who is given what, what an answer means, what there is to see."""

from tests.world.pool_bench import FAIL, OK, UNKNOWN_LINE, A, B, Bench, C, event, spec
from tmd.core.events import envelope
from tmd.core.listener import ListenerState
from tmd.core.notices import EventsDropped
from tmd.core.pool import Deliver, Hold, Pool, Settle, Verdict, default_judge
from tmd.wire.levels import Level

# --- giving --------------------------------------------------------------------------------------------------


def test_a_pool_takes_what_it_subscribed_to_and_all_below() -> None:
    pool = Pool("mail", spec(["PROCESS_STATE", "TICK_60"]), [A], "sup")
    assert pool.takes("PROCESS_STATE_EXITED")
    assert pool.takes("TICK_60")
    assert not pool.takes("TICK_5")
    assert not pool.takes("MY_OWN")
    assert Pool("mail", spec(), [A], "sup").takes("MY_OWN")


def test_the_default_judge() -> None:
    assert default_judge(event(0), b"OK") is Verdict.ACCEPTED
    assert default_judge(event(0), b"FAIL") is Verdict.REJECTED
    assert default_judge(event(0), b"OK\n") is Verdict.REJECTED


def test_an_event_goes_to_a_listener_that_is_ready_and_running() -> None:
    bench = Bench()
    bench.offer()
    bench.take(bench.pool.began(A, bench.now))
    bench.say(b"READY\n")
    assert bench.given() == []
    bench.take(bench.pool.running(A, bench.now))
    deliver = next(effect for effect in bench.effects if isinstance(effect, Deliver))
    assert deliver == Deliver(A, envelope(event(0), identifier="sup", serial=0, pool="mail", poolserial=0))
    bench.say(OK)
    assert bench.counts() == (0, 1, 0, 0, 0)


def test_what_a_good_exchange_looks_like_in_the_log() -> None:
    bench = Bench()
    bench.offer()
    bench.up(A)
    bench.say(OK + b"READY\n")
    assert bench.log(Level.DEBG) == [
        "mail_0: ACKNOWLEDGED -> READY",
        "event 0 sent to listener mail_0",
        "mail_0: event was processed",
        "mail_0: BUSY -> ACKNOWLEDGED",
        "mail_0: ACKNOWLEDGED -> READY",
    ]


def test_events_are_given_in_order_one_at_a_time() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer(3)
    assert bench.given() == [(A, 0)]
    bench.say(OK + b"READY\n")
    assert bench.given() == [(A, 1)]
    bench.say(OK)
    assert bench.given() == []
    bench.say(b"READY\n")
    assert bench.given() == [(A, 2)]


def test_the_first_that_is_free_in_configured_order_gets_it() -> None:
    bench = Bench(members=(A, B, C))
    bench.up(C, B)
    bench.offer(1)
    assert bench.given() == [(B, 0)]
    bench.up(A)
    bench.offer(3)
    assert bench.given() == [(A, 1), (C, 2)]


def test_a_listener_that_answers_without_reading_gets_nothing_more_until_it_has_read() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer(2)
    bench.say(OK + b"READY\n", flushed=False)
    assert bench.given() == [(A, 0)]
    assert bench.counts()[:2] == (1, 1)
    bench.take(bench.pool.flushed(A, bench.now))
    assert bench.given() == [(A, 1)]


def test_a_listener_on_its_way_down_gets_nothing_more_but_may_answer() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer(2)
    bench.take(bench.pool.not_running(A, bench.now))
    bench.say(OK + b"READY\n")
    bench.ended()
    assert bench.given() == [(A, 0)]
    assert bench.counts() == (1, 1, 0, 0, 0)
    bench.up(A)
    assert bench.given() == [(A, 1)]


def test_pool_serials_count_what_the_pool_was_offered() -> None:
    bench = Bench()
    bench.serial = 7
    bench.up(A)
    bench.offer()
    bench.say(FAIL + b"READY\n")
    first, again = [effect for effect in bench.effects if isinstance(effect, Deliver)]
    assert b"serial:7 pool:mail poolserial:0 " in first.data
    assert first == again


def test_what_strangers_do_is_ignored() -> None:
    bench = Bench()
    pool, now = bench.pool, bench.now
    for effects in (
        pool.began(B, now),
        pool.running(B, now),
        pool.not_running(B, now),
        pool.said(B, b"x" * 100, now),
        pool.flushed(B, now),
        pool.refused(B, now),
        pool.ended(B, now),
        pool.said(A, b"before it began", now),
        pool.refused(A, now),
    ):
        assert effects == []


# --- answers -------------------------------------------------------------------------------------------------


def test_a_rejected_event_goes_first_and_only_later_tries_pause() -> None:
    bench = Bench(members=(A, B))
    bench.up(A)
    bench.offer()
    tries = []
    for _ in range(9):
        assert bench.given() == [(A, 0)]
        rejected_at = bench.now
        bench.say(FAIL + b"READY\n")
        if bench.counts()[0] == 1:
            bench.wait((bench.pool.next_due or 0) - bench.now)
        tries.append(round(bench.now - rejected_at, 3))
    assert tries == [0, 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1]
    assert bench.log() == ["mail_0: event was rejected"] * 9
    assert bench.given() == [(A, 0)]
    bench.offer()
    bench.say(OK + b"READY\n")
    assert bench.given() == [(A, 1)]
    assert bench.counts() == (0, 1, 9, 0, 0)


def test_an_event_in_its_pause_is_stepped_over_and_takes_its_place_after_it() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer(3)
    bench.say(FAIL + b"READY\n")
    assert bench.given() == [(A, 0), (A, 0)]
    bench.say(FAIL + b"READY\n")
    assert bench.given() == [(A, 1)]
    bench.wait(0.05)
    assert bench.given() == []
    bench.say(OK + b"READY\n")
    assert bench.given() == [(A, 0)]
    bench.say(OK + b"READY\n")
    assert bench.given() == [(A, 2)]


def test_a_rejected_event_goes_to_another_that_is_ready() -> None:
    bench = Bench(members=(A, B, C))
    bench.up(A, B, C)
    bench.offer()
    for id_ in (A, B, C, A, B):
        assert bench.given() == [(id_, 0)]
        bench.say(FAIL + b"READY\n", id_)
        bench.wait(2)
    assert bench.given() == [(C, 0)]


def test_a_rejected_event_waits_for_nobody_who_is_busy() -> None:
    bench = Bench(members=(A, B))
    bench.up(A, B)
    bench.offer(2)
    assert bench.given() == [(A, 0), (B, 1)]
    bench.say(FAIL + b"READY\n")
    assert bench.given() == [(A, 0)]


def test_two_rejected_events_keep_their_order() -> None:
    bench = Bench(members=(A, B))
    bench.up(A, B)
    bench.offer(3)
    bench.say(FAIL)
    bench.say(FAIL, B)
    bench.given()
    bench.say(b"READY\n")
    bench.say(b"READY\n", B)
    assert bench.given() == [(A, 0), (B, 1)]


def test_a_result_that_cannot_be_judged() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    for _ in range(5):
        bench.say(b"RESULT 5\nraise")
        assert bench.pool.view(bench.now).listeners[0].state == "UNKNOWN"
        bench.say(b"READY\n")
        bench.wait(2)
    assert bench.log()[:2] == ["mail_0: event caused an error", UNKNOWN_LINE]
    assert bench.counts() == (0, 0, 5, 0, 0)
    bench.say(OK)
    assert bench.counts() == (0, 1, 5, 0, 0)


def test_an_event_that_can_never_be_judged_is_dropped_in_the_end() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    for _ in range(7):
        assert bench.counts()[4] == 0
        bench.say(b"RESULT 5\nraiseREADY\n")
        bench.wait(10)
    assert bench.counts() == (0, 0, 7, 0, 1)
    assert "pool mail discarding event 0 (REMOTE_COMMUNICATION): listeners failed 7 times over it" in bench.log()


def test_a_bad_result_line_rejects_and_says_so() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    bench.log()
    bench.say(b"hello world\n")
    assert bench.log(Level.DEBG) == [
        "mail_0: bad result line: 'hello world'",
        "mail_0: BUSY -> UNKNOWN",
        UNKNOWN_LINE,
        "rebuffering event 0 for pool mail (buf size=0, max=10)",
    ]
    assert bench.counts() == (1, 0, 1, 0, 0)
    bench.say(b"READY\n")
    assert bench.log(Level.DEBG) == ["mail_0: UNKNOWN -> READY", "event 0 sent to listener mail_0"]
    bench.say(OK)
    assert bench.counts() == (0, 1, 1, 0, 0)


def test_a_bad_result_line_that_is_not_text() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    bench.say(b"RESULT\xff\n")
    assert bench.log()[0] == "mail_0: bad result line: 'Undecodable: b'RESULT\\xff''"


def test_control_characters_of_a_listener_do_not_reach_the_log() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    bench.say(b"RESULT \x002\x1b[31m\r \xc2\x85 h\xc3\xb8y\n")
    assert bench.log()[0] == "mail_0: bad result line: 'RESULT \\x002\\x1b[31m\\r \\x85 høy'"


def test_an_event_over_which_listeners_always_break_the_protocol_is_dropped() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    for _ in range(3):
        assert bench.given() == [(A, 0)]
        bench.say(b"oops\nRESULT 2\nOKREADY\n")
        bench.wait(30)
    assert bench.given() == []
    assert bench.log()[-1] == ("pool mail discarding event 0 (REMOTE_COMMUNICATION): listeners failed 3 times over it")
    assert bench.told() == [EventsDropped("mail", 1, "every listener failed over an event")]
    assert bench.counts() == (0, 0, 3, 0, 1)


def test_a_listener_that_falls_all_the_time_does_not_fill_the_log() -> None:
    bench = Bench()
    bench.up(A)
    bench.log()
    bench.say(b"READY\n" * 1000)
    assert bench.log(Level.DEBG) == ["mail_0: READY -> UNKNOWN", UNKNOWN_LINE, "mail_0: UNKNOWN -> READY"]
    bench.now += 1
    bench.say(b"READY\n")
    assert bench.log() == [UNKNOWN_LINE + " (999 more times since the last such line)"]


# --- new settings --------------------------------------------------------------------------------------------


def test_new_settings_leave_alone_who_stays() -> None:
    bench = Bench(spec(buffer_size=10), (A, B))
    bench.up(A, B)
    bench.offer(6)
    assert bench.given() == [(A, 0), (B, 1)]
    bench.take(bench.pool.respec(spec(["TICK"], buffer_size=3), (B, C)))
    assert bench.pool.takes("TICK_5")
    assert not bench.pool.takes("REMOTE_COMMUNICATION")
    bench.wait(0)
    assert bench.counts() == (3, 0, 0, 0, 1)
    bench.say(OK + b"READY\n", B)
    bench.up(C, A)
    assert bench.given() == [(B, 3), (C, 4)]
    assert [one.id for one in bench.pool.view(bench.now).listeners] == [B, C]


def test_an_event_that_a_former_member_did_not_answer_goes_to_who_is_free() -> None:
    bench = Bench(members=(A, B))
    bench.up(A, B)
    bench.offer()
    bench.take(bench.pool.respec(spec(), (B,)))
    bench.wait(0)
    assert bench.given() == [(A, 0)]
    assert len(bench.pool.unheard()) == 1
    bench.ended(A)
    assert bench.given() == [(B, 0)]
    assert bench.counts() == (0, 0, 0, 1, 0)


def test_the_answer_of_a_former_member_counts_and_it_is_given_nothing_more() -> None:
    bench = Bench(members=(A, B))
    bench.up(A)
    bench.offer(2)
    bench.take(bench.pool.respec(spec(), (B,)))
    bench.wait(400)
    bench.say(OK + b"READY\n")
    bench.ended(A)
    bench.up(B)
    assert bench.given() == [(A, 0), (B, 1)]
    assert bench.counts() == (0, 1, 0, 0, 0)
    assert bench.restarts() == []


def test_a_member_that_is_back_before_it_has_answered_is_the_same() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer(2)
    bench.take(bench.pool.respec(spec(), ()))
    bench.take(bench.pool.respec(spec(), (A,)))
    bench.say(OK + b"READY\n")
    assert bench.given() == [(A, 0)]
    assert bench.counts() == (1, 1, 0, 0, 0)


def test_a_new_judge() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    bench.take(bench.pool.respec(spec(), (A,), lambda _event, _result: Verdict.ACCEPTED))
    bench.say(FAIL)
    assert bench.counts() == (0, 1, 0, 0, 0)


# --- the view ------------------------------------------------------------------------------------------------


def test_what_there_is_to_see() -> None:
    bench = Bench(spec(["TICK_5"], buffer_size=7), (A, B))
    view = bench.pool.view(bench.now)
    assert (view.name, view.events, view.buffer_size) == ("mail", ("TICK_5",), 7)
    assert [(one.id, one.state, one.for_s) for one in view.listeners] == [(A, "-", 0.0), (B, "-", 0.0)]
    bench.take(bench.pool.began(A, bench.now))
    bench.now += 2
    bench.up(B)
    bench.offer()
    bench.take(bench.pool.flushed(B, bench.now))
    bench.now += 3
    facts = bench.pool.view(bench.now).listeners
    assert [(one.state, one.for_s) for one in facts] == [("ACKNOWLEDGED", 5.0), ("BUSY", 3.0)]
    assert [one.note for one in facts] == ["is not RUNNING", ""]
    bench.ended(B)
    bench.now += 1
    assert bench.pool.view(bench.now).listeners[1].state == "-"
    assert bench.pool.view(bench.now).listeners[1].for_s == 1.0


def test_why_a_listener_that_is_ready_is_given_nothing_is_to_be_seen() -> None:
    bench = Bench(spec(ackwaitsecs=5))

    def seen() -> tuple[str, str]:
        (facts,) = bench.pool.view(bench.now).listeners
        return facts.state, facts.note

    bench.up(A)
    assert seen() == ("READY", "")
    bench.offer()
    bench.say(OK + b"READY\n", flushed=False)
    assert seen() == ("READY", "has not read its stdin")
    bench.take(bench.pool.refused(A, bench.now))
    assert seen() == ("READY", "has closed its stdin")
    bench.offer()
    bench.wait(6)
    assert seen() == ("READY", "is being restarted")
    bench.up(A)
    bench.take(bench.pool.hung_up(A, bench.now))
    assert seen() == ("READY", "has closed its stdout")


def test_what_came_of_the_oldest_event_is_to_be_seen() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer(2)
    assert bench.pool.view(bench.now).note == ""
    bench.say(FAIL + b"READY\n")
    bench.say(FAIL + b"READY\n")
    assert bench.pool.view(bench.now).note == "event 0 (REMOTE_COMMUNICATION): rejected 2 times, next try in 0.1 s"


def test_the_state_of_a_process() -> None:
    bench = Bench()
    assert bench.pool.state_of(A) is None
    assert bench.pool.state_of(B) is None
    bench.up(A)
    assert bench.pool.state_of(A) is ListenerState.READY


def test_new_settings_are_settled_by_due_whatever_happens_before() -> None:
    bench = Bench()
    bench.offer(5)
    bench.take(bench.pool.respec(spec(buffer_size=2), (A,)))
    bench.take(bench.pool.began(A, bench.now))
    assert bench.pool.next_due == 0
    bench.take(bench.pool.due(bench.now))
    assert bench.counts() == (2, 0, 0, 0, 3)


def test_what_is_given_is_told_once_and_again_when_it_is_settled() -> None:
    bench = Bench()
    bench.up(A)
    bench.offer()
    assert [effect for effect in bench.effects if isinstance(effect, Hold | Settle)] == [Hold(0, 0, event(0))]
    bench.say(FAIL + b"READY\n")
    bench.say(OK + b"READY\n")
    assert [effect for effect in bench.effects if isinstance(effect, Hold | Settle)] == [
        Hold(0, 0, event(0)),
        Settle(0),
    ]


def test_what_a_daemon_before_had_given_comes_first_and_numbers_go_on() -> None:
    bench = Bench()
    bench.pool.recall(17, 5, event(0))
    bench.pool.resume(10)
    assert bench.pool.next_poolserial == 10
    bench.offer()
    bench.up(A)
    assert bench.given() == [(A, 17)]
    assert not [effect for effect in bench.effects if isinstance(effect, Hold)], "it is known already"
    bench.say(OK + b"READY\n")
    assert [effect for effect in bench.effects if isinstance(effect, Settle)] == [Settle(17)]
    assert [effect.poolserial for effect in bench.effects if isinstance(effect, Hold)] == [10]
