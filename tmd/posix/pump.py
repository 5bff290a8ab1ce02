"""Whose turn it is: rounds over all channels.

Promises that no channel starves another, that a pipe which brings little is left to fill for a moment, that what is
owed to somebody who waits is moved without any rest, and that a silent channel costs nothing. Not thread-safe.
"""

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

from tmd.posix import pipes
from tmd.posix.channel import Channel, Outcome, Surroundings
from tmd.posix.linewise import Linewise
from tmd.posix.loop import Loop, Timer
from tmd.posix.outlet import Outlet
from tmd.posix.outlets import Outlets
from tmd.posix.sinks import Carried, Held, Sinks

MOVE_BYTES = 64 * 1024
"""moved at once: a program cannot write while its pipe is emptied, and large pieces of memory for a file may be cold"""
ROUND_BYTES = 512 * 1024
"""moved for one channel before the others have their turn"""
FILL = 4
"""a rest is so long that one part in so many of a pipe is filled: little enough to be in the processor's caches still,
much enough to be worth a look, and the program finds room for as long as this thread may be late"""
LEAST_REST_S = 0.00005
MOST_REST_S = 0.002


class Around(Surroundings, Protocol):
    """What the pump needs of the drain."""

    def crowded(self) -> bool:
        """Tell whether so much was found by transforms that they have to wait; `Pump.resume_crowded` goes on."""


class Pump:
    """All channels. A channel is watched, rests, is hot (has more now), is held by its target, or crowded out."""

    def __init__(self, loop: Loop, outlets: Outlets, around: Around) -> None:
        self._loop = loop
        self._outlets = outlets
        self._around = around
        self._channels: dict[Hashable, Channel] = {}
        self._heirs: dict[Channel, None] = {}  # their key belongs to a newer channel
        self._resting: dict[Channel, Timer] = {}
        self._hot: dict[Channel, None] = {}
        self._held: dict[Outlet, dict[Channel, None]] = {}
        self._crowded_out: dict[Channel, None] = {}
        self._left_behind: dict[Hashable, bytes] = {}
        """last bytes of channels that ended before their programs"""

    def __len__(self) -> int:
        return len(self._channels) + len(self._heirs)

    def open(self, key: Hashable, fd: int, sinks: Sinks, held: Held | None = None) -> None:
        """Take over a read end, and what another pump held of it; an older channel of that key goes on until its EOF.

        A channel that had ended has no read end: -1.
        """
        if fd < 0:
            if held is not None and held.last:
                self._left_behind[key] = held.last.encode("latin-1")
            return
        channel = Channel(key, fd, sinks, self._outlets.use(sinks.target), self._around)
        older = self._channels.get(key)
        if older is not None:
            self._heirs[older] = None
        self._channels[key] = channel
        if held is not None:
            channel.resume(held, self._loop.now())
        self._step(channel)

    def retarget(self, key: Hashable, sinks: Sinks) -> None:
        """Give the channels of a key other sinks."""
        for channel in self._channels_of(key):
            before = channel.outlet
            self._leave(channel)
            channel.retarget(sinks, self._outlets.use(sinks.target), self._loop.now())
            self._outlets.unuse(before, channel)
            if not channel.ended:
                self._step(channel)

    def close(self, key: Hashable) -> None:
        """Give up the channels of a key."""
        for channel in self._channels_of(key):
            self._drop_channel(channel)
        self._left_behind.pop(key, None)

    def __contains__(self, key: Hashable) -> bool:
        """Tell whether there is such a channel, or something of it that is not written yet; from any thread."""
        return key in self._channels

    def left_behind(self, keys: Sequence[Hashable]) -> dict[Hashable, bytes]:
        """Return, once, the last bytes that channels have brought which are there no more; from any thread."""
        return {key: last for key in keys if (last := self._left_behind.pop(key, None)) is not None}

    def _channels_of(self, key: Hashable) -> list[Channel]:
        newest = self._channels.get(key)
        return [*([] if newest is None else [newest]), *(older for older in self._heirs if older.key == key)]

    def _all_channels(self) -> list[Channel]:
        return [*self._channels.values(), *self._heirs]

    def _step(self, channel: Channel) -> None:
        """Move some bytes of a channel and decide when it is looked at again."""
        if channel.hears and channel.owed is None and self._around.crowded():
            self._leave(channel)
            self._crowded_out[channel] = None
            return
        now = self._loop.now()
        outcome, moved = self._move(channel, now)
        if channel.lines is not None:
            self._look_later(channel.lines, channel)
        if channel.owed is not None:
            channel.owed -= moved
            if outcome in (Outcome.EMPTY, Outcome.ENDED) or (outcome is Outcome.MOVED and channel.owed <= 0):
                channel.settle(now)
        if moved and outcome is Outcome.EMPTY:
            outcome = Outcome.MOVED  # more is to be expected
        match outcome:
            case Outcome.MOVED:
                self._let_rest(channel, moved, now)
            case Outcome.EMPTY:
                self._leave(channel)
                channel.watched = True
                self._loop.watch(channel.fd, readable=functools.partial(self._step, channel))
            case Outcome.ENDED:
                self._end(channel)
            case Outcome.HELD:
                self._leave(channel)
                outlet = channel.outlet
                assert outlet is not None
                self._held.setdefault(outlet, {})[channel] = None
                outlet.wait()

    def _look_later(self, lines: Linewise, channel: Channel) -> None:
        """See to it that a line that was begun does not wait for its end for ever."""
        if lines.due is not None and not lines.armed:
            lines.armed = True
            self._loop.call_at(lines.due, functools.partial(self._look_at, lines, channel))

    def _look_at(self, lines: Linewise, channel: Channel) -> None:
        lines.armed = False
        if channel.lines is not lines:
            return
        now = self._loop.now()
        if lines.due is not None and lines.due <= now:
            channel.give_out(now)
        self._look_later(lines, channel)

    def _move(self, channel: Channel, now: float) -> tuple[Outcome, int]:
        """Move what there is, up to `ROUND_BYTES`; return what became of the last attempt, and how much was moved."""
        moved = 0
        while True:
            outcome = channel.pump(now, MOVE_BYTES)
            moved += channel.moved
            if outcome is not Outcome.MOVED or channel.hears or moved >= ROUND_BYTES or not channel.has_more:
                return outcome, moved

    def _let_rest(self, channel: Channel, moved: int, now: float) -> None:
        if channel.watched:
            self._unwatch(channel)
        self._wake_up(channel)
        since, channel.looked_at = channel.looked_at, now
        if channel.owed is not None or channel.has_more:
            if not self._hot:
                self._loop.call_soon(self._hot_round)
            self._hot[channel] = None
            return
        rest_s = (now - since) * channel.capacity / (FILL * max(moved, 1))
        ends = now + min(max(rest_s, LEAST_REST_S), MOST_REST_S)
        self._resting[channel] = self._loop.call_at(ends, functools.partial(self._step, channel))

    def _wake_up(self, channel: Channel) -> None:
        if (rest := self._resting.pop(channel, None)) is not None:
            rest.cancel()

    def _hot_round(self) -> None:
        hot, self._hot = self._hot, {}
        for channel in hot:
            if not channel.ended:
                self._step(channel)

    def _leave(self, channel: Channel) -> None:
        """Take a channel out of whatever it waits in."""
        if channel.watched:
            self._unwatch(channel)
        self._wake_up(channel)
        self._hot.pop(channel, None)
        self._crowded_out.pop(channel, None)
        if channel.outlet in self._held:
            self._held[channel.outlet].pop(channel, None)

    def _unwatch(self, channel: Channel) -> None:
        channel.watched = False
        self._loop.unwatch(channel.fd)

    def resume(self, outlet: Outlet) -> None:
        """Go on with whom a target held up."""
        for channel in self._held.pop(outlet, {}):
            if not channel.ended:
                self._step(channel)

    def resume_crowded(self) -> None:
        """Go on with whom `Around.crowded` held up."""
        waiting, self._crowded_out = self._crowded_out, {}
        for channel in waiting:
            if not channel.ended:
                self._step(channel)

    def _end(self, channel: Channel) -> None:
        """At EOF: close the pipe; the channel is known until all of it is written."""
        channel.settled.append(functools.partial(self._forget, channel))
        self._leave(channel)
        channel.close()
        channel.settle(self._loop.now())

    def _forget(self, channel: Channel) -> None:
        if not channel.heard_out and (last := channel.last_bytes()):
            self._left_behind[channel.key] = last
        self._heirs.pop(channel, None)
        if self._channels.get(channel.key) is channel:
            del self._channels[channel.key]
        self._outlets.unuse(channel.outlet, channel)
        channel.outlet = None

    def _drop_channel(self, channel: Channel) -> None:
        self._leave(channel)
        channel.end_lines(self._loop.now())
        channel.close()
        waiting, channel.settled = channel.settled, []
        for callback in waiting:
            callback()
        self._forget(channel)

    def finish(self, keys: tuple[Hashable, ...], done: Callable[[dict[Hashable, bytes]], None]) -> None:
        """Call `done` once all that is in these pipes now, and all their transforms hold back, is where it belongs.

        It gets the last bytes that each brought.
        """
        channels = [self._channels[key] for key in keys if key in self._channels]
        last = {key: self._left_behind.pop(key) for key in keys if key in self._left_behind}
        countdown = _Countdown(len(channels), functools.partial(done, last))
        for channel in channels:
            channel.heard_out = True
            channel.settled.append(functools.partial(_listen, channel, last))
            channel.settled.append(countdown.one_less)
            if channel.ended:
                channel.settle(self._loop.now())
                continue
            channel.owed = pipes.waiting_bytes(channel.fd)
            self._pay(channel)

    def _pay(self, channel: Channel) -> None:
        """Move what is owed, unless the target holds it up."""
        while not channel.ended and channel.owed is not None:
            self._step(channel)
            if channel not in self._hot:
                return

    def settle_all(self) -> bool:
        """Move what is there now; tell whether all of it could be moved. To be repeated until then."""
        for channel in self._all_channels():
            if not channel.ended and channel.owed is not None:
                self._pay(channel)
        return all(channel.owed is None for channel in self._all_channels())

    def owe_all(self) -> None:
        """Owe everybody what is in the pipes now."""
        for channel in self._all_channels():
            if not channel.ended and channel.owed is None:
                channel.owed = pipes.waiting_bytes(channel.fd)

    def surrender(self) -> list[Carried]:
        """Give away all channels, older ones of a key first; who waits for what they owe is called."""
        carried = [Carried(key, -1, Held(last=last.decode("latin-1"))) for key, last in list(self._left_behind.items())]
        self._left_behind.clear()
        for channel in [*self._heirs, *self._channels.values()]:
            self._leave(channel)
            carried.append(channel.surrender())
            waiting, channel.settled = channel.settled, []
            for callback in waiting:
                callback()
        self._heirs.clear()
        self._channels.clear()
        return carried

    def close_all(self) -> None:
        """Give up all channels."""
        for channel in self._all_channels():
            self._drop_channel(channel)


def _listen(channel: Channel, last: dict[Hashable, bytes]) -> None:
    last[channel.key] = channel.last_bytes()


class _Countdown:
    """Calls back after so many `one_less`, at once for none."""

    def __init__(self, count: int, callback: Callable[[], None]) -> None:
        self._left = count
        self._callback = callback
        if not count:
            callback()

    def one_less(self) -> None:
        self._left -= 1
        if not self._left:
            self._callback()
