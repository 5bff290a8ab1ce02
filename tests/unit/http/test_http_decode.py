"""XML-RPC requests: every type, the leniences clients need, and what is refused."""

import xmlrpc.client
from typing import Any

import pytest

from tmd.http.decode import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_KNOWN,
    MAX_KNOWN_BYTES,
    BadRequest,
    Call,
    Decoder,
    Moment,
    decode_call,
)


def value_of(xml: str) -> Any:
    body = f"<methodCall><methodName>m</methodName><params><param><value>{xml}</value></param></params></methodCall>"
    return decode_call(body.encode()).params[0]


@pytest.mark.parametrize(
    ("xml", "value"),
    [
        ("<int>5</int>", 5),
        ("<i4>-5</i4>", -5),
        ("<i8>99999999999</i8>", 99999999999),
        ("<boolean>1</boolean>", True),
        ("<boolean>0</boolean>", False),
        ("<string>a&lt;b</string>", "a<b"),
        ("<string/>", ""),
        ("bare", "bare"),
        ("", ""),
        (" <string> x </string> ", " x "),
        ("<double>1.5</double>", 1.5),
        ("<base64>aGk=</base64>", b"hi"),
        ("<base64>\naG\nk=\n</base64>", b"hi"),
        ("<dateTime.iso8601>20240229T01:02:03</dateTime.iso8601>", Moment("20240229T01:02:03")),
        ("<nil/>", None),
        ("<array><data/></array>", []),
        ("<array/>", []),
        ("<array><data><value>a</value><value><int>1</int></value><value/></data></array>", ["a", 1, ""]),
        ("<struct/>", {}),
        ("<struct><member><name>n</name><value><nil/></value></member></struct>", {"n": None}),
        ("<struct> <member> <name>n</name> <value>v</value> </member> </struct>", {"n": "v"}),
    ],
)
def test_values(xml: str, value: Any) -> None:
    decoded = value_of(xml)
    assert decoded == value
    assert type(decoded) is type(value)


def test_what_the_standard_library_sends_is_understood() -> None:
    params = (1, True, 1.5, "ä<&>", [1, ["x"]], {"a": {"b": [2]}}, b"\0\xff")
    body = xmlrpc.client.dumps(params, "a.b").encode()
    assert decode_call(body) == Call("a.b", list(params))


@pytest.mark.parametrize(
    "body",
    [
        b"<methodCall><methodName>m</methodName></methodCall>",
        b"<methodCall><methodName>m</methodName><params/></methodCall>",
        b"\n<methodCall>\n <methodName> m\n</methodName> <params> </params> </methodCall>\n",
        b"<?xml version='1.0' encoding='latin-1'?><methodCall><methodName>m</methodName></methodCall>",
    ],
)
def test_a_call_without_params(body: bytes) -> None:
    assert decode_call(body) == Call("m", [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"hello",
        b"<",
        b"\xff\xfe",
        b"<methodCall>",
        b"<methodCall></methodCall>",
        b"<methodCall><methodName/></methodCall>",
        b"<methodCall><methodName> </methodName></methodCall>",
        b"<methodResponse/>",
        b"<methodCall><methodName>m</methodName><params><value/></params></methodCall>",
        b"<methodCall><methodName>m</methodName><params/><params/></methodCall>",
        b"<methodCall><methodName>m</methodName><params><param/></params></methodCall>",
        b"<methodCall><methodName>m</methodName></methodCall><x/>",
        b"<?xml version='1.0' encoding='klingon'?><methodCall><methodName>m</methodName></methodCall>",
        b"<methodCall><methodName>&x;</methodName></methodCall>",
    ],
)
def test_what_is_no_call_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode_call(body)


@pytest.mark.parametrize(
    "xml",
    [
        "<int>x</int>",
        "<int/>",
        "<int>" + "9" * 10_000 + "</int>",
        "<double>x</double>",
        "<boolean>2</boolean>",
        "<base64>!!!a</base64>",
        "<dateTime.iso8601>today</dateTime.iso8601>",
        "<foo/>",
        "<int>1</int><int>2</int>",
        "<struct><member><name>a</name></member></struct>",
        "<struct><member><value>a</value></member></struct>",
        "<array><value/></array>",
        "<array><data/><data/></array>",
        "<string><b/></string>",
    ],
)
def test_malformed_values_are_refused(xml: str) -> None:
    with pytest.raises(BadRequest):
        value_of(xml)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]>
<methodCall><methodName>&d;</methodName></methodCall>"""


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b'<!DOCTYPE m SYSTEM "file:///etc/passwd"><methodCall><methodName>m</methodName></methodCall>',
        b'<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><methodCall><methodName>&x;</methodName></methodCall>',
        b"<!DOCTYPE m><methodCall><methodName>m</methodName></methodCall>",
        b'<!DOCTYPE m [<!ENTITY % p "x"> %p;]><methodCall><methodName>m</methodName></methodCall>',
    ],
)
def test_a_doctype_is_refused_before_anything_is_expanded(body: bytes) -> None:
    with pytest.raises(BadRequest, match="DOCTYPE"):
        decode_call(body)


def test_depth_and_number_of_elements_are_bounded() -> None:
    with pytest.raises(BadRequest, match="deep"):
        decode_call(b"<methodCall>" + _nested(100_000))
    assert decode_call(b"<methodCall>" + _nested((MAX_DEPTH - 6) // 3)).method == "m"
    with pytest.raises(BadRequest, match="too many"):
        value_of("<array><data>" + "<value/>" * MAX_ELEMENTS + "</data></array>")


def _nested(depth: int) -> bytes:
    inner = b"<array><data><value>" * depth + b"</value></data></array>" * depth
    return b"<methodName>m</methodName><params><param><value>" + inner + b"</value></param></params></methodCall>"


def call_of(*params: Any) -> bytes:
    return xmlrpc.client.dumps(params, "supervisor.getProcessInfo").encode()


def test_a_call_that_comes_again_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, decoded = Decoder(), []

    def counted(body: bytes) -> Call:
        decoded.append(body)
        return decode_call(body)

    monkeypatch.setattr("tmd.http.decode.decode_call", counted)
    first = decoder.decode(call_of("web", True, 5))
    first.params.append("a handler may do as it likes with what it is given")
    assert decoder.decode(call_of("web", True, 5)) == Call("supervisor.getProcessInfo", ["web", True, 5])
    assert decoder.decode(call_of("db", True, 5)) == Call("supervisor.getProcessInfo", ["db", True, 5])
    assert len(decoded) == 2


@pytest.mark.parametrize("param", [["a list"], {"a": "struct"}, "x" * MAX_KNOWN_BYTES])
def test_what_could_be_changed_or_is_long_is_read_anew(param: Any) -> None:
    decoder = Decoder()
    first, second = decoder.decode(call_of(param)), decoder.decode(call_of(param))
    assert first == second
    assert isinstance(param, str) or first.params[0] is not second.params[0]


def test_who_never_says_the_same_twice_fills_no_memory() -> None:
    decoder = Decoder()
    for number in range(3 * MAX_KNOWN):
        assert decoder.decode(call_of(number)).params == [number]
    assert len(decoder._known) <= MAX_KNOWN


def test_what_is_no_call_is_refused_each_time() -> None:
    decoder = Decoder()
    for _ in range(2):
        with pytest.raises(BadRequest):
            decoder.decode(b"<methodCall>")
