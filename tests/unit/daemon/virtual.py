"""Virtual time, and threads that work when they are told to: what the tests of couriers and sinks share."""

import heapq
import itertools
from collections.abc import Callable, Sequence
from functools import partial

from tmd.core.alerts import Alert
from tmd.daemon.sinks import NotDelivered
from tmd.daemon.surface import Operation
from tmd.wire.faults import Fault, RpcFault

Outcome = str | NotDelivered
Work = Callable[[], Outcome]


class Timer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """Goes only when told to."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()

    def now(self) -> float:
        return self.time

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def call_later(self, delay_s: float, callback: Callable[[], object], *, patient: bool = False) -> Timer:
        return self.call_at(self.time + delay_s, callback)

    @property
    def armed(self) -> int:
        return sum(timer.callback is not None for _, _, timer in self._timers)

    def advance(self, seconds: float) -> None:
        """Let time pass, and call back who is due on the way."""
        end = self.time + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self.time = max(self.time, when)
            if timer.callback is not None:
                timer.callback()
        self.time = end


class VirtualHand:
    """Works in no time, or, when it `hangs`, only when released; outcomes come back as the clock goes on."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.hangs = False
        self.lacks = False
        """there is no thread for it: all work is refused at once"""
        self.closed = False
        self._jobs: list[tuple[Work, Operation[Outcome]]] = []

    def run(self, work: Work) -> Operation[Outcome]:
        operation: Operation[Outcome] = Operation()
        if self.lacks:
            operation.refuse(RpcFault(Fault.FAILED, "no thread"))
            return operation
        self._jobs.append((work, operation))
        if not self.hangs:
            self.release()
        return operation

    def release(self) -> None:
        jobs, self._jobs = self._jobs, []
        for work, operation in jobs:
            self._clock.call_at(self._clock.now(), partial(operation.resolve, work()))

    def close(self, wait_s: float) -> None:
        assert wait_s == 0
        self.closed = True


class Far:
    """The other side: what came, when and how many at once; refuses with `refusal` while that is set."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.came: list[tuple[float, tuple[Alert, ...]]] = []
        self.tried: list[float] = []
        self.refusal: Exception | None = None
        self.made = 0

    def make(self) -> Callable[[Sequence[Alert]], str]:
        self.made += 1
        return self.take

    def take(self, alerts: Sequence[Alert]) -> str:
        self.tried.append(self.clock.time - 1000.0)
        if self.refusal is not None:
            raise self.refusal
        self.came.append((self.clock.time - 1000.0, tuple(alerts)))
        return "200 OK"

    @property
    def numbers(self) -> list[int]:
        return [alert.payload["number"] for _, alerts in self.came for alert in alerts]
