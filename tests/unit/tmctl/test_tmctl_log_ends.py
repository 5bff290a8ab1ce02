"""Ends of logs: which lines are kept, and what stands for a line that is too long."""

import pytest

from tmctl.log_ends import CUT, LARGEST_PIECE, End, end_of_line
from tmctl.log_lines import MAX_LINE_BYTES, LineCutter
from tmctl.log_options import Asked, asked_for
from tmctl.log_sources import Source

WEB = Source("web", "stdout", "/l/web", ("web",))


def read(asked: Asked, data: bytes, *, whole: bool = False, largest: bool = False, source: Source = WEB) -> End:
    end = End(asked, source)
    end.read(data, LineCutter(), whole=whole, largest=largest)
    return end


def texts(end: End) -> list[str]:
    return [entry.text for entry in end.wanted]


def test_the_first_line_is_a_piece_unless_the_log_begins_there() -> None:
    assert texts(read(Asked(), b"piece\none\ntwo\n")) == ["one", "two"]
    assert texts(read(Asked(), b"zero\none\n", whole=True)) == ["zero", "one"]
    assert texts(read(Asked(), b"", whole=True)) == []


@pytest.mark.parametrize("data", [b"x" * 100, b"x" * 99 + b"\n"])
def test_a_line_that_fills_a_look_is_shown_only_if_there_is_no_larger_one(data: bytes) -> None:
    small = read(Asked(), data)
    assert (texts(small), small.enough) == ([], False)
    assert texts(read(Asked(), data, largest=True)) == [CUT + data.decode().strip()]
    assert len(texts(read(Asked(), b"x" * MAX_LINE_BYTES + data))) == 1


def test_no_character_is_cut_in_two() -> None:
    assert end_of_line("é".encode() * LARGEST_PIECE + b"x\n").text == CUT + "é" * (LARGEST_PIECE // 2 - 1) + "x"


def test_the_end_of_a_line_is_not_taken_for_a_whole_one() -> None:
    line = b"2026-11-21T12:00:00.000Z other stderr: " + b"x" * (LARGEST_PIECE - 40) + b"\n"
    piece = end_of_line(b"x" + line)
    assert (piece.at, piece.process, piece.stream) == (None, "", "")


def test_only_lines_that_were_asked_for_are_kept_and_counted() -> None:
    lines = b"".join(b"line %d\n" % number for number in range(1000))
    assert texts(read(asked_for(["--grep", "7$", "-n", "2"], 0.0), lines)) == ["line 987", "line 997"]
    line = "2026-11-21T12:00:00.000Z {} stdout: x\n"
    shared = read(
        Asked(lines=2),
        (line.format("web") + line.format("shop") * 5).encode(),
        whole=True,
        source=WEB._replace(shared=True),
    )
    assert len(shared.wanted) == 1
    assert not shared.enough, "lines of others are none of those that were asked for"


def test_a_line_that_was_begun_before_does_not_count_as_written_when_it_ends() -> None:
    stamped = b"2026-11-21T12:00:00.000Z web stdout: x\n"
    since = Asked(lines=None, since=0.0)
    for asked, data, stays in (
        (Asked(), b"before\nbegun", True),
        (since, b"before\nbegun", False),
        (since, b"begun", False),
        (since, stamped + stamped[:20], True),
        (since, stamped + b"x" * (MAX_LINE_BYTES + 1), False),
    ):
        cutter = LineCutter()
        End(asked, WEB).read(data, cutter, whole=True)
        assert cutter.holding is stays, (asked.since, data[:60])
