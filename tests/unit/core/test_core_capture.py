"""Capture tokens, escape sequences and log events in a stream of output."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmd.core.ansi import LONGEST, AnsiStripper
from tmd.core.capture import BEGIN_TOKEN, END_TOKEN, CaptureTransform, prefix_at_end

PIECES = st.sampled_from(
    [BEGIN_TOKEN, END_TOKEN, BEGIN_TOKEN[:9], END_TOKEN[:21], b"<", b"<!", b"\x1b", b"\x1b[", b"\x1b[31m", b"31m", b"m"]
)
STREAMS = st.lists(PIECES | st.binary(max_size=6), max_size=14).map(b"".join)
CUTS = st.lists(st.integers(min_value=0, max_value=300), max_size=12)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def run(transform: CaptureTransform, parts: list[bytes]) -> tuple[bytes, bytes, list[bytes]]:
    results = [*(transform.feed(part) for part in parts), transform.end()]
    return (
        b"".join(result.log for result in results),
        b"".join(result.said for result in results),
        [text for result in results for text in result.communicated],
    )


@given(STREAMS, CUTS, st.sampled_from([0, 1, 5, 1000]), st.booleans(), st.booleans())
def test_how_output_is_cut_into_pieces_does_not_matter(
    data: bytes, cuts: list[int], maxbytes: int, events: bool, strip: bool
) -> None:
    whole = run(CaptureTransform(maxbytes, events, strip), [data])
    assert run(CaptureTransform(maxbytes, events, strip), chunks(data, cuts)) == whole


@given(STREAMS, CUTS)
def test_without_capture_and_stripping_nothing_changes(data: bytes, cuts: list[int]) -> None:
    log, said, communicated = run(CaptureTransform(0, True, False), chunks(data, cuts))
    assert (log, said, communicated) == (data, data, [])


@given(STREAMS, CUTS)
def test_with_capture_nothing_is_lost_but_the_tokens(data: bytes, cuts: list[int]) -> None:
    log, said, communicated = run(CaptureTransform(10_000, True, False), chunks(data, cuts))
    assert len(log) + sum(map(len, communicated)) == len(said)
    tokens = len(data) - len(said)
    assert tokens % len(BEGIN_TOKEN) in {len(communicated) * len(END_TOKEN) % len(BEGIN_TOKEN)}


def test_captured_text_is_communicated_and_not_logged() -> None:
    data = b"before" + BEGIN_TOKEN + b"to you" + END_TOKEN + b"after"
    assert run(CaptureTransform(100, False, False), [data]) == (b"beforeafter", b"", [b"to you"])


def test_captured_text_is_said_too() -> None:
    data = b"before" + BEGIN_TOKEN + b"to you" + END_TOKEN + b"after"
    assert run(CaptureTransform(100, True, False), [data])[1] == b"beforeto youafter"


def test_several_captures_in_one_piece() -> None:
    data = b"".join(b"%d" % n + BEGIN_TOKEN + b"c%d" % n + END_TOKEN for n in range(3))
    assert run(CaptureTransform(100, False, False), [data]) == (b"012", b"", [b"c0", b"c1", b"c2"])


def test_without_a_limit_above_zero_tokens_mean_nothing() -> None:
    data = BEGIN_TOKEN + b"x" + END_TOKEN
    assert run(CaptureTransform(0, False, False), [data]) == (data, b"", [])


def test_of_too_much_the_newest_is_kept() -> None:
    data = BEGIN_TOKEN + b"0123456789" + END_TOKEN
    assert run(CaptureTransform(4, False, False), [data])[2] == [b"6789"]


def test_only_what_may_begin_a_token_is_held_back() -> None:
    transform = CaptureTransform(100, False, False)
    assert transform.feed(b"short").log == b"short"
    assert transform.feed(b"a <!--XSUP").log == b"a "
    assert transform.feed(b"no").log == b"<!--XSUPno"
    assert transform.feed(b"<").log == b""
    assert transform.end().log == b"<"


def test_a_capture_that_never_ends_goes_to_the_log() -> None:
    log, said, communicated = run(
        CaptureTransform(100, True, False), [b"a" + BEGIN_TOKEN + b"unfinished" + END_TOKEN[:5]]
    )
    assert (log, said, communicated) == (b"aunfinished" + END_TOKEN[:5], b"aunfinished" + END_TOKEN[:5], [])


def test_after_an_end_it_begins_anew() -> None:
    transform = CaptureTransform(100, False, False)
    transform.feed(BEGIN_TOKEN + b"lost life")
    transform.end()
    assert transform.feed(b"heir").log == b"heir"


def test_prefix_at_end_is_never_the_whole_token() -> None:
    assert [prefix_at_end(data, b"<!-") for data in (b"", b"<", b"a<!", b"<!-", b"x")] == [0, 1, 2, 0, 0]


@pytest.mark.parametrize("ending", [bytes([letter]) for letter in b"HfABCDRsuJKhlpm"])
def test_every_ending_ends_a_sequence(ending: bytes) -> None:
    assert AnsiStripper().feed(b"a\x1b[1;31" + ending + b"b") == b"ab"


def test_sequences_are_taken_out_of_log_events_and_communications() -> None:
    red = b"\x1b[31m"
    data = b"a" + red + BEGIN_TOKEN + b"b" + red + b"c" + END_TOKEN + red + b"d"
    assert run(CaptureTransform(100, True, True), [data]) == (b"ad", b"abcd", [b"bc"])


def test_a_sequence_that_never_ends_is_given_out_at_the_end() -> None:
    stripper = AnsiStripper()
    assert stripper.feed(b"text\x1b[1;3") == b"text"
    assert stripper.end() == b"\x1b[1;3"
    assert stripper.end() == b""


def test_what_is_too_long_for_a_sequence_stays() -> None:
    data = b"\x1b[" + b"." * LONGEST + b"m"
    stripper = AnsiStripper()
    assert stripper.feed(data) + stripper.end() == data


@given(st.binary(max_size=40), CUTS)
def test_bytes_without_escape_pass(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"\x1b", b"")
    stripper = AnsiStripper()
    assert b"".join([stripper.feed(part) for part in chunks(data, cuts)]) + stripper.end() == data


def test_long_sequences_are_held_however_they_are_cut() -> None:
    data = b"x\x1b[" + b"." * (LONGEST - 3) + b"my"
    for cut in range(len(data)):
        stripper = AnsiStripper()
        assert stripper.feed(data[:cut]) + stripper.feed(data[cut:]) + stripper.end() == b"xy"
