"""XML-RPC text: calls out, replies in.

A reader of its own on expat: to import `xmlrpc.client` would cost a one-shot command more than all its work does.
Promises: what `xmlrpc.client` encodes and decodes for the types that XML-RPC has, and one thing more: control
characters that XML forbids, sent raw by Supervisor for coloured logs, arrive instead of breaking the parser.
Knows nothing about connections.
"""

import binascii
import pyexpat
from collections.abc import Sequence
from typing import Any

Argument = str | int | bool | Sequence["Argument"]

TABLE_BYTES = 16 * 1024
"""a longer reply may be a table, which can be read faster"""

_FORBIDDEN = bytes(code for code in range(32) if code not in (9, 10, 13))
# While expat reads, forbidden characters stand in a corner of the private use area.
_HIDE = {bytes([code]): chr(0xE000 + code).encode() for code in _FORBIDDEN}
_REVEAL = {0xE000 + code: chr(code) for code in _FORBIDDEN}


class ServerFault(Exception):
    """The server answered a call with a fault: `code`, and `text` such as `BAD_NAME: web`."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(text)


class BadReply(Exception):
    """What came back is not an XML-RPC reply."""


def encode_call(method: str, params: Sequence[Argument]) -> bytes:
    """Return the body of a call."""
    values = "".join(f"<param>{_encode(value)}</param>" for value in params)
    name = f"<methodName>{_escape(method)}</methodName>"
    text = f"<?xml version='1.0'?><methodCall>{name}<params>{values}</params></methodCall>"
    return text.encode("utf-8", "replace")


def can_carry(text: str) -> bool:
    """Tell whether a call can have this text in it: XML has no way to write most control characters."""
    return not any(
        (character < " " and character not in "\t\n\r")
        or "\ud800" <= character <= "\udfff"
        or character in "\ufffe\uffff"
        for character in text
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _encode(value: Argument) -> str:
    match value:
        case bool():
            return f"<value><boolean>{int(value)}</boolean></value>"
        case int():
            return f"<value><int>{value}</int></value>"
        case str():
            return f"<value><string>{_escape(value)}</string></value>"
        case _:
            return f"<value><array><data>{''.join(map(_encode, value))}</data></array></value>"


def decode_reply(body: bytes) -> Any:
    """Return the value of a reply; raise `ServerFault` for a fault and `BadReply` for anything else."""
    hidden = len(body.translate(None, _FORBIDDEN)) != len(body)
    if len(body) > TABLE_BYTES and not hidden:
        table = _table(body)
        if table is not None:
            return table
    if hidden:
        for code, stand_in in _HIDE.items():
            body = body.replace(code, stand_in)
    reader = _Reader()
    try:
        value, is_fault = reader.read(body)
        fault = ServerFault(int(value["faultCode"]), str(value["faultString"])) if is_fault else None
    except (pyexpat.ExpatError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BadReply(f"the reply is not XML-RPC: {error}") from error
    if fault is not None:
        raise fault
    return _reveal(value) if hidden else value


def _table(body: bytes) -> list[dict[str, Any]] | None:
    from tmctl.tables import read_table  # noqa: PLC0415  few replies are that long

    try:
        return read_table(body, lambda text: _Reader().read(text)[0])
    except (pyexpat.ExpatError, ValueError, IndexError, TypeError):
        return None  # said with all that is wrong with it by who reads the whole


def _reveal(value: Any) -> Any:
    match value:
        case str():
            return value.translate(_REVEAL)
        case list():
            return [_reveal(item) for item in value]
        case dict():
            return {_reveal(key): _reveal(item) for key, item in value.items()}
        case _:
            return value


class _Reader:
    """Builds values while expat walks: a stack of values, and the heights at which arrays and structs began."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.text = ""
        self.typed = False
        self.is_fault = False

    def read(self, body: bytes) -> tuple[Any, bool]:
        parser = pyexpat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        parser.Parse(body, True)
        if len(self.stack) != 1:
            raise ValueError(f"{len(self.stack)} values instead of one")
        return self.stack[0], self.is_fault

    def _doctype(self, *_: object) -> None:
        raise ValueError("a document type has no place in it")

    def _start(self, tag: str, _: dict[str, str]) -> None:
        self.text = ""
        if tag == "value":
            self.typed = False
        elif tag in ("array", "struct"):
            self.marks.append(len(self.stack))

    def _characters(self, text: str) -> None:
        self.text += text

    def _end(self, tag: str) -> None:
        if tag == "string":
            self.stack.append(self.text)
        elif tag in ("int", "i4", "i8"):
            self.stack.append(int(self.text))
        elif tag == "name":
            self.stack.append(self.text)
            return
        elif tag == "value":
            if not self.typed:
                self.stack.append(self.text)
            self.typed = True
            return
        elif tag == "array":
            mark = self.marks.pop()
            self.stack[mark:] = [self.stack[mark:]]
        elif tag == "struct":
            mark = self.marks.pop()
            parts = self.stack[mark:]
            self.stack[mark:] = [dict(zip(parts[::2], parts[1::2], strict=True))]
        elif tag == "boolean":
            self.stack.append(self.text.strip() == "1")
        elif tag == "double":
            self.stack.append(float(self.text))
        elif tag == "base64":
            self.stack.append(binascii.a2b_base64(self.text))
        elif tag == "nil":
            self.stack.append(None)
        elif tag == "dateTime.iso8601":
            self.stack.append(self.text)
        else:
            if tag == "fault":
                self.is_fault = True
            elif tag not in _ENVELOPE:
                raise ValueError(f"unknown element <{tag}>")
            return
        self.typed = True


_ENVELOPE = frozenset({"methodResponse", "params", "param", "data", "member"})
