"""What stands between a channel and its log where lines are given another form on the way.

Promises that only whole lines are put into the log or dropped, and that each begins a line of the file whoever wrote
there before; and that what a program began to say and did not finish is there to read after a while. Does not know what
lines look like.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from tmd.posix.outlet import Outlet, Verdict

SILENCE_S = 5.0
"""a line that was begun goes out as far as it is after so long without a byte: a prompt, a last word before it hangs"""
LONGEST_WAIT_S = 60.0
"""and after so long anyway: dots that come one by one"""


class Formatter(Protocol):
    """Makes lines of what it is fed; called in the drain's thread."""

    @property
    def holding(self) -> bool:
        """Whether it holds something back."""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return the lines they complete."""

    def give_out(self) -> bytes:
        """Return what is held back as a line that says of itself that it goes on."""

    def end(self) -> bytes:
        """Return what is held back as a line: there will be no more of it."""

    def state(self) -> dict[str, str]:
        """Return what is held back, in words that JSON knows; `rest`: as it came. Empty for nothing."""

    def resume(self, state: Mapping[str, str]) -> None:
        """Hold back what another one did."""


Format = Callable[[], Formatter]


class Linewise:
    """The lines of one channel on their way to an outlet. `format` makes the formatter; equal ones may stand in."""

    def __init__(self, format: Format) -> None:  # noqa: A002 - the word of the sinks
        self.format = format
        self.due: float | None = None
        """when `give_out` is to be called, if nothing comes"""
        self.armed = False
        """somebody will look at `due`"""
        self._formatter = format()
        self._since = 0.0

    def take(self, data: bytes, outlet: Outlet, verdict: Verdict, now: float) -> None:
        """Pass on the lines that these bytes complete."""
        held_before = self._formatter.holding
        lines = self._formatter.feed(data)
        if not self._formatter.holding:
            self.due = None
        else:
            if lines or not held_before:
                self._since = now
            self.due = min(now + SILENCE_S, self._since + LONGEST_WAIT_S)
        _put(lines, outlet, verdict, now)

    def give_out(self, outlet: Outlet, verdict: Verdict, now: float) -> None:
        """Pass on what there is of a line that was begun."""
        self.due = None
        _put(self._formatter.give_out(), outlet, verdict, now)

    def end(self, outlet: Outlet, verdict: Verdict, now: float) -> None:
        """Pass on the last line, which nobody has ended."""
        self.due = None
        _put(self._formatter.end(), outlet, verdict, now)

    def state(self) -> dict[str, str]:
        """Return what is held back, in words that JSON knows; empty for nothing."""
        return self._formatter.state()

    def resume(self, state: Mapping[str, str], now: float) -> None:
        """Go on with what another one held back."""
        self._formatter.resume(state)
        if self._formatter.holding:
            self._since, self.due = now, now + SILENCE_S


def _put(lines: bytes, outlet: Outlet, verdict: Verdict, now: float) -> None:
    if not lines:
        return
    if verdict is Verdict.DROP:
        outlet.drop(len(lines))
        return
    outlet.put(b"\n" + lines if outlet.mid_line(now) else lines, now)
