"""Whatever a value holds, it comes through the INI fold and ConfigObj as Python's own parser reads it."""

from configparser import ParsingError, RawConfigParser
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from tmd.config.expand import CannotExpand, expand_native
from tmd.tree.ini import parse_ini, without_plain_programs
from tmd.tree.node import Entry, Mapping, Scalar
from tmd.tree.problems import ConfigRefused
from tmd.tree.toml import parse_toml
from tmd.tree.yaml import parse_yaml

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
LINES = st.text(st.sampled_from(" \t#;=:[]'\"\\%abXq\né,$\x0b\u2028"), max_size=40)


def by_us(text: str) -> dict[str, dict[str, str]] | None:
    try:
        root = parse_ini(text, "x")
    except ConfigRefused:
        return None
    return {
        name: {key: each.value.text for key, each in entry.value.entries.items() if isinstance(each.value, Scalar)}
        for name, entry in root.entries.items()
        if isinstance(entry.value, Mapping)
    }


def by_python(text: str) -> dict[str, dict[str, str]] | None:
    parser = RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False, default_section="no such section")
    try:
        # as lines from a file: split at line feeds only
        parser.read_file(line + "\n" for line in text.split("\n"))
    except ParsingError:
        return None
    return {name: dict(parser.items(name)) for name in parser.sections()}


@given(st.text(CHARACTERS.filter(lambda c: c not in "\r"), max_size=80))
def test_values_come_through(value: str) -> None:
    text = f"[s]\nk = {value}\n"
    assert by_us(text) == by_python(text)


@given(st.lists(LINES, max_size=12))
@example(["[a]", "k=1", "  # x", "", " 2"])
@example(["[a]", "k=x;y ;z # w"])
@example(["[ ]", "'=\\q"])
def test_any_text_is_read_as_python_reads_it(lines: list[str]) -> None:
    text = "[s]\nk=v\n" + "\n".join(lines)
    assert by_us(text) == by_python(text)


SECTIONS = (
    "[program:a]",
    "[program:b] ",
    "[program:c] ; d",
    " [program:e]",
    "[eventlistener:f]",
    "[ctl]",
    "[x]",
    "[x;]",
    "[x ;]",
)
OTHERS = (
    "k=v",
    "k : v",
    "k",
    "k ;=v",
    " k=v",
    "  on",
    "",
    " ",
    "# c",
    ";",
    "[",
    "[]",
    "=v",
    "k=\r",
    "k=v\rx",
    "\x0b",
    "é=1",
)
ODD_LINES = st.sampled_from((*SECTIONS, *OTHERS))


@given(st.lists(ODD_LINES, max_size=12))
@example(["[program:a]", "k=v", "  goes on", "[ctl]", "k=v"])
@example(["[ctl]", "k=v", "[program:a]", "k=v", "  goes on"])
def test_leaving_programs_out_changes_nothing_else(lines: list[str]) -> None:
    def others(text: str) -> dict[str, Entry] | str:
        try:
            root = parse_ini(text, "x")
        except ConfigRefused as why:
            return why.text
        return {name: entry for name, entry in root.entries.items() if not name.startswith(("program:", "eventl"))}

    text = "\n".join(lines)
    assert others(without_plain_programs(text)) == others(text)


@given(st.text(max_size=60))
def test_a_doubled_percent_is_one(text: str) -> None:
    assert expand_native(text.replace("%", "%%"), {}) == text


@given(st.text(st.sampled_from("%()sd0a "), max_size=20))
def test_native_expansion_fails_in_one_way_only(text: str) -> None:
    with suppress(CannotExpand):
        expand_native(text, {"a": "x", "d": 3})


@given(st.text(st.sampled_from("{}[]:,&*!|>-?'\"%@` \nab<\t#~0"), max_size=60))
def test_yaml_is_read_or_refused(text: str) -> None:
    with suppress(ConfigRefused):
        parse_yaml(text, "x")


@given(st.text(st.sampled_from("[]{}=.,\"' \nab#0o1"), max_size=60))
def test_toml_is_read_or_refused(text: str) -> None:
    with suppress(ConfigRefused):
        parse_toml(text, "x")
