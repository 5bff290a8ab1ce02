"""Files of variables: what is read, what is refused with its line, and that no secret is quoted."""

import re
import string
from collections.abc import Sequence
from pathlib import Path

import dotenv.parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmd.tree.dotenv import (
    MAX_BYTES,
    MOST_BLANKS,
    MOST_ENTRIES,
    Assignment,
    DotenvRefused,
    NoAssignment,
    read_dotenv,
)


def values(text: str) -> dict[str, str]:
    return {each.name: each.value for each in read_dotenv(text.encode())}


def outcome(data: bytes) -> tuple[list[Assignment], list[NoAssignment]]:
    try:
        return read_dotenv(data), []
    except DotenvRefused as refused:
        return [], refused.problems


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("A = 1", "1"),
        ("export A=1", "1"),
        ("A=", ""),
        ("A=one two  # a comment", "one two"),
        ("A=one#two", "one#two"),
        ('A="one # two"', "one # two"),
        ("A='one # two'  # a comment", "one # two"),
        (r'A="tab\tnew\nquote\"back\\"', 'tab\tnew\nquote"back\\'),
        (r"A='tab\t'", r"tab\t"),
        (r"A=tab\t", r"tab\t"),
        ('A="two\nlines"', "two\nlines"),
        ("A=$HOME ${B} $(c) `d` %(e)s %f", "$HOME ${B} $(c) `d` %(e)s %f"),
        ('A="${B}"', "${B}"),
        ("A=b=c==", "b=c=="),
        ("A=été", "été"),
    ],
)
def test_what_a_line_means(line: str, value: str) -> None:
    assert values(f"# first\n{line}\nZ=last\n") == {"A": value, "Z": "last"}


def test_the_example_of_the_manual_means_what_it_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "output.md").read_text()
    (example,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    assert values(example) == {
        "PORT": "8080",
        "GREETING": "hello world",
        "PASSWORD": "pa$$word #1",
        "MOTD": "two\nlines",
        "KEY": "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----",
        "EMPTY": "",
    }


def test_blank_lines_comments_carriage_returns_and_a_byte_order_mark_mean_nothing() -> None:
    assert values("\ufeff# a\r\n\r\n  # b\r\nA=1\r\n\r\nB=2") == {"A": "1", "B": "2"}
    assert values("") == values("\n\n# only words\n") == {}


def test_assignments_have_their_lines_and_the_last_of_a_name_is_last() -> None:
    found = read_dotenv(b'A=1\n\n# x\nB="1\n2"\n\n\nA=2\n')
    assert [(each.name, each.value, each.line) for each in found] == [("A", "1", 1), ("B", "1\n2", 4), ("A", "2", 8)]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("A=1\n\nFOO BAR\n", 3, "this line is no assignment (NAME=value)"),
        ("A=1\n# c\nFOO\n", 3, "this line is no assignment (NAME=value)"),
        ("export FOO\n", 1, "this line is no assignment (NAME=value)"),
        ("A: 1\n", 1, "this line is no assignment (NAME=value)"),
        ("=1\n", 1, "there is no name before the '=' (NAME=value)"),
        ("FOO BAR=1\n", 1, "there is a blank in what stands before the '=' (NAME=value)"),
        ('A="1\nB=2\n', 1, "the quote of 'A' is never closed"),
        ("A='1' and more\n", 1, "something follows the closing quote of 'A'"),
        ('A="\\"\n', 1, "the quote of 'A' is never closed"),
        ("A='it\\'s\n", 1, "the quote of 'A' is never closed"),
        ('A="one\\"\ntwo" three\n', 1, "something follows the closing quote of 'A'"),
        ("\x1b[2J\n", 1, "this line is no assignment (NAME=value)"),
    ],
)
def test_what_is_no_assignment_is_told_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(DotenvRefused) as refused:
        values(text)
    assert refused.value.problems == [(line, reason)]


def test_all_broken_lines_are_told() -> None:
    with pytest.raises(DotenvRefused) as refused:
        values("one\nA=1\ntwo\n")
    assert [problem.line for problem in refused.value.problems] == [1, 3]


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"A=1\nB=\x00\n", 2, "has a NUL byte: this is a binary file"),
        (b"A=1\nB=\xff\n", 2, "is not UTF-8 (byte 0xff)"),
        (b"\x7fELF\x02\x01\x01\x00", 1, "has a NUL byte: this is a binary file"),
        (b"A=1\n" * MAX_BYTES, 1, "more than 64 KB are no file of variables"),
        (b"A=1\n\nB=x" + b" " * 129 + b"x\n", 3, "more than 128 blanks in a row"),
        (b"\n" + b"A=1\n" * 1001 + b"#\n", 1002, "more than 1000 assignments and comments are too many"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, line: int, reason: str) -> None:
    with pytest.raises(DotenvRefused) as refused:
        read_dotenv(data)
    assert refused.value.problems == [(line, reason)]


@pytest.mark.parametrize(
    "text",
    [
        'TOKEN="s3cret\n',
        "TOKEN='s3cret' x\n",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIB\n",
        "PASSWORD=\ns3cret\n",
        "PASSWORD=\nmy s3cret=1\n",
        "PASSWORD: s3cret\n",
        "export PASSWORD s3cret\n",
    ],
)
def test_no_secret_is_quoted(text: str) -> None:
    with pytest.raises(DotenvRefused) as refused:
        values(text)
    assert "s3cret" not in str(refused.value)
    assert "MII" not in str(refused.value)


def test_a_file_as_long_as_may_be_is_read() -> None:
    lines = [b"A%d=x%s# c\n" % (number, b" " * 50) for number in range(MOST_ENTRIES)]
    assert len(read_dotenv(b"\n".join(lines) + b"\n\n")) == MOST_ENTRIES
    assert len(read_dotenv(b"A=" + b"x" * (MAX_BYTES - 2))) == 1


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b"", b"A=1\n"),
        (b"", b"#\n"),
        (b"", b"A\n"),
        (b'A="\n', b"A=1\n"),
        (b"A='\n", b"A=1\n"),
        (b"A=\"\nA='\n'A=1\n", b"A=1\n"),
        (b"", b"A='\"x\n"),
        (b"", b'A="\\\n'),
        (b"", b"'\n"),
    ],
)
def test_a_hostile_file_cannot_have_more_than_so_much_parsed(
    head: bytes, line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = scanned = 0
    parse, read = dotenv.parser.parse_binding, dotenv.parser.Reader.read_regex

    def counted(reader: dotenv.parser.Reader) -> dotenv.parser.Binding:
        nonlocal parsed
        parsed += 1
        return parse(reader)

    def measured(reader: dotenv.parser.Reader, regex: re.Pattern[str]) -> Sequence[str]:
        nonlocal scanned
        before = reader.position.chars
        try:
            found = read(reader, regex)
        except dotenv.parser.Error:
            if regex.pattern.endswith(("'", '"')):  # the closing one was looked for up to the end
                scanned += len(reader.string) - before
            raise
        scanned += reader.position.chars - before
        return found

    monkeypatch.setattr(dotenv.parser, "parse_binding", counted)
    monkeypatch.setattr(dotenv.parser.Reader, "read_regex", measured)
    outcome(head + line * ((MAX_BYTES - len(head)) // len(line)))
    assert parsed <= MOST_ENTRIES + 1
    assert scanned <= 5 * MAX_BYTES, "each quote that is never closed is looked for once"


def test_long_runs_of_blanks_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dotenv.parser, "parse_stream", lambda _: pytest.fail("it was parsed"))
    assert outcome(b"A=x" + b" " * (MOST_BLANKS + 1) + b"x\n")[1]


NAMES = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=10)


@given(st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)))
def test_what_is_written_in_quotes_is_read_back(wanted: dict[str, str]) -> None:
    lines = []
    for name, value in wanted.items():
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"{name}='{quoted}'\n")
    assert values("".join(lines)) == wanted


@given(st.binary(max_size=60))
def test_whatever_it_is_it_is_read_or_refused(data: bytes) -> None:
    found, problems = outcome(data)
    assert not (found and problems)
    assert all(1 <= line <= len(data.split(b"\n")) + data.count(b"\r") for line, _ in problems)
    assert all(each.name and "=" not in each.name and "\0" not in each.value for each in found)
