"""The located tree that every format is read into: words, lists and mappings, each with its place.

A value is text, always: what `022` or `on` means is for the reader of the option to say, not for the format.
"""

from typing import NamedTuple, TypeAlias


class Origin(NamedTuple):
    """A place in a file; line and column count from 1, and line 0 means the file as a whole."""

    file: str
    """as the operator named it"""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Scalar(NamedTuple):
    """One word or text, as written."""

    text: str
    origin: Origin
    plain: bool = False
    """written without quotes in a format where that makes a difference (YAML)"""

    @property
    def missing(self) -> bool:
        """Whether it is a null: the key is there and nothing was said."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


class Sequence(NamedTuple):
    """A list."""

    items: tuple["Node", ...]
    origin: Origin


class Mapping(NamedTuple):
    """Keys and their values, in file order."""

    entries: dict[str, "Entry"]
    origin: Origin
    label: str = ""
    """what to call it in a message: `program:web`, `programs.web`; empty for the whole file"""

    def where(self, key: str) -> str:
        """Return the name of one of its entries, for a message."""
        return f"{self.label}.{key}" if self.label else key


Node: TypeAlias = Scalar | Sequence | Mapping


class Entry(NamedTuple):
    """A value and the place of its key."""

    origin: Origin
    value: Node


def describe(node: Node) -> str:
    """Return what kind of thing a node is, in the operator's words."""
    match node:
        case Scalar():
            return "nothing" if node.missing else f"{node.text!r}"
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"
