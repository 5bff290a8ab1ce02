"""Fields of forms and queries, and text in addresses: the percent-encoding of browsers, both ways; text for JSON.

Of a field that is given twice the last one counts. Bytes that are no UTF-8 are replaced, nothing is refused.
"""

import re

from tmd.http.streams import unescape

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")


def fields_of(text: str) -> dict[str, str]:
    """Return the fields of a query, or of a form's body."""
    fields = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if name:
            fields[unescape(name.replace("+", " "))] = unescape(value.replace("+", " "))
    return fields


def quote(text: str) -> str:
    """Return text as it may stand anywhere in an address; `/` and all other marks are escaped."""
    if _PLAIN.fullmatch(text):
        return text
    data = text.encode("utf-8", "replace")
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in data)


def carryable(text: str) -> str:
    """Return text that JSON can carry: halves of characters, which a file name may bring, are replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
