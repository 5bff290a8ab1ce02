"""A screen drawn from output: what a terminal shows that is sent it."""

import time

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmctl import screens
from tmctl.screens import CLEAR, PATIENCE_S, draw
from tmd.wire.frames import Size

SIZE = Size(40, 6)


def shown(data: bytes, size: Size = SIZE) -> pyte.Screen:
    screen = pyte.Screen(size.columns, size.rows)
    pyte.ByteStream(screen).feed(data)
    return screen


def lines(screen: pyte.Screen) -> list[str]:
    return [line.rstrip() for line in screen.display]


def test_the_screen_is_what_it_was() -> None:
    output = b"one\r\n\x1b[31mred\x1b[0m \x1b[1;44mbold on blue\x1b[m\r\n\x1b[38;5;208morange\x1b[m\r\n>>> "
    before, after = shown(output), shown(draw(output, SIZE, SIZE).data)
    assert lines(after) == lines(before) == ["one", "red bold on blue", "orange", ">>>", "", ""]
    assert (after.cursor.x, after.cursor.y) == (before.cursor.x, before.cursor.y) == (4, 3)
    for row in range(6):
        for column in range(16):
            assert after.buffer[row][column] == before.buffer[row][column], (row, column)


def test_scrolled_output_shows_its_end() -> None:
    output = b"".join(b"line %d\r\n" % number for number in range(100)) + b"$ "
    assert lines(shown(draw(output, SIZE, SIZE).data)) == [*(f"line {number}" for number in range(95, 100)), "$"]


def test_the_alternate_screen_is_entered_and_left() -> None:
    output = b"shell$ vi\r\n\x1b[?1049h\x1b[H\x1b[2Jin the editor"
    drawing = draw(output, SIZE, SIZE)
    assert drawing.modes.alternate
    before, entered, after = drawing.data.partition(b"\x1b[?1049h")
    assert entered
    assert lines(shown(before))[0] == "shell$ vi"
    assert lines(shown(after))[0] == "in the editor"
    left = draw(output + b"\x1b[?1049l$ ", SIZE, SIZE)
    assert not left.modes.alternate
    assert b"in the editor" not in left.data
    assert lines(shown(left.data))[:2] == ["shell$ vi", "$"]


def test_modes_and_the_scrolling_region_are_restored() -> None:
    drawing = draw(b"\x1b[?2004h\x1b[?1h\x1b[?25l\x1b[2;4rx", SIZE, SIZE)
    assert drawing.data.endswith(b"\x1b[?2004h\x1b[?1h\x1b[?25l")
    assert b"\x1b[2;4r" in drawing.data
    assert b"\x1b[2;4r" not in draw(b"\x1b[2;4rx", SIZE, Size(40, 7)).data, "another size ends it"
    assert b"\x1b[1;6r" not in draw(b"\x1b[1;6rx", SIZE, SIZE).data


@pytest.mark.parametrize("rest", [b"\x1b", b"\x1b[", b"\x1b[38;5", b"\x1b]0;title", b"\xe2\x82", b"\xc3"])
def test_what_was_begun_can_go_on(rest: bytes) -> None:
    assert draw(b"text" + rest, SIZE, SIZE).data.endswith(rest)
    assert not draw(b"text" + rest, SIZE, SIZE).data.endswith(rest * 2)


def test_questions_are_not_asked_again() -> None:
    asked = draw(b"\x1b[c\x1b[>c\x1b[6n\x1b[?6n\x1b]11;?\x07\x1bP+q544e\x1b\\\x05answer", SIZE, SIZE).data
    for question in (b"[c", b"[>c", b"6n", b"]11", b"+q", b"\x05"):
        assert question not in asked
    assert b"answer" in asked


def test_what_pyte_does_not_bear_is_passed_over() -> None:
    for odd in (b"\x1b[>4;2m", b"\x1b[?4m", b"\x1b[?1J", b"\x1b[1;2;3A", b"\x1b[?1;2H", b"\x1b[9999;9999H", b"\x1b[?u"):
        assert lines(shown(draw(b"one" + odd + b"\x1b[Htwo", SIZE, SIZE).data))[0] == "two", odd


@pytest.mark.parametrize("ours", [Size(1, 1), Size(10, 3), Size(200, 60)])
def test_other_sizes_show_where_the_cursor_is(ours: Size) -> None:
    output = b"".join(b"line %d\r\n" % number for number in range(5)) + b"$"
    after = shown(draw(output, SIZE, ours).data, ours)
    assert lines(after)[min(5, ours.rows - 1)] == "$"
    assert 0 <= after.cursor.x < ours.columns
    assert draw("好".encode() * 50, Size(1, 1), Size(1, 1)).data


PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [b"\x1b[", b"\x1b[?", b"\x1b]", b"\x1bP", b"\x1b(0", b"\x1b[?1049h", b"\x1b[?1049l", b"\x1bc", b"\r\n"]
    ),
    st.from_regex(rb"\x1b\[[?>!]?[0-9;]{0,8}[A-Za-z@`~]", fullmatch=True),
    st.text(max_size=8).map(lambda text: text.encode(errors="replace")),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(PIECES, max_size=25), st.sampled_from([SIZE, Size(1, 1), Size(2, 1)]), st.sampled_from([SIZE, Size(1, 1)])
)
def test_anything_is_borne(pieces: list[bytes], theirs: Size, ours: Size) -> None:
    data = draw(b"".join(pieces), theirs, ours).data
    assert data.startswith(b"\x1b[0m\x1b[r\x1b[H\x1b[2J")


@pytest.mark.parametrize(
    ("output", "size"),
    [
        (b"\x1b#8" * 21_000, Size(80, 24)),
        (b"\x1b#8", Size(4096, 4096)),
        (b"x" * 39_000, Size(4096, 4096)),
        (b"\x1b[999999L" * 6000, Size(80, 4096)),
        (b"\n" * 60_000, Size(80, 4096)),
        (b"\x1b[4h" + b"x" * 60_000, Size(4096, 24)),
        (b"\x1b[?1049h" * 6000, Size(4096, 100)),
    ],
)
def test_what_takes_too_long_is_an_empty_screen(output: bytes, size: Size, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "PATIENCE_S", PATIENCE_S / 4)
    draw(b"", SIZE, SIZE)  # the emulator is there
    began = time.process_time()
    drawing = draw(output, size, size)
    assert time.process_time() - began < PATIENCE_S / 4 + 2
    assert drawing.data.startswith(CLEAR)
    assert len(drawing.data) < 100
    after = draw(b"as ever", SIZE, SIZE)
    assert lines(shown(after.data))[0] == "as ever"
