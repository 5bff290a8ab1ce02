"""Where alerts go: one room for each kind of place."""

from collections.abc import Callable, Sequence

import msgspec

from tmd.config.settings import AlertKind
from tmd.core.alerts import Alert

Deliver = Callable[[Sequence[Alert]], str]
"""Hands alerts over, blocking for as long as its own time-out allows; returns what the other side said, for a person
(`200 OK`, `250 2.0.0 queued`); raises `NotDelivered`. Called on a thread of its own, never on the loop."""


class NotDelivered(Exception):
    """The other side did not take them; the text says why, as the end of a sentence.

    `lasting`: trying again is of no use. `after_s`: when the other side asked to be tried again.
    """

    def __init__(self, reason: str, *, lasting: bool = False, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.lasting, self.after_s = reason, lasting, after_s


class SinkView(msgspec.Struct, frozen=True, kw_only=True):
    """One sink as clients may see it now; counts are alerts since it was configured."""

    name: str
    kind: AlertKind
    goes_to: str
    """for a person: a path, addresses, a web server without what may be secret in its url"""
    events: tuple[str, ...]
    programs: tuple[str, ...]
    sent: int
    failed: int
    """given up: refused for good, or tried for too long"""
    dropped: int
    """too many were waiting"""
    waiting: int
    last_error: str = ""
    last_error_at: float = 0.0
    """epoch seconds; 0: never"""
