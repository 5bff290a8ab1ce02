"""Where alerts go: one room for each kind of place."""

from collections.abc import Callable, Sequence

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
