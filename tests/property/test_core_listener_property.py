"""Listeners and pools under arbitrary behaviour.

A listener: the same outcomes however its bytes are cut. A pool: beside it runs a model that only knows what each
listener really did. Every event is accepted once, or counted as dropped, or still waits, or is in somebody's hands.
"""

from collections.abc import Iterable
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tmd.config.settings import PoolSpec
from tmd.core.effects import Log, Tell
from tmd.core.events import Event
from tmd.core.listener import (
    MAX_LINE_BYTES,
    MAX_RESULT_BYTES,
    Fell,
    Judged,
    Listener,
    ListenerState,
    Moved,
    Outcome,
    Verdict,
)
from tmd.core.notices import EventsDropped, ListenerStuck
from tmd.core.pool import Deliver, Pool, PoolEffect, Restart, default_judge
from tmd.core.pool_state import PoolState
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId

WORDS = st.sampled_from(
    [
        b"READY\n",
        b"RESULT 2\nOK",
        b"RESULT 4\nFAIL",
        b"RESULT 5\nraise",
        b"RESULT 0\n",
        b"RESULT 3\nOK",
        b"RESULT -1\n",
        b"RESULT 99999999\n",
        b"RESULT 1500\n",
        b"RESULT",
        b"\n",
        b"debug: READY",
        b"x" * 700,
        b"x" * 1100,
        b"\xff",
    ]
)
SPEECH = st.lists(st.one_of(WORDS, WORDS, st.binary(max_size=12)), max_size=15).map(b"".join)


# --- one listener --------------------------------------------------------------------------------------------


def verdict(result: bytes) -> Verdict:
    return Verdict.ERROR if result == b"raise" else default_judge(Event("X", ""), result)


def play(acts: Iterable[list[bytes]]) -> tuple[list[Outcome], int, int, ListenerState]:
    """Feed the pieces of each act; between acts, give an event to a listener that is READY."""
    listener = Listener(verdict)
    outcomes: list[Outcome] = []
    for pieces in acts:
        for piece in pieces:
            outcomes += listener.feed(piece)
            assert listener.held_bytes <= MAX_RESULT_BYTES
            if listener.state is not ListenerState.BUSY:
                assert listener.held_bytes <= MAX_LINE_BYTES
        if listener.state is ListenerState.READY:
            listener.gave()
    return outcomes, listener.garbage_bytes, listener.held_bytes, listener.state


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[begin:end] for begin, end in pairwise(places)]


@given(acts=st.lists(SPEECH, max_size=5), at=st.lists(st.integers(0, 5000), max_size=12))
def test_a_listener_is_understood_alike_however_its_bytes_are_cut(acts: list[bytes], at: list[int]) -> None:
    whole = play([act] for act in acts)
    assert play(cut(act, at) for act in acts) == whole
    assert play([act[place : place + 1] for place in range(len(act))] for act in acts) == whole


@given(acts=st.lists(SPEECH, max_size=5))
def test_outcomes_are_a_path_through_the_protocol(acts: list[bytes]) -> None:
    state = ListenerState.ACKNOWLEDGED
    judged = False
    listener = Listener(verdict)
    for act in acts:
        for outcome in listener.feed(act):
            match outcome:
                case Moved(before=before, after=after):
                    assert before is state
                    steps = {
                        ListenerState.ACKNOWLEDGED: ListenerState.READY,
                        ListenerState.BUSY: ListenerState.ACKNOWLEDGED,
                        ListenerState.UNKNOWN: ListenerState.READY,
                    }
                    assert after is steps[before]
                    assert judged is (before is ListenerState.BUSY)
                    state, judged = after, False
                case Fell(before=before, line=line):
                    assert before is state
                    assert before is not ListenerState.UNKNOWN
                    assert judged is (before is ListenerState.BUSY and line is None)
                    state, judged = ListenerState.UNKNOWN, False
                case Judged():
                    assert state is ListenerState.BUSY
                    judged = True
        assert state is listener.state
        if state is ListenerState.READY:
            listener.gave()
            state = ListenerState.BUSY


@given(acts=st.lists(SPEECH, max_size=5))
def test_whatever_a_listener_said_enough_ready_lines_take_it_back(acts: list[bytes]) -> None:
    listener = Listener(verdict)
    for act in acts:
        listener.feed(act)
        if listener.state is ListenerState.READY:
            listener.gave()
    listener.feed(b"x" * MAX_RESULT_BYTES + b"\n" + b"x" * MAX_RESULT_BYTES + b"\n")
    listener.feed(b"\nREADY\n")
    assert listener.state is ListenerState.READY


# --- a pool --------------------------------------------------------------------------------------------------

IDS = tuple(ProcessId("p", f"p_{number}") for number in range(3))
ACKWAIT_S = 4.0


class Hand:
    """What one listener really holds: the model's view, from the effects alone."""

    def __init__(self) -> None:
        self.alive = False
        self.running = False
        self.holds: int | None = None
        self.unread = False
        self.doomed = False
        """it is to be restarted, or its stdin is closed: nothing may be given to it"""


class PoolMachine(RuleBasedStateMachine):
    """A pool of up to three listeners of all kinds, and what became of each event."""

    @initialize(
        members=st.integers(1, 3), buffer_size=st.sampled_from([1, 3, 50]), ackwait=st.sampled_from([0, ACKWAIT_S])
    )
    def begin(self, members: int, buffer_size: int, ackwait: float) -> None:
        self.ids = IDS[:members]
        self.spec = PoolSpec(events=("EVENT",), buffer_size=buffer_size, ackwaitsecs=ackwait)
        self.now = 50.0
        self.hands = {id_: Hand() for id_ in IDS}
        self.offered = 0
        self.accepted: list[int] = []
        self.first_given: list[int] = []
        self.told_dropped = 0
        self.lines_at: list[float] = []
        self.pool = Pool("p", self.spec, self.ids, "sup", self.judge)

    def judge(self, event: Event, result: bytes) -> Verdict:
        answer = verdict(result)
        if answer is Verdict.ACCEPTED:
            self.accepted.append(int(event.payload))
        return answer

    def perform(self, effects: list[PoolEffect]) -> None:
        for effect in effects:
            match effect:
                case Deliver(id=id_, data=data):
                    hand = self.hands[id_]
                    serial = int(data.split(b"\n")[1])
                    assert hand.alive
                    assert hand.running
                    assert not hand.doomed
                    assert not hand.unread, "given before the last one was read"
                    assert hand.holds is None, "two events in one hand"
                    assert all(other.holds != serial for other in self.hands.values()), "one event in two hands"
                    assert serial not in self.accepted
                    hand.holds, hand.unread = serial, True
                    if serial not in self.first_given:
                        self.first_given.append(serial)
                case Restart(id=id_):
                    hand = self.hands[id_]
                    assert self.spec.ackwaitsecs
                    assert hand.running
                    assert not hand.doomed or hand.holds is None
                    hand.holds, hand.doomed, hand.running = None, True, False
                case Tell(notice=EventsDropped(count=count)):
                    self.told_dropped += count
                case Tell(notice=notice):
                    assert isinstance(notice, ListenerStuck)
                case Log(level=Level.ERRO, text=text):
                    assert "discarding event" in text
                    if "overflowed" in text:
                        assert not self.lines_at or self.now >= self.lines_at[-1] + 1
                        self.lines_at.append(self.now)
                case Log():
                    assert effect.level in (Level.DEBG, Level.WARN)

    # --- the daemon's side

    def pick(self, data: st.DataObject, *, alive: bool | None = None) -> ProcessId | None:
        among = IDS if alive else self.ids
        able = [id_ for id_ in among if alive is None or self.hands[id_].alive is alive]
        return data.draw(st.sampled_from(able)) if able else None

    @rule(count=st.integers(1, 6))
    def offer(self, count: int) -> None:
        for _ in range(count):
            event = Event("X", str(self.offered))
            self.offered += 1
            self.perform(self.pool.offer(self.offered - 1, event, self.now))

    @rule(data=st.data(), then_runs=st.booleans(), speaks=st.booleans())
    def start(self, data: st.DataObject, then_runs: bool, speaks: bool) -> None:
        id_ = self.pick(data, alive=False)
        if id_ is None:
            return
        self.hands[id_] = Hand()
        self.hands[id_].alive = True
        self.perform(self.pool.began(id_, self.now))
        if speaks:
            self.speak(id_, b"READY\n")
        if then_runs:
            self.hands[id_].running = True
            self.perform(self.pool.running(id_, self.now))

    @rule(data=st.data())
    def run(self, data: st.DataObject) -> None:
        id_ = self.pick(data, alive=True)
        if id_ in self.ids and not self.hands[id_].doomed:
            self.hands[id_].running = True
            self.perform(self.pool.running(id_, self.now))

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        id_ = self.pick(data, alive=True)
        if id_ is not None:
            self.hands[id_].running = False
            self.perform(self.pool.not_running(id_, self.now))

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        id_ = self.pick(data, alive=True)
        if id_ is not None:
            self.hands[id_] = Hand()
            self.perform(self.pool.ended(id_, self.now))

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        id_ = self.pick(data, alive=True)
        if id_ is not None and self.hands[id_].unread and not self.hands[id_].doomed:
            self.hands[id_].unread = False
            self.perform(self.pool.flushed(id_, self.now))

    @rule(data=st.data())
    def close_stdin(self, data: st.DataObject) -> None:
        id_ = self.pick(data, alive=True)
        if id_ is not None:
            self.hands[id_].holds, self.hands[id_].doomed = None, True
            self.perform(self.pool.refused(id_, self.now))

    @rule(data=st.data())
    def close_stdout(self, data: st.DataObject) -> None:
        id_ = self.pick(data, alive=True)
        if id_ is not None:
            self.hands[id_].holds, self.hands[id_].doomed = None, True
            self.perform(self.pool.hung_up(id_, self.now))

    # --- the listeners' side

    def speak(self, id_: ProcessId, data: bytes) -> None:
        before = self.pool.view(self.now)
        effects = self.pool.said(id_, data, self.now)
        after = self.pool.view(self.now)
        if after.delivered + after.rejected > before.delivered + before.rejected:
            self.hands[id_].holds = None
        self.perform(effects)

    @rule(data=st.data(), answer=st.sampled_from([b"RESULT 2\nOK", b"RESULT 2\nOKREADY\n", b"RESULT 4\nFAILREADY\n"]))
    def answer_properly(self, data: st.DataObject, answer: bytes) -> None:
        holding = [id_ for id_ in IDS if self.hands[id_].holds is not None]
        if holding:
            id_ = data.draw(st.sampled_from(holding))
            if self.hands[id_].unread and not self.hands[id_].doomed:
                self.hands[id_].unread = False
                self.perform(self.pool.flushed(id_, self.now))
            self.speak(id_, answer)

    @rule(data=st.data())
    def say_ready(self, data: st.DataObject) -> None:
        id_ = self.pick(data, alive=True)
        if id_ is not None:
            self.speak(id_, b"READY\n")

    @rule(data=st.data(), words=SPEECH)
    def talk(self, data: st.DataObject, words: bytes) -> None:
        id_ = self.pick(data, alive=True)
        if id_ is not None:
            self.speak(id_, words)

    # --- time

    @rule()
    def another_daemon_goes_on(self) -> None:
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.pool.state()), type=PoolState)
        self.pool = Pool("p", self.spec, self.ids, "sup", self.judge)
        self.pool.take_over(state)

    @rule(seconds=st.sampled_from([2.0, 100.0]))
    def oversleep(self, seconds: float) -> None:
        self.now += seconds
        self.pool.overslept(self.now)
        assert self.pool.overdue(self.now) == []

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.06, 0.5, 1.0, 3.0, 30.0]))
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(200):
            due = self.pool.next_due
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.perform(self.pool.due(self.now))
            later = self.pool.next_due
            assert later is None or later > self.now, "it was due, was called, and still is due"
        else:
            raise AssertionError("it keeps wanting to be called")
        self.now = end

    @rule(buffer_size=st.sampled_from([1, 2, 50]), members=st.integers(1, 3))
    def respec(self, buffer_size: int, members: int) -> None:
        self.spec = PoolSpec(events=("EVENT",), buffer_size=buffer_size, ackwaitsecs=self.spec.ackwaitsecs)
        self.ids = IDS[:members]
        for id_ in IDS:
            self.hands[id_].running = self.hands[id_].running and id_ in self.ids
        self.perform(self.pool.respec(self.spec, self.ids))
        assert (self.pool.next_due or 0) <= self.now
        self.perform(self.pool.due(self.now))

    # --- what always holds

    @precondition(lambda self: hasattr(self, "pool"))
    @invariant()
    def every_event_is_somewhere(self) -> None:
        view = self.pool.view(self.now)
        held = sum(hand.holds is not None for hand in self.hands.values())
        assert view.delivered == len(self.accepted)
        assert view.delivered + view.waiting + view.dropped + held == self.offered
        assert len(set(self.accepted)) == len(self.accepted)
        assert view.waiting <= self.spec.buffer_size + len(IDS)

    @precondition(lambda self: hasattr(self, "pool"))
    @invariant()
    def first_deliveries_are_in_order(self) -> None:
        assert self.first_given == sorted(self.first_given)

    @precondition(lambda self: hasattr(self, "pool"))
    @invariant()
    def losses_are_told_within_a_second(self) -> None:
        dropped = self.pool.view(self.now).dropped
        assert self.told_dropped <= dropped
        if self.told_dropped < dropped:
            assert self.pool.next_due is not None
            assert self.pool.next_due <= self.now + 1

    def teardown(self) -> None:
        """With correct listeners from now on everything that waits is accepted, in order."""
        if not hasattr(self, "pool"):
            return
        for id_ in IDS:
            if self.hands[id_].alive:
                self.hands[id_] = Hand()
                self.perform(self.pool.not_running(id_, self.now))
                self.perform(self.pool.ended(id_, self.now))
        for id_ in self.ids:
            self.hands[id_].alive = self.hands[id_].running = True
            self.perform(self.pool.began(id_, self.now))
            self.perform(self.pool.running(id_, self.now))
            self.speak(id_, b"READY\n")
        for _ in range(self.offered * 2 + 10):
            for id_ in IDS:
                if self.hands[id_].holds is not None:
                    self.hands[id_].unread = False
                    self.perform(self.pool.flushed(id_, self.now))
                    self.speak(id_, b"RESULT 2\nOKREADY\n")
            self.wait(1.0)
        view = self.pool.view(self.now)
        assert view.waiting == 0
        assert view.delivered + view.dropped == self.offered
        assert self.told_dropped == view.dropped


PoolMachine.TestCase.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
TestPool = PoolMachine.TestCase
