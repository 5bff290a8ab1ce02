"""The keys that detach."""

import pytest

from tmctl.detaching import DEFAULT_KEYS, FOLLOW_S, HOLD_S, DetachKeys, parse_keys, spelled


@pytest.mark.parametrize(
    ("written", "keys", "said"),
    [
        (DEFAULT_KEYS, b"\x10\x11", "Ctrl-P Ctrl-Q"),
        ("ctrl-]", b"\x1d", "Ctrl-]"),
        ("Ctrl-A,d", b"\x01d", "Ctrl-A d"),
        ("^b,~", b"\x02~", "Ctrl-B ~"),
        ("ctrl-@", b"\0", "Ctrl-@"),
        ("", b"", ""),
    ],
)
def test_keys_are_written(written: str, keys: bytes, said: str) -> None:
    assert parse_keys(written) == keys
    assert spelled(keys) == said


@pytest.mark.parametrize("written", ["ctrl-", "ctrl-1", "ctrl-ö", "ctrl", "ab", "ctrl-p,", ",", "ö", "\n"])
def test_other_words_are_no_keys(written: str) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        parse_keys(written)


def test_they_are_found_wherever_they_are_cut() -> None:
    for pieces in ([b"ab\x10\x11cd"], [b"ab", b"\x10", b"\x11"], [b"ab\x10", b"\x11cd"]):
        keys = DetachKeys(b"\x10\x11")
        results = [keys.feed(piece, 0.0) for piece in pieces]
        assert b"".join(passed for passed, _ in results) == b"ab"
        assert [found for _, found in results] == [False] * (len(pieces) - 1) + [True]


def test_what_is_only_like_them_is_passed_on() -> None:
    keys = DetachKeys(b"\x10\x11")
    assert keys.feed(b"\x10", 0.0) == (b"", False)
    assert keys.feed(b"x", 0.0) == (b"\x10x", False)
    assert keys.feed(b"\x10\x10\x10", 0.0) == (b"\x10\x10", False)
    assert keys.feed(b"\x11", 0.0) == (b"", True)


@pytest.mark.parametrize(
    ("keys", "typed", "passed"),
    [(b"aab", b"aaab", b"a"), (b"aba", b"abbaba", b"abb"), (b"abac", b"ababac", b"ab"), (b"aa", b"aa", b"")],
)
def test_keys_that_repeat_themselves_are_found(keys: bytes, typed: bytes, passed: bytes) -> None:
    assert DetachKeys(keys).feed(typed, 0.0) == (passed, True)
    slowly = DetachKeys(keys)
    fed = [slowly.feed(bytes((code,)), at) for at, code in enumerate(typed)]
    assert (b"".join(piece for piece, _ in fed), fed[-1][1]) == (passed, True)


def test_a_beginning_is_held_back_for_a_moment_only() -> None:
    keys = DetachKeys(b"\x10\x11")
    assert keys.due_s(0.0) is None
    keys.feed(b"\x10", 10.0)
    assert keys.due_s(10.0) == pytest.approx(HOLD_S)
    assert keys.give_up(10.0 + HOLD_S / 2) == b""
    assert keys.give_up(10.1 + HOLD_S) == b"\x10"
    assert keys.due_s(11.0) is None
    assert keys.feed(b"\x11", 11.0) == (b"", True), "a slow typist detaches, too"


def test_a_beginning_of_long_ago_counts_no_more() -> None:
    keys = DetachKeys(b"\x10\x11")
    keys.feed(b"\x10", 10.0)
    keys.give_up(10.1 + HOLD_S)
    assert keys.feed(b"\x11", 10.1 + FOLLOW_S) == (b"\x11", False)


def test_without_keys_everything_is_the_programs() -> None:
    keys = DetachKeys(b"")
    assert keys.feed(b"\x10\x11", 0.0) == (b"\x10\x11", False)
