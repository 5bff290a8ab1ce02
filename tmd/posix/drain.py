"""The log pump: one thread that moves the output of all programs to where it belongs.

Promises that no byte is lost, doubled or reordered short of a target in trouble for longer than `outlet.HOLD_S`; that a
target in trouble delays neither its programs for longer than that nor any other target; that nothing here delays the
caller; that nothing wakes up when nothing is written. Knows nothing of processes: a channel is a key and a descriptor.
"""

import functools
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence

import msgspec

from tmd.posix.logfiles import LogTarget, is_device_path
from tmd.posix.loop import Loop
from tmd.posix.losses import Losses
from tmd.posix.outlet import Outlet
from tmd.posix.outlets import Outlets
from tmd.posix.peeping import Peephole
from tmd.posix.pump import Pump
from tmd.posix.sinks import Carried, Held, Sinks, Surrendered, Tally, Transform, Transformed
from tmd.posix.succession import Succession
from tmd.posix.syslog import LOCAL_SOCKET, USER_INFO, SyslogLink

__all__ = [
    "Carried",
    "Drain",
    "Figures",
    "Held",
    "LogTarget",
    "Sinks",
    "Surrendered",
    "Tally",
    "Transform",
    "Transformed",
]

QUEUE_BYTES = 4 << 20
"""own writes kept for one target in trouble"""
UNHEARD_BYTES = 4 << 20
"""found by transforms and not yet taken by the caller: more, and these channels wait"""
_STOP_RETRY_S = 0.02


class Figures(msgspec.Struct, frozen=True):
    """What the drain tells about itself; bytes by path of open targets, and altogether. `total_waiting`: of our own."""

    written: dict[str, int]
    dropped: dict[str, int]
    total_written: int
    total_dropped: int
    total_waiting: int
    channels: int
    wakeups: int
    errors: int


class Drain:
    """The pump. Every method returns at once and may be called from any thread; `stop` waits.

    `post` calls something back in the caller's loop. `dropped(path, count, reason)` (no reason: it works again) and
    `heard(key, transformed)` are called through it. `failed` gets a text about what should not happen, in the drain's
    thread.
    """

    def __init__(
        self,
        *,
        post: Callable[[Callable[[], None]], None],
        dropped: Callable[[str, int, str], None],
        heard: Callable[[Hashable, Transformed], None],
        failed: Callable[[str], None] = lambda text: None,
        identity: str = "tmd",
        syslog_path: str = LOCAL_SOCKET,
    ) -> None:
        self.null_fd = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
        self.peephole = Peephole(self.null_fd)
        self.failed = failed
        self._post_out = post
        self._on_dropped = dropped
        self._on_heard = heard
        self._loop = Loop(on_error=failed)
        self._thread: threading.Thread | None = None
        self._opening: set[Hashable] = set()
        """channels the pump does not know of yet"""
        self._patient = 0
        """the thread whose posts wait for `wake`"""
        self._lock = threading.Lock()
        self._inbox: deque[tuple[LogTarget, bytes]] = deque()
        self._inbox_bytes: dict[LogTarget, int] = {}
        self._in_transit: dict[LogTarget, int] = {}
        """taken from the inbox, but maybe not yet in an outlet's queue"""
        self._inbox_poked = False
        self._on_devices = False
        """output of programs goes, or has gone, where others may write, too"""
        self._refused: dict[LogTarget, int] = {}
        self._unheard = self._unheard_of = 0
        """bytes, and how often, of what transforms have found and the caller was not told so far"""
        self._heir: Callable[[Surrendered], None] | None = None
        self._outlets = Outlets(self._loop, self._dropped, self._resume)
        self._pump = Pump(self._loop, self._outlets, self)
        self._syslog = SyslogLink(identity, syslog_path)
        self._syslog_losses = Losses("syslog", self._loop, self._dropped)

    # --- for callers -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)
        self._thread.start()

    def wait_for_wake(self) -> None:
        """Have what this thread asks for from now on wait for `wake`, which it is to call before it rests.

        Woken for each of many things, the two threads would take turns at the interpreter, which costs more than what
        they do.
        """
        self._patient = threading.get_ident()

    def wake(self) -> None:
        """Do what was asked for."""
        self._loop.wake()

    def open(self, key: Hashable, fd: int, sinks: Sinks, held: Held | None = None) -> None:
        """Take over the read end of a pipe, and what another drain held of it when it surrendered.

        A channel that has the key already goes on until its EOF. `fd` -1: as in `Carried`.
        """
        self._opening.add(key)
        self._look_at(sinks)
        if not self._post(functools.partial(self._open, key, fd, sinks, held)) and fd >= 0:
            os.close(fd)

    def over(self, keys: Sequence[Hashable]) -> dict[Hashable, bytes] | None:
        """Return the last bytes of channels that are all at their end, with everything where it belongs; else None.

        For the thread that opens them. Whoever gets them needs neither `finish` nor `close`.
        """
        if any(key in self._opening or key in self._pump for key in keys) or self._unheard_of:  # in this order
            return None
        return self._pump.left_behind(keys)

    def retarget(self, key: Hashable, sinks: Sinks) -> None:
        """Send what a channel brings from now on elsewhere."""
        self._look_at(sinks)
        self._post(functools.partial(self._pump.retarget, key, sinks))

    def _look_at(self, sinks: Sinks) -> None:
        self._on_devices = self._on_devices or (sinks.target is not None and is_device_path(sinks.target.path))

    def finish(self, keys: Sequence[Hashable], done: Callable[[], None]) -> None:
        """Post `done` once everything that is in these pipes now is in its file (or had to be dropped).

        What a transform holds back goes out too. The channels stay open until their EOF.
        """
        self.finish_listening(keys, lambda last: done())

    def finish_listening(self, keys: Sequence[Hashable], done: Callable[[dict[Hashable, bytes]], None]) -> None:
        """Do the same, and hand over the last bytes that each brought, as far as they can be had."""

        def tell(last: dict[Hashable, bytes]) -> None:
            self._tell(functools.partial(done, last))

        if not self._post(functools.partial(self._pump.finish, tuple(keys), tell)):
            tell({})

    def close(self, key: Hashable) -> None:
        """Give up the channel, whatever is in it."""
        self._post(functools.partial(self._pump.close, key))

    def prepare(self, target: LogTarget) -> None:
        """Create or open the file now and keep it open until `release`."""
        self._post(functools.partial(self._prepare, target))

    def release(self, target: LogTarget) -> None:
        """Close the file once nobody uses it."""
        self._post(functools.partial(self._outlets.release, target))

    def write(self, target: LogTarget, data: bytes) -> bool:
        """Write bytes of our own, in the order of the calls. False: more than `QUEUE_BYTES` wait, so it is dropped."""
        with self._lock:
            taken = self._waiting_bytes(target) + len(data) <= QUEUE_BYTES
            if not taken:
                self._refused[target] = self._refused.get(target, 0) + len(data)
            else:
                self._inbox.append((target, data))
                self._inbox_bytes[target] = self._inbox_bytes.get(target, 0) + len(data)
            poke, self._inbox_poked = not self._inbox_poked, True
        # Programs may write to the same: what happened first is to be first.
        at_once = self._on_devices and is_device_path(target.path)
        if poke or at_once:
            self._post(self._take_inbox, now=at_once)
        return taken

    def waiting_bytes(self, target: LogTarget) -> int:
        """Return how much of what was given to `write` is not in the file yet."""
        with self._lock:
            between = self._in_transit.get(target, 0)  # read first: then it may count twice for a moment, never not
            return between + self._waiting_bytes(target)

    def settle(self, target: LogTarget, done: Callable[[str], None]) -> None:
        """Post `done` once what was written so far is in the file, or with the reason why it cannot be for a while."""

        def look() -> None:
            outlet = self._outlets.get(target)
            self._tell(functools.partial(done, outlet.trouble if outlet.queued else ""))

        def wait() -> None:
            self._take_inbox()
            self._outlets.get(target).after_flush(look, self._loop.now())

        if not self._post(wait):
            self._tell(functools.partial(done, "the daemon is ending"))

    def write_syslog(
        self, tag: str, data: bytes, weight: int = USER_INFO, done: Callable[[bool], None] | None = None
    ) -> None:
        """Send bytes of our own to the system's log, each line after `tag`; what it does not take is counted.

        Posts `done` with whether it took all of it.
        """

        def send() -> None:
            _, lost = self._syslog.send_lines(tag, data, True, weight)
            self._count_unsent(lost)
            if done is not None:
                self._tell(functools.partial(done, not lost))

        if not self._post(send) and done is not None:
            self._tell(functools.partial(done, False))

    def clear(self, targets: Sequence[LogTarget], done: Callable[[dict[LogTarget, str]], None]) -> None:
        """Empty files, open or not; post `done` with a text for each that failed. Rotated backups stay."""
        if not self._post(functools.partial(self._clear, tuple(targets), done)):
            refusal = "cannot clear {!r}: the daemon is ending"
            failures = {target: refusal.format(target.path) for target in targets}
            self._tell(functools.partial(done, failures))

    def reopen(self) -> None:
        """Go to what is at the paths now."""
        self._post(self._reopen)

    def follow(self, target: LogTarget, wake: Callable[[], None]) -> Succession:
        """Return which files follow one another at a path, for one who reads there; `wake` is posted at each."""
        reader = Succession(functools.partial(self._tell, wake), self._unfollow)
        self._post(functools.partial(self._outlets.follow, target, reader))
        return reader

    def _unfollow(self, reader: Succession) -> None:
        if not self._post(functools.partial(self._outlets.unfollow, reader)):
            reader.end()

    def stop(self, timeout_s: float) -> None:
        """Move what is there, write what is queued, and end; after `timeout_s` without what is in trouble."""
        deadline = self._loop.now() + timeout_s
        if self._thread is None:
            self._post(self._loop.stop)
            self._run()
            return
        self._post(functools.partial(self._stop, deadline), now=True)
        self._thread.join(timeout_s + 1.0)

    def surrender(self, done: Callable[[Surrendered], None], timeout_s: float) -> None:
        """End without closing a pipe, and post all there is to `done`, after everything else that was posted.

        What somebody waits for, and own writes, come first, but in `timeout_s`. Nothing is to be opened from now on.
        """
        deadline = self._loop.now() + timeout_s
        self._post(functools.partial(self._surrender, deadline, done), now=True)

    def take_up(self, unwritten: Sequence[tuple[LogTarget, bytes]]) -> None:
        """Write what another drain could not write before it surrendered; to be called before any `open`."""
        self._post(functools.partial(self._take_up, tuple(unwritten)))

    def figures(self) -> Figures:
        """Return the counters; from any thread."""
        written, dropped, total_written, total_dropped = self._outlets.totals()
        figures = self._loop.figures
        unsent = self._syslog_losses.total
        with self._lock:  # in this order, as for one of them
            waiting = sum(self._in_transit.values()) + sum(self._inbox_bytes.values()) + self._outlets.queued()
        return Figures(
            written=written,
            dropped={**dropped, "syslog": unsent} if unsent else dropped,
            total_written=total_written,
            total_dropped=total_dropped + unsent,
            total_waiting=waiting,
            channels=len(self._pump),
            wakeups=int(figures["wakeups"]),
            errors=int(figures["errors"]),
        )

    def heard(self, key: Hashable, transformed: Transformed) -> None:
        """Pass on what a transform found."""
        size = len(transformed.said) + sum(map(len, transformed.communicated))
        with self._lock:
            self._unheard += size
            self._unheard_of += 1
        self._tell(functools.partial(self._hand_over, key, transformed, size))

    def crowded(self) -> bool:
        """Tell whether transforms have to wait until the caller has taken what they found."""
        return self._unheard > UNHEARD_BYTES

    def to_syslog(self, tag: str, data: bytes, end: bool) -> bytes:
        """Send whole lines; return the rest."""
        rest, lost = self._syslog.send_lines(tag, data, end)
        self._count_unsent(lost)
        return rest

    def _count_unsent(self, lost: int) -> None:
        if lost:
            self._syslog_losses.add(lost, "cannot write to syslog")
        else:
            self._syslog_losses.heal()

    # --- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        if threading.current_thread() is self._thread:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are the main thread's
        try:
            self._loop.run()
        finally:
            heir, all_there_is = self._heir, None
            if heir is not None:
                all_there_is = Surrendered(self._pump.surrender(), self._outlets.surrender())
            self._pump.close_all()
            self._outlets.close()
            self._syslog_losses.flush()
            self._syslog.close()
            self._loop.close()
            self.peephole.close()
            os.close(self.null_fd)
            if heir is not None and all_there_is is not None:
                self._tell(functools.partial(self._tell_heir, heir, all_there_is))

    def _tell_heir(self, heir: Callable[[Surrendered], None], all_there_is: Surrendered) -> None:
        """In the caller's thread."""
        if self._thread is not None:
            self._thread.join()
        heir(all_there_is)

    def _post(self, callback: Callable[[], None], *, now: bool = False) -> bool:
        try:
            self._loop.post(callback, wake=now or threading.get_ident() != self._patient)
        except RuntimeError:
            return False  # it has ended, and with it all files
        return True

    def _tell(self, callback: Callable[[], None]) -> None:
        try:
            self._post_out(callback)
        except RuntimeError:
            return  # nobody listens any more

    def _dropped(self, path: str, count: int, reason: str) -> None:
        self._tell(functools.partial(self._on_dropped, path, count, reason))

    def _hand_over(self, key: Hashable, transformed: Transformed, size: int) -> None:
        """In the caller's thread."""
        with self._lock:
            crowded = self._unheard > UNHEARD_BYTES // 2
            self._unheard -= size
            self._unheard_of -= 1
            resume = crowded and self._unheard <= UNHEARD_BYTES // 2
        try:
            self._on_heard(key, transformed)
        finally:
            if resume:
                self._post(self._pump.resume_crowded)

    def _open(self, key: Hashable, fd: int, sinks: Sinks, held: Held | None) -> None:
        self._pump.open(key, fd, sinks, held)
        self._opening.discard(key)

    # --- targets -----------------------------------------------------------------------------------------------------

    def _waiting_bytes(self, target: LogTarget) -> int:
        outlet = self._outlets.find(target)
        return self._inbox_bytes.get(target, 0) + (outlet.queued if outlet is not None else 0)

    def _resume(self, outlet: Outlet) -> None:
        self._pump.resume(outlet)

    def _prepare(self, target: LogTarget) -> None:
        outlet = self._outlets.get(target)
        outlet.kept = True
        outlet.prepare()

    def _take_inbox(self) -> None:
        with self._lock:
            self._inbox_poked = False
            inbox, self._inbox = self._inbox, deque()
            refused, self._refused = self._refused, {}
            for target in self._inbox_bytes:
                self._outlets.get(target).kept = True
            # From here to the end of the loop below, for `write` what was taken counts neither here nor there: it may
            # let in a little more than it says, never less.
            self._in_transit, self._inbox_bytes = self._inbox_bytes, {}
        now = self._loop.now()
        together: dict[Outlet, list[bytes]] = {}
        for target, data in inbox:
            together.setdefault(self._outlets.get(target), []).append(data)
        for outlet, pieces in together.items():
            outlet.put_all(pieces, now)
        self._in_transit = {}
        for target, count in refused.items():
            self._outlets.get(target).drop(count)

    def _clear(self, targets: tuple[LogTarget, ...], done: Callable[[dict[LogTarget, str]], None]) -> None:
        failures: dict[LogTarget, str] = {}
        for target in targets:
            try:
                self._outlets.clear(target)
            except OSError as error:
                failures[target] = f"cannot clear {target.path!r}: {(error.strerror or str(error)).lower()}"
        self._tell(functools.partial(done, failures))

    def _reopen(self) -> None:
        for outlet in self._outlets:
            outlet.reopen()

    def _take_up(self, unwritten: tuple[tuple[LogTarget, bytes], ...]) -> None:
        now = self._loop.now()
        for target, data in unwritten:
            self._outlets.get(target).put(data, now)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _stop(self, deadline: float) -> None:
        self._take_inbox()
        self._pump.owe_all()
        self._stop_when_dry(deadline)

    def _stop_when_dry(self, deadline: float) -> None:
        now = self._loop.now()
        dry = self._pump.settle_all()
        for outlet in self._outlets:
            dry = outlet.flush(now) and dry
        if dry or now >= deadline:
            self._loop.stop()
        else:
            self._loop.call_at(min(now + _STOP_RETRY_S, deadline), functools.partial(self._stop_when_dry, deadline))

    def _surrender(self, deadline: float, done: Callable[[Surrendered], None]) -> None:
        self._take_inbox()
        now = self._loop.now()
        dry = self._pump.settle_all()
        for outlet in self._outlets:
            dry = outlet.flush(now) and dry
        if dry or now >= deadline:
            self._heir = done
            self._loop.stop()
        else:
            again = functools.partial(self._surrender, deadline, done)
            self._loop.call_at(min(now + _STOP_RETRY_S, deadline), again)
