"""What an editor may check of a value before the daemon does: pieces of JSON schema (2020-12).

They take what the native reader takes, but for a number or a yes where only a text makes sense (a command, a path),
and refuse as much else as can be said in a schema. A text with `%(` in it is taken everywhere, for what it becomes is
not known. Patterns spell out both cases, for JSON schema has no flags.
"""

from collections.abc import Iterable
from typing import Any

from tmd.config.signal_names import SIGNALS

Schema = dict[str, Any]

_EXPANDED = r"%\("

TEXT: Schema = {"type": ["string", "number", "boolean"]}
STRING: Schema = {"type": "string"}
FILLED: Schema = {"type": "string", "pattern": r"\S"}
COMMAND: Schema = {
    "type": "string",
    "pattern": rf"""^(?=[\s\S]*\S)(?:[^'"\\]|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")*$|{_EXPANDED}""",
}
"""a text with closed quotes, and something after each backslash"""
SECRET: Schema = {"type": ["string", "number"], "minLength": 1}
TEXTS: Schema = {"type": ["array", "string", "null"], "items": {"type": ["string", "number"]}}
LOG: Schema = {"anyOf": [FILLED, {"enum": [False, None]}]}
VARIABLES: Schema = {
    "type": ["object", "string", "null"],
    "pattern": rf"=|^\s*$|{_EXPANDED}",
    "propertyNames": {"pattern": "^[^=]+$"},
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}


def _either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def matching(whole: str) -> Schema:
    """Return the schema of a text that a pattern matches as a whole, but for blanks around it."""
    return {"type": "string", "pattern": rf"^\s*(?:{whole})\s*$|{_EXPANDED}"}


def _caseless(word: str) -> str:
    return "".join(f"[{each.upper()}{each.lower()}]" if each.isalpha() else each for each in word)


def words(known: Iterable[str], *others: Any) -> Schema:
    """Return the schema of one of a few words, in upper or lower case; `others` are values beside them."""
    listed = list(known)
    return _either({"enum": [*listed, *others]}, matching("|".join(_caseless(word) for word in listed)))


BOOLEAN = words(("true", "false", "yes", "no", "on", "off", "1", "0"), True, False, 1, 0)
RESTART = words(
    ("always", "never", "unexpected", "true", "false", "yes", "no", "on", "off", "1", "0"), True, False, 1, 0
)

ADOPTION = words(("kill", "true", "false", "yes", "no", "on", "off", "1", "0"), True, False, 1, 0)


def seconds(least: float, most: float | None = None) -> Schema:
    """Return the schema of a duration; a bare number counts seconds, and only of such a one the bounds are checked."""
    bounds = {"minimum": least} | ({} if most is None else {"maximum": most})
    words = matching(r"\+?[0-9._]+(?:[eE][+-]?[0-9]+)?\s*(?:[mM]?[sS]|[mM]|[hH])?")
    return _either({"type": "number", **bounds}, words)


SECONDS = seconds(0)
SIZE = _either({"type": "integer", "minimum": 0}, matching(r"\+?[0-9_]+\s*(?:[kKmMgG](?:[iI]?[bB])?|[bB])?"))
OCTAL = _either({"type": "integer", "minimum": 0}, matching("(?:0[oO])?[0-7_]+"))
EXIT_CODES = _either(
    {"type": "integer", "minimum": 0, "maximum": 255},
    {"type": "string", "pattern": rf"^[0-9,\s]*$|{_EXPANDED}"},
    {"type": "array", "items": _either({"type": "integer", "minimum": 0, "maximum": 255}, matching("[0-9]+"))},
)
SIGNAL = _either(
    {"type": "integer", "minimum": 1, "maximum": 64},
    {"enum": list(SIGNALS)},
    matching(f"(?:{_caseless('SIG')})?(?:{'|'.join(_caseless(name) for name in SIGNALS)})|[0-9]+"),
)
ACCOUNT = _either({"type": "integer", "minimum": 0, "maximum": 2**32 - 2}, FILLED)
PORT = _either({"type": "integer", "minimum": 1, "maximum": 65535}, matching(r"(?:.*:)?[0-9]+"))
ADDRESSES = _either(
    {"type": "integer", "minimum": 1, "maximum": 65535},
    words(("none", "off", "no", "false"), False, None),
    matching(r".*[0-9](?:\s*,.*[0-9])*"),
)
SERVER_URL = matching(f"{_caseless('auto')}|http://.*|unix:///.*")
LISTENING = matching(r"unix://.+|tcp://[^\s:]+:[0-9]+")
NAME = matching(r"[^\s:/\x00-\x1f\x7f-\x9f]+")


def several(one: str) -> Schema:
    """Return the schema of at least one text that matches a pattern, in a list or divided by commas."""
    listed = {"type": "array", "items": matching(one), "minItems": 1}
    return _either(matching(rf"(?:{one})(?:\s*,\s*(?:{one}))*"), listed)


def whole(least: int, most: int | None) -> Schema:
    """Return the schema of a whole number within bounds."""
    bounds = {"minimum": least} | ({} if most is None else {"maximum": most})
    return _either({"type": "integer", **bounds}, matching(r"[+-]?[0-9_]+" if least < 0 else r"\+?[0-9_]+"))


def word_list(known: Iterable[str]) -> Schema:
    """Return the schema of a list of a few words, or of such a list in one text."""
    listed = list(known)
    one = f"(?:{'|'.join(_caseless(word) for word in listed)})"
    return _either({"type": ["array", "null"], "items": words(listed)}, matching(rf"(?:{one}(?:\s*,\s*{one})*)?"))
