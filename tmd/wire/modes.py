"""Which modes a program has switched its terminal to, seen in what it wrote.

A screen is more than its letters: full-screen programs switch to an alternate screen, hide the cursor, ask for the
mouse or for marks around pasted text. Whoever joins later, or leaves, has to know. Pure; private modes (`CSI ? n h/l`)
and the two keypad modes only, for these are what outlives a redraw.
"""

import re

ALTERNATE = frozenset({47, 1047, 1049})
"""modes that mean the alternate screen"""
AT_FIRST = frozenset({7, 25})
"""on in a terminal that nobody has touched: wrapping, a visible cursor"""
MOST_MODES = 64
"""so many are remembered; no program knows as many"""
CARRIED_BYTES = 64
"""the longest beginning of a sequence that is kept until the rest comes"""

_SEQUENCE = re.compile(rb"\x1b(?:\[\?([0-9;]{1,40})([hl])|([=>c])|\[!(p))")
_BEGUN = re.compile(rb"\x1b(?:\[(?:\?[0-9;]*|!)?)?\Z")


class Modes:
    """The modes that are not as they were at first."""

    def __init__(self) -> None:
        self._changed: dict[int, bool] = {}
        self._keypad = False
        self._carried = b""

    def feed(self, data: bytes) -> None:
        """Take note of what is switched in these bytes."""
        if b"\x1b" not in data and not self._carried:
            return
        data = self._carried + data
        for found in _SEQUENCE.finditer(data):
            if found[1] is not None:
                self._switch(found[1], found[2] == b"h")
            elif found[3] in (b"=", b">"):
                self._keypad = found[3] == b"="
            else:  # a reset, soft or hard
                self._changed.clear()
                self._keypad = False
        begun = _BEGUN.search(data, max(0, len(data) - CARRIED_BYTES))
        self._carried = begun[0] if begun else b""

    def copy(self) -> "Modes":
        """Return another that goes on from here by itself."""
        other = Modes()
        other._changed, other._keypad, other._carried = dict(self._changed), self._keypad, self._carried
        return other

    @property
    def alternate(self) -> bool:
        """Whether the program is on the alternate screen."""
        return any(self._changed.get(mode, False) for mode in ALTERNATE)

    def is_on(self, mode: int) -> bool:
        """Tell whether a private mode is on."""
        return self._changed.get(mode, mode in AT_FIRST)

    def restore(self, *, screen: bool = True) -> bytes:
        """Return what brings a fresh terminal into these modes; `screen`: to the alternate screen, too."""
        kept = {mode: on for mode, on in self._changed.items() if screen or mode not in ALTERNATE}
        switched = b"".join(b"\x1b[?%d%c" % (mode, b"h"[0] if on else b"l"[0]) for mode, on in kept.items())
        return switched + (b"\x1b=" if self._keypad else b"")

    def undo(self) -> bytes:
        """Return what brings a terminal in these modes back to where it was at first; the alternate screen last."""
        last = [mode for mode in self._changed if mode in ALTERNATE]
        order = [mode for mode in self._changed if mode not in ALTERNATE] + last
        switched = b"".join(b"\x1b[?%d%c" % (mode, b"h"[0] if mode in AT_FIRST else b"l"[0]) for mode in order)
        return (b"\x1b>" if self._keypad else b"") + switched

    def _switch(self, numbers: bytes, on: bool) -> None:
        for text in numbers.split(b";"):
            mode = int(text[:6] or b"0")
            self._changed.pop(mode, None)
            if on != (mode in AT_FIRST) and len(self._changed) < MOST_MODES:
                self._changed[mode] = on
