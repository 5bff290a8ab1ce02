"""Judges: whether what a listener answered accepts an event. The built-in one, or somebody else's result handler.

A handler is called as Supervisor calls it: with the event and the bytes of the result. It returns, and the event is
processed; it raises something called RejectEvent, and the event is given out again; it raises anything else, and the
listener is in trouble. Its event has the name, the serial and the payload, and nothing of Supervisor's classes.

Whatever a handler raises stays here, and a handler that always fails leaves one traceback a minute in the log.
"""

import traceback
from collections.abc import Callable
from typing import Any

from tmd.config.settings import DEFAULT_RESULT_HANDLER
from tmd.core.events import Event
from tmd.core.pool import Verdict, default_judge
from tmd.daemon.plugins import CannotResolve, resolve

TRACEBACK_EVERY_S = 60.0

Judge = Callable[[Event, bytes], Verdict]


class NumberedEvent(Event, frozen=True):
    """An event with its serial. `group`: that of the process it is about, or the one it is about; empty for none."""

    serial: int
    group: str = ""


class HandedEvent:
    """An event as a result handler sees it."""

    def __init__(self, event: Event) -> None:
        self.name = event.name
        self.serial = event.serial if isinstance(event, NumberedEvent) else None
        self._payload = event.payload

    def payload(self) -> str:
        """Return what the listener was given after the header."""
        return self._payload


def find_judge(spec: str, failed: Callable[[str], None], clock: Callable[[], float]) -> Judge:
    """Return what judges by a result handler named `module:attribute`; `failed` gets a text about failures."""
    if spec == DEFAULT_RESULT_HANDLER:
        return default_judge
    try:
        handler = resolve(spec)
    except CannotResolve as why:
        failed(f"cannot use a result handler: {why} (the built-in one judges instead)")
        return default_judge

    told_at, untold = float("-inf"), 0

    def judge(event: Event, result: bytes) -> Verdict:
        nonlocal told_at, untold
        try:
            handler(HandedEvent(event), result)
        except BaseException as why:  # noqa: BLE001 - a border: no exception of a foreign handler may end the daemon
            if _rejects(why):
                return Verdict.REJECTED
            untold += 1
            if clock() >= told_at + TRACEBACK_EVERY_S:
                more = f" ({untold} times since this was last told)" if untold > 1 else ""
                told_at, untold = clock(), 0
                failed(f"result handler '{spec}' failed{more}:\n{traceback.format_exc()}")
            return Verdict.ERROR
        return Verdict.ACCEPTED

    return judge


def _rejects(why: Any) -> bool:
    return any(kind.__name__ == "RejectEvent" for kind in type(why).__mro__)
