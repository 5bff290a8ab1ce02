"""TOML by way of the standard library, which tells no places: they are found again by searching the text.

A place is exact for `key = value` lines under a `[table]`, and the nearest such line for everything inside inline
tables and lists. Whole numbers keep their source text where the line is found, so that `0o022` stays octal.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

from tmd.tree.node import Entry, Mapping, Node, Origin, Scalar, Sequence
from tmd.tree.problems import ConfigRefused, Problem

MAX_DEPTH = 64
INLINE_BYTES = 65_536
"""an inline table longer than this is not searched: each of its keys would search all of it"""
_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"\s*((?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*'))*)\s*=\s*"
)
_PART = re.compile(r"[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*'")
_NUMBER = re.compile(r"[+-]?[0-9][0-9A-Za-z_]*")
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


class _Place(NamedTuple):
    line: int
    column: int
    raw: str
    """what follows the equals sign on that line"""


def parse_toml(text: str, file: str) -> Mapping:
    """Return a TOML text as a tree; raises ConfigRefused."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        origin = (
            Origin(file, int(place[1]), int(place[2])) if place and place[1] else Origin(file, text.count("\n") + 1, 1)
        )
        raise ConfigRefused([Problem(origin, "", f"cannot read as TOML: {_PLACE.sub('', message).lower()}")]) from None
    except RecursionError:
        raise ConfigRefused([Problem(Origin(file), "", f"cannot nest deeper than {MAX_DEPTH} levels")]) from None
    return _Converter(file, _places(text)).mapping(data, (), _Place(1, 1, ""), 1)


def _places(text: str) -> dict[tuple[str, ...], _Place]:
    """Return path -> place; the path of what is in the first of several tables of one name goes through `[0]`."""
    places: dict[tuple[str, ...], _Place] = {}
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = _in_the_last(_parts(header[1]), counts)
            if line.lstrip().startswith("[["):
                places.setdefault(table, _Place(number, line.index("[") + 1, ""))
                counts[table] = counts.get(table, -1) + 1
                table = (*table, f"[{counts[table]}]")
            places.setdefault(table, _Place(number, line.index("[") + 1, ""))
        elif key := _KEY.match(line):
            column = len(line) - len(line.lstrip()) + 1
            places.setdefault((*table, *_parts(key[1])), _Place(number, column, line[key.end() :]))
    return places


def _in_the_last(table: tuple[str, ...], counts: dict[tuple[str, ...], int]) -> tuple[str, ...]:
    """Return the path of a table, through the last of each list of tables above it."""
    path: tuple[str, ...] = ()
    for at, part in enumerate(table, 1):
        path = (*path, part)
        if path in counts and at < len(table):
            path = (*path, f"[{counts[path]}]")
    return path


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


class _Converter:
    def __init__(self, file: str, places: dict[tuple[str, ...], _Place]) -> None:
        self._file = file
        self._places = places

    def mapping(self, data: dict[str, Any], path: tuple[str, ...], near: _Place, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        for key, value in data.items():
            place = self._places.get((*path, key))
            if place is None:
                place = near._replace(raw=self._inline(key, value, near.raw))
            entries[key] = Entry(self._origin(place), self._node(value, (*path, key), place, depth))
        return Mapping(entries, self._origin(near), ".".join(path))

    @staticmethod
    def _inline(key: str, value: Any, raw: str) -> str:
        """Return the text behind a key of an inline table: how a number was written (0o22) is told from it."""
        if isinstance(value, str) or len(raw) > INLINE_BYTES:
            return ""
        found = re.search(rf"(?:^|[{{,\s\"']){re.escape(key)}[\"']?\s*=\s*", raw)
        return raw[found.end() :] if found else ""

    def _origin(self, place: _Place) -> Origin:
        return Origin(self._file, place.line, place.column)

    def _items(self, values: list[Any], path: tuple[str, ...], near: _Place, depth: int) -> Iterator[Node]:
        for at, value in enumerate(values):
            own = (*path, f"[{at}]")
            yield self._node(value, own, self._places.get(own, near), depth)

    def _node(self, value: Any, path: tuple[str, ...], place: _Place, depth: int) -> Node:
        origin = self._origin(place)
        if depth > MAX_DEPTH:
            raise ConfigRefused([Problem(origin, ".".join(path), f"cannot nest deeper than {MAX_DEPTH} levels")])
        match value:
            case dict():
                return self.mapping(value, path, place, depth + 1)
            case list():
                return Sequence(tuple(self._items(value, path, place._replace(raw=""), depth + 1)), origin)
            case bool():
                return Scalar("true" if value else "false", origin)
            case int():
                raw = _NUMBER.match(place.raw)
                return Scalar(raw[0] if raw else str(value), origin)
            case str():
                if "\0" in value:
                    raise ConfigRefused([Problem(origin, ".".join(path), "a value cannot contain a NUL character")])
                return Scalar(value, origin)
            case float():
                return Scalar(repr(value), origin)
            case _:
                reason = f"cannot use a date or time here: {value}"
                raise ConfigRefused([Problem(origin, ".".join(path), reason, "put it in quotes")])
