"""The screen of a program, drawn for somebody who joins: from the last of what it wrote to what a terminal is sent.

The output is played to an emulator (pyte) rather than to the terminal: the terminal would answer the questions in it,
and show a minute of history as a flicker. Promises that whatever is in that output, the worst that comes of it is an
empty screen, and soon: what takes too long to play is not played to its end.
"""

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tmd.wire.frames import Size
from tmd.wire.modes import Modes

if TYPE_CHECKING:
    import pyte

PATIENCE_S = 1.0
"""of processor time is spent on one drawing: a machine that is busy still shows what another shows"""
MAX_CELLS = 512 * 1024
"""of a screen that is played to: a larger one is none that anybody looks at, and each cell may cost 150 bytes"""
STRIDE_BYTES = 256
"""between two looks at the clock at most: a character may cost a millisecond"""

CLEAR = b"\x1b[0m\x1b[r\x1b[H\x1b[2J"
_SWITCH = re.compile(rb"\x1b\[\?(?:1049|1047|47)([hl])")
_UNSEEN = re.compile(rb"\x1b[PX^_][^\x1b\x07\x18\x1a]{0,65536}(?:\x1b\\|\x07)|\x05")
"""strings that are commands and questions to a terminal; pyte would show them as text"""
_UNFINISHED = re.compile(
    rb"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]{0,256}|[ -/]*)?"
    rb"|[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z"
)
_WITH_PRIVATE_FORM = frozenset({"set_mode", "reset_mode", "erase_in_display", "erase_in_line"})
_COLOURS = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")


class Drawing(NamedTuple):
    """What to send to a terminal, and the modes it is in then."""

    data: bytes
    modes: Modes


class _TooLong(Exception):
    """It takes longer to draw than anybody would wait."""


class _Clock:
    """The time that is left for a drawing."""

    def __init__(self) -> None:
        self._until = time.thread_time() + PATIENCE_S

    def look(self) -> None:
        """Raise `_TooLong` when none is left."""
        if time.thread_time() > self._until:
            raise _TooLong


def draw(output: bytes, theirs: Size, ours: Size) -> Drawing:
    """Draw the screen that output makes on a terminal of the size `theirs`, on one of the size `ours`."""
    modes = Modes()
    modes.feed(output)
    found = _UNFINISHED.search(output, max(0, len(output) - 300))
    whole, rest = (output[: found.start()], output[found.start() :]) if found else (output, b"")
    clock = _Clock()
    try:
        main, alternate = _emulated(_UNSEEN.sub(b"", whole), theirs, clock)
        drawn = CLEAR + _picture(main, ours, clock)
        if modes.alternate:
            drawn += b"\x1b[?1049h" + CLEAR + _picture(alternate, ours, clock)
    except Exception:  # noqa: BLE001 - a border: what a program wrote may be anything, and the emulator is not ours
        drawn = CLEAR + (b"\x1b[?1049h" + CLEAR if modes.alternate else b"")
    return Drawing(drawn + modes.restore(screen=False) + rest, modes)


def _emulated(output: bytes, size: Size, clock: _Clock) -> "list[pyte.Screen]":
    """Return the ordinary and the alternate screen (pyte has one only) after some output."""
    import pyte  # noqa: PLC0415  only who attaches needs it

    if size.columns * size.rows > MAX_CELLS:
        raise _TooLong
    screens = [pyte.Screen(size.columns, size.rows), pyte.Screen(size.columns, size.rows)]
    streams = [pyte.ByteStream(cast("pyte.Screen", _Patient(screen, clock))) for screen in screens]
    current, position = 0, 0
    for switch in _SWITCH.finditer(output):
        _play(streams[current], output[position : switch.start()], clock)
        position = switch.end()
        before, current = current, int(switch[1] == b"h")
        if current and not before:
            screens[1].reset()
    _play(streams[current], output[position:], clock)
    return screens


def _play(stream: "pyte.ByteStream", output: bytes, clock: _Clock) -> None:
    for start in range(0, len(output), STRIDE_BYTES):
        clock.look()
        stream.feed(output[start : start + STRIDE_BYTES])


class _Patient:
    """A screen that passes over what pyte's own would raise at: private forms of sequences, numbers too many."""

    def __init__(self, screen: "pyte.Screen", clock: _Clock) -> None:
        self._screen, self._clock = screen, clock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._screen, name)
        if not callable(method):
            return method

        def obey(*words: Any, **more: Any) -> None:
            if more.get("private") and name not in _WITH_PRIVATE_FORM:
                return
            self._clock.look()
            try:
                method(*words, **more)
            except TypeError:
                return

        return obey


def _picture(screen: "pyte.Screen", ours: Size, clock: _Clock) -> bytes:
    """Return what draws a screen, as far as it fits: the rows down to the cursor's at least."""
    first = max(0, min(screen.cursor.y, screen.lines - 1) - ours.rows + 1)
    rows = range(first, min(first + ours.rows, screen.lines))
    parts = []
    for place, row in enumerate(rows, 1):
        clock.look()
        text = _row(screen.buffer[row], min(screen.columns, ours.columns))
        if text:
            parts.append(f"\x1b[{place};1H{text}")
    same = (screen.columns, screen.lines) == ours  # a terminal that changes its size has no scrolling region any more
    if same and screen.margins is not None and screen.margins != (0, screen.lines - 1):
        parts.append(f"\x1b[{screen.margins.top + 1};{screen.margins.bottom + 1}r")
    x = min(screen.cursor.x, ours.columns - 1)
    parts.append(f"\x1b[0m\x1b[{screen.cursor.y - first + 1};{x + 1}H{_style(screen.cursor.attrs)}")
    return "".join(parts).encode(errors="replace")


def _row(cells: "Mapping[int, pyte.screens.Char]", columns: int) -> str:
    """Return a row with its colours; nothing for one that is empty."""
    last = max((x for x in range(columns) if cells[x].data not in ("", " ") or _style(cells[x])), default=-1)
    text, style = "", ""
    for x in range(last + 1):
        cell = cells[x]
        wanted = _style(cell)
        if wanted != style:
            text += "\x1b[0m" + wanted
            style = wanted
        text += "".join(character for character in cell.data if character.isprintable())
    return text + ("\x1b[0m" if style else "")


def _style(cell: "pyte.screens.Char") -> str:
    """Return the sequence that switches to the looks of a cell; empty for the usual ones."""
    codes = [
        code
        for code, on in (
            ("1", cell.bold),
            ("3", cell.italics),
            ("4", cell.underscore),
            ("5", cell.blink),
            ("7", cell.reverse),
            ("9", cell.strikethrough),
        )
        if on
    ]
    codes += _colour(cell.fg, 30) + _colour(cell.bg, 40)
    return f"\x1b[{';'.join(codes)}m" if codes else ""


def _colour(name: str, base: int) -> list[str]:
    if name in _COLOURS:
        return [str(base + _COLOURS.index(name))]
    bright = name.removeprefix("bright").replace("yellow", "brown")
    if bright != name and bright in _COLOURS:
        return [str(base + 60 + _COLOURS.index(bright))]
    if len(name) == 6 and all(letter in "0123456789abcdef" for letter in name.lower()):
        red, green, blue = (int(name[at : at + 2], 16) for at in (0, 2, 4))
        return [f"{base + 8};2;{red};{green};{blue}"]
    return []
