"""The last ends of each process, in bounded memory.

Promises to keep the newest end of every process, up to `KEPT_ENDS` of each while there are not too many processes, and
of the output before ends no more than `WORDS_BYTES` altogether; the oldest goes first. With 10,000 processes that is
about 15 MB if all of them have died, and nothing if none has.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from tmd.core.ends import End, folded, shifted
from tmd.wire.names import ProcessId

KEPT_ENDS = 10
"""of each process"""
KEPT_IN_ALL = 10_000
"""of all, shared out alike; but one of each process is always kept"""
WORDS_BYTES = 4 << 20
"""of output before ends, shared out alike"""
OLDER_WORDS_BYTES = 512
"""of each stream, of an end that is no longer the newest of its process"""


class Rings:
    """Ends by process, newest first."""

    def __init__(self, *, kept_in_all: int = KEPT_IN_ALL, words_bytes: int = WORDS_BYTES) -> None:
        self._kept_in_all, self._words_bytes = kept_in_all, words_bytes
        self._rings: dict[ProcessId, list[End]] = {}

    def __iter__(self) -> Iterator[ProcessId]:
        return iter(self._rings)

    def get(self, id_: ProcessId) -> list[End]:
        """Return the ends of a process, newest first; not to be changed."""
        return self._rings.get(id_, [])

    def put(self, id_: ProcessId, end: End) -> None:
        """Add an end, or put it in the place of the one that has the same time."""
        ring = self._rings.get(id_)
        if ring is None:
            self._rings[id_] = [end]
            self._share_out()
            return
        for place, known in enumerate(ring):
            if known.at == end.at:
                ring[place] = end if end.more >= known.more else replace(end, more=known.more, since=known.since)
                return
        ring[0] = _cut(ring[0], 2 * OLDER_WORDS_BYTES)
        ring.insert(0, end)
        self._trim(ring)

    def shift(self, id_: ProcessId, seconds: float) -> None:
        """Have all ends of a process be so much later."""
        self._rings[id_] = [shifted(end, seconds) for end in self._rings[id_]]

    def forget(self, id_: ProcessId) -> None:
        """Drop all ends of a process."""
        self._rings.pop(id_, None)

    def _share_out(self) -> None:
        """Another process has ends: each has less to itself. Looked at when their number has doubled."""
        if len(self._rings) & (len(self._rings) - 1) == 0:
            for ring in self._rings.values():
                self._trim(ring)
        else:
            self._trim(next(reversed(self._rings.values())))

    def _trim(self, ring: list[End]) -> None:
        count = len(self._rings)
        while len(ring) > max(1, min(KEPT_ENDS, self._kept_in_all // count)):
            oldest = ring.pop()
            ring[-1] = folded(oldest, ring[-1]) or ring[-1]
        left = self._words_bytes // count
        for place in range(len(ring)):
            end = ring[place] = _cut(ring[place], left)
            left -= len(end.stdout) + len(end.stderr)


def _cut(end: End, limit: int) -> End:
    """Return an end with at most so many bytes of output, the last of each stream."""
    if len(end.stdout) + len(end.stderr) <= limit:
        return end
    half = limit // 2
    return replace(end, stdout=end.stdout[-half:] if half else b"", stderr=end.stderr[-half:] if half else b"")
