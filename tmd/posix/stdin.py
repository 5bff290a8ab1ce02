"""Standard input of a child: bytes are queued and written as fast as the child reads.

What is offered is bounded. What is delivered is not, because whoever delivers waits for one delivery to be through
before the next; where many deliver, one after the other, they look whether it is `full`.
"""

import errno
import os
from collections.abc import Callable

from tmd.posix.loop import Loop

Done = Callable[[bool], object]


class StdinWriter:
    """The write end of a child's stdin, owned from now on. A child that does not read delays nobody.

    `fd` may be our end of a terminal. None: its stdin is nothing of ours, and this behaves as one the child has closed.
    """

    def __init__(self, loop: Loop, fd: int | None, max_bytes: int = 1 << 20) -> None:
        if fd is not None:
            os.set_blocking(fd, False)
        self._loop = loop
        self._fd = fd
        self._max_bytes = max_bytes
        self._queue = bytearray()
        self._written = 0
        self._deliveries: list[tuple[int, Done]] = []  # few at a time; a deque takes a page for six of them, empty
        """how many bytes have to be written for a delivery to be through, and whom to tell"""

    @property
    def waiting(self) -> int:
        """Bytes that the child has not made room for."""
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether as much waits as may."""
        return self.waiting >= self._max_bytes

    def offer(self, data: bytes) -> bool:
        """Take all of `data`, or nothing and return False when more than `max_bytes` would be waiting.

        BrokenPipeError when the child has closed its end, or we ours.
        """
        if self._fd is None:
            raise BrokenPipeError("cannot write to stdin: it is closed")
        if len(self._queue) + len(data) > self._max_bytes:
            return False
        idle = not self._queue
        self._queue += data
        if idle and not self._write():
            raise BrokenPipeError("cannot write to stdin: the program has closed it")
        return True

    def deliver(self, data: bytes, done: Done) -> bool:
        """Take all of `data`, however much waits. True: all of it is in the pipe, and `done` will not be called.

        Otherwise `done(True)` once it is, `done(False)` when the child closes its end before; nothing any more when we
        close ours. BrokenPipeError as with `offer`.
        """
        if self._fd is None:
            raise BrokenPipeError("cannot write to stdin: it is closed")
        idle = not self._queue
        self._queue += data
        if idle and not self._write():
            raise BrokenPipeError("cannot write to stdin: the program has closed it")
        if not self._queue:
            return True
        self._deliveries.append((self._written + len(self._queue), done))
        return False

    @property
    def state(self) -> tuple[int | None, bytes]:
        """The descriptor, None when it is closed, and what was not written yet: for another one to go on with."""
        return self._fd, bytes(self._queue)

    def resume(self, unwritten: bytes) -> None:
        """Write first what an earlier one was given and has not written. A reader that is gone is no error."""
        if unwritten and self._fd is not None:
            self._queue += unwritten
            self._write()

    def forget(self, done: Done) -> None:
        """Whoever waits for deliveries to be through waits no longer; what was delivered is written all the same."""
        self._deliveries = [one for one in self._deliveries if one[1] != done]

    def close(self) -> None:
        """Close it, dropping what was not written yet; idempotent."""
        self._deliveries.clear()
        self._shut()

    def _shut(self) -> None:
        if self._fd is not None:
            self._loop.unwatch(self._fd)
            os.close(self._fd)
            self._fd = None
            self._queue.clear()

    def _flush(self) -> None:
        """Go on writing, the child has read something."""
        if self._write():
            while self._deliveries and self._deliveries[0][0] <= self._written:
                self._deliveries.pop(0)[1](True)
            return
        broken, self._deliveries = self._deliveries, []
        for _, done in broken:
            done(False)

    def _write(self) -> bool:
        """Write what goes; False when the reader is gone."""
        if self._fd is None:
            return False
        try:
            while self._queue:
                written = os.write(self._fd, self._queue)
                self._written += written
                del self._queue[:written]
        except BlockingIOError:
            self._loop.watch(self._fd, writable=self._flush)
            return True
        except OSError as why:
            if why.errno not in (errno.EPIPE, errno.EIO):  # EIO: nobody has the terminal open any more
                raise
            self._shut()
            return False
        self._loop.unwatch(self._fd)
        return True
