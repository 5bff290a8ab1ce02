"""Output that is cut anywhere and handed from one maker to another at any cut: the same logs, events and lines."""

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from tmd.core.capture import BEGIN_TOKEN, END_TOKEN, CaptureTransform, Transformed
from tmd.core.lines import LineFormat, LineFormatter
from tmd.wire.names import ProcessId

PIECES = st.lists(
    st.sampled_from(
        [BEGIN_TOKEN, END_TOKEN, b"\x1b[31m", b"\x1b[", b"text", b"\n", b"\xff\xc3\xa9", b"<!--XSUPER", b"~"]
    ),
    max_size=12,
)
CUTS = st.lists(st.tuples(st.integers(0, 200), st.booleans()), max_size=8)
"""where it is cut, and whether somebody else goes on there"""


def cut(data: bytes, cuts: list[tuple[int, bool]]) -> Iterable[tuple[bytes, bool]]:
    places = sorted((place, other) for place, other in cuts if place < len(data))
    edges = [(0, False), *places, (len(data), False)]
    return [(data[start:end], other) for (start, _), (end, other) in itertools.pairwise(edges)]


def through_json(state: dict[str, str]) -> dict[str, str]:
    again = json.loads(json.dumps(state))
    assert again == state
    return state


@given(PIECES, CUTS, st.sampled_from([0, 6, 1000]), st.booleans(), st.booleans())
def test_a_capture_goes_on(
    pieces: list[bytes], cuts: list[tuple[int, bool]], most: int, events: bool, strip: bool
) -> None:
    def make() -> CaptureTransform:
        return CaptureTransform(most, events, strip)

    data = b"".join(pieces)
    once = make()
    expected = joined([once.feed(data), once.end()])
    transform, found = make(), []
    for piece, other in cut(data, cuts):
        result = transform.feed(piece)
        assert not transform.preserves or result.log == piece
        found.append(result)
        if other:
            state = through_json(transform.state())
            transform = make()
            transform.resume(state)
    found.append(transform.end())
    assert joined(found) == expected


def joined(found: list[Transformed]) -> tuple[bytes, bytes, list[bytes]]:
    return (
        b"".join(each.log for each in found),
        b"".join(each.said for each in found),
        [text for each in found for text in each.communicated],
    )


@given(PIECES, CUTS, st.booleans())
def test_what_means_nothing_to_the_next_one_is_not_lost(
    pieces: list[bytes], cuts: list[tuple[int, bool]], strip: bool
) -> None:
    data = b"".join(pieces)
    ended, left = CaptureTransform(1000, False, strip), CaptureTransform(1000, False, strip)
    ended.feed(data)
    left.feed(data)
    plain = CaptureTransform(0, False, False)
    state = left.state()
    plain.resume(state)
    assert sorted(plain.feed(b"").log) == sorted(state.get("rest", "").encode("latin-1")) == sorted(ended.end().log)


@given(PIECES, CUTS, st.sampled_from(["prefix", "json"]))
def test_a_line_goes_on(pieces: list[bytes], cuts: list[tuple[int, bool]], form: Literal["prefix", "json"]) -> None:
    stamp: Callable[[], bytes] = lambda: b"2026-11-21T17:45:44.123Z"  # noqa: E731 - a clock that stands
    format_ = LineFormat(form, "web", ProcessId("web", "web"), "stdout", 1, stamp)
    data = b"".join(pieces)
    once = format_()
    expected = once.feed(data) + once.end()
    lines: LineFormatter = format_()
    text = b""
    for piece, other in cut(data, cuts):
        text += lines.feed(piece)
        if other:
            state = through_json(lines.state())
            lines = format_()
            lines.resume(state)
    assert text + lines.end() == expected
