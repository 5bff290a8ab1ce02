"""XML-RPC replies: values to XML that any parser accepts, whatever is in them.

Characters that XML 1.0 cannot carry, and bytes that are no UTF-8, are replaced in the reply; nobody's data is touched.
Integers are capped to 32 bits, because clients' parsers are.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tmd.wire.structs import MAX_INT, MIN_INT, Field

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_PIECE = 64 * 1024

_RESPONSE_HEAD = b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>"
_RESPONSE_TAIL = b"</value>\n</param>\n</params>\n</methodResponse>\n"
_FAULT_HEAD = b"<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value>"
_FAULT_TAIL = b"</value>\n</fault>\n</methodResponse>\n"


class Rendered(NamedTuple):
    """A value that is XML already: what stands inside its `<value>`."""

    xml: bytes


def escape(text: str) -> str:
    """Return text as it may stand in XML. A carriage return survives the parser at the other end."""
    if text.isascii() and text.isprintable() and not ("&" in text or "<" in text or ">" in text):
        return text  # nearly all there is: a fraction of what the search costs
    if _SPECIAL.search(text) is None:
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)


def encode_response(value: Any) -> bytes:
    """Return the body of a reply with a value."""
    return b"".join((_RESPONSE_HEAD, encode_value(value), _RESPONSE_TAIL))


def encode_fault(code: int, text: str) -> bytes:
    """Return the body of a reply with a fault."""
    return b"".join((_FAULT_HEAD, encode_value({"faultCode": int(code), "faultString": text}), _FAULT_TAIL))


def encode_value(value: Any) -> bytes:
    """Return what stands inside `<value>`.

    Takes bool, int, float, str, bytes (as text), None (as an empty string), mappings, sequences and `Rendered`.
    """
    if isinstance(value, Rendered):
        return value.xml
    pieces: list[str] = []
    _write(value, pieces.append)
    return "".join(pieces).encode()


def encode_array(items: Iterable[bytes]) -> Rendered:
    """Return an array of values that are encoded already."""
    return Rendered(b"<array><data>%b</data></array>" % b"".join([b"<value>%b</value>" % item for item in items]))


def encode_text(data: bytes) -> Rendered:
    """Return bytes of a log as a string value.

    Done piece by piece, so that a thread that does this to a whole log leaves room for the others.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pieces = [b"<string>"]
    for start in range(0, len(data), _PIECE):
        pieces.append(escape(decoder.decode(data[start : start + _PIECE])).encode())
    pieces.append(escape(decoder.decode(b"", True)).encode())
    pieces.append(b"</string>")
    return Rendered(b"".join(pieces))


def _write(value: Any, add: Callable[[str], None]) -> None:
    if isinstance(value, str):
        add(f"<string>{escape(value)}</string>")
    elif isinstance(value, bool):
        add(f"<boolean>{value:d}</boolean>")
    elif isinstance(value, int):
        add(f"<int>{max(MIN_INT, min(MAX_INT, value)):d}</int>")
    elif isinstance(value, Rendered):
        add(value.xml.decode())
    elif isinstance(value, (dict, Mapping)):  # a dict is one at a glance, a Mapping takes a long look
        add("<struct>")
        for name, member in value.items():
            add(f"<member><name>{escape(str(name))}</name><value>")
            _write(member, add)
            add("</value></member>")
        add("</struct>")
    elif isinstance(value, bytes):
        _write(value.decode("utf-8", "replace"), add)
    elif isinstance(value, (list, tuple, Sequence)):
        add("<array><data>")
        for item in value:
            add("<value>")
            _write(item, add)
            add("</value>")
        add("</data></array>")
    elif isinstance(value, float):
        add(f"<double>{value!r}</double>")
    elif value is None:
        add("<string></string>")
    else:
        raise TypeError(f"cannot encode {type(value).__name__} as XML-RPC")


class StructForm:
    """A struct that is written many times: all of its XML but the values is prepared once.

    Joining prepared pieces is what makes a list of a thousand processes cheap.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        between = ["<struct>"]
        for field in fields:
            between[-1] += f"<member><name>{field.name}</name><value><{field.type}>"
            between += ["", f"</{field.type}></value></member>"]
        between[-1] += "</struct>"
        self._pieces = between

    def fill(self, values: Sequence[str]) -> str:
        """Return the struct. `values`: one for each field, as they stand in XML (`escape`, digits, `bit`)."""
        pieces = self._pieces.copy()
        pieces[1::2] = values
        return "".join(pieces)


def bit(value: bool) -> str:
    """Return a boolean as it stands in XML."""
    return "1" if value else "0"
