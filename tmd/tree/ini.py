"""Supervisor's INI dialect, read by way of ConfigObj.

ConfigObj's own grammar is another one: it cuts `echo a#b`, knows neither continuation lines nor `;` comments nor
`key: value`. So the text is folded here into logical lines by the dialect's rules (the fold), and ConfigObj is
handed one quoted line per value. The fold also keeps what ConfigObj does not: the line and column of every key.

The dialect, in short: `#` and `;` start a comment at the start of a line or after a blank, quotes or not; a line
indented deeper than its key goes on with the value; keys are lower-cased; the last of two equal keys wins; equal
sections are one section.
"""

import re
from typing import NamedTuple, TypeAlias

from configobj import ConfigObj

from tmd.tree.node import Entry, Mapping, Origin, Scalar
from tmd.tree.problems import ConfigRefused, Problem

_COMMENT_MARKS = ("#", ";")


_KEY_LINE = r"[A-Za-z_][\w.-]*[ \t]*[=:][^\r\n]*"
_PLAIN_PROGRAM = re.compile(
    r"^\[(?:program|eventlistener|fcgi-program):[^\]\r\n#;]*\][ \t]*\r?\n"
    rf"(?:(?:{_KEY_LINE}|[#;][^\r\n]*|[ \t]*)\r?\n)*+(?=\[[^\]\r\n#;]+\]|\Z)",
    re.MULTILINE,
)
"""A section in which nothing can be wrong, and which ends where the next one begins: one line a key, none indented."""


_AT_ONCE = 100
"""sections that ConfigObj has in its hands at once: each weighs some kilobytes there"""


class _Bad(NamedTuple):
    line_number: int
    line: str


_Value: TypeAlias = tuple[int, int, int, str]
"""a folded value: line and column of its key, column of the value, text"""


class _Section(NamedTuple):
    origin: Origin
    values: dict[str, _Value]


def parse_ini(text: str, file: str) -> Mapping:
    """Return the sections of an INI text as mappings of texts; raises ConfigRefused with every bad line."""
    sections = _fold(text, file)
    entries: dict[str, Entry] = {}
    read: dict[tuple[str, str], str] = {}
    names = list(sections)
    for at in range(0, len(names), _AT_ONCE):
        _read({name: sections.pop(name) for name in names[at : at + _AT_ONCE]}, file, read, entries)
    return Mapping(entries, Origin(file, 1, 1))


def _read(
    sections: dict[str, _Section], file: str, read: dict[tuple[str, str], str], entries: dict[str, Entry]
) -> None:
    """Have ConfigObj read some sections, and put them among the entries.

    Of ten thousand programs most lines are alike: each is read once. `read`: (key, text) -> what came of it.
    """
    lines: list[str] = []
    for name, section in sections.items():
        lines.append(f"[':{_quoted(name)}']")
        for key, value in section.values.items():
            text = value[3]
            if (key, text) not in read:
                read[key, text] = text
                lines.append(f"'{_quoted(key)}' = '''{_quoted(text)}'''")
    parsed = ConfigObj(lines, interpolation=False, list_values=False, raise_errors=True)
    for header, body in parsed.items():
        section = sections[_unquoted(header[1:])]
        for quoted_key, quoted_text in body.items():
            key = _unquoted(quoted_key)
            read[key, section.values[key][3]] = _unquoted(quoted_text)
        body.parent = body.main = None  # else it all stays until somebody looks for circles
    parsed.parent = parsed.main = None
    for name, section in sections.items():
        options = {
            key: Entry(Origin(file, line, column), Scalar(read[key, text], Origin(file, line, value_column)))
            for key, (line, column, value_column, text) in section.values.items()
        }
        entries[name] = Entry(section.origin, Mapping(options, section.origin, name))


def without_plain_programs(text: str) -> str:
    """Return an INI text without its programs, each line where it was, for who has no use for ten thousand of them.

    A section that is written in any but the plainest way stays: what is wrong with it is found as before.
    """
    return _PLAIN_PROGRAM.sub(lambda section: "\n" * section[0].count("\n"), text)


def _quoted(text: str) -> str:
    """Return text that fits between quotes on one line, whatever it holds."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "'" in text:
        text = text.replace("'", "\\q")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    return text


def _unquoted(text: str) -> str:
    if "\\" not in text:
        return text
    meant = {"\\": "\\", "q": "'", "n": "\n"}
    head, *rest = text.split("\\")
    parts = [head]
    escaped_backslash = False
    for piece in rest:
        if escaped_backslash:
            parts.append(piece)
            escaped_backslash = False
        elif piece:
            parts.append(meant[piece[0]] + piece[1:])
        else:
            parts.append("\\")
            escaped_backslash = True
    return "".join(parts)


def _content(line: str) -> tuple[str, bool]:
    """Return a line without comment and surrounding blanks, and whether there was a comment.

    Comment marks are looked for in rounds, the first of each kind, then the second of each kind: in a line with
    several, a later comment of one kind can hide an earlier one of the other. Files written for Supervisor may
    rely on where it cuts.
    """
    stripped = line.strip()
    if stripped.startswith(_COMMENT_MARKS):
        return "", True
    places = dict.fromkeys(_COMMENT_MARKS, -1)
    while places:
        for mark in tuple(places):
            places[mark] = line.find(mark, places[mark] + 1)
            if places[mark] == -1:
                del places[mark]
        cuts = [place for place in places.values() if place == 0 or line[place - 1].isspace()]
        if cuts:
            return line[: min(cuts)].strip(), True
    return stripped, False


def _fold(text: str, file: str) -> dict[str, _Section]:
    """Return the logical lines by section and key."""
    sections: dict[str, _Section] = {}
    values: dict[str, _Value] | None = None
    key = ""  # of the value that a line may go on with
    key_indent = 0
    more: list[str] = []  # what it goes on with
    bad: list[_Bad] = []
    known: dict[str, tuple[str, str, int]] = {}  # line with a key, no comment and no indent -> what is found in it
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if values is not None and line in known:
            if more:
                _go_on(values, key, more)
            key, first, value_column = known[line]
            values[key] = (number, 1, value_column, first)
            key_indent = 0
            continue
        content, commented = (line.strip(), False) if "#" not in line and ";" not in line else _content(line)
        if not content:
            if key and not commented:
                more.append("")
            continue
        indent = 0 if line[0] == content[0] else len(line) - len(line.lstrip())
        if key and indent > key_indent:
            more.append(content)
            continue
        if values is not None and more:
            _go_on(values, key, more)
        key_indent = indent
        closing = content.rfind("]")
        if content[0] == "[" and closing > 1:
            values = sections.setdefault(content[1:closing], _Section(Origin(file, number, indent + 1), {})).values
            key = ""
        elif values is None:
            raise _headless(file, number, line, last=number == len(lines))
        else:
            delimiter, colon = content.find("="), content.find(":")
            if delimiter < 0 or 0 <= colon < delimiter:
                delimiter = colon
            if delimiter <= 0:
                bad.append(_Bad(number, line if number == len(lines) else line + "\n"))
                continue
            key = content[:delimiter].rstrip().lower()
            first = content[delimiter + 1 :].strip()
            value_column = line.find(first, indent + delimiter + 1) + 1 if first else indent + delimiter + 2
            values[key] = (number, indent + 1, value_column, first)
            if not indent and len(content) == len(line.rstrip()):
                known[line] = key, first, value_column
    if bad:
        raise _unreadable(file, bad)
    if values is not None and more:
        _go_on(values, key, more)
    return sections


def _go_on(values: dict[str, _Value], key: str, more: list[str]) -> None:
    """Add further lines to a value, and forget them; blank ones at its end do not belong to it."""
    line, column, value_column, first = values[key]
    values[key] = (line, column, value_column, "\n".join((first, *more)).rstrip())
    more.clear()


def _headless(file: str, number: int, line: str, *, last: bool) -> ConfigRefused:
    whole = line if last else line + "\n"
    hint = "begin with a section, e.g. [taskmaster] or [supervisord]"
    if line.startswith("\ufeff"):
        hint = "the file begins with a byte order mark: save it without"
    return ConfigRefused(
        [Problem(Origin(file, number, 1), "", f"this line belongs to no section: {line.strip()!r}", hint)],
        supervisor_text=f"File contains no section headers.\nfile: {file!r}, line: {number}\n{whole!r}",
    )


def _unreadable(file: str, bad: list[_Bad]) -> ConfigRefused:
    details = "".join(f"\n\t[line {each.line_number:2d}]: {each.line!r}" for each in bad)
    return ConfigRefused(
        [
            Problem(
                Origin(file, each.line_number, len(each.line) - len(each.line.lstrip()) + 1),
                "",
                f"cannot read this line: {each.line.strip()!r}",
                "write key = value; a line that goes on with a value is indented",
            )
            for each in bad
        ],
        supervisor_text=f"Source contains parsing errors: {file!r}{details}",
    )
