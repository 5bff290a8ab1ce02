"""How many replies without an end one listener holds open: pages, downloads, followed logs and terminals together.

Promises that enough connections are left for those who only ask something, and enough descriptors for programs that
are to be started. Refuses to know what the streams are for.
"""

from collections.abc import Sized

from tmd.daemon.surface import DaemonSurface
from tmd.http.replies import Reply, error

MAX_STREAMS = {"inet": 256, "unix": 128}
"""by family of the listener: half of the connections that it takes"""
RETRY_AFTER = (("Retry-After", "5"),)


class Room:
    """The streams of one listener."""

    def __init__(self, daemon: DaemonSurface, limit: int) -> None:
        self._daemon, self._limit = daemon, limit
        self._kinds: list[Sized] = []

    def count(self, kind: Sized) -> None:
        """Have all of a kind counted from now on."""
        self._kinds.append(kind)

    def lack(self) -> str:
        """Return why no stream may be opened now; empty when one may."""
        if sum(map(len, self._kinds)) >= self._limit:
            return f"{self._limit} pages, downloads, followed logs or terminals are open already"
        return "" if self._daemon.room_for_files() else "too many files are open"

    def refusal(self) -> Reply | None:
        """Return the reply to one too many, None while there is room."""
        lack = self.lack()
        return error(503, lack, headers=RETRY_AFTER) if lack else None
