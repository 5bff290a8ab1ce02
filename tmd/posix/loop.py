"""The loop: one thread that waits for descriptors, deadlines, signals, children and other threads.

Promises: no periodic tick (a loop with nothing to do never wakes up), every descriptor and every due timer gets its
turn in every turn, a callback that raises is reported and counted and the loop lives, whatever it raises, a descriptor
that was closed behind the loop's back cannot make it spin. Knows nothing of processes, logs or HTTP.

One turn: wait, ready descriptors, signals and children, due timers, callbacks for "soon", callbacks from other
threads, callbacks for the end of the turn. What a callback asks for is served in the next turn, but for what is to be
done once for all that this one brings; so nothing can keep the others from theirs.

Should the process stand still for a while (SIGSTOP, a frozen control group or machine), the others may have stood
still with it: a patient timer gives them the time they had left when it was last seen to go on.
"""

import fcntl
import heapq
import itertools
import math
import os
import select
import selectors
import signal
import sys
import threading
import time
import traceback
from bisect import bisect_left
from collections import deque
from collections.abc import Callable

from tmd.posix.reaping import ChildEvent, reap
from tmd.posix.signals import WakeUp

__all__ = ["TURN_BOUNDS_S", "ChildEvent", "Loop", "Timer"]

FINE_WAIT_S = 0.02
"""below this a wait is timed in microseconds: epoll counts in milliseconds, rounded up"""
LONGEST_WAIT_S = 86_400.0
"""epoll takes no more than 24 days; a deadline years away costs one wake-up a day"""
MAX_FAILURES = 10
"""so many errors of one descriptor's callback in a row, and it is no longer watched"""
MAX_SPURIOUS = 16
"""so many wake-ups for nothing in a row, and the selector is thought to be haunted"""
SWEEP_EVERY = 4096
"""wake-ups between two checks that what is reported ready is open at all"""
REAP_AT_MOST = 4096
"""children reaped in one turn; a fork bomb must not keep the rest from its turn"""
STALL_S = 1.0
"""a timer that is so late says that the process stood still, or was kept from its work"""
UNSEEN_S = 10.0
"""it may have begun as long before that timer was due, if nothing was to be done in between"""
TURN_BOUNDS_S = (0.001, 0.01, 0.1, 1.0)
"""turns are counted by how long they took: whatever became ready meanwhile had to wait for so long"""
COMPACT_FROM = 64
FORKED = 70
"""exit status of a child that was forked in a callback and neither called exec nor ended"""

Callback = Callable[[], object]


class Timer:
    """A deadline of a loop; `cancel` it as often as you like, also after it fired."""

    __slots__ = ("callback", "patient")

    def __init__(self, callback: Callback, patient: bool = False) -> None:
        self.callback: Callback | None = callback
        self.patient = patient

    def cancel(self) -> None:
        """Make it never fire."""
        self.callback = None


class _Watch:
    __slots__ = ("failures", "fd", "readable", "writable")

    def __init__(self, fd: int, readable: Callback | None, writable: Callback | None) -> None:
        self.fd, self.readable, self.writable = fd, readable, writable
        self.failures = 0

    @property
    def events(self) -> int:
        return (selectors.EVENT_READ if self.readable else 0) | (selectors.EVENT_WRITE if self.writable else 0)


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)


class Loop:
    """An event loop. Signals are touched only by `on_signal` and `on_child`; without these any thread may run one.

    `on_error` gets the traceback of every callback that raised, `on_stall` for how many seconds at least the loop stood
    still, before any timer fires that was due meanwhile. `on_rest` is called at the end of every turn.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        selector: selectors.BaseSelector | None = None,
        on_error: Callable[[str], object] = _to_stderr,
    ) -> None:
        self.on_error = on_error
        self.on_stall: Callable[[float], object] = lambda seconds: None
        self.on_rest: Callback | None = None
        self._wakeups = self._callbacks = self._errors = 0
        self._lag_max_s = self._busy_s = 0.0
        self._turns = [0] * (len(TURN_BOUNDS_S) + 1)
        self._clock = clock
        self._selector = selectors.DefaultSelector() if selector is None else selector
        self._watches: dict[int, _Watch] = {}
        self._spurious = 0
        self._timers: list[tuple[float, int, Timer]] = []
        self._seen_at = math.inf
        """when it was last seen to go on"""
        self._sequence = itertools.count()
        self._compact_at = COMPACT_FROM
        self._soon: deque[Callback] = deque()
        self._last: deque[Callback] = deque()
        self._on_signal: dict[int, Callable[[int], object]] = {}
        self._on_child: Callable[[ChildEvent], object] | None = None
        self._wakeup = WakeUp()
        self._stopping = False
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._posted: deque[Callback] = deque()
        self._poked = False
        self._refusing = False
        self._closed = False
        self.watch(self._wakeup.fd, readable=self._wakeup.drain)

    # --- what may be asked -------------------------------------------------------------------------------------

    @property
    def figures(self) -> dict[str, float]:
        """What the loop counts. `lag_max_s`: the longest turn, thus the longest that anything had to wait.

        `busy_s`: all turns together.
        """
        return {
            "wakeups": self._wakeups,
            "callbacks": self._callbacks,
            "errors": self._errors,
            "lag_max_s": self._lag_max_s,
            "busy_s": self._busy_s,
        }

    @property
    def turns(self) -> tuple[int, ...]:
        """How many turns took at most as long as each of `TURN_BOUNDS_S`, but longer than the one before; or longer."""
        return tuple(self._turns)

    @property
    def turn(self) -> int:
        """The number of the present turn."""
        return self._wakeups

    def now(self) -> float:
        """Return the loop's time in monotonic seconds."""
        return self._clock()

    def watch(self, fd: int, *, readable: Callback | None = None, writable: Callback | None = None) -> None:
        """Call back whenever `fd` is ready. Replaces what was asked for it before; OSError if it cannot be watched."""
        before = self._watches.pop(fd, None)
        watch = _Watch(fd, readable, writable)
        if before is not None and before.events != watch.events and watch.events:
            try:
                self._selector.modify(fd, watch.events, watch)
            except OSError:  # closed and opened anew meanwhile: the kernel knows nothing of this one
                self._selector.register(fd, watch.events, watch)
        else:
            if before is not None:
                self._selector.unregister(fd)
            if not watch.events:
                return
            self._selector.register(fd, watch.events, watch)
        self._watches[fd] = watch

    def unwatch(self, fd: int) -> None:
        """Forget `fd`, known or not. To be called before it is closed."""
        if self._watches.pop(fd, None) is not None:
            self._selector.unregister(fd)

    def call_at(self, when: float, callback: Callback, *, patient: bool = False) -> Timer:
        """Call back once at `when` (the loop's time), never earlier. `patient`: a time of standing still counts not."""
        if math.isnan(when):
            raise ValueError("cannot set a timer: its time is not a number")
        timer = Timer(callback, patient)
        if len(self._timers) >= self._compact_at:
            self._timers[:] = [entry for entry in self._timers if entry[2].callback is not None]
            heapq.heapify(self._timers)
            self._compact_at = max(COMPACT_FROM, 2 * len(self._timers))
        # From now on it is late, whenever it was to be: what was due long ago tells nothing about a loop.
        heapq.heappush(self._timers, (max(when, self._clock()), next(self._sequence), timer))
        return timer

    def call_later(self, delay_s: float, callback: Callback, *, patient: bool = False) -> Timer:
        """Call back once in `delay_s` seconds."""
        return self.call_at(self._clock() + delay_s, callback, patient=patient)

    def call_soon(self, callback: Callback) -> None:
        """Call back in the next turn. From the loop's own thread; `post` is for the others."""
        self._soon.append(callback)

    def call_last(self, callback: Callback) -> None:
        """Call back at the end of this turn, once for all that it brings. What is asked for there has its turn next."""
        self._last.append(callback)

    def on_signal(self, signum: int, callback: Callable[[int], object]) -> None:
        """Call back in the loop after this signal arrived; arrivals within one turn count once. Main thread only."""
        self._on_signal[signum] = callback
        self._wakeup.catch(signum)

    def on_child(self, callback: Callable[[ChildEvent], object]) -> None:
        """Reap all children of this process from now on and tell what happened to each. Main thread only."""
        self._on_child = callback
        self._wakeup.catch(signal.SIGCHLD)
        self._wakeup.noted[signal.SIGCHLD] = None  # whoever ended before is told too

    def leave_children(self) -> None:
        """Reap no more: who ends from now on is left to whoever reaps next."""
        self._on_child = None

    def post(self, callback: Callback, *, wake: bool = True) -> None:
        """Call back in the loop; from any thread. What is accepted is called before `run` returns.

        Without `wake` not before another one is posted or `wake` is called. RuntimeError once `run` has ended.
        """
        with self._lock:
            if self._refusing:
                raise RuntimeError("cannot post: the loop has ended")
            self._posted.append(callback)
            if wake and not self._poked:
                self._poked = True
                self._wakeup.poke()

    def wake(self) -> None:
        """Have called back what was posted without waking anybody; from any thread, and when there is nothing, too."""
        if not self._posted or self._poked:
            return
        with self._lock:
            if not self._poked and not self._refusing:
                self._poked = True
                self._wakeup.poke()

    def run(self) -> None:
        """Serve until `stop`."""
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot run a loop that is closed")
            self._refusing = False
        self._pid = os.getpid()
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._stopping = False
            with self._lock:
                self._refusing = True
            self._run_posted()

    def stop(self) -> None:
        """Make `run` return after the current turn. From the loop's own thread; others `post` it."""
        self._stopping = True

    def close(self) -> None:
        """Give back the signals and the descriptors of the loop itself; idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = self._refusing = True
        self._watches.clear()
        self._timers.clear()
        self._soon.clear()
        self._last.clear()
        self._posted.clear()
        self._selector.close()
        self._wakeup.close()

    # --- one turn ----------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        ready = self._wait()
        began = self._clock()
        asked_before = len(self._soon)
        self._wakeups += 1
        if self._timers and self._timers[0][0] + STALL_S < began:
            self._after_stall(began)
        self._seen_at = began
        if self._wakeups % SWEEP_EVERY == 0:
            self._sweep(ready)
        for key, mask in ready:
            watch: _Watch = key.data
            if mask & selectors.EVENT_READ and watch.readable:
                self._serve(watch, watch.readable)
            if mask & selectors.EVENT_WRITE and watch.writable:
                self._serve(watch, watch.writable)
        if self._wakeup.noted:
            self._run_signals()
        if self._timers and self._timers[0][0] <= began:
            self._run_timers(began)
        for _ in range(asked_before):
            self._call(self._soon.popleft())
        if self._poked:
            self._run_posted()
        for _ in range(len(self._last)):
            self._call(self._last.popleft())
        if self.on_rest is not None:
            self._call(self.on_rest)
        took_s = self._clock() - began
        self._busy_s += took_s
        self._lag_max_s = max(self._lag_max_s, took_s)
        self._turns[bisect_left(TURN_BOUNDS_S, took_s)] += 1

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        if self._soon or self._last or self._wakeup.noted or self._stopping:
            return self._selector.select(0)
        if not timers:
            ready = self._selector.select(None)
            self._suspect(not ready)
            return ready
        due = timers[0][0]
        now = self._clock()
        if now <= due:
            self._seen_at = now
        wait_s = min(due - now, LONGEST_WAIT_S)
        if 0 < wait_s < FINE_WAIT_S and isinstance(self._selector, selectors.EpollSelector):
            epoll_fd = self._selector.fileno()
            if epoll_fd < 1024:  # select() knows no others; then a millisecond must do
                select.select((epoll_fd,), (), (), wait_s)
                wait_s = 0
        ready = self._selector.select(max(wait_s, 0))
        self._suspect(not ready and wait_s < LONGEST_WAIT_S and self._clock() < due)
        return ready

    def _serve(self, watch: _Watch, callback: Callback) -> None:
        """Call back for a descriptor, unless an earlier callback of this turn has let go of it."""
        if self._watches.get(watch.fd) is not watch:
            return
        if self._call(callback):
            watch.failures = 0
            return
        watch.failures += 1
        if watch.failures >= MAX_FAILURES:
            self._drop(watch, f"its callback failed {MAX_FAILURES} times in a row")
        elif not _is_open(watch.fd):
            self._drop(watch, "it was closed while being watched")

    def _run_signals(self) -> None:
        for signum in self._wakeup.take():
            if signum == signal.SIGCHLD and self._on_child is not None:
                events = reap(REAP_AT_MOST)
                if len(events) == REAP_AT_MOST:
                    self._wakeup.noted[signum] = None
                for event in events:
                    self._call(self._on_child, event)
            if callback := self._on_signal.get(signum):
                self._call(callback, signum)

    def _after_stall(self, now: float) -> None:
        """Give patient timers the time they had left when the loop was last seen to go on."""
        due = self._timers[0][0]
        since = max(min(self._seen_at, due), due - UNSEEN_S)
        for place, (when, number, timer) in enumerate(self._timers):
            if timer.patient:
                self._timers[place] = (when + (now - since), number, timer)
        heapq.heapify(self._timers)
        self._call(self.on_stall, now - due)

    def _run_timers(self, now: float) -> None:
        timers = self._timers
        due: list[Timer] = []
        while timers and timers[0][0] <= now:
            due.append(heapq.heappop(timers)[2])
        for timer in due:
            callback = timer.callback  # None: cancelled by one that was due with it
            if callback is not None:
                timer.callback = None
                self._call(callback)

    def _run_posted(self) -> None:
        with self._lock:
            posted, self._posted = self._posted, deque()
            self._poked = False
        for callback in posted:
            self._call(callback)

    def _call(self, callback: Callable[..., object], *args: object) -> bool:
        self._callbacks += 1
        try:
            callback(*args)
        except BaseException as why:  # the border: whatever a callback does, the loop lives; it may call foreign
            # code, which may ask to exit. An interrupt is one from the keyboard only while SIGINT is not ours.
            if isinstance(why, KeyboardInterrupt) and signal.SIGINT not in self._on_signal:
                raise
            self._report(traceback.format_exc())
            return False
        finally:
            if os.getpid() != self._pid:
                # The callback has forked, and the child came back here: a second loop on the same descriptors would
                # take the first one's events, and clean up on its way out what is still in use.
                os._exit(FORKED)
        return True

    def _report(self, text: str) -> None:
        self._errors += 1
        try:
            self.on_error(text)
        except BaseException:  # noqa: BLE001 - the same border: who reports errors may fail too
            self._errors += 1

    # --- descriptors closed behind our back --------------------------------------------------------------------

    def _suspect(self, spurious: bool) -> None:
        """Count wake-ups for nothing; after too many in a row start afresh with a new selector.

        epoll holds on to an open file, not to a number. A descriptor that was closed before it was unwatched, while
        a duplicate of it lives on elsewhere, goes on reporting and cannot be removed by any means: only a new epoll
        is rid of it.
        """
        self._spurious = self._spurious + 1 if spurious else 0
        if self._spurious < MAX_SPURIOUS or not isinstance(self._selector, selectors.EpollSelector):
            return
        self._spurious = 0
        self._selector.close()
        self._selector = selectors.EpollSelector()
        for watch in list(self._watches.values()):
            try:
                self._selector.register(watch.fd, watch.events, watch)
            except OSError:
                del self._watches[watch.fd]
                self._report(f"fd {watch.fd} is no longer watched: it was closed while being watched\n")

    def _sweep(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        """Drop what is ready but closed: its callback may swallow the error and let us spin for ever."""
        for key, _ in ready:
            watch: _Watch = key.data
            if self._watches.get(watch.fd) is watch and not _is_open(watch.fd):
                self._drop(watch, "it was closed while being watched")

    def _drop(self, watch: _Watch, why: str) -> None:
        if self._watches.get(watch.fd) is watch:  # the callback may have let go of it itself
            self.unwatch(watch.fd)
            self._report(f"fd {watch.fd} is no longer watched: {why}\n")


def _is_open(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError:
        return False
    return True
