"""Text that others wrote, made harmless to show: whoever reads it sees what is in it, and nothing in it is obeyed."""


def visible(text: str) -> str:
    """Return the text with control characters as a terminal would spell them (`^[` for ESC); tab and newline stay."""
    if text.isprintable():
        return text
    return text.replace("\r\n", "\n").translate(_SPELLED)


def visible_line(text: str) -> str:
    """Return the text as one line that any encoding can carry: tab, newline and what is no character spelled, too."""
    if text.isprintable():
        return text
    return text.translate(_SPELLED_LINE).encode(errors="backslashreplace").decode()


_SPELLED = {
    **{code: "^" + chr(code + 64) for code in range(32) if code not in (9, 10)},
    127: "^?",
    **{code: f"\\x{code:02x}" for code in range(128, 160)},
    **{
        code: f"\\u{code:04x}"
        for code in (0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    },
}
"""C0 and C1 controls, other ends of a line, and those that turn the direction of text: with them a line can show what
it does not say."""

_SPELLED_LINE = {**_SPELLED, 9: "^I", 10: "^J"}
