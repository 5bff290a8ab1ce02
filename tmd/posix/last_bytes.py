"""The last bytes a channel brought, for who asks when its program has ended.

What was seen on its way is remembered; what the kernel moved is only counted, and read back from the file it went to.
Promises to cost a counter where bytes are spliced, and never more than `LAST_BYTES` of memory.
"""

from tmd.posix.logfiles import LogFile

LAST_BYTES = 2048


class LastBytes:
    """Of one channel. `unseen` counts what was spliced since the last bytes that were seen."""

    __slots__ = ("_seen", "unseen")

    def __init__(self) -> None:
        self.unseen = 0
        self._seen = b""

    def saw(self, data: bytes, file: LogFile | None) -> None:
        """Take note of bytes on their way; `file` is where those before them were spliced to."""
        if len(data) >= LAST_BYTES:
            self._seen, self.unseen = data[-LAST_BYTES:], 0
        else:
            self._seen, self.unseen = (self.read(file) + data)[-LAST_BYTES:], 0

    def keep(self, file: LogFile | None) -> None:
        """Remember what was spliced, before the output goes elsewhere."""
        if self.unseen:
            self._seen, self.unseen = self.read(file), 0

    def read(self, file: LogFile | None) -> bytes:
        """Return them, as far as they can still be had."""
        if not self.unseen or file is None:
            return self._seen
        spliced = file.tail(min(self.unseen, LAST_BYTES))
        if self.unseen >= LAST_BYTES or not self._seen:
            return spliced
        return (self._seen + spliced)[-LAST_BYTES:]
