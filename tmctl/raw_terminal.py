"""The operator's own terminal while it belongs to a program: every key as it is, and given back as it was.

Promises that it is given back however the process comes to its end, SIGKILL excepted: by an exception, a signal, a lost
connection; and that what was typed into it meanwhile reaches nobody else: the rest of a paste is no command.
"""

import os
import select
import signal
import termios
import time
import tty
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from tmctl.parting import part
from tmd.wire.frames import Size, sane_size
from tmd.wire.modes import Modes

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
QUIET_S = 0.05
"""what is being pasted has come to its end when nothing comes for so long"""
PATIENCE_S = 1.0
"""and is not waited for any longer"""

_AS_EVER = b"\x1b[0m\x1b[4l\x1b[?1l\x1b>\x1b[?7h\x1b[?25h\x1b(B\x0f\x1b[0 q\x1b[>4m\x1b[<u"
"""looks, insert mode, cursor keys, keypad, wrapping, cursor, letters, shape of the cursor, the two ways of telling keys
apart: what programs leave behind"""
_QUIET = b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l"
"""no reports of mouse and focus, no marks around what is pasted"""


End = TypeVar("End")


class Signalled(BaseException):
    """A signal asks the process to end."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(signum)


class RawTerminal:
    """A terminal in raw mode, with what a program has switched it to."""

    def __init__(self, keys: int, screen: int, wake: int) -> None:
        self.keys, self.screen = keys, screen
        self.wake = wake
        """readable when the window has another size"""
        self.modes = Modes()

    @property
    def size(self) -> Size | None:
        """Of the window now."""
        try:
            size = os.get_terminal_size(self.screen)
        except OSError:
            return None
        return sane_size(size.columns, size.lines)

    def write(self, data: bytes) -> None:
        """Send bytes to the terminal, all of them. OSError when it is gone."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.screen, view) :]
            except BlockingIOError:  # who had it before made it so
                select.select([], [self.screen], [])

    def clear_wake(self) -> None:
        """Take note that the window has another size."""
        try:
            os.read(self.wake, 4096)
        except BlockingIOError:
            return

    def notice(self, text: str) -> None:
        """Show a line at the bottom, over whatever is there, and go back to where the cursor was."""
        size = self.size or Size(80, 24)
        self.write(f"\x1b7\x1b[{size.rows};1H\x1b[0;7m{text[: size.columns]}\x1b[0m\x1b8".encode(errors="replace"))


def in_raw_terminal(keys: int, screen: int, stay: Callable[[RawTerminal], End]) -> End:
    """Put a terminal in raw mode while `stay` runs; raises `Signalled` in there, once. termios.error if it is none.

    One frame from taking to giving back: signals that end us come one after the other, and at any step.
    """
    before = termios.tcgetattr(keys)
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    raw = RawTerminal(keys, screen, reading)
    ending = False

    def end(signum: int, _frame: FrameType | None) -> None:
        nonlocal ending
        if not ending:
            ending = True
            raise Signalled(signum)

    def wake(_signum: int, _frame: FrameType | None) -> None:
        try:
            os.write(writing, b"w")
        except BlockingIOError:
            return

    handlers = {signum: signal.getsignal(signum) for signum in (*ENDING, signal.SIGWINCH, signal.SIGTSTP)}
    try:
        try:
            signal.signal(signal.SIGWINCH, wake)
            signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # stopped like this, it would leave a terminal nobody can use
            for signum in ENDING:
                signal.signal(signum, end)
            tty.setraw(keys, termios.TCSADRAIN)
            return stay(raw)
        finally:
            ending = True  # a signal that comes before this is done has the other finally to go through
    finally:
        _give_back(raw, before)
        for signum, handler in handlers.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        os.close(reading)
        os.close(writing)


def _drop_keys(keys: int) -> None:
    """Forget what is typed, until no more comes: flushing once would leave what a terminal has yet to send."""
    until = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < until and select.select([keys], [], [], QUIET_S)[0]:
            if not os.read(keys, 64 * 1024):
                return
    except OSError:
        return


def _give_back(raw: RawTerminal, before: "list[int | list[bytes | int]]") -> None:
    """Undo what the program did to the terminal, and raw mode; a terminal that is gone needs nothing."""
    bottom = b"" if raw.modes.alternate else b"\x1b[9999;1H"
    taken = part(raw.screen, _AS_EVER + _QUIET + b"\x1b7\x1b[r\x1b8" + raw.modes.undo() + bottom + b"\r\n")
    if taken:
        _drop_keys(raw.keys)
    try:
        termios.tcsetattr(raw.keys, termios.TCSANOW, before)  # not when all is out: that may be never
        if taken:
            termios.tcflush(raw.keys, termios.TCIFLUSH)
    except termios.error:
        return
