"""Attaching: its words, and how it finds out that nobody is there any more. The rest is played in the e2e lane."""

import pytest

from tmctl.attach import Touch
from tmctl.attaching import Wishes, read_wishes
from tmctl.session import Misused
from tmd.wire.frames import PING_EVERY_S, SILENCE_S


@pytest.mark.parametrize(
    ("words", "wishes"),
    [
        ("web", Wishes("web", "write", b"\x10\x11")),
        ("--read-only g:web", Wishes("g:web", "watch", b"\x10\x11")),
        ("web --take --take", Wishes("web", "take", b"\x10\x11")),
        ("--detach-keys ctrl-a web", Wishes("web", "write", b"\x01")),
        ("--detach-keys=~,. web", Wishes("web", "write", b"~.")),
        ("--detach-keys= web", Wishes("web", "write", b"")),
    ],
)
def test_words(words: str, wishes: Wishes) -> None:
    assert read_wishes(words.split()) == wishes


@pytest.mark.parametrize(
    "words", ["", "a b", "--take --read-only a", "-x a", "--detach-keys ctrl- a", "a --detach-keys=ab"]
)
def test_wrong_words(words: str) -> None:
    with pytest.raises(Misused) as misuse:
        read_wishes(words.split())
    assert misuse.value.status == 2


def test_a_silent_daemon_is_asked_and_then_given_up() -> None:
    touch = Touch(0.0)
    assert not touch.ping_due(PING_EVERY_S - 1)
    assert touch.ping_due(PING_EVERY_S)
    touch.said(PING_EVERY_S)
    assert not touch.ping_due(PING_EVERY_S + 1)
    assert not touch.lost(SILENCE_S)
    assert touch.lost(SILENCE_S + 1)
    touch.heard(SILENCE_S)
    assert not touch.lost(SILENCE_S + 1)


def test_who_only_watches_says_something_before_the_daemon_gives_up() -> None:
    touch, pings = Touch(0.0), 0
    for now in range(1, 600):
        touch.heard(now)
        if touch.ping_due(now):
            touch.said(now)
            pings = now
        assert now - pings < SILENCE_S
    assert pings
