"""A terminal taken over: a screen of its own, keys as they are pressed, its size.

Promises: however the block is left (a key, an error, SIGTERM, SIGHUP), the terminal is as it was; what is drawn is only
what changed. SIGKILL is beyond it.
"""

import os
import re
import select
import signal
import termios
import tty
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any

from tmctl.parting import part

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Ended(BaseException):
    """A signal asks for the end while something is drawn, which may take forever."""


_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
"""the other screen, no cursor, no wrapping (the last column would scroll), empty"""
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l"

_SEQUENCES = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "OA": "up",
    "OB": "down",
    "OC": "right",
    "OD": "left",
    "[5~": "pgup",
    "[6~": "pgdn",
    "[H": "home",
    "[F": "end",
    "OH": "home",
    "OF": "end",
    "[1~": "home",
    "[4~": "end",
    "[7~": "home",
    "[8~": "end",
}
_CONTROLS = {
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x03": "ctrl-c",
    "\x15": "ctrl-u",
    "\x1a": "ctrl-z",
    "\x0c": "ctrl-l",
}
_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|O[@-~])")
_UNFINISHED = re.compile(r"\x1b(\[[0-9;?]*[ -/]*|O)?")
ESCAPE_S = 0.05
"""an escape that nothing follows for so long is the key of that name"""


class Keys:
    """Makes keys of what a terminal sends, however it is cut. Names are those of this module, or one character."""

    def __init__(self) -> None:
        self._bytes = b""
        self._text = ""

    @property
    def holding(self) -> bool:
        """Whether an escape is there that may be the beginning of something."""
        return bool(self._text)

    def feed(self, data: bytes) -> list[str]:
        """Return the keys in these bytes."""
        self._bytes += data
        try:
            text, self._bytes = self._bytes.decode(), b""
        except UnicodeDecodeError as error:
            whole = error.start if error.end == len(self._bytes) and len(self._bytes) - error.start < 4 else None
            text = self._bytes[:whole].decode("utf-8", "replace")
            self._bytes = b"" if whole is None else self._bytes[whole:]
        return self._keys(self._text + text)

    def flush(self) -> list[str]:
        """Return what is held, for nothing more came."""
        held, self._text = self._text, ""
        return ["esc"] if held else []

    def _keys(self, text: str) -> list[str]:
        keys = []
        self._text = ""
        while text:
            sequence = _SEQUENCE.match(text)
            if sequence is not None:
                keys += [_SEQUENCES[sequence[1]]] if sequence[1] in _SEQUENCES else []
                text = text[sequence.end() :]
            elif _UNFINISHED.fullmatch(text):
                self._text = text
                break
            elif text[0] == "\x1b":
                keys.append("esc")
                text = text[1:]
            else:
                if text[0] in _CONTROLS or text[0].isprintable():
                    keys.append(_CONTROLS.get(text[0], text[0]))
                text = text[1:]
        return keys


class Terminal:
    """Use as a context manager: inside, the terminal is taken over."""

    def __init__(self, keyboard: int, display: int) -> None:
        self.keyboard = keyboard
        self._display = display
        self._keys = Keys()
        self._pressed: list[str] = []
        """keys that came as signals"""
        self._saved: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._shown: list[str] = []
        self._wake_read, self._wake_write = -1, -1
        self._writing = False
        self.ended = 0
        """the signal that asks for the end; -1: the terminal is gone"""

    def __enter__(self) -> "Terminal":
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)
        self._saved = termios.tcgetattr(self.keyboard)
        for number in (*ENDING, signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP):
            self._handlers[number] = signal.signal(number, self._on_signal)
        try:
            self._take()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._give_back()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            ends = self._wake_read, self._wake_write
            self._wake_read = self._wake_write = -1
            for end in ends:
                os.close(end)

    def wake(self) -> None:
        """End a `wait`, from any thread."""
        if self._wake_write < 0:
            return
        try:
            os.write(self._wake_write, b"x")
        except BlockingIOError:  # it is full of reasons to wake already
            return

    def size(self) -> tuple[int, int]:
        """Return (columns, lines), each at least 1."""
        try:
            columns, lines = os.get_terminal_size(self._display)
        except OSError:
            return 80, 24
        return (columns, lines) if columns and lines else (80, 24)

    def wait(self, others: Sequence[Any], patience_s: float) -> tuple[list[str], list[Any]]:
        """Wait for keys, for one of the others to be readable, for `wake` or a signal; return keys and the readable."""
        if self._keys.holding:
            patience_s = min(patience_s, ESCAPE_S)
        ready, _, _ = select.select([self.keyboard, self._wake_read, *others], [], [], max(0.0, patience_s))
        if self._wake_read in ready:
            os.read(self._wake_read, 1 << 12)
        keys, self._pressed = self._pressed, []
        if self.keyboard in ready:
            data = self._read()
            keys += self._keys.feed(data)
        elif self._keys.holding:
            keys += self._keys.flush()
        return keys, [one for one in ready if one not in (self.keyboard, self._wake_read)]

    def draw(self, lines: list[str]) -> None:
        """Show these lines; those that are there already are not sent again."""
        changed = []
        for number, line in enumerate(lines):
            if number >= len(self._shown) or self._shown[number] != line:
                # Cleared first: behind a character in the last column the cursor still stands on it.
                changed.append(f"\x1b[{number + 1};1H\x1b[K{line}")
        self._shown = lines
        if changed:
            self._write("".join(changed))

    def redraw(self) -> None:
        """Forget what is shown: the next lines are all sent."""
        self._shown = []
        self._write("\x1b[2J")

    def suspend(self) -> None:
        """Stop this process as Ctrl-Z does, with the terminal as it was, until it is continued."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def _take(self) -> None:
        tty.setraw(self.keyboard, termios.TCSADRAIN)
        self._shown = []
        self._write(_ENTER)

    def _give_back(self) -> None:
        part(self._display, _LEAVE.encode())
        try:
            termios.tcsetattr(self.keyboard, termios.TCSANOW, self._saved)  # not when all is out: that may be never
        except termios.error:  # it hung up
            self.ended = self.ended or -1

    def _read(self) -> bytes:
        try:
            data = os.read(self.keyboard, 1 << 12)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self.ended = self.ended or -1
        return data

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        try:
            self._writing = True  # a signal that came before this is seen by the next line, one after it raises
            while data and not self.ended:
                data = self._written(data)
        except OSError:
            self.ended = self.ended or -1
        finally:
            self._writing = False

    def _written(self, data: bytes) -> bytes:
        """Return what is left to write after some was written."""
        try:
            return data[os.write(self._display, data) :]
        except BlockingIOError:  # who had the terminal before made it so
            select.select([], [self._display], [])
            return data

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number in ENDING:
            self.ended = self.ended or number
        elif number == signal.SIGTSTP:
            self._pressed.append("ctrl-z")
        else:
            self._shown = []  # another size, or others wrote on it meanwhile
        self.wake()
        if number in ENDING and self._writing:
            self._writing = False
            raise Ended
