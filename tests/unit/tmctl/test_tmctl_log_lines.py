"""Lines of logs: cut, taken apart, put in order, and found again."""

import json
import time

import pytest

from tmctl.log_lines import MAX_LINE_BYTES, Entry, LineCutter, Seen, in_order, parse_line

NOON = 1795262400.0
"""2026-11-21T12:00:00Z"""


def test_lines_are_the_same_however_they_are_cut() -> None:
    data = b"one\n\ntwo \xc3\xa9\nthree"
    for size in (1, 2, 3, 5, 100):
        cutter = LineCutter()
        lines = [line for at in range(0, len(data), size) for line in cutter.feed(data[at : at + size])]
        assert lines == [b"one", b"", b"two \xc3\xa9"], size
        assert cutter.holding
        assert cutter.flush() == [b"three"]
        assert not cutter.holding
        assert cutter.flush() == []


def test_a_line_without_an_end_comes_in_pieces() -> None:
    cutter = LineCutter()
    pieces: list[bytes] = []
    for _ in range(80):
        pieces += cutter.feed(b"x" * 65536)
    pieces += cutter.feed(b"end\n")
    assert b"".join(pieces) == b"x" * (80 * 65536) + b"end"
    assert 3 <= len(pieces) <= 4
    assert max(map(len, pieces)) <= MAX_LINE_BYTES


def test_a_prefixed_line_is_taken_apart() -> None:
    line = "2026-11-21T12:00:00.500Z shop:worker_03 stderr: no such order: 4711"
    assert parse_line(line) == Entry("no such order: 4711", line, NOON + 0.5, "stderr", "shop:worker_03")
    piece = "2026-11-21T12:00:00.500Z web stdout+ a piece"
    assert parse_line(piece).text == "a piece"
    empty = parse_line("2026-11-21T12:00:00.500Z web stdout: ")
    assert (empty.text, empty.at) == ("", NOON + 0.5)
    hook = parse_line("2026-11-21T12:00:00.500Z web/prestart stdout: migrating")
    assert (hook.process, hook.hook, hook.text) == ("web", "prestart", "migrating")


def test_a_json_line_is_taken_apart() -> None:
    said: dict[str, object] = {
        "ts": "2026-11-21T12:00:00.500Z",
        "program": "worker",
        "group": "shop",
        "process": "w_03",
    }
    said |= {"stream": "stdout", "pid": 8, "hook": "prestart", "msg": "a\tb"}
    line = json.dumps(said, separators=(",", ":"))
    assert parse_line(line) == Entry("a\tb", line, NOON + 0.5, "stdout", "shop:w_03", "prestart")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "plain",
        '{"ts":"yesterday","msg":"a program\'s own"}',
        '{"ts":"2026-11-21T12:00:00.500Z","msg":',
        '{"ts":"2026-11-21T12:00:00.500Z","msg":"no process"}',
        '{"ts":"' + "[" * 10000,
        "2026-99-21T12:00:00.500Z web stdout: a time that is none",
        "2026-11-21T12:00:00.500Z web neither: x",
    ],
)
def test_any_other_line_is_what_it_is(line: str) -> None:
    assert parse_line(line) == Entry(line, line)


def entry(text: str, at: float | None) -> Entry:
    return Entry(text, text, at)


def test_logs_with_times_are_merged_by_them() -> None:
    web = [(0, entry("w1", 1.0)), (0, entry("w1, continued", None)), (0, entry("w3", 3.0))]
    raw = [(1, entry("r1", None)), (1, entry("r2", None))]
    shop = [(2, entry("s2", 2.0)), (2, entry("s3", 3.0))]
    ordered = in_order([web, raw, [], shop])
    assert [one.text for _, one in ordered] == ["r1", "r2", "w1", "w1, continued", "s2", "w3", "s3"]
    assert [number for number, _ in ordered] == [1, 1, 0, 0, 2, 0, 2]


def test_what_was_seen_is_found_by_its_place() -> None:
    seen = Seen(0)
    seen.add(b"started\n")
    # The same text again is new, for it stands elsewhere.
    assert seen.new_part(b"started\nstarted\n", 0) == b"started\n"
    assert seen.new_part(b"ted\nstarted\n", 4) == b"started\n"
    assert seen.new_part(b"started\n", 0) == b""


def test_what_was_seen_is_found_by_its_text() -> None:
    seen = Seen()
    assert seen.new_part(b"all of it") == b"all of it"
    seen.add(b"x" * 5000)
    seen.add(b"\none\ntwo\n")
    assert seen.new_part(b"xx\none\ntwo\nthree\n") is None, "so little could be from anywhere"
    assert seen.new_part(b"x" * 600 + b"\none\ntwo\nthree\n") == b"three\n"
    assert seen.new_part(b"another file\n") is None


def test_a_place_that_holds_something_else_is_not_believed() -> None:
    seen = Seen(0)
    seen.add(b"first\nsecond\n")
    assert seen.new_part(b"other stuff, longer than that\n", 0) is None
    assert seen.new_part(b"later\nfirst\nsecond\nthird\n", 0) == b"third\n"


def test_of_a_log_that_is_not_known_only_all_of_it_can_be_told() -> None:
    assert Seen().new_part(b"all of it", 0) == b"all of it"
    assert Seen().new_part(b"the end of it", 10) is None


def test_one_byte_for_ever_is_searched_as_quickly_as_anything() -> None:
    seen = Seen()
    seen.add(b"x" * 2000 + b"y" + b"x" * 2095)
    before = time.process_time()
    assert seen.new_part(b"x" * (32 << 20)) == b""
    assert time.process_time() - before < 8.0, "half a second, or half a minute"
