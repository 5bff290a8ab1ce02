"""Long replies that are tables: read without a parser, and never otherwise than a parser reads them."""

from contextlib import suppress
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import dumps

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmctl import tables
from tmctl.marshal import TABLE_BYTES, BadReply, _Reader, decode_reply
from tmctl.tables import read_table


def parsed(body: bytes) -> Any:
    return _Reader().read(body)[0]


def reply(rows: Any) -> bytes:
    return dumps((rows,), methodresponse=True).encode()


ROW = {"name": "web", "group": "web", "pid": 7, "paused": False, "share": 1.5, "description": "pid 7, uptime 0:00:01"}
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
ROWS = st.fixed_dictionaries(
    {"name": TEXT, "pid": st.integers(-(2**31), 2**31 - 1), "up": st.booleans(), "description": TEXT}
)


def test_a_table_is_read() -> None:
    rows = [{**ROW, "pid": pid, "name": f"käfig_{pid}"} for pid in range(100)]
    assert read_table(reply(rows), parsed) == rows
    assert list((read_table(reply(rows), parsed) or [{}])[0]) == list(ROW)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_it_is_read_as_a_parser_reads_it_or_left_to_one(rows: list[dict[str, Any]]) -> None:
    assert read_table(reply(rows), parsed) in (rows, None)


@given(st.lists(ROWS, min_size=1, max_size=3), st.data())
def test_what_was_damaged_is_never_read_otherwise_than_by_a_parser(rows: list[dict[str, Any]], data: Any) -> None:
    body = reply(rows)
    at = data.draw(st.integers(0, len(body) - 1))
    damaged = body[:at] + data.draw(st.sampled_from([b"", b"<", b">", b"/", b"x", b"&", b"<x/>"])) + body[at + 1 :]
    try:
        expected = parsed(damaged)
    except Exception:  # noqa: BLE001 - whatever the parser says: this one says nothing
        expected = None
    try:
        found = read_table(damaged, parsed)
    except Exception:  # noqa: BLE001
        found = None
    assert found in (expected, None)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{}],
        [{"a": "&"}],
        [{"a": "x\ry"}],
        [{"a": 1}, {"b": 1}],
        [{"a": 1}, {"a": "1"}],
        [{"a": 1}, {"a": 1, "b": 2}],
        [{"a": [1]}],
        [{"a": {"b": 1}}],
        [1, 2],
        {"a": 1},
        [{"a": 1}, 2],
    ],
)
def test_what_is_no_table_is_left_to_the_parser(rows: Any) -> None:
    with suppress(ExpatError):
        assert read_table(reply(rows), parsed) is None
    assert decode_reply(reply(rows)) == parsed(reply(rows))


def test_long_replies_are_read_as_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    whole = tables.read_table

    def counted(body: bytes, parse: Any) -> list[dict[str, Any]] | None:
        seen.append(len(body))
        return whole(body, parse)

    monkeypatch.setattr(tables, "read_table", counted)
    rows = [{**ROW, "pid": pid} for pid in range(1 + TABLE_BYTES // 400)]
    assert decode_reply(reply(rows[:3])) == rows[:3]
    assert seen == []
    assert decode_reply(reply(rows)) == rows
    assert len(seen) == 1


def test_a_long_reply_that_is_cut_is_told_as_ever() -> None:
    body = reply([{**ROW, "pid": pid} for pid in range(200)])
    with pytest.raises(BadReply, match="not XML-RPC"):
        decode_reply(body[:-40])
