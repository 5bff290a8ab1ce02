"""However bytes are cut, the same requests come out; whatever the bytes are, memory stays bounded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tmd.http.protocol import MAX_BODY, MAX_HEAD, MAX_LINE, Event, Reader

_LINES = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"POST /RPC2 HTTP/1.0",
        b"PUT /x HTTP/1.1",
        b"garbage",
        b"GET / HTTP/3.0",
        b"GET /" + b"y" * 9000,
    ]
)
_HEADERS = st.lists(
    st.sampled_from(
        [
            b"Host: a", b"Content-Length: 3", b"Content-Length: 0", b"Content-Length: -3",
            b"Transfer-Encoding: chunked",
            b"Connection: close", b"X: " + b"z" * 20_000, b"broken", b" folded", b"A: \x00", b"A: \n",
        ]
    ),
    max_size=4,
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    return b"\r\n".join([draw(_LINES), *draw(_HEADERS), b"", draw(st.sampled_from([b"", b"abc", b"\r\n", b"abc\r\n"]))])


_WIRE = st.lists(st.one_of(requests(), st.binary(max_size=40)), max_size=5).map(b"".join)


def events_of(pieces: list[bytes]) -> list[Event]:
    reader = Reader()
    events = []
    for piece in pieces:
        reader.feed(piece)
        while event := reader.next_event():
            events.append(event)
        assert reader.waiting <= MAX_LINE + MAX_HEAD + MAX_BODY + len(piece)
    return events


@settings(max_examples=300, deadline=None)
@given(_WIRE, st.lists(st.integers(0, 70_000), max_size=8))
def test_cuts_do_not_matter(wire: bytes, cuts: list[int]) -> None:
    ends = [*sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    starts = [0, *ends[:-1]]
    assert events_of([wire[start:end] for start, end in zip(starts, ends, strict=True)]) == events_of([wire])


@settings(max_examples=60, deadline=None)
@given(_WIRE)
def test_byte_by_byte_is_the_same(wire: bytes) -> None:
    wire = wire[:12_000]
    assert events_of([wire[at : at + 1] for at in range(len(wire))]) == events_of([wire])
