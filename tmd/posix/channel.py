"""One pipe of a program and the way its bytes take.

Promises that reading never stops for a reason of ours: what the target does not take in time is dropped and counted,
what a transform makes of it does not matter. Knows nothing of when it is its turn.

Nothing is lost when the process is killed. What the log gets as it is goes from pipe to file inside the kernel, and is
read back from there by who wants to see it: each byte is in one of the two. What is changed on its way stays in the
pipe until it is written: killed in between, the next one writes that piece again.
"""

import errno
import os
import select
import stat
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Protocol

from tmd.posix import pipes
from tmd.posix.last_bytes import LastBytes
from tmd.posix.linewise import Linewise
from tmd.posix.logfiles import is_device_path
from tmd.posix.outlet import Outlet, TurnedAway, Verdict
from tmd.posix.peeping import Peephole
from tmd.posix.sinks import Carried, Held, Sinks, State, Transform, Transformed

COPY_BYTES = 128 * 1024
"""read at once where bytes have to be seen"""
BUSY_BYTES = 32 * 1024
"""who has so much to say little by little gets a bigger pipe"""
BEGUN_LOOKS = 5
"""so often what is there of a line may be looked at in vain before it is taken out of the pipe"""
_SPLICE_FLAGS = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE


class _Begun(Exception):
    """There is a piece of a line only."""


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

    @property
    def peephole(self) -> Peephole:
        """To look into pipes."""

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
        self.looked_at = 0.0
        """when something was found in it"""
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
        self._untaken = 0
        """bytes at the beginning of the pipe that are on their way already"""
        self._begun = 0
        """after these, bytes of a line that was seen there and left"""
        self._looks = 0
        self._transform: Transform | None = None
        self.lines: Linewise | None = None
        """what makes lines for the log, if they are to be others than the program's"""
        self.retarget(sinks, outlet, 0.0)

    def retarget(self, sinks: Sinks, outlet: Outlet | None, now: float) -> None:
        """Send what comes from now on elsewhere; what the old transform held back goes there too.

        What there is of a line that was begun in another form goes where it belonged, as a piece that is not the last.
        """
        if self._begun:
            if self._untaken:
                self._take()
            self._bring_begun(now)
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
        preserved = self._transform is None or self._transform.preserves
        self._as_it_is = preserved and self.lines is None and not self._passing
        self._deliver(held, Verdict.WRITE, now)

    @property
    def hears(self) -> bool:
        """Whether a transform sees the bytes, and somebody has to take what it finds."""
        return self._transform is not None

    @property
    def has_more(self) -> bool:
        """Whether the last `pump` brought so much that there is more by now, most likely."""
        return self.moved * 2 >= min(self.capacity, 2 * BUSY_BYTES)

    def pump(self, now: float, limit: int) -> Outcome:
        """Move up to `limit` bytes to where they belong."""
        self.moved = 0
        outlet = self.outlet
        if outlet is not None and self._is_pipe and outlet.dormant:
            events = pipes.news(self.fd)
            if not events & select.POLLIN:
                return Outcome.ENDED if events & select.POLLHUP else Outcome.EMPTY
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
            except _Begun:
                return Outcome.MOVED  # nothing, but soon
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
            # One that is found full was filled in one go, as likely as not: it would not be looked at less often for
            # being bigger, but many of them do not fit into the processor's caches.
            if BUSY_BYTES <= count < self.capacity and not self._grown:
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

    def surrender(self) -> Carried:
        """Give away the pipe and what is held back, for another drain to go on with."""
        if self._untaken and self.fd >= 0:
            self._take()
        outlet = self.outlet
        held = Held(
            transform=self._held_back(),
            lines=self.lines.state() if self.lines is not None else {},
            syslog=self._partial_line.decode("latin-1"),
            last=self.last_bytes().decode("latin-1"),
            speaks=outlet is not None and outlet.is_speaking(self),
            heard_out=self.heard_out,
        )
        fd, self.fd, self.ended = self.fd, -1, True
        return Carried(self.key, fd, held)

    def resume(self, held: Held, now: float) -> None:
        """Go on where another one has surrendered. What nobody here can hold back goes on its way."""
        self.heard_out = held.heard_out
        self._last.saw(held.last.encode("latin-1"), None)
        self._partial_line = held.syslog.encode("latin-1")
        if held.transform and not self._takes_up(held.transform):
            self._deliver(_rest(held.transform), Verdict.WRITE, now)
        if held.lines and self.lines is not None:
            self.lines.resume(held.lines, now)
        elif held.lines and self.outlet is not None:
            self.outlet.put(_rest(held.lines), now)
        if held.speaks and self.outlet is not None:
            self.outlet.go_on_speaking(self, now)

    def close(self) -> None:
        """Give up the pipe."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.ended = True

    def _move(self, outlet: Outlet | None, verdict: Verdict, limit: int, now: float) -> int:
        """Return the bytes moved, 0 at EOF."""
        if outlet is not None and verdict is Verdict.WRITE:
            if self._is_pipe and outlet.file.splices and not self._untaken:
                if not self._seen:
                    count = outlet.splice(self.fd, limit, now)
                    self._last.unseen += count
                    return count
                if self._as_it_is and (outlet.file.rotates or outlet.file.fd < 0):
                    return outlet.splice(self.fd, min(limit, COPY_BYTES), now, self._see)
            if outlet.queued > COPY_BYTES and not outlet.flush(now):
                raise TurnedAway
        elif self._is_pipe and not self._seen and not self._untaken:
            count = os.splice(self.fd, self._around.null_fd, limit, flags=_SPLICE_FLAGS)
            if outlet is not None:
                outlet.drop(count)
            return count
        return self._copy(outlet, verdict, now)

    def _copy(self, outlet: Outlet | None, verdict: Verdict, now: float) -> int:
        """Move bytes the way through here. They stay in the pipe until they are written."""
        if self._untaken:
            if verdict is Verdict.WRITE and outlet is not None and outlet.queued and not outlet.flush(now):
                raise TurnedAway
            self._take()
        # Others may write to a device between two reads: all there is ends with a line, a part of it would not.
        most = max(COPY_BYTES, self.capacity) if self._passing else COPY_BYTES
        data = self._around.peephole.look(self.fd, most) if self._is_pipe else None
        self._begun = 0
        if data is None:
            data = os.read(self.fd, most)
        else:
            if self.lines is not None or self.sinks.syslog_tag is not None:
                data = self._whole_lines(data)
            self._untaken = len(data)
        if data:
            self._bring(data, outlet, verdict, now)
        return len(data)

    def _whole_lines(self, data: bytes) -> bytes:
        """Leave a line in the pipe that was only begun, where it outlives us; unless its end does not come soon."""
        whole = data.rfind(b"\n") + 1
        if not whole and self._looks < BEGUN_LOOKS and len(data) * 2 < self.capacity and self.owed is None:
            self._looks += 1
            self._begun = len(data)
            raise _Begun
        self._looks = 0
        if not whole or self.owed is not None:
            return data
        self._begun = len(data) - whole
        return data[:whole]

    def _bring_begun(self, now: float) -> None:
        """Bring what was left in the pipe."""
        data = self._around.peephole.look(self.fd, self._begun) if self._begun and self.fd >= 0 else None
        self._begun = 0
        if data:
            self._untaken += len(data)
            self._bring(data, self.outlet, self.outlet.verdict(now) if self.outlet is not None else Verdict.DROP, now)

    def _bring(self, data: bytes, outlet: Outlet | None, verdict: Verdict, now: float) -> None:
        if self.sinks.tap is not None:
            self.sinks.tap(data)
        self._deliver(self._transformed(data), verdict, now)
        if self._untaken and (outlet is None or not outlet.queued or verdict is Verdict.DROP):
            self._take()

    def _take(self) -> None:
        count, self._untaken = self._untaken, 0
        self._around.peephole.take(self.fd, count)

    def _see(self, data: bytes) -> None:
        """Show what went to the log to all who want to see it."""
        if self.sinks.tap is not None:
            self.sinks.tap(data)
        self._last.saw(data, None)
        self._transformed(data)
        self._pass_on(data)

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
        self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
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

    def _held_back(self) -> State:
        if self._transform is None:
            return {}
        try:
            return self._transform.state()
        except Exception as error:  # noqa: BLE001 - the same border
            self._around.failed(f"cannot hand over what is held of the output of {self.key!r}: {error!r}")
            return {}

    def _takes_up(self, state: State) -> bool:
        if self._transform is None:
            return False
        try:
            self._transform.resume(state)
        except Exception as error:  # noqa: BLE001 - the same border
            self._around.failed(f"cannot take up what was held of the output of {self.key!r}: {error!r}")
            return False
        return True

    def _heard(self, result: Transformed) -> bytes:
        if result.said or result.communicated:
            self._around.heard(self.key, result)
        return result.log


def _rest(state: State) -> bytes:
    return state.get("rest", "").encode("latin-1")
