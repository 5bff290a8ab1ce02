"""Calls and replies as XML-RPC, compared with the standard library's."""

from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Binary, Fault, dumps, loads

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmctl.marshal import BadReply, ServerFault, can_carry, decode_reply, encode_call

# Neither surrogates and control characters nor these two are text in XML: the standard library cannot read its own.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
VALUES = st.recursive(
    st.one_of(TEXT, st.integers(-(2**31), 2**31 - 1), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


@given(VALUES)
def test_replies_read_as_the_standard_library_wrote_them(value: Any) -> None:
    assert decode_reply(dumps((value,), methodresponse=True).encode()) == value


ARGUMENTS = st.recursive(
    st.one_of(TEXT, st.integers(-(2**31), 2**31 - 1), st.booleans()), lambda inner: st.lists(inner, max_size=3)
)


@given(TEXT.filter(bool), st.lists(ARGUMENTS, max_size=4))
def test_calls_are_read_by_the_standard_library(method: str, arguments: list[Any]) -> None:
    params, name = loads(encode_call(method, arguments))
    assert (list(params), name) == (arguments, method)


@given(st.characters())
@example("\x00")
@example("\x1b")
@example("\x7f")
@example("\x85")
@example("\t")
@example("\ud800")
@example("\udfff")
@example("\ufffd")
@example("\ufffe")
@example("\uffff")
@example("\U0001f600")
def test_what_a_call_can_carry(character: str) -> None:
    text = f"a{character}b"
    try:
        ((arrived,), _) = loads(encode_call("x", [text]))
    except ExpatError:
        arrived = None
    assert can_carry(text) is (arrived == text.replace("\r", "\n"))


def test_none_and_binary_arrive() -> None:
    body = dumps((["x", None, Binary(b"\0\1")],), methodresponse=True, allow_none=True)
    assert decode_reply(body.encode()) == ["x", None, b"\0\1"]


def test_a_value_without_a_type_is_a_text() -> None:
    reply = b"<methodResponse><params><param><value>a &amp; b</value></param></params></methodResponse>"
    assert decode_reply(reply) == "a & b"
    assert decode_reply(reply.replace(b"a &amp; b", b"")) == ""


def test_a_fault_is_raised_with_code_and_text() -> None:
    with pytest.raises(ServerFault) as caught:
        decode_reply(dumps(Fault(10, "BAD_NAME: web")).encode())
    assert (caught.value.code, caught.value.text) == (10, "BAD_NAME: web")


def test_raw_control_characters_in_a_log_arrive() -> None:
    reply = dumps(("red \x1b[31m\x07 \x00end",), methodresponse=True).encode()
    assert decode_reply(reply) == "red \x1b[31m\x07 \x00end"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>hello</body></html>",
        b"not xml",
        b"<methodResponse><params></params></methodResponse>",
        b"<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
        b"<methodResponse><fault><value><string>x</string></value></fault></methodResponse>",
        b"<!DOCTYPE x><methodResponse><params><param><value>1</value></param></params></methodResponse>",
    ],
)
def test_rubbish_is_a_bad_reply(body: bytes) -> None:
    with pytest.raises(BadReply):
        decode_reply(body)
