"""A courier with its surroundings, in virtual time."""

import itertools
from typing import Any

from tests.unit.daemon.virtual import Far, VirtualClock, VirtualHand
from tmd.core.alerts import Alert
from tmd.daemon.alerts import WEBHOOK_PACE
from tmd.daemon.sinks.complaints import Complaints
from tmd.daemon.sinks.courier import Courier, Pace
from tmd.daemon.surface import Operation


class Office:
    """A courier with its surroundings."""

    def __init__(self, pace: Pace = WEBHOOK_PACE, jitter: float = 0.0) -> None:
        self.clock = VirtualClock()
        self.far = Far(self.clock)
        self.hands: list[VirtualHand] = []
        self.hangs = self.lacks = False
        self.log: list[str] = []
        self.idles = 0
        self.numbers = itertools.count()
        self.complaints = Complaints(
            whom=lambda: "'ops' (there)",
            clock=self.clock.now,
            wall=lambda: 5.0,
            warn=self.log.append,
            info=self.log.append,
        )
        self.courier = Courier(
            make=self.far.make,
            hand=self.hand,
            clock=self.clock,
            jitter=lambda: jitter,
            complaints=self.complaints,
            pace=pace,
            timeout_s=10.0,
            idle=self.idle,
        )

    def hand(self) -> VirtualHand:
        hand = VirtualHand(self.clock)
        hand.hangs, hand.lacks = self.hangs, self.lacks
        self.hands.append(hand)
        return hand

    def idle(self) -> None:
        self.idles += 1

    def offer(self, count: int = 1) -> None:
        for _ in range(count):
            self.courier.offer(alert(number=next(self.numbers)))
        self.clock.advance(0)

    def release(self) -> None:
        """Let hands that hang do their work, then all that follows."""
        for hand in self.hands:
            hand.hangs = False
            hand.release()
        self.clock.advance(0)

    def test(self, number: int) -> Operation[str]:
        operation = self.courier.test(alert(number=number))
        self.clock.advance(0)
        return operation

    @property
    def figures(self) -> tuple[int, int, int, int]:
        courier = self.courier
        return courier.sent, courier.failed, courier.dropped, courier.waiting


def alert(**payload: Any) -> Alert:
    return Alert("process_fatal", 0.0, payload)
