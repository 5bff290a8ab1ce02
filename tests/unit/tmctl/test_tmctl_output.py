"""What reaches the screen: colour, control characters, columns."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tmctl.output import Output, wants_colour
from tmctl.render import ansi, change_lines, status_lines, summary_line
from tmd.wire.visible import visible


@pytest.mark.parametrize(
    ("choice", "environ", "terminal", "wanted"),
    [
        ("auto", {"TERM": "xterm"}, True, True),
        ("auto", {"TERM": "xterm"}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {}, True, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_when_there_is_colour(choice: str, environ: dict[str, str], terminal: bool, wanted: bool) -> None:
    assert wants_colour(choice, environ, terminal) is wanted  # type: ignore[arg-type]


def without_colour(text: str) -> str:
    for code in ("32", "33", "31", "90", "0"):
        text = text.replace(f"\x1b[{code}m", "")
    return text


@pytest.mark.parametrize("line", ["status", "summary", "restart web api:*", "stop batch nope", "start all"])
def test_colour_never_changes_the_text(line: str, tmp_path_factory: pytest.TempPathFactory, tmctl: Tmctl) -> None:
    texts = []
    for choice in ("never", "always"):
        with FakeDaemon(tmp_path_factory.mktemp("c") / "s") as fake:
            texts.append(tmctl(f"--color={choice}", "-s", fake.url, line))
    plain, coloured = texts
    assert "\x1b[" in coloured.out
    assert (without_colour(coloured.out), coloured.code) == plain.outcome


def test_control_characters_are_spelled() -> None:
    assert visible("a\tb\r\nc\x1b[31m\x07\x7f\x9b\r\u202eend\n") == "a\tb\nc^[[31m^G^?\\x9b^M\\u202eend\n"


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not any((ord(char) < 32 and char not in "\t\n") or 127 <= ord(char) < 160 for char in visible(text))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_on_a_terminal_is_shown_not_obeyed_unless_raw() -> None:
    screen = Terminal()
    output = Output(screen, io.StringIO())
    output.foreign("\x1b[31mred")
    output.foreign_bytes(b"caf\xc3")
    output.foreign_bytes(b"\xa9 \x1b]0;title\x07\xff")
    output.raw = True
    output.foreign("\x1b[0m")
    assert screen.getvalue() == "^[[31mredcafé ^[]0;title^G\ufffd\x1b[0m"


def test_a_log_elsewhere_passes_unchanged() -> None:
    binary = io.BytesIO()
    output = Output(io.TextIOWrapper(binary), io.StringIO())
    output.foreign_bytes(b"\x1b[31m\xff\r\n")
    assert binary.getvalue() == b"\x1b[31m\xff\r\n"


def info(group: str, name: str, state: str) -> dict[str, object]:
    return {"group": group, "name": name, "statename": state, "description": "d"}


def test_status_columns_grow_with_the_longest_name() -> None:
    lines = status_lines([info("g", "x" * 40, "RUNNING"), info("a", "a", "STOPPED")])
    assert lines == ["g:" + "x" * 40 + "   RUNNING   d", "a" + " " * 44 + "STOPPED   d"]


def test_status_colours_the_state_alone() -> None:
    assert status_lines([info("a", "a", "RUNNING")], ansi) == ["a" + " " * 32 + "\x1b[32mRUNNING\x1b[0m   d"]


@pytest.mark.parametrize(
    ("states", "line"),
    [
        (["RUNNING"] * 3, "web RUNNING 3/3"),
        (["RUNNING", "FATAL", "RUNNING"], "web FATAL 1/3, RUNNING 2/3"),
        (["STARTING", "RUNNING", "STOPPED", "BACKOFF"], "web BACKOFF 1/4, STOPPED 1/4, STARTING 1/4, RUNNING 1/4"),
    ],
)
def test_summary_shows_the_worst_first(states: list[str], line: str) -> None:
    assert summary_line("web", states) == line


def test_changes_are_sorted_by_name() -> None:
    assert change_lines(["b"], ["c"], ["a"]) == ["a: disappeared", "b: available", "c: changed"]
    assert change_lines([], [], []) == ["No config updates to processes"]
