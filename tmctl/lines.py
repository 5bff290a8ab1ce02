"""Lines typed or piped into a descriptor, readable next to other descriptors.

Promises: never takes more from the descriptor than it can give back as lines, so `select` and `ready` agree.
"""

import os

_CHUNK = 1 << 16


class Lines:
    """Lines of one descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self._ended = False

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        return self._descriptor

    @property
    def ready(self) -> bool:
        """Whether `take` has something to return without another `fill`."""
        return self._ended or b"\n" in self._rest

    def fill(self) -> None:
        """Wait for more."""
        data = os.read(self._descriptor, _CHUNK)
        self._rest += data
        self._ended = not data

    def take(self) -> str | None:
        """Return the next line without its end, waiting for it; None at the end of input."""
        while not self.ready:
            self.fill()
        if not self._rest:
            return None
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace").removesuffix("\r")
