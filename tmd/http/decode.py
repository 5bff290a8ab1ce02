"""XML-RPC requests: XML to a method name and values. Builds values only; nothing in a request is ever evaluated.

Strict about XML (no DOCTYPE, so no entities and no expansion; bounded depth), lenient where clients of Supervisor
differ: `<params>` may be missing, `i8` counts as an integer, a bare `<value>` is a string.

Values: int, bool, str, float, bytes (base64), `Moment` (dateTime), list, dict, None (nil).
"""

import binascii
import pyexpat
import re
from typing import Any, NamedTuple

MAX_DEPTH = 64
"""elements inside each other"""
MAX_ELEMENTS = 40_000
"""elements in a request; more take longer to read than any request is worth"""

MAX_KNOWN = 64
"""calls that are remembered as they came"""
MAX_KNOWN_BYTES = 512
"""of the request of each of them"""

_MOMENT = re.compile(r"\d{8}T\d\d:\d\d:\d\d")
_SPACE = " \t\r\n"


class BadRequest(Exception):
    """Not an XML-RPC request; the text says why, and repeats nothing of it."""


class Moment(NamedTuple):
    """A dateTime, as written; no method takes one."""

    text: str


class Call(NamedTuple):
    """A request to call a method."""

    method: str
    params: list[Any]


def _boolean(text: str) -> bool:
    match text.strip():
        case "1" | "true":
            return True
        case "0" | "false" | "":
            return False
    raise BadRequest("malformed boolean")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadRequest("malformed integer") from None


def _double(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadRequest("malformed double") from None


def _base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text)
    except ValueError:
        raise BadRequest("malformed base64") from None


def _moment(text: str) -> Moment:
    if not _MOMENT.fullmatch(text.strip()):
        raise BadRequest("malformed dateTime")
    return Moment(text.strip())


_SCALARS: dict[str, Any] = {
    "int": _integer,
    "i4": _integer,
    "i8": _integer,
    "boolean": _boolean,
    "string": str,
    "double": _double,
    "base64": _base64,
    "dateTime.iso8601": _moment,
}

_CHILDREN: dict[str, frozenset[str]] = {
    "": frozenset({"methodCall"}),
    "methodCall": frozenset({"methodName", "params"}),
    "methodName": frozenset(),
    "params": frozenset({"param"}),
    "param": frozenset({"value"}),
    "value": frozenset({*_SCALARS, "nil", "array", "struct"}),
    "array": frozenset({"data"}),
    "data": frozenset({"value"}),
    "struct": frozenset({"member"}),
    "member": frozenset({"name", "value"}),
    "name": frozenset(),
    "nil": frozenset(),
    **{tag: frozenset() for tag in _SCALARS},
}
"""Which element may stand in which."""


class _Element:
    """An open element: what was found in it so far."""

    __slots__ = ("filled", "items", "name", "tag", "text", "value")

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.text = ""
        self.items: list[Any] = []
        self.value: Any = None
        self.filled = False
        self.name: str | None = None


class _Builder:
    """Collects values while expat walks through the text."""

    def __init__(self) -> None:
        self._open = [_Element("")]
        self._seen = 0
        self.method: str | None = None
        self.params: list[Any] | None = None

    def start(self, tag: str, _attributes: object) -> None:
        if len(self._open) > MAX_DEPTH:
            raise BadRequest("nested too deeply")
        self._seen += 1
        if self._seen > MAX_ELEMENTS:
            raise BadRequest("too many elements")
        above = self._open[-1]
        if tag not in _CHILDREN[above.tag]:
            raise BadRequest("an element is not where it belongs")
        if tag == "params" and self.params is not None:
            raise BadRequest("more than one params")
        self._open.append(_Element(tag))

    def text(self, text: str) -> None:
        self._open[-1].text += text

    def end(self, tag: str) -> None:
        element = self._open.pop()
        above = self._open[-1]
        match tag:
            case "value":
                self._give(above, element.value if element.filled else element.text)
            case "nil":
                self._fill(above, None)
            case "array":
                self._fill(above, element.value if element.filled else [])
            case "data":
                self._fill(above, element.items)
            case "struct":
                self._fill(above, dict(element.items))
            case "member":
                if element.name is None or not element.filled:
                    raise BadRequest("a member lacks its name or value")
                above.items.append((element.name, element.value))
            case "name":
                above.name = element.text
            case "param":
                if not element.filled:
                    raise BadRequest("a param lacks its value")
                above.items.append(element.value)
            case "params":
                self.params = element.items
            case "methodName":
                self.method = element.text.strip(_SPACE)
            case "methodCall":
                above.filled = True
            case _:
                self._fill(above, _SCALARS[tag](element.text))

    def _give(self, above: _Element, value: Any) -> None:
        """A `value` is complete: one of many in `data`, the only one elsewhere."""
        if above.tag == "data":
            above.items.append(value)
        else:
            self._fill(above, value)

    @staticmethod
    def _fill(above: _Element, value: Any) -> None:
        if above.filled:
            raise BadRequest("two values where one belongs")
        above.value, above.filled = value, True


def decode_call(body: bytes) -> Call:
    """Return the call that a request's body makes, or raise `BadRequest`."""
    builder = _Builder()
    parser = pyexpat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
    except pyexpat.ExpatError as error:
        raise BadRequest(pyexpat.ErrorString(error.code) or "not XML") from None
    except (ValueError, LookupError):
        raise BadRequest("unknown encoding") from None
    if not builder.method:
        raise BadRequest("no method name")
    return Call(builder.method, builder.params or [])


class Decoder:
    """Decodes calls. Who polls sends the same bytes again and again, so small calls are remembered for a while."""

    def __init__(self) -> None:
        self._known: dict[bytes, Call] = {}

    def decode(self, body: bytes) -> Call:
        """Return the call that a request's body makes, or raise `BadRequest`."""
        call = self._known.get(body)
        if call is None:
            call = decode_call(body)
            # What a handler could change, a list or a struct, is made anew for each of them.
            if len(body) <= MAX_KNOWN_BYTES and all(isinstance(value, _LASTING) for value in call.params):
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[body] = call
        return Call(call.method, call.params.copy())


_LASTING = (str, int, float)


def _refuse_doctype(*_declaration: object) -> None:
    raise BadRequest("a DOCTYPE is not accepted")
