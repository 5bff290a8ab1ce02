"""What can be said of an option; the list of all of them is in `options`."""

from collections.abc import Iterable
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

from tmd.config.kinds import Kind


class Effect(Enum):
    """When a changed value applies."""

    LIVE = "at once"
    NEXT_START = "at the next start"
    RESTART = "after a restart, which an update does"


SAME: Any = object()
"""A native default that is Supervisor's."""


class Option(NamedTuple):
    """One option of one kind of section."""

    name: str
    kind: Kind
    default: Any
    doc: str
    """one sentence"""
    native: Any = SAME
    synonyms: tuple[str, ...] = ()
    """native dialect only"""
    effect: Effect = Effect.RESTART
    per_process: bool = False
    """read once per process, and so may use %(process_num)s and %(numprocs)s"""
    shown: str = ""
    """the default in words, where it is not a value"""
    native_only: bool = False
    nested: tuple[str, ...] = ()
    """the keys of a mapping it may also be"""
    secret: bool = False
    """no message ever repeats what is written for it"""
    example: str = ""
    """a value for the samples, where the default is none"""

    def default_in(self, *, native: bool) -> Any:
        """Return the default value in a dialect."""
        return self.native if native and self.native is not SAME else self.default

    @property
    def unit(self) -> str:
        """What a bare number counts."""
        return {"seconds": "seconds", "size": "bytes"}.get(self.kind.word, "")

    def shown_default(self, *, native: bool) -> str:
        """Return the default as one would write it; empty where there is none."""
        if self.shown:
            return self.shown
        value = self.default_in(native=native)
        return "" if value is None else self.kind.show(value)


class Options(dict[str, Option]):
    """The options of one kind of section by name, and what a reader of many such sections asks of all of them."""

    @classmethod
    def of(cls, options: Iterable[Option]) -> "Options":
        """Return these options."""
        return cls((option.name, option) for option in options)

    @cached_property
    def defaults(self) -> dict[bool, dict[str, Any]]:
        """In the native dialect (True), and in Supervisor's: name -> default."""
        return {
            native: {name: option.default_in(native=native) for name, option in self.items()}
            for native in (True, False)
        }

    @cached_property
    def spellings(self) -> dict[bool, dict[str, str]]:
        """In the native dialect (True), and in Supervisor's: name or synonym -> name."""
        native = {word: name for name, option in self.items() for word in (name, *option.synonyms)}
        return {True: native, False: {name: name for name in self}}


class Section(NamedTuple):
    """A kind of section and where it is written in either dialect."""

    key: str
    ini: str
    nested: str
    doc: str
    options: tuple[Option, ...]
