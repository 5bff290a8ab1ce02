"""Lines of a log as a page gets them."""

from hypothesis import given
from hypothesis import strategies as st

from tmd.http.log_lines import CUT, MAX_LINE, LogLines


def joined(pieces: list[bytes]) -> tuple[list[str], bool]:
    """Return what a page has in the end: an open line is continued by the next."""
    lines = LogLines()
    shown: list[str] = []
    is_open = False
    for piece in pieces:
        told, now_open = lines.feed(piece)
        if not told:
            continue
        if is_open:
            shown[-1] += told.pop(0)
        shown += told
        is_open = now_open
    return shown, is_open


def test_lines() -> None:
    lines = LogLines()
    assert lines.feed(b"one\ntwo\n") == (["one", "two"], False)
    assert lines.feed(b"th") == (["th"], True)
    assert lines.feed(b"ree") == (["ree"], True)
    assert lines.feed(b"\n\nfour\n") == (["", "", "four"], False)
    assert lines.feed(b"") == ([], False)


def test_characters_are_whole() -> None:
    lines = LogLines()
    assert lines.feed("ä€".encode()[:3]) == (["ä"], True)
    assert lines.feed("ä€".encode()[3:]) == (["€"], True)
    assert lines.feed(b"\xff\n") == (["\N{REPLACEMENT CHARACTER}"], False)


def test_the_rest_of_a_line_is_left_out_at_the_beginning() -> None:
    assert LogLines(midway=True).feed(b"est\nwhole\n") == (["whole"], False)
    assert LogLines(midway=True).feed(b"no end") == (["no end"], True)


def test_a_line_without_an_end_costs_nothing_more() -> None:
    lines = LogLines()
    told, is_open = lines.feed(b"x" * (MAX_LINE + 10))
    assert told == ["x" * MAX_LINE + CUT]
    assert is_open
    for _ in range(100):
        assert lines.feed(b"y" * 65536) == ([], False)
    assert lines.feed(b"y\nnext\n") == (["", "next"], False)


@given(st.lists(st.sampled_from(["a", "ß", "\n", "\r\n", "", "€uro"]), max_size=30), st.integers(1, 7))
def test_however_the_bytes_are_cut(words: list[str], size: int) -> None:
    text = "".join(words)
    data = text.encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    shown, is_open = joined(pieces)
    assert "\n".join(shown) + ("" if is_open or not shown else "\n") == text
