"""Standard input of a child: bytes are queued, bounded, and written as fast as the child reads."""

import os

from tmd.posix.loop import Loop


class StdinWriter:
    """The write end of a child's stdin, owned from now on. A child that does not read delays nobody."""

    def __init__(self, loop: Loop, fd: int, max_bytes: int = 1 << 20) -> None:
        os.set_blocking(fd, False)
        self._loop = loop
        self._fd: int | None = fd
        self._max_bytes = max_bytes
        self._queue = bytearray()

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

    def close(self) -> None:
        """Close it, dropping what was not written yet; idempotent."""
        if self._fd is not None:
            self._loop.unwatch(self._fd)
            os.close(self._fd)
            self._fd = None
            self._queue.clear()

    def _write(self) -> bool:
        """Write what goes; False when the reader is gone."""
        if self._fd is None:
            return False
        try:
            while self._queue:
                written = os.write(self._fd, self._queue)
                del self._queue[:written]
        except BlockingIOError:
            self._loop.watch(self._fd, writable=self._write)
            return True
        except BrokenPipeError:
            self.close()
            return False
        self._loop.unwatch(self._fd)
        return True
