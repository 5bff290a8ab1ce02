"""Results that come later: functions that are asked again and again, as Supervisor's extensions return them.

Asked from the loop, never in a thread. An answer nobody waits for any more is asked for all the same: whoever hangs up
abandons the answer, not what was asked for.
"""

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from tmd.daemon.surface import DaemonSurface, Operation
from tmd.http.rpc import Pending
from tmd.wire.faults import RpcFault

POLL_S = 0.05
"""between two questions to a function that does not say how often it wants to be asked"""
MIN_POLL_S, MAX_POLL_S = 0.005, 60.0


class NOT_DONE_YET:  # noqa: N801 - Supervisor's name for it
    """What a deferred result returns until there is one. Returned as it is, not made."""


def is_not_done(value: Any) -> bool:
    """Tell whether a value means `ask again`: ours, or Supervisor's, which is known by its name."""
    kind = value if isinstance(value, type) else type(value)
    return kind.__name__ == "NOT_DONE_YET"


class Promise:
    """The answer of one of our own methods that waits, in the form of a deferred result."""

    delay = POLL_S

    def __init__(self, pending: Pending, convert: Callable[[Any], Any], report: Callable[[str], None]) -> None:
        self.pending = Pending(pending.operation, lambda value: convert(pending.convert(value)))
        self._report = report

    def __call__(self) -> Any:
        """Return the value, `NOT_DONE_YET` while there is none; raises the fault that came instead."""
        return self.pending.outcome() if self.pending.operation.done else NOT_DONE_YET

    def then(self, callback: Callable[["Promise"], None]) -> None:
        """Call `callback` with this object once there is an answer: now if it is there."""
        self.pending.operation.then(shielded(lambda _: callback(self), self._report))


class Work(Operation[Any]):
    """What a worker was given to do, in an extension's hands: a callback of its that raises keeps nobody else back."""

    def __init__(self, inner: Operation[Any], report: Callable[[str], None]) -> None:
        super().__init__()
        self._report = report
        inner.then(self._pass_on)

    def then(self, callback: Callable[[Operation[Any]], None]) -> None:
        """Call `callback` with this object once there is an outcome; what it raises is reported."""
        super().then(shielded(callback, self._report))

    def _pass_on(self, inner: Operation[Any]) -> None:
        if inner.fault is not None:
            self.refuse(inner.fault)
        else:
            self.resolve(inner.value)


def shielded(callback: Callable[[Any], None], report: Callable[[str], None]) -> Callable[[Any], None]:
    """Return a callback that reports what the given one raises."""

    def call(argument: Any) -> None:
        try:
            callback(argument)
        except BaseException:  # noqa: BLE001 - a border: it is told in the middle of our own bookkeeping
            report(f"a callback of an extension failed:\n{traceback.format_exc()}")

    return call


class Deferreds:
    """The functions that are being asked."""

    def __init__(self, daemon: DaemonSurface) -> None:
        self._daemon = daemon
        self._open: dict[Operation[Any], Callable[[], None]] = {}
        """with what cancels the next question"""

    def __len__(self) -> int:
        return len(self._open)

    def wait(self, function: Callable[[], Any]) -> Pending:
        """Ask now, and again until there is a value; what it raises is the outcome, too."""
        outcome: Operation[Callable[[], Any]] = Operation()
        self._ask(function, _delay_s(function), outcome)
        return Pending(outcome, lambda produce: produce())

    def abandon(self, fault: RpcFault) -> None:
        """Ask no more; whoever waits gets the fault."""
        waiting, self._open = self._open, {}
        for outcome, cancel in waiting.items():
            cancel()
            outcome.refuse(fault)

    def _ask(self, function: Callable[[], Any], delay_s: float, outcome: Operation[Callable[[], Any]]) -> None:
        self._open.pop(outcome, None)
        try:
            value = function()
        except BaseException as why:  # noqa: BLE001 - told where the answer is written, with its traceback
            outcome.resolve(partial(_raise, why))
            return
        if is_not_done(value):
            again = partial(self._ask, function, delay_s, outcome)
            self._open[outcome] = self._daemon.call_later(delay_s, again)
        else:
            outcome.resolve(lambda: value)


def _raise(why: BaseException) -> Any:
    raise why


def _delay_s(function: Callable[[], Any]) -> float:
    try:
        delay_s = float(getattr(function, "delay", POLL_S))
    except (TypeError, ValueError):
        return POLL_S
    return min(delay_s, MAX_POLL_S) if delay_s >= MIN_POLL_S else MIN_POLL_S
