"""What one life of an event listener says on its standard output, read on the loop as it comes.

An answer comes in two writes or three, so that reading starts a moment after the first: one wake-up for all of it. Who
talks nonsense is read so slowly that it costs next to nothing, however much it talks; it blocks on its full pipe.
"""

import os
from collections.abc import Callable

from tmd.posix.loop import Loop, Timer

GATHER_S = 0.0002
"""how long what belongs together is waited for"""
PAUSE_S = 0.05
"""how long one who talks nonsense, or fills a whole chunk, is left alone"""
CHUNK_BYTES = 64 * 1024
NONSENSE_BYTES = 4 * 1024
"""read at a time from one who talked nonsense the last time: every few bytes of it may cost a turn of the protocol"""
HANG_UP_S = 0.25
"""how long after the end of the stream it is told of: mostly the process is ending, too, and that is told instead"""
LAST_BYTES = 2 * CHUNK_BYTES
"""the most that is read from a process that has ended: its pipe holds no more, but a descendant may go on talking"""


class Answers:
    """The read end of a listener's stdout, owned from now on.

    `said(data)` takes what was read; it returns whether it made sense. `hung_up()` is told when nothing can come any
    more although nobody called `finish`. `fd` None: the end of the stream was read already.
    """

    def __init__(
        self, loop: Loop, fd: int | None, said: Callable[[bytes], bool], hung_up: Callable[[], object] = lambda: None
    ) -> None:
        self._loop, self._said, self._hung_up = loop, said, hung_up
        self._fd = fd
        self._chunk = CHUNK_BYTES
        self._timer: Timer | None = None
        if fd is None:
            self._timer = loop.call_later(HANG_UP_S, hung_up)
        else:
            self._watch()

    def finish(self) -> int | None:
        """Read what is left of a process that has ended; return the descriptor if a descendant holds the other end."""
        left, self._chunk = LAST_BYTES, CHUNK_BYTES
        while self._fd is not None and left > 0 and (data := self._read()):
            left -= len(data)
            self._said(data)
        return self._release()

    @property
    def fd(self) -> int | None:
        """Where it is read from; None after the end of the stream."""
        return self._fd

    def hold(self) -> None:
        """Read nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._fd is not None:
            self._loop.unwatch(self._fd)

    def read_now(self) -> None:
        """Read what is there at once, and go on as before."""
        if self._fd is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._loop.unwatch(self._fd)
            self._take()

    def close(self) -> None:
        """Give up the pipe, whatever is in it; idempotent."""
        fd = self._release()
        if fd is not None:
            os.close(fd)

    def _watch(self) -> None:
        self._timer = None
        if self._fd is not None:
            self._loop.watch(self._fd, readable=self._gather)

    def _gather(self) -> None:
        if self._fd is not None:
            self._loop.unwatch(self._fd)
            self._timer = self._loop.call_later(GATHER_S, self._take)

    def _take(self) -> None:
        self._timer = None
        if not (data := self._read()):
            if self._fd is not None:
                self._watch()
            return
        sensible = False
        try:
            sensible = self._said(data)
        finally:
            self._chunk = CHUNK_BYTES if sensible else NONSENSE_BYTES
            if sensible and len(data) < CHUNK_BYTES:
                self._watch()
            else:
                self._timer = self._loop.call_later(PAUSE_S, self._watch)

    def _read(self) -> bytes:
        """Return what is there, empty for nothing; at the end of the stream the descriptor is given back."""
        if self._fd is None:
            return b""
        try:
            data = os.read(self._fd, self._chunk)
        except BlockingIOError:
            return b""
        if not data:
            self.close()
            self._timer = self._loop.call_later(HANG_UP_S, self._hung_up)
        return data

    def _release(self) -> int | None:
        fd, self._fd = self._fd, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if fd is not None:
            self._loop.unwatch(fd)
        return fd
