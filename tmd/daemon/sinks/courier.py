"""The courier: what waits for a place beyond the network, and when it is tried to hand it over.

Promises that whoever has an alert never waits: all that may block is done on one thread of its own, which is there
while there is something to do and holds no state. That what waits is bounded: of too many the oldest goes. That
alerts arrive in their order, each tried again, ever more rarely, for `GIVE_UP_S`. And that nothing is lost without
being counted. What waits can be sent to another place, where the first turns out to be wrong. Knows nothing of HTTP or
mail.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec

from tmd.core.alerts import Alert
from tmd.daemon.plugins import told
from tmd.daemon.sinks import Deliver, NotDelivered
from tmd.daemon.sinks.complaints import Complaints
from tmd.daemon.surface import Operation
from tmd.wire.faults import Fault, RpcFault

MAX_WAITING = 1000
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 60.0
GIVE_UP_S = 600.0
"""after so long an alert is of no use any more"""
LONGEST_AFTER_S = 300.0
"""how long the other side may ask for patience"""
IDLE_S = 60.0
"""how long a thread with nothing to do is kept"""
TEST_GRACE_S = 5.0
"""how much longer than its time-out a test may take"""
MAX_STRAYS = 3
"""deliveries to places that are no longer ours and still under way, each with its thread"""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast alerts may go. `batch`: at most so many at once; `gather_s`: how long the first of them waits for more.

    `burst`: so many deliveries at once, then one every `refill_s`; 0 is without a limit.
    """

    batch: int = 1
    gather_s: float = 0.0
    burst: int = 0
    refill_s: float = 60.0


class Timer(Protocol):
    """A deadline."""

    def cancel(self) -> None:
        """Make it never fire."""


class Clock(Protocol):
    """The loop, as far as a courier needs it."""

    def now(self) -> float:
        """Return monotonic seconds."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back once, then."""


class Hand(Protocol):
    """A thread that does one job after another; outcomes come back on the loop."""

    def run(self, work: Callable[[], str | NotDelivered]) -> Operation[str | NotDelivered]:
        """Do it after what was asked for before."""

    def close(self, wait_s: float) -> None:
        """Let it end once its present job is done."""


class _Waiting(msgspec.Struct):
    alert: Alert
    at: float
    """since when it waits"""
    tried_at: float | None = None
    """the first time, if that was in vain"""


class CourierState(msgspec.Struct):
    """What waits and what was counted, as another daemon goes on with it. What was under way is delivered anew."""

    waiting: list[_Waiting] = []
    counts: tuple[int, int, int] = (0, 0, 0)
    """sent, failed, dropped"""


class _Flight(msgspec.Struct, eq=False):
    """What is being delivered at one go."""

    entries: list[_Waiting]
    since: float
    astray: bool = False
    """to a place that is no longer ours"""


class _Work:
    """What happens on the thread. The deliverer is made there, at first use: what it imports is heavy."""

    def __init__(self, make: Callable[[], Deliver]) -> None:
        self._make = make
        self._deliver: Deliver | None = None

    def __call__(self, alerts: Sequence[Alert]) -> str | NotDelivered:
        try:
            if self._deliver is None:
                self._deliver = self._make()
            return self._deliver(alerts)
        except NotDelivered as why:
            # Not the one that was raised: it holds the frames it came through, and with them all that was read there.
            return NotDelivered(why.reason, lasting=why.lasting, after_s=why.after_s)
        except OSError as why:
            return NotDelivered(why.strerror or str(why))
        except Exception as why:  # noqa: BLE001 - the border of a sink: a defect of one must not end its thread
            return NotDelivered(f"a defect: {told(why)}")


class Courier:
    """The queue of one sink beyond the network.

    `make` returns what delivers; `hand` a new thread. `jitter` gives numbers from 0 to 1. `timeout_s`: how long a
    delivery may take. `idle` is called whenever nothing is left to wait for.
    """

    def __init__(
        self,
        *,
        make: Callable[[], Deliver],
        hand: Callable[[], Hand],
        clock: Clock,
        jitter: Callable[[], float],
        complaints: Complaints,
        pace: Pace,
        timeout_s: float,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        self.sent = self.failed = self.dropped = 0
        self._make, self._hands, self._clock, self._jitter = make, hand, clock, jitter
        self._complaints = complaints
        self._pace = pace
        self._timeout_s = timeout_s
        self._idle = idle
        self._work = _Work(make)
        self._hand: Hand | None = None
        self._waiting: deque[_Waiting] = deque()
        self._away: _Flight | None = None
        self._strays: list[_Flight] = []
        self._failures = 0
        self._not_before = 0.0
        self._tokens = float(pace.burst)
        self._tokens_at = clock.now()
        self._timer: Timer | None = None
        self._testing = False
        self._leaving = False
        self._closed = False

    # --- for the dispatcher ---------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many are not delivered yet."""
        return len(self._waiting) + sum(len(flight.entries) for flight in self._flights())

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for: all is delivered, or the other side is known to be in trouble."""
        return self._failures > 0 or not self.waiting

    def offer(self, alert: Alert) -> None:
        """Take an alert."""
        if self._closed:
            return
        self._waiting.append(_Waiting(alert, self._clock.now()))
        self._bound()
        self._go_on()

    def test(self, alert: Alert) -> Operation[str]:
        """Deliver an alert past all that waits, on a thread of its own; one at a time."""
        operation: Operation[str] = Operation()
        if self._testing:
            operation.refuse(RpcFault(Fault.FAILED, "another test is under way"))
            return operation
        self._testing = True
        hand = self._hands()
        after_s = self._timeout_s + TEST_GRACE_S
        overdue = RpcFault(Fault.FAILED, f"no outcome within {after_s:g} seconds")
        timer = self._clock.call_at(self._clock.now() + after_s, partial(operation.refuse, overdue))

        def done(outcome: Operation[str | NotDelivered]) -> None:
            self._testing = False
            hand.close(0)
            if isinstance(outcome.value, str):
                operation.resolve(outcome.value)
                self._retry_now()
            else:
                operation.refuse(RpcFault(Fault.FAILED, _reason(outcome)))

        operation.then(lambda _: timer.cancel())
        hand.run(partial(_Work(self._make), (alert,))).then(done)
        return operation

    @property
    def away(self) -> bool:
        """Whether something is being delivered."""
        return self._away is not None or bool(self._strays) or self._testing

    def state(self) -> CourierState:
        """Return all there is, for another daemon to go on with."""
        under_way = [entry for flight in self._flights() for entry in flight.entries]
        return CourierState([*under_way, *self._waiting], (self.sent, self.failed, self.dropped))

    def take_over(self, state: CourierState) -> None:
        """Go on where an earlier daemon was."""
        self.sent, self.failed, self.dropped = state.counts
        self._waiting.extend(state.waiting)
        self._go_on()

    def redirect(self, make: Callable[[], Deliver], timeout_s: float) -> None:
        """Deliver to another place from now on, at once and with all the patience of a first attempt.

        What is under way to the place before may arrive there; should it not, it comes along.
        """
        self._make, self._timeout_s = make, timeout_s
        if self._away is not None:
            self._away.astray = True
            if len(self._strays) < MAX_STRAYS:
                self._strays.append(self._away)
                self._away = None
        if self._away is None:
            self._let_go()
        self._work = _Work(make)
        self._failures, self._not_before = 0, 0.0
        for entry in self._waiting:
            entry.tried_at = None
        self._go_on()

    def leave(self) -> None:
        """Deliver what waits without delay, and what fails from now on no more: nobody will come back for it."""
        self._leaving = True
        self._go_on()

    def close(self) -> None:
        """Let go of the thread; what was not delivered counts as dropped."""
        self._closed = True
        self._disarm()
        self.dropped += self.waiting
        self._waiting.clear()
        self._strays.clear()
        self._away = None
        self._let_go()

    # --- when ------------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Deliver now, or set the deadline for it."""
        if self._away is not None or self._closed:
            return
        self._disarm()
        now = self._clock.now()
        if not self._waiting:
            self._idle()
            if self._hand is not None and not self._closed:
                self._arm(now + IDLE_S, self._let_go)
            return
        when = self._due(now)
        if when > now:
            self._arm(when, self._go_on)
        else:
            self._deliver(now)

    def _due(self, now: float) -> float:
        if self._leaving:
            return now
        gathered = len(self._waiting) >= self._pace.batch
        ready = now if gathered else self._waiting[0].at + self._pace.gather_s
        return max(ready, self._not_before, self._allowed_at(now))

    def _allowed_at(self, now: float) -> float:
        """Return when the next delivery is within the limit."""
        if not self._pace.burst:
            return now
        refilled = (now - self._tokens_at) / self._pace.refill_s
        self._tokens, self._tokens_at = min(float(self._pace.burst), self._tokens + refilled), now
        missing = 1.0 - self._tokens
        # A millionth is what sums of fractions may be short of a whole one.
        return now if missing <= 1e-6 else now + missing * self._pace.refill_s

    def _retry_now(self) -> None:
        if self._failures:
            self._not_before = 0.0
            self._go_on()

    def _arm(self, when: float, callback: Callable[[], None]) -> None:
        self._timer = self._clock.call_at(when, callback)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- what ------------------------------------------------------------------------------------------------------

    def _deliver(self, now: float) -> None:
        count = min(self._pace.batch, len(self._waiting))
        flight = self._away = _Flight([self._waiting.popleft() for _ in range(count)], now)
        if self._hand is None:
            self._hand = self._hands()
        alerts = tuple(entry.alert for entry in flight.entries)
        self._hand.run(partial(self._work, alerts)).then(partial(self._came_back, flight))

    def _came_back(self, flight: _Flight, outcome: Operation[str | NotDelivered]) -> None:
        if self._closed:
            return
        if flight is self._away:
            self._away = None
        else:
            self._strays.remove(flight)
        arrived = isinstance(outcome.value, str)
        if arrived:
            self.sent += len(flight.entries)
            self._tokens -= 1
        if flight.astray:
            if not arrived:
                self._take_along(flight.entries)
        elif arrived:
            self._failures, self._not_before = 0, 0.0
            self._complaints.worked()
        else:
            self._failed(flight.entries, flight.since, outcome)
        self._go_on()

    def _take_along(self, entries: list[_Waiting]) -> None:
        """Have what did not arrive at the place before wait for its turn here, in the order of time."""
        for entry in entries:
            entry.tried_at = None
        self._waiting = deque(sorted([*entries, *self._waiting], key=lambda entry: entry.at))
        self._bound()

    def _failed(self, away: list[_Waiting], since: float, outcome: Operation[str | NotDelivered]) -> None:
        now = self._clock.now()
        why = outcome.value if isinstance(outcome.value, NotDelivered) else NotDelivered(_reason(outcome))
        self._failures += 1
        lost = 0
        for entry in reversed(away):
            entry.tried_at = since if entry.tried_at is None else entry.tried_at
            if why.lasting or self._leaving or now - entry.tried_at >= GIVE_UP_S:
                lost += 1
            else:
                self._waiting.appendleft(entry)
        self.failed += lost
        self._bound()
        if not why.lasting:
            self._not_before = now + self._patience_s(why.after_s)
        if self._leaving:
            lost += self._give_up()
        self._complaints.failed(why.reason, lost, last=self._leaving)

    def _patience_s(self, after_s: float | None) -> float:
        backoff_s = FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 10) * (1.0 + self._jitter() / 2)
        return max(min(backoff_s, LONGEST_RETRY_S), min(after_s or 0.0, LONGEST_AFTER_S))

    def _bound(self) -> None:
        while self.waiting > MAX_WAITING and self._waiting:
            self._waiting.popleft()
            self.dropped += 1

    def _give_up(self) -> int:
        """Count what is left as failed: it has no chance any more."""
        count = len(self._waiting)
        self.failed += count
        self._waiting.clear()
        return count

    def _flights(self) -> list[_Flight]:
        return self._strays if self._away is None else [*self._strays, self._away]

    def _let_go(self) -> None:
        if self._hand is not None:
            self._hand.close(0)
            self._hand = None
            self._work = _Work(self._make)


def _reason(outcome: Operation[str | NotDelivered]) -> str:
    if isinstance(outcome.value, NotDelivered):
        return outcome.value.reason
    fault = outcome.fault
    return "no outcome" if fault is None else fault.detail or fault.text
