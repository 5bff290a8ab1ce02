"""One pipe of a program and the way its bytes take.

Promises that reading never stops for a reason of ours: what the target does not take in time is dropped and counted,
what a transform makes of it does not matter. Bytes nobody has to see go from pipe to file inside the kernel.
Knows nothing of when it is its turn.
"""

import errno
import os
import stat
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from tmd.posix import pipes
from tmd.posix.last_bytes import LastBytes
from tmd.posix.linewise import Format, Linewise
from tmd.posix.logfiles import LogTarget, is_device_path
from tmd.posix.outlet import Outlet, TurnedAway, Verdict

COPY_BYTES = 128 * 1024
"""read at once where bytes have to be seen"""
BUSY_BYTES = 32 * 1024
"""who has so much to say at once gets a bigger pipe"""
_SPLICE_FLAGS = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE


class Transformed(Protocol):
    """What some output turned into."""

    @property
    def log(self) -> bytes:
        """What goes on to the log."""

    @property
    def said(self) -> bytes:
        """What somebody wants to know."""

    @property
    def communicated(self) -> tuple[bytes, ...]:
        """Texts sent to somebody."""


class Transform(Protocol):
    """Sees the bytes of one channel on their way; called in the drain's thread."""

    def feed(self, data: bytes) -> Transformed:
        """Take the next bytes."""

    def end(self) -> Transformed:
        """Give out what was held back: the process is gone. More may come from its heirs."""


class Tally:
    """Counts bytes; only ever added to, by one thread. Any may read it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where the output of one channel goes. All None: read, so that nobody hangs, and forgotten."""

    target: LogTarget | None = None
    syslog_tag: str | None = None
    transform: Callable[[], Transform] | None = None
    copy: Callable[[bytes], None] | None = None
    """gets what goes to the log, in the drain's thread"""
    format: Format | None = None
    """makes the lines of the log of it; nobody else gets these"""
    tap: Callable[[bytes], None] | None = None
    """gets every byte as the program wrote it, in the drain's thread"""
    tally: Tally | None = None
    """counts what was taken out of the pipe, wherever it went then"""


class Outcome(Enum):
    """What became of one attempt to move bytes."""

    MOVED = "moved"
    EMPTY = "empty"
    ENDED = "ended"
    HELD = "held"


class Surroundings(Protocol):
    """What a channel needs of the drain."""

    @property
    def null_fd(self) -> int:
        """/dev/null, open for writing."""

    def heard(self, key: Hashable, transformed: Transformed) -> None:
        """Pass on what a transform found."""

    def failed(self, text: str) -> None:
        """Report a transform or copy that raised."""

    def to_syslog(self, tag: str, data: bytes, end: bool) -> bytes:
        """Send whole lines; return the rest."""


class Channel:
    """The read end of a pipe, owned; `moved` tells how many bytes the last `pump` took out of it."""

    def __init__(self, key: Hashable, fd: int, sinks: Sinks, outlet: Outlet | None, around: Surroundings) -> None:
        self.key = key
        self.fd = fd
        self.moved = 0
        self.watched = False
        self.ended = False
        self.owed: int | None = None
        """bytes to move until those who wait are called; None: nobody waits"""
        self.settled: list[Callable[[], None]] = []
        """who waits for the bytes owed"""
        self.capacity = pipes.capacity(fd)
        self.heard_out = False
        """its program has ended, and whoever wants to know has its last bytes"""
        self.outlet: Outlet | None = None
        self._last = LastBytes()
        self._around = around
        self._grown = False
        self._is_pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
        self._partial_line = b""
        self._transform: Transform | None = None
        self.lines: Linewise | None = None
        """what makes lines for the log, if they are to be others than the program's"""
        self.retarget(sinks, outlet, 0.0)

    def retarget(self, sinks: Sinks, outlet: Outlet | None, now: float) -> None:
        """Send what comes from now on elsewhere; what the old transform held back goes there too.

        What there is of a line that was begun in another form goes where it belonged, as a piece that is not the last.
        """
        held = self._ending() if self._transform is not None else b""
        self._last.keep(self.outlet.file if self.outlet is not None else None)
        if self.lines is not None and (self.lines.format != sinks.format or self.outlet is not outlet):
            self.give_out(now)
            self.lines = None
        if sinks.format is not None and self.lines is None:
            self.lines = Linewise(sinks.format)
        self.sinks, self.outlet = sinks, outlet
        self._transform = sinks.transform() if sinks.transform is not None else None
        # What goes to a device can be read back from nowhere.
        self._passing = sinks.target is not None and is_device_path(sinks.target.path)
        watched = sinks.syslog_tag is not None or sinks.copy is not None or sinks.tap is not None
        self._seen = self._transform is not None or self.lines is not None or watched or self._passing
        self._deliver(held, Verdict.WRITE, now)

    @property
    def hears(self) -> bool:
        """Whether a transform sees the bytes, and somebody has to take what it finds."""
        return self._transform is not None

    def pump(self, now: float, limit: int) -> Outcome:
        """Move up to `limit` bytes to where they belong."""
        self.moved = 0
        outlet = self.outlet
        while True:
            verdict = Verdict.DROP if outlet is None else outlet.verdict(now)
            if verdict is Verdict.HOLD or (outlet is not None and outlet.users > 1 and not outlet.may_speak(self, now)):
                return Outcome.HELD
            self._let_others_keep(outlet)
            try:
                count = self._move(outlet, verdict, limit, now)
            except BlockingIOError:
                return Outcome.EMPTY
            except TurnedAway:
                continue
            except OSError as error:
                if error.errno != errno.EIO:  # how the reading end of a terminal says that it is over
                    raise
                count = 0
            if not count:
                return Outcome.ENDED
            self.moved = count
            if self.sinks.tally is not None:
                self.sinks.tally.count += count
            if outlet is not None:
                outlet.last_writer = self
                if outlet.users > 1:
                    outlet.spoke(self, now)
            if count >= BUSY_BYTES and not self._grown:
                self._grown = True
                self.capacity = pipes.enlarge(self.fd)
            return Outcome.MOVED

    def _let_others_keep(self, outlet: Outlet | None) -> None:
        """Have whoever wrote last to a file of several remember its last bytes: others are about to follow them."""
        if outlet is not None and outlet.users > 1 and outlet.last_writer is not self:
            before = outlet.last_writer
            if isinstance(before, Channel) and before.outlet is outlet:
                before._last.keep(outlet.file)

    def settle(self, now: float) -> None:
        """Pass on what the transform holds back and call those who wait, once it is all in the file."""
        outlet = self.outlet
        verdict = Verdict.WRITE if outlet is None else outlet.verdict(now)
        self._deliver(self._ending(), verdict, now)
        self.end_lines(now)
        if self._partial_line and self.sinks.syslog_tag is not None:
            self._partial_line = self._around.to_syslog(self.sinks.syslog_tag, self._partial_line, True)
        self.owed = None
        waiting, self.settled = self.settled, []
        for callback in waiting:
            if outlet is None:
                callback()
            else:
                outlet.after_flush(callback, now)

    def give_out(self, now: float) -> None:
        """Log what there is of a line that was begun."""
        if self.lines is not None and self.outlet is not None:
            self.lines.give_out(self.outlet, self.outlet.verdict(now), now)

    def end_lines(self, now: float) -> None:
        """Log a line that was begun as if it ended here."""
        if self.lines is not None and self.outlet is not None:
            self.lines.end(self.outlet, self.outlet.verdict(now), now)

    def last_bytes(self) -> bytes:
        """Return the last bytes it brought, as far as they went to a regular file or were seen."""
        return self._last.read(self.outlet.file if self.outlet is not None else None)

    def close(self) -> None:
        """Give up the pipe."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.ended = True

    def _move(self, outlet: Outlet | None, verdict: Verdict, limit: int, now: float) -> int:
        """Return the bytes moved, 0 at EOF."""
        spliced = self._is_pipe and not self._seen
        if outlet is not None and verdict is Verdict.WRITE:
            if spliced and outlet.file.splices:
                count = outlet.splice(self.fd, limit, now)
                self._last.unseen += count
                return count
            if outlet.queued > COPY_BYTES and not outlet.flush(now):
                raise TurnedAway
        elif spliced:
            count = os.splice(self.fd, self._around.null_fd, limit, flags=_SPLICE_FLAGS)
            if outlet is not None:
                outlet.drop(count)
            return count
        # Others may write to a device between two reads: all there is ends with a line, a part of it would not.
        data = os.read(self.fd, max(COPY_BYTES, self.capacity) if self._passing else COPY_BYTES)
        if data:
            if self.sinks.tap is not None:
                self.sinks.tap(data)
            self._deliver(self._transformed(data), verdict, now)
        return len(data)

    def _deliver(self, data: bytes, verdict: Verdict, now: float) -> None:
        if not data:
            return
        self._last.saw(data, self.outlet.file if self.outlet is not None else None)
        if self.outlet is not None:
            if self.lines is not None:
                self.lines.take(data, self.outlet, verdict, now)
            elif verdict is Verdict.DROP:
                self.outlet.drop(len(data))
            else:
                self.outlet.put(data, now)
        if self.sinks.syslog_tag is not None:
            self._partial_line = self._around.to_syslog(self.sinks.syslog_tag, self._partial_line + data, False)
        if self.sinks.copy is not None:
            try:
                self.sinks.copy(data)
            except Exception as error:  # noqa: BLE001 - a border: reading goes on whatever others do with the bytes
                self._around.failed(f"cannot copy output of {self.key!r}: {error!r}")

    def _transformed(self, data: bytes) -> bytes:
        if self._transform is None:
            return data
        try:
            result = self._transform.feed(data)
        except Exception as error:  # noqa: BLE001 - the same border
            self._around.failed(f"cannot transform output of {self.key!r}: {error!r}")
            return data
        return self._heard(result)

    def _ending(self) -> bytes:
        if self._transform is None:
            return b""
        try:
            result = self._transform.end()
        except Exception as error:  # noqa: BLE001 - the same border
            self._around.failed(f"cannot transform the end of the output of {self.key!r}: {error!r}")
            return b""
        return self._heard(result)

    def _heard(self, result: Transformed) -> bytes:
        if result.said or result.communicated:
            self._around.heard(self.key, result)
        return result.log
