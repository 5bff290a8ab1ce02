"""Frames of a terminal's connection: the same however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmd.wire.frames import (
    MAX_PAYLOAD_BYTES,
    MAX_SIDE,
    Frames,
    Kind,
    Seats,
    Size,
    TooLong,
    frame,
    packed_seats,
    packed_size,
    read_seats,
    read_size,
    sane_size,
)

PAYLOADS = st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=300)), max_size=8)


@given(PAYLOADS, st.lists(st.integers(1, 40)))
def test_the_same_frames_however_they_are_cut(sent: list[tuple[Kind, bytes]], cuts: list[int]) -> None:
    data = b"".join(frame(kind, payload) for kind, payload in sent)
    frames, got = Frames(), []
    for cut in cuts:
        got += list(frames.feed(data[:cut]))
        data = data[cut:]
    got += list(frames.feed(data))
    assert got == sent


def test_a_kind_nobody_knows_is_a_frame_and_one_too_long_is_none() -> None:
    frames = Frames()
    assert [one.kind for one in frames.feed(b"\xc8\0\0\0\1x" + frame(Kind.PING))] == [200, Kind.PING]
    with pytest.raises(TooLong):
        list(frames.feed(b"\1" + (MAX_PAYLOAD_BYTES + 1).to_bytes(4, "big")))


def test_sizes() -> None:
    assert read_size(packed_size(Size(132, 43))) == Size(132, 43)
    assert read_size(packed_size(Size(1, 1)) + b"more") == Size(1, 1)
    assert read_size(b"\0\0\0") is None
    assert read_size(packed_size(Size(0, 24))) is None
    assert sane_size(100_000, 2) == Size(MAX_SIDE, 2)


@pytest.mark.parametrize(
    "seats",
    [Seats(True, "ann", ()), Seats(False, "", ("bob",)), Seats(False, "ann on pts/1", ("bob", "öve on pts/2"))],
)
def test_seats(seats: Seats) -> None:
    assert read_seats(packed_seats(seats)) == seats


def test_seats_bear_anything() -> None:
    assert read_seats(packed_seats(Seats(True, "a\nb", ("c\n",)))) == Seats(True, "a b", ("c ",))
    for payload in (b"", b"\xff", b"writes", b"\n\n\n"):
        assert isinstance(read_seats(payload), Seats)
