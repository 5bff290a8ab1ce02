"""Lines with a head: whole, attributable, the same however output is cut, and harmless to look at."""

import base64
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmd.core import lines as lines_module
from tmd.core.lines import LONGEST, LineFormat, LineFormatter, Stamps
from tmd.wire.names import ProcessId

WHEN = b"2026-11-21T17:45:44.123Z"
HEAD = re.compile(r"2026-11-21T17:45:44\.123Z web:web_00 stdout([:+]) ")
LETTERS = ["\x85", "\u2028", "\U0001f600", "é", "word", '","', '"', "\\u2028", "\\n", "\\"]
CONTROLS = [b"\n", b"\r\n", b"\r", b"\x1b[31m", b"\x1b[0m", b"\x1b[2J", b"\xff", b"\xc3", b"\0", b"\x7f"]
PIECES = st.sampled_from([*CONTROLS, *(text.encode() for text in LETTERS)])
STREAMS = st.lists(PIECES | st.binary(max_size=6), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(min_value=0, max_value=200), max_size=12)
FORMS: list[Literal["prefix", "json"]] = ["prefix", "json"]
SHORT = 24
"""bytes of the longest line, in some tests: pieces of lines that are too long come with every stream"""


def formatter(form: Literal["prefix", "json"], stamp: bytes = WHEN, **more: Any) -> LineFormatter:
    return LineFormat(form, "web", ProcessId("web", "web_00"), "stdout", 123, lambda: stamp, **more)()


def run(made: LineFormatter, *parts: bytes) -> bytes:
    return b"".join([*(made.feed(part) for part in parts), made.end()])


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def written(found: list[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the lines that JSON objects stand for, their pieces put together."""
    line = b""
    for each in found:
        line += base64.b64decode(each["base64"]) if "base64" in each else each["msg"].encode()
        if not each.get("partial"):
            yield line
            line = b""
    assert not line


def logical_lines(data: bytes) -> list[bytes]:
    return data.removesuffix(b"\n").split(b"\n") if data else []


@pytest.fixture
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LONGEST", SHORT)


# --- the two forms ------------------------------------------------------------------------------------------------


def test_a_prefix_is_time_name_and_stream() -> None:
    assert run(formatter("prefix"), b"hello\nworld\n") == (
        WHEN + b" web:web_00 stdout: hello\n" + WHEN + b" web:web_00 stdout: world\n"
    )


def test_a_group_of_the_same_name_is_left_out() -> None:
    made = LineFormat("prefix", "web", ProcessId("web", "web"), "stderr", 1, lambda: WHEN)()
    assert run(made, b"hello\n") == WHEN + b" web stderr: hello\n"


def test_json_is_one_object_a_line_with_its_keys_in_order() -> None:
    (line,) = run(formatter("json"), b'say "hi"\n').splitlines()
    assert line == (
        b'{"ts":"2026-11-21T17:45:44.123Z","program":"web","group":"web","process":"web_00","stream":"stdout",'
        b'"pid":123,"msg":"say \\"hi\\""}'
    )


def test_a_hook_is_told_from_its_program() -> None:
    assert b" web:web_00/prestart stdout: hello\n" in run(formatter("prefix", hook="prestart"), b"hello\n")
    assert json.loads(run(formatter("json", hook="prestart"), b"hello\n"))["hook"] == "prestart"


def test_an_empty_line_is_a_line() -> None:
    assert run(formatter("prefix"), b"\n\n") == (WHEN + b" web:web_00 stdout: \n") * 2
    assert [json.loads(line)["msg"] for line in run(formatter("json"), b"\n\n").splitlines()] == ["", ""]


def test_the_end_finishes_a_line_and_what_comes_after_begins_one() -> None:
    made = formatter("prefix")
    assert made.feed(b"half") == b""
    assert made.holding
    assert made.end() == WHEN + b" web:web_00 stdout: half\n"
    assert not made.holding
    assert made.end() == b""
    assert made.feed(b"more\n") == WHEN + b" web:web_00 stdout: more\n"


def test_what_is_asked_for_before_its_end_goes_on_in_the_next_line() -> None:
    made = formatter("prefix")
    assert made.feed(b"name? ") == b""
    assert made.give_out() == WHEN + b" web:web_00 stdout+ name? \n"
    assert made.give_out() == b""
    assert made.feed(b"bob\n") == WHEN + b" web:web_00 stdout: bob\n"
    made = formatter("json")
    made.feed(b"name? ")
    assert json.loads(made.give_out())["partial"] is True
    assert "partial" not in json.loads(made.feed(b"\n"))


def test_a_character_of_which_the_end_is_missing_is_waited_for() -> None:
    made = formatter("json")
    made.feed("caf\u00e9".encode()[:-1])
    first = json.loads(made.give_out())
    assert (first["msg"], "base64" in first) == ("caf", False)
    assert made.give_out() == b""
    assert json.loads(made.feed("\u00e9".encode()[1:] + b"\n"))["msg"] == "\u00e9"


def test_the_time_is_that_of_the_first_byte_of_a_line() -> None:
    times = iter([1.0, 2.5, 4.25])
    made = LineFormat("prefix", "w", ProcessId("w", "w"), "stdout", 1, Stamps(lambda: next(times)))()
    made.feed(b"be")
    assert made.feed(b"gun\nnext") == b"1970-01-01T00:00:01.000Z w stdout: begun\n"
    assert made.feed(b"\nlast\n") == (
        b"1970-01-01T00:00:02.500Z w stdout: next\n1970-01-01T00:00:04.250Z w stdout: last\n"
    )


def test_a_clock_that_goes_back_is_believed() -> None:
    times = iter([1785000001.0005, 1785000000.9999])
    stamps = Stamps(lambda: next(times))
    assert (stamps(), stamps()) == (b"2026-07-25T17:20:01.000Z", b"2026-07-25T17:20:00.999Z")


def test_equal_formats_are_equal_and_others_are_not() -> None:
    stamp = Stamps(lambda: 0.0)
    first = LineFormat("json", "web", ProcessId("web", "web"), "stdout", 1, stamp)
    assert first == LineFormat("json", "web", ProcessId("web", "web"), "stdout", 1, stamp)
    assert first != LineFormat("prefix", "web", ProcessId("web", "web"), "stdout", 1, stamp)
    assert first != LineFormat("json", "web", ProcessId("web", "web"), "stdout", 2, stamp)


# --- what cannot be said in it ------------------------------------------------------------------------------------


def test_bytes_that_are_no_text_are_all_there() -> None:
    found = json.loads(run(formatter("json"), b"\xff\xfe ok\n"))
    assert found["msg"] == "\ufffd\ufffd ok"
    assert base64.b64decode(found["base64"]) == b"\xff\xfe ok"


def test_one_bad_line_does_not_spoil_the_others() -> None:
    found = [json.loads(line) for line in run(formatter("json"), b"a\n\xff\nb\n").splitlines()]
    assert [each["msg"] for each in found] == ["a", "\ufffd", "b"]
    assert ["base64" in each for each in found] == [False, True, False]


def test_json_escapes_whatever_a_terminal_obeys() -> None:
    text = "\x1b]0;title\x07\x7f\x85\u2028\u2029\x9b2J"
    line = run(formatter("json"), text.encode() + b"\n")
    assert line.isascii()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", line)
    assert json.loads(line)["msg"] == text


def test_a_prefix_cannot_be_hidden_or_forged() -> None:
    data = b"ok\r2026-11-21T00:00:00.000Z other stdout: forged\x1b[2K\x1b[1G\x08\x00\n"
    (line,) = run(formatter("prefix"), data).decode().splitlines()
    assert HEAD.match(line)
    assert HEAD.sub("", line) == "ok^M2026-11-21T00:00:00.000Z other stdout: forged^[[2K^[[1G^H^@"


def test_colours_tabs_and_the_bytes_of_any_encoding_stay() -> None:
    data = b"\t\x1b[1;31mred\x1b[0m caf\xe9 \xff\xfe\r\n"
    assert run(formatter("prefix"), data) == WHEN + b" web:web_00 stdout: " + data


def test_a_colour_ends_with_its_line() -> None:
    data = b"\x1b[8mhidden\nnext\n"
    assert run(formatter("prefix"), data) == (
        WHEN + b" web:web_00 stdout: \x1b[8mhidden\x1b[0m\n" + WHEN + b" web:web_00 stdout: next\n"
    )


def test_a_name_cannot_break_the_head() -> None:
    made = LineFormat("prefix", "x", ProcessId("a b\n\x1b[2J", "c"), "stdout", 1, lambda: WHEN)()
    assert run(made, b"hello\n") == WHEN + b" a_b^J^[[2J:c stdout: hello\n"
    made = LineFormat("json", "x", ProcessId('a"\n\x7f', "c"), "stdout", 1, lambda: WHEN)()
    assert json.loads(run(made, b"hello\n"))["group"] == 'a"\n\x7f'


# --- long lines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_line_of_a_megabyte_is_whole(form: Literal["prefix", "json"]) -> None:
    data = b"x" * 1_000_000 + b"\n"
    made = formatter(form)
    out = run(made, *(data[start : start + 65536] for start in range(0, len(data), 65536)))
    assert out.count(b"\n") == 1
    assert out == run(formatter(form), data)


@pytest.mark.parametrize("form", FORMS)
def test_no_more_than_the_longest_line_is_held(form: Literal["prefix", "json"]) -> None:
    made = formatter(form)
    given = sum(len(made.feed(b"x" * 100_000)) for _ in range(50))
    assert given > 5_000_000 - LONGEST
    assert made.holding
    made.end()
    assert not made.holding


@pytest.mark.usefixtures("short_lines")
def test_longer_lines_come_in_pieces_that_say_so() -> None:
    text = "é" * 20
    assert [json.loads(line)["msg"] for line in run(formatter("json"), text.encode() + b"\n").splitlines()] == [
        "é" * 12,
        "é" * 8,
    ]
    marks = [HEAD.match(line)[1] for line in run(formatter("prefix"), text.encode()).decode().splitlines()]  # type: ignore[index]
    assert marks == ["+", ":"]


@pytest.mark.usefixtures("short_lines")
def test_a_line_of_just_the_limit_is_one() -> None:
    assert run(formatter("prefix"), b"x" * SHORT + b"\n").count(b"\n") == 1
    assert run(formatter("prefix"), b"x" * SHORT, b"\n").count(b"\n") == 1


# --- for all streams ----------------------------------------------------------------------------------------------


@given(STREAMS, CUTS, st.sampled_from(FORMS), st.sampled_from([SHORT, LONGEST]))
def test_how_output_is_cut_into_pieces_does_not_matter(
    data: bytes, cuts: list[int], form: Literal["prefix", "json"], longest: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "LONGEST", longest)
        assert run(formatter(form), *chunks(data, cuts)) == run(formatter(form), data)


@given(STREAMS, CUTS, st.sampled_from([SHORT, LONGEST]))
def test_json_loses_nothing(data: bytes, cuts: list[int], longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "LONGEST", longest)
        out = run(formatter("json"), *chunks(data, cuts))
    text = out.decode()
    assert all(line.startswith('{"ts":') for line in text.splitlines())
    assert list(written([json.loads(line) for line in text.splitlines()])) == logical_lines(data)


@given(STREAMS, CUTS)
def test_every_line_of_the_prefix_form_has_one_head(data: bytes, cuts: list[int]) -> None:
    out = run(formatter("prefix"), *chunks(data, cuts))
    found = out.decode("utf-8", "replace").splitlines()
    assert all(HEAD.match(line) for line in found)
    assert len(found) == len(logical_lines(data))
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\r(?!\n)|\x1b(?!\[[0-9;:]*m)", out)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]) | st.just("\n") | st.just("\t")), CUTS)
def test_text_is_not_changed_behind_a_prefix(text: str, cuts: list[int]) -> None:
    out = run(formatter("prefix"), *chunks(text.encode(), cuts)).decode()
    assert HEAD.sub("", out) == text + ("\n" if text and not text.endswith("\n") else "")
