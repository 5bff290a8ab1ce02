"""What a pool of event listeners asks for and what it shows: the words between it and whoever runs it."""

from collections.abc import Callable

import msgspec

from tmd.core.effects import Log, Tell
from tmd.core.events import Event
from tmd.core.link import ListenerView
from tmd.core.listener import Verdict
from tmd.wire.names import ProcessId


class Deliver(msgspec.Struct, frozen=True):
    """Write these bytes, one whole event, to the stdin of a listener; tell `flushed`, or `refused`."""

    id: ProcessId
    data: bytes


class Hold(msgspec.Struct, frozen=True):
    """An event is about to be given to a listener for the first time: from now on it is in somebody's hands."""

    serial: int
    poolserial: int
    event: Event


class Settle(msgspec.Struct, frozen=True):
    """An event that was given before was accepted or dropped: it is not to be given again."""

    serial: int


class Restart(msgspec.Struct, frozen=True):
    """Stop a listener, by force if need be, and start it anew. It is given nothing until it `began`."""

    id: ProcessId
    reason: str


PoolEffect = Deliver | Hold | Settle | Restart | Log | Tell
Judge = Callable[[Event, bytes], Verdict]


class PoolView(msgspec.Struct, frozen=True):
    """One pool of event listeners. The counts are since the pool was added."""

    name: str
    events: tuple[str, ...]
    buffer_size: int
    waiting: int
    """events in the buffer now"""
    delivered: int
    """accepted by a listener"""
    rejected: int
    """answers that rejected an event, which was then offered again"""
    redelivered: int
    """events given again because a listener ended or was stuck"""
    dropped: int
    """events nobody will ever get"""
    listeners: tuple[ListenerView, ...]
    note: str = ""
    """what came of the oldest event that waits, if that was given already"""


def default_judge(event: Event, result: bytes) -> Verdict:
    """Accept what was answered with OK."""
    return Verdict.ACCEPTED if result == b"OK" else Verdict.REJECTED
