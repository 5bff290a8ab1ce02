"""Replies: any value becomes XML that any parser accepts."""

import xmlrpc.client
from typing import Any

import pytest

from tmd.http.encode import (
    Rendered,
    StructForm,
    bit,
    encode_array,
    encode_fault,
    encode_response,
    encode_text,
    encode_value,
    escape,
)
from tmd.wire.structs import Field


def decoded(value: Any) -> Any:
    return xmlrpc.client.loads(encode_response(value))[0][0]


@pytest.mark.parametrize(
    "value",
    [True, False, 0, -5, 2**31 - 1, "", "text", "ä<&>\"'", 1.5, [], [1, ["x"]], {}, {"a&b": {"c": [True]}}, "a\tb\nc"],
)
def test_values_arrive(value: Any) -> None:
    arrived = decoded(value)
    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (2**40, 2**31 - 1),
        (-(2**40), -(2**31)),
        ((1, 2), [1, 2]),
        (None, ""),
        (b"caf\xc3\xa9 \xff", "café \ufffd"),
        ("\x1b[0m\x00\ud800\uffff", "\ufffd[0m\ufffd\ufffd\ufffd"),
        ("a\r\nb\rc", "a\r\nb\rc"),
        (Rendered(b"<int>7</int>"), 7),
        ([Rendered(b"<int>7</int>")], [7]),
    ],
)
def test_what_xml_cannot_carry_is_replaced(value: Any, arrives: Any) -> None:
    assert decoded(value) == arrives


def test_integers_are_ints_also_when_they_are_enums() -> None:
    from tmd.wire.states import ProcessState

    assert encode_value(ProcessState.RUNNING) == b"<int>20</int>"
    assert encode_value(True) == b"<boolean>1</boolean>"


def test_what_has_no_form_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="cannot encode object"):
        encode_value(object())


def test_faults() -> None:
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(encode_fault(10, "BAD_NAME: <x>"))
    assert (caught.value.faultCode, caught.value.faultString) == (10, "BAD_NAME: <x>")


def test_arrays_of_what_is_encoded_already() -> None:
    assert decoded(encode_array([])) == []
    assert decoded(encode_array([encode_value("a"), encode_value(1)])) == ["a", 1]


def test_a_log_is_decoded_across_pieces() -> None:
    text = "é" * 200_001
    assert decoded(encode_text(b"x" + text.encode())) == "x" + text
    assert decoded(encode_text(b"\xc3")) == "\ufffd"


def test_a_form_makes_the_struct() -> None:
    form = StructForm((Field("n", "int", ""), Field("s", "string", ""), Field("b", "boolean", "")))
    for text in ("x", "<&>"):
        filled = form.fill(("5", escape(text), bit(True)))
        assert decoded(Rendered(filled.encode())) == {"n": 5, "s": text, "b": True}
