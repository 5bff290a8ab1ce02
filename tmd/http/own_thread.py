"""The daemon's own thread, and how to do something there from another one.

All of the daemon's state belongs to one thread. What an extension asks for in another thread is handed over and waited
for, so that it is done between two turns of the loop and harms nothing.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

HAND_OVER_S = 10.0
"""how long another thread waits for its turn: for ever would be a deadlock, if the daemon's waited for it in turn"""


class OwnThread:
    """Made in the thread it stands for; `post` calls something there and may be called from any thread."""

    def __init__(self, post: Callable[[Callable[[], None]], None]) -> None:
        self._post = post
        self._ident = threading.get_ident()

    def look(self, read: Callable[[], T]) -> T:
        """Return what is read, in whatever thread this is; what changed under our eyes is read in the daemon's."""
        try:
            return read()
        except RuntimeError:  # a dictionary changed size during iteration
            return self.run(read)

    def run(self, work: Callable[[], T]) -> T:
        """Do something in the daemon's thread and return what comes of it, or raise what it raises.

        RuntimeError when the daemon does not get round to it.
        """
        if threading.get_ident() == self._ident:
            return work()
        outcome: queue.SimpleQueue[tuple[T | None, Any]] = queue.SimpleQueue()

        def do() -> None:
            try:
                outcome.put((work(), None))
            except BaseException as why:  # noqa: BLE001 - raised where it was asked for
                outcome.put((None, why))

        self._post(do)
        try:
            value, why = outcome.get(timeout=HAND_OVER_S)
        except queue.Empty:
            raise RuntimeError(f"the daemon's thread did not get round to it within {HAND_OVER_S:g} s") from None
        if why is not None:
            raise why
        return value  # type: ignore[return-value] # there is no other exception without a value
