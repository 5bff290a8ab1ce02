"""Text as columns of a terminal: how wide it is, cut to fit, filled up.

Promises: what comes out is inert (nothing in it moves a cursor or turns the direction of text) and exactly as wide as
asked. Pure.
"""

from functools import lru_cache

from tmd.wire.visible import visible_line

CUT = "…"


@lru_cache(maxsize=4096)
def width(text: str) -> int:
    """Return how many columns a text takes; it should have come through `inert`."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


@lru_cache(maxsize=4096)
def inert(text: str) -> str:
    """Return a text with everything spelled out that a terminal would obey or not show."""
    if text.isascii():
        return visible_line(text)
    # A character without a width of its own would change the one before it, which may not be the text's.
    return "".join(letter if _character_width(letter) > 0 else f"\\u{ord(letter):04x}" for letter in visible_line(text))


def fit(text: str, columns: int, *, right: bool = False) -> str:
    """Return the text in exactly so many columns: what does not fit is cut, and that is marked."""
    text = inert(text)
    missing = columns - width(text)
    if missing < 0:
        text = _cut(text, columns)
        missing = columns - width(text)
    return " " * missing + text if right else text + " " * missing


def _cut(text: str, columns: int) -> str:
    if columns <= 0:
        return ""
    room, kept = columns - 1, []
    for letter in text:
        room -= 1 if letter.isascii() else _character_width(letter)
        if room < 0:
            break
        kept.append(letter)
    return "".join(kept) + CUT


def _character_width(letter: str) -> int:
    if letter.isascii():
        return 1
    import wcwidth  # noqa: PLC0415  few names need it

    return max(0, int(wcwidth.wcwidth(letter)))
