"""Long replies that are tables: a list of structs with the same keys and simple values, as all processes are.

They are cut at their angle brackets, and each struct is held against the first, which takes a fifth of the time that
it takes a parser to walk through. Promises what the parser makes of them: it is asked about the first struct and all
that is around the structs, and whatever differs from the first in more than its values is left to it.
"""

from collections.abc import Callable
from typing import Any

_TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "int": int,
    "i4": int,
    "double": float,
    "boolean": lambda text: text.strip() == "1",
}


def read_table(body: bytes, parse: Callable[[bytes], Any]) -> list[dict[str, Any]] | None:
    """Return the structs of a reply; None when it is no table. `parse` reads any reply, and raises what it likes."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if any(each in text for each in ("&", "\r", "]]>", "<!", "\ufffe", "\uffff")):
        return None  # it says something else than it looks like, or nothing that XML allows
    pieces = text.split("<")
    try:
        begin = pieces.index("struct>") - 1 if "struct>" in pieces else pieces.index("struct>\n") - 1
        size = next(at for at, piece in enumerate(pieces[begin:]) if piece.startswith("/struct>")) + 2
        end = max(at for at in range(len(pieces) - size, len(pieces)) if pieces[at].startswith("/struct>")) + 2
    except (ValueError, StopIteration):
        return None
    first = pieces[begin : begin + size]
    alone = parse("<".join((*pieces[:begin], *first, *pieces[end:])).encode())
    places = [at for at, piece in enumerate(first[:-1]) if piece.partition(">")[0] in _TYPES and piece[0] != "/"]
    if not (isinstance(alone, list) and len(alone) == 1 and isinstance(alone[0], dict)):
        return None
    row = alone[0]
    if len(row) != len(places) or not all(isinstance(value, str | int | float) for value in row.values()):
        return None
    step = places[1] - places[0] if len(places) > 1 else 1
    if places != list(range(places[0], places[-1] + 1, step)):
        return None
    return _rows(pieces[begin:end], size, slice(places[0], places[-1] + 1, step), list(row))


def _rows(pieces: list[str], size: int, values_at: slice, names: list[str]) -> list[dict[str, Any]] | None:
    """Return the structs; None when one is not like the first. `size`: of each, in pieces."""
    same = pieces[:size]
    kinds = [value.partition(">")[0] for value in same[values_at]]
    del same[values_at]
    prefixes = [f"{kind}>" for kind in kinds]
    readers = [(_TYPES[kind], len(kind) + 1) for kind in kinds]
    rows = []
    for at in range(0, len(pieces), size):
        struct = pieces[at : at + size]
        values = struct[values_at]
        del struct[values_at]
        if struct != same or not all(map(str.startswith, values, prefixes)):
            return None
        try:
            read = [reader(value[skip:]) for value, (reader, skip) in zip(values, readers, strict=True)]
        except ValueError:
            return None
        rows.append(dict(zip(names, read, strict=True)))
    return rows
