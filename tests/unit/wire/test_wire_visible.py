"""Text of others, made harmless."""

from hypothesis import given
from hypothesis import strategies as st

from tmd.wire.visible import visible, visible_line


def test_a_line_spells_what_would_end_it() -> None:
    assert visible_line("a\tb\nc\r\x1b]0;x\x07\u2028\u202e") == "a^Ib^Jc^M^[]0;x^G\\u2028\\u202e"


def test_a_text_keeps_its_lines() -> None:
    assert visible("a\tb\nc\x85d") == "a\tb\nc\\x85d"


def test_what_no_encoding_can_carry_is_spelled() -> None:
    assert visible_line("bad\udc80name") == "bad\\udc80name"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_line_that_encodes(text: str) -> None:
    shown = visible_line(text)
    assert len((shown + "x").splitlines()) == 1
    assert shown.encode().decode() == shown
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
