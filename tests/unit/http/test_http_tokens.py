"""Tokens: good once, for a while, under one key."""

import os

from tmd.http.tokens import LIFE_S, MAX_USED, Tokens


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_good_once() -> None:
    tokens = Tokens(Clock(), os.urandom)
    token = tokens.issue()
    assert tokens.use(token)
    assert not tokens.use(token)
    assert tokens.use(tokens.issue())


def test_tokens_of_others_and_torn_ones_are_no_good() -> None:
    tokens = Tokens(Clock(), os.urandom)
    token = tokens.issue()
    for bad in ("", "x", token[:-1], token + "0", token[:-1] + ("0" if token[-1] != "0" else "1"), "0" * len(token)):
        assert not tokens.use(bad)
    later = f"{int(token[:8], 16) + 1:08x}{token[8:]}"
    assert not tokens.use(later)
    assert not tokens.use("ä" * len(token))
    assert not Tokens(Clock(), os.urandom).use(token)
    assert tokens.use(token)


def test_a_token_grows_old() -> None:
    clock = Clock()
    tokens = Tokens(clock, os.urandom)
    young, old = tokens.issue(), tokens.issue()
    clock.now += LIFE_S
    assert tokens.use(young)
    clock.now += 1
    assert not tokens.use(old)


def test_no_token_is_good_twice_however_many_are_used() -> None:
    clock = Clock()
    tokens = Tokens(clock, os.urandom)
    first = tokens.issue()
    assert tokens.use(first)
    kept = tokens.issue()
    used = []
    for _ in range(MAX_USED + 100):
        clock.now += 0.5
        used.append(tokens.issue())
        assert tokens.use(used[-1])
    assert not tokens.use(first)
    assert not any(tokens.use(token) for token in used)
    assert not tokens.use(kept)  # too old by now: better than one that is good twice
    assert len(tokens._used) <= MAX_USED


def test_tokens_just_given_out_are_good_however_fast_others_are_used() -> None:
    tokens = Tokens(Clock(), os.urandom)
    first = tokens.issue()
    assert tokens.use(first)
    for _ in range(3 * MAX_USED):
        fresh, own = tokens.issue(), tokens.issue()
        assert tokens.use(fresh)
        assert tokens.use(own)
    assert not tokens.use(first)
    assert not tokens.use(fresh)
    assert len(tokens._used) <= MAX_USED
