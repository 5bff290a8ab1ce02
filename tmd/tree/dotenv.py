"""Files of variables (`NAME=value` lines, the dotenv grammar) into located assignments.

python-dotenv reads them, so that what other tools read is read here: comments, `export`, quotes, values over several
lines. Nothing is replaced inside a value: `$` and `%` stand for themselves. Promises to tell every line that is no
assignment, to quote nothing of it but a name before a `=` (these files hold secrets, and what should be a value may
have slipped onto a line of its own), and to take no longer for a hostile file than for a long one. Knows nothing of
where the text comes from.
"""

import io
import re
from typing import NamedTuple

MAX_BYTES = 64 * 1024
MOST_ENTRIES = 1000
"""assignments and comments; with the other two it bounds what a file can cost, as others wait while it is read"""
MOST_BLANKS = 128
"""in a row: the parser's time grows with the square of them"""

_BLANKS = re.compile(r"[^\S\r\n]+")
_LINE_END = re.compile(r"\r\n|\n|\r")
_SAYABLE = re.compile(r"[\w.-]{1,40}")
"""short and of ordinary letters: a name rather than a piece of a secret"""
_IN_QUOTES = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
"""a value whose quotes are closed, as the parser sees it"""


class Assignment(NamedTuple):
    """One variable and the line it is on."""

    name: str
    value: str
    line: int


class NoAssignment(NamedTuple):
    """One line to mend."""

    line: int
    reason: str


class DotenvRefused(Exception):
    """A file that cannot be used; `problems` in order of place."""

    def __init__(self, problems: list[NoAssignment]) -> None:
        super().__init__("\n".join(f"{problem.line}: {problem.reason}" for problem in problems))
        self.problems = problems


def read_dotenv(data: bytes) -> list[Assignment]:
    """Return the assignments in file order, a name perhaps twice; raises `DotenvRefused` with all that is wrong."""
    # The package around the parser sets up logging and looks for files: whoever has no such files pays nothing for it.
    from dotenv.parser import parse_stream  # noqa: PLC0415

    text = _decoded(data)
    found: list[Assignment] = []
    problems: list[NoAssignment] = []
    for number, binding in enumerate(parse_stream(io.StringIO(text, newline=""))):
        said = binding.original.string
        before = said[: len(said) - len(said.lstrip())]
        line = binding.original.line + len(_LINE_END.findall(before))
        if number == MOST_ENTRIES and said.strip():
            problems.append(NoAssignment(line, f"more than {MOST_ENTRIES} assignments and comments are too many"))
            break
        said = said.strip()
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(NoAssignment(line, _why_not(said)))
        elif binding.key is not None:
            assert binding.value is not None
            found.append(Assignment(binding.key, binding.value, line))
    if problems:
        raise DotenvRefused(problems)
    return found


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise DotenvRefused([NoAssignment(1, f"more than {MAX_BYTES // 1024} KB are no file of variables")])
    nul = data.find(b"\0")
    if nul >= 0:
        raise DotenvRefused([NoAssignment(data.count(b"\n", 0, nul) + 1, "has a NUL byte: this is a binary file")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DotenvRefused([NoAssignment(line, f"is not UTF-8 (byte 0x{data[error.start]:02x})")]) from None
    for blanks in _BLANKS.finditer(text):
        if blanks.end() - blanks.start() > MOST_BLANKS:
            line = len(_LINE_END.findall(text, 0, blanks.start())) + 1
            raise DotenvRefused([NoAssignment(line, f"more than {MOST_BLANKS} blanks in a row")])
    return text


def _why_not(said: str) -> str:
    """Return what is wrong with a line, without what is or may be a value."""
    name, equals, value = said.partition("=")
    name, value = name.removeprefix("export ").strip(), value.strip()
    shown = repr(name) if _SAYABLE.fullmatch(name) else "this line"
    if not equals:
        return "this line is no assignment (NAME=value)"
    if not name:
        return "there is no name before the '=' (NAME=value)"
    if any(letter.isspace() for letter in name):
        return "there is a blank in what stands before the '=' (NAME=value)"
    if value[:1] in ("'", '"'):
        if _IN_QUOTES.match(value):
            return f"something follows the closing quote of {shown}"
        return f"the quote of {shown} is never closed"
    return "this line is no assignment (NAME=value)"
