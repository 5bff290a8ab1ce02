"""Modes of a terminal, seen in what a program wrote."""

from hypothesis import given
from hypothesis import strategies as st

from tmd.wire.modes import CARRIED_BYTES, Modes

VIM = b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?25l text \x1b[?25h"


def after(*pieces: bytes) -> Modes:
    modes = Modes()
    for piece in pieces:
        modes.feed(piece)
    return modes


def test_what_a_full_screen_program_switches_is_seen_and_undone() -> None:
    modes = after(b"plain", VIM)
    assert modes.alternate
    assert modes.is_on(2004)
    assert modes.is_on(25)
    assert not modes.is_on(1000)
    assert after(modes.restore()).restore() == modes.restore() == b"\x1b[?1049h\x1b[?1h\x1b[?2004h\x1b="
    assert modes.restore(screen=False) == b"\x1b[?1h\x1b[?2004h\x1b="
    assert modes.undo() == b"\x1b>\x1b[?1l\x1b[?2004l\x1b[?1049l", "the screen last"
    assert after(VIM, modes.undo()).restore() == b""


def test_what_is_on_at_first_is_noted_when_it_is_off() -> None:
    modes = after(b"\x1b[?7;25l")
    assert (modes.is_on(7), modes.is_on(25)) == (False, False)
    assert modes.restore() == b"\x1b[?7l\x1b[?25l"
    assert modes.undo() == b"\x1b[?7h\x1b[?25h"


def test_resets() -> None:
    assert after(VIM, b"\x1bc").restore() == b""
    assert after(VIM, b"\x1b[!p").restore() == b""


def test_a_copy_goes_on_by_itself() -> None:
    first = after(VIM[:4])
    second = first.copy()
    second.feed(VIM[4:])
    assert (first.alternate, second.alternate) == (False, True)


@given(st.integers(0, len(VIM)), st.integers(0, len(VIM)))
def test_the_same_however_it_is_cut(one: int, two: int) -> None:
    cut, again = sorted((one, two))
    assert after(VIM[:cut], VIM[cut:again], VIM[again:]).restore() == after(VIM).restore()


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_anything_is_borne(pieces: list[bytes]) -> None:
    modes = after(*pieces)
    assert after(modes.restore(), modes.undo()).restore() == b""


def test_what_a_hostile_program_switches_is_bounded() -> None:
    modes = after(*(b"\x1b[?%dh" % mode for mode in range(100_000)), b"\x1b[?" + b"1;" * 100_000)
    assert len(modes.restore()) < 1000
    assert CARRIED_BYTES < 1000
