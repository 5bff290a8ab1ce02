"""What the floor that talks to clients counts about its own work. Knows neither clocks nor clients."""

from bisect import bisect_left
from collections.abc import Callable

import msgspec

RPC_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""upper bounds of the buckets; what takes longer is in one more"""
OTHER = "other"
"""the name under which all calls go that are to no method of the table"""


class Histogram:
    """How many values fell between which bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value; one that equals a bound is below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> "Histogram":
        """Return one that stays as it is."""
        copied = Histogram(self.bounds)
        copied.counts, copied.total = list(self.counts), self.total
        return copied


class TrafficState(msgspec.Struct):
    """What was counted, as another daemon goes on with it. `rpc`: for each method the counts and the seconds in all."""

    replies: dict[int, int] = {}
    rpc: dict[str, tuple[list[int], float]] = {}


class Traffic:
    """Counters of one daemon, shared by all its listeners."""

    def __init__(self) -> None:
        self.replies: dict[int, int] = {}
        """replies that were begun, by status"""
        self.rpc: dict[str, Histogram] = {}
        """seconds from a call's arrival to its reply, by method; a call nobody waits for any more counts too"""
        self.connections: dict[str, Callable[[], dict[str, int]]] = {}
        """by listener: what asks it for `open` and for what else it counts about its connections"""

    def state(self) -> TrafficState:
        """Return all that was counted."""
        return TrafficState(self.replies, {name: (each.counts, each.total) for name, each in self.rpc.items()})

    def resume(self, state: TrafficState) -> None:
        """Go on counting where an earlier daemon was."""
        self.replies = dict(state.replies)
        for name, (counts, total) in state.rpc.items():
            histogram = Histogram(RPC_BOUNDS_S)
            if len(counts) == len(histogram.counts):
                histogram.counts, histogram.total = list(counts), total
                self.rpc[name] = histogram

    def replied(self, status: int) -> None:
        """Count a reply."""
        self.replies[status] = self.replies.get(status, 0) + 1

    def called(self, method: str, took_s: float) -> None:
        """Count a call of a method of the table, or of `OTHER`."""
        histogram = self.rpc.get(method)
        if histogram is None:
            histogram = self.rpc[method] = Histogram(RPC_BOUNDS_S)
        histogram.add(took_s)
