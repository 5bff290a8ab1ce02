"""What a pool of event listeners asks for and what it shows: the words between it and whoever runs it."""

from collections.abc import Callable

import msgspec

from tmd.core.effects import Log, Tell
from tmd.core.events import Event
from tmd.core.link import ListenerFacts
from tmd.core.listener import Verdict
from tmd.wire.names import ProcessId


class Deliver(msgspec.Struct, frozen=True):
    """Write these bytes, one whole event, to the stdin of a listener; tell `flushed`, or `refused`."""

    id: ProcessId
    data: bytes


class Restart(msgspec.Struct, frozen=True):
    """Stop a listener, by force if need be, and start it anew. It is given nothing until it `began`."""

    id: ProcessId
    reason: str


PoolEffect = Deliver | Restart | Log | Tell
Judge = Callable[[Event, bytes], Verdict]


class PoolFacts(msgspec.Struct, frozen=True):
    """A pool as it is now; the counts are since it was made.

    `note`: what came of the oldest event that waits, if that was given already.
    """

    name: str
    events: tuple[str, ...]
    buffer_size: int
    waiting: int
    delivered: int
    rejected: int
    redelivered: int
    dropped: int
    listeners: tuple[ListenerFacts, ...]
    note: str = ""


def default_judge(event: Event, result: bytes) -> Verdict:
    """Accept what was answered with OK."""
    return Verdict.ACCEPTED if result == b"OK" else Verdict.REJECTED
