"""One target with all that wants to go there, and what happens when it cannot.

Promises order (own writes first come, first written; pipes after them), and that trouble stays here: for `HOLD_S` what
comes from programs waits in its pipes, then it is dropped and counted so that nobody hangs, while the target is tried
again and again; own writes wait in memory. Whoever was turned away is called back. Knows nothing of threads.
"""

import errno
import os
from collections import deque
from collections.abc import Callable
from enum import Enum

from tmd.posix import pipes
from tmd.posix.logfiles import LogFile, LogTarget, is_device_path
from tmd.posix.loop import Loop, Timer
from tmd.posix.losses import Losses
from tmd.posix.rotation import LINE_BYTES
from tmd.posix.trust import open_real, real_path

HOLD_S = 1.0
"""how long output waits in the pipes for a target in trouble before it is dropped"""
RETRY_S = 0.1
PROBE_S = 0.24
"""between two attempts once dropping has begun; the second number of `at least four times a second`"""
SETTLED_S = 1.0
"""trouble that comes back sooner is the same trouble"""
LINE_PATIENCE_S = 0.05
"""how long others wait for the end of a line that one of several writers to a file has begun"""
STREAM_PATIENCE_S = 0.5
"""and how long while that one goes on, but never ends with a line what it says at once"""
LEAST_REFUSALS = 3
"""so often others are put off in any case"""

_KEEP_OPEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EFBIG})
_CANNOT_SPLICE = frozenset({errno.EINVAL, errno.ENOSYS})
_REASONS = {
    errno.EAGAIN: "it is full and nobody reads it",
    errno.ENXIO: "nobody has it open for reading",
    errno.EPIPE: "nobody reads it any more",
}

Item = bytes | memoryview | Callable[[], None]


class Verdict(Enum):
    """What may happen to output now."""

    WRITE = "write"
    HOLD = "hold"
    DROP = "drop"


class TurnedAway(Exception):
    """The target did not take anything; ask for the verdict again."""


class Outlet:
    """A `LogFile`, the queue before it, and its troubles."""

    def __init__(
        self,
        target: LogTarget,
        loop: Loop,
        report: Callable[[str, int, str], None],
        resume: Callable[["Outlet"], None],
    ) -> None:
        self.file = LogFile(target)
        self.losses = Losses(target.path, loop, report)
        self.users = 0
        """channels that end here"""
        self.kept = False
        """stays open without any"""
        self.queued = 0
        """bytes of the queue"""
        self.written = 0
        """bytes ever"""
        self.waiting = False
        """channels want to be resumed"""
        self._loop = loop
        self._resume = resume
        self._queue: deque[Item] = deque()
        self._reason = ""
        self._trouble_since: float | None = None
        self._last_trouble = (-SETTLED_S, 0.0)  # (when it was over, since when it was)
        self._try_at = 0.0
        self._told = False
        self._trouble_rotating = ""
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._watched = -1
        self.last_writer: object = None
        """the channel that wrote last"""
        self._speaker: object = None
        self._patience_ends = 0.0
        self._speaks_since = 0.0
        self._refusals = 0
        self._closed = False

    @property
    def target(self) -> LogTarget:
        """The target as last asked for."""
        return self.file.target

    @property
    def trouble(self) -> str:
        """Why it cannot be written just now; empty when it can."""
        return self._reason if self._trouble_since is not None else ""

    def verdict(self, now: float) -> Verdict:
        """Tell what is to become of output that comes now."""
        since = self._trouble_since
        if since is None or now >= self._try_at:
            return Verdict.WRITE
        return Verdict.HOLD if now < since + HOLD_S else Verdict.DROP

    @property
    def dormant(self) -> bool:
        """Whether there is a file to write to that needs not be opened before there is something to be written."""
        return self.file.fd < 0 and not self._queue and self._trouble_since is None and self.file.rests

    # --- what goes in ----------------------------------------------------------------------------------------------

    def splice(self, source: int, limit: int, now: float, see: Callable[[bytes], None] | None = None) -> int:
        """Move up to `limit` bytes from a pipe to the file; 0 at EOF. `see` is shown them, if it is a regular file.

        BlockingIOError: the pipe is empty. TurnedAway: the target took nothing.
        """
        try:
            self.file.ensure(now)
            if self._queue and not self.flush(now):
                raise TurnedAway
            if not self.file.splices or (see is not None and not self.file.rotates):
                raise TurnedAway
            moved = self.file.splice_from(source, limit, now, see)
        except BlockingIOError as error:
            if self.file.rotates or not pipes.waiting_bytes(source):
                raise
            self._fail(error, now)
            raise TurnedAway from None
        except OSError as error:
            if error.errno in _CANNOT_SPLICE and self.file.splices and self.file.fd >= 0:
                self.file.splices = False
            else:
                self._fail(error, now)
            raise TurnedAway from None
        self._took(moved, now)
        return moved

    def put(self, data: bytes, now: float) -> None:
        """Queue bytes and write what can be written."""
        if data:
            self._queue.append(data)
            self.queued += len(data)
            self.flush(now)

    def put_all(self, pieces: list[bytes], now: float) -> None:
        """Put one after the other, in one go where the file would be rotated at the same places all the same."""
        if 0 < self.target.maxbytes < LINE_BYTES:
            for piece in pieces:
                self.put(piece, now)
        else:
            self.put(b"".join(pieces), now)

    def drop(self, count: int) -> None:
        """Count bytes that are lost to this target."""
        self.losses.add(count, self._reason)

    def flush(self, now: float) -> bool:
        """Write what is queued; tell whether all of it went."""
        while self._queue:
            item = self._queue[0]
            if callable(item):
                self._queue.popleft()
                item()
                continue
            match self.verdict(now):
                case Verdict.HOLD:
                    self._arm(self._try_at)
                    return False
                case Verdict.DROP:
                    self._arm(self._try_at)
                    self._call_who_waits()
                    return False
                case Verdict.WRITE:
                    self._write(item, now)
        return True

    def after_flush(self, callback: Callable[[], None], now: float) -> None:
        """Call back once what is queued now is written, or cannot be for so long that nobody should wait."""
        if self._queue:
            self._queue.append(callback)
            self.flush(now)
        else:
            callback()

    def wait(self) -> None:
        """Note that a channel that was turned away wants to be resumed."""
        self.waiting = True
        self._arm(self._patience_ends if self._trouble_since is None else self._try_at)

    def mid_line(self, now: float) -> bool:
        """Tell whether what is put now would begin in the middle of a line of a regular file."""
        for item in reversed(self._queue):
            if not callable(item):
                return self.file.rotates and item[-1] != ord("\n")
        try:
            self.file.ensure(now)
        except OSError:
            return False  # as `put` will find out
        return self.file.ends_mid_line()

    # --- lines of several writers ------------------------------------------------------------------------------------

    def join(self) -> None:
        """Count one more channel; of a line begun so far the last writer is the owner."""
        self.users += 1
        if self.users == 2 and self.file.fd >= 0 and self.last_writer is not None:
            self.spoke(self.last_writer, self._loop.now())

    def may_speak(self, who: object, now: float) -> bool:
        """Tell whether `who` would not write into the middle of another one's line; callers are resumed."""
        if self._speaker is None or self._speaker is who:
            return True
        if now >= self._patience_ends:
            # Time alone says nothing when this thread was not running: the rest of the line may have come long ago.
            if self._refusals >= LEAST_REFUSALS:
                return True
            self._patience_ends = now + LINE_PATIENCE_S / 10
        self._refusals += 1
        self._arm(self._patience_ends)
        return False

    def spoke(self, who: object, now: float) -> None:
        """Note that `who` has written, for `may_speak`."""
        if not self.file.ends_mid_line():
            self.fall_silent(self._speaker)
        elif self._speaker is not who:
            self._speaker, self._speaks_since, self._refusals = who, now, 0
            self._patience_ends = now + LINE_PATIENCE_S
        else:  # it is another line by now, maybe, and where all ends with one is a matter of luck
            self._patience_ends = min(now + LINE_PATIENCE_S, self._speaks_since + STREAM_PATIENCE_S)

    def is_speaking(self, who: object) -> bool:
        """Tell whether the file ends with a line that `who` has begun."""
        return (self._speaker or self.last_writer) is who and self.file.fd >= 0 and self.file.ends_mid_line()

    def go_on_speaking(self, who: object, now: float) -> None:
        """Take up the line that `who` had begun before this outlet was there."""
        try:
            self.file.ensure(now)
        except OSError:
            return  # as its output will find out
        self.last_writer = who
        self.spoke(who, now)

    def fall_silent(self, who: object) -> None:
        """Note that `who` has nothing more to say to its line."""
        if self.last_writer is who:
            self.last_writer = None
        if self._speaker is who and who is not None:
            self._speaker = None
            if self.waiting:
                self._loop.call_soon(self._retry)

    # --- from outside -------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Open it now; if that fails it is tried again for a while, and with the next output."""
        now = self._loop.now()
        try:
            self.file.ensure(now)
        except OSError as error:
            self._fail(error, now)

    def reopen(self) -> None:
        """Go to what is at the path now, and give a target in trouble another chance."""
        now = self._loop.now()
        self.flush(now)
        if not self.file.rotates:
            self._unwatch()
        try:
            self.file.reopen(now)
        except OSError as error:
            if self.file.fd < 0:
                self._fail(error, now)
            else:
                self.losses.tell(f"cannot reopen: {_reason(error)}")
            return
        self._try_at = now
        self._retry()

    def clear(self) -> None:
        """Empty the file, its backups stay; OSError. Does not open what is not open."""
        now = self._loop.now()
        self.flush(now)
        if self.file.fd >= 0:
            self.file.look_soon()
            self.file.ensure(now)
            self.file.truncate()
        else:
            clear_unopened(self.target)
        self._try_at = now  # a full disk may have room again
        if self._trouble_since is not None:
            self._retry()

    def surrender(self) -> list[bytes]:
        """Return what is queued, for somebody else to write, and call back who waits for it."""
        self._call_who_waits()
        unwritten = [bytes(item) for item in self._queue if not callable(item)]
        self._queue.clear()
        self.queued = 0
        return unwritten

    def give_up(self) -> None:
        """Count what is queued as lost, and call back who waits for it."""
        lost = self.queued
        self._call_who_waits()
        self._queue.clear()
        self.queued = 0
        if lost:
            self.losses.add(lost, self._reason or "the daemon ended")

    def close(self) -> None:
        """Report what is not told yet and close the file."""
        self._closed = True
        self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
        self.losses.flush()
        self.file.close()

    # --- trouble ---------------------------------------------------------------------------------------------------

    def _write(self, item: bytes | memoryview, now: float) -> None:
        try:
            self.file.ensure(now)
            count = self.file.write(item, now)
            if not count:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._fail(error, now)
            return
        self.queued -= count
        if count == len(item):
            self._queue.popleft()
        else:
            self._queue[0] = memoryview(item)[count:]
        self._took(count, now)

    def _took(self, count: int, now: float) -> None:
        self.written += count
        if self._trouble_since is not None and count:
            self._last_trouble = (now, self._trouble_since)
            self._trouble_since, self._told = None, False
            self._unwatch()
            self.losses.heal()
        if (trouble := self.file.trouble_rotating) != self._trouble_rotating:
            self._trouble_rotating = trouble
            if trouble:
                self.losses.tell(trouble)
            else:
                self.losses.heal()

    def _fail(self, error: OSError, now: float) -> None:
        over, since = self._last_trouble
        if self._trouble_since is None:
            self._trouble_since = since if now < over + SETTLED_S else now
        self._reason = _reason(error)
        holding = now < self._trouble_since + HOLD_S
        self._try_at = now + (RETRY_S if holding else PROBE_S)
        if error.errno == errno.EAGAIN:
            self._watch()
        elif error.errno not in _KEEP_OPEN:
            self._unwatch()
            self.file.close()
        if not holding and not self._told:
            self._told = True
            self.losses.tell(self._reason)
        if holding or self._queue or self.waiting:
            self._arm(self._try_at)

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(when, self._retry), when

    def _retry(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed:
            return  # while this was on its way
        now = self._loop.now()
        if self._queue:
            self.flush(now)
        elif self.file.fd < 0 and self.verdict(now) is Verdict.WRITE:
            self.prepare()
        if self.waiting:
            self.waiting = False
            self._resume(self)

    def _watch(self) -> None:
        """Be told when a full FIFO, terminal or pipe has room; what cannot be watched is tried by the clock."""
        if self._watched >= 0:
            return
        try:
            self._loop.watch(self.file.fd, writable=self._has_room)
        except OSError:
            return
        self._watched = self.file.fd

    def _has_room(self) -> None:
        self._unwatch()
        self._try_at = self._loop.now()
        self._retry()

    def _unwatch(self) -> None:
        if self._watched >= 0:
            self._loop.unwatch(self._watched)
            self._watched = -1

    def _call_who_waits(self) -> None:
        for item in list(self._queue):
            if callable(item):
                self._queue.remove(item)
                item()


def clear_unopened(target: LogTarget) -> None:
    """Empty a file nobody here has open, if it is there. OSError."""
    if is_device_path(target.path):
        return
    real = real_path(target.path)
    if os.path.isfile(real):
        fd = open_real(real, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.ftruncate(fd, 0)
        finally:
            os.close(fd)


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()
