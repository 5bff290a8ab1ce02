"""Supervisor's INI dialect, with places."""

import pytest

from tmd.tree.ini import parse_ini, without_plain_programs
from tmd.tree.node import Mapping, Origin, Scalar
from tmd.tree.problems import ConfigRefused


def section(text: str, name: str = "a") -> dict[str, str]:
    body = parse_ini(text, "x.ini").entries[name].value
    assert isinstance(body, Mapping)
    return {key: entry.value.text for key, entry in body.entries.items() if isinstance(entry.value, Scalar)}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[a]\nx=1", {"x": "1"}),
        ("[a]\nx : 1", {"x": "1"}),
        ("[a]\nx = a:b=c", {"x": "a:b=c"}),
        ("[a]\nX=1", {"x": "1"}),
        ("[a]\nx=", {"x": ""}),
        ("[a]\nx=1 ; c", {"x": "1"}),
        ("[a]\nx=1 # c", {"x": "1"}),
        ("[a]\nx=1\t#c", {"x": "1"}),
        ("[a]\nx=1;2#3", {"x": "1;2#3"}),
        ("[a]\nx='q ; r'", {"x": "'q"}),
        ("[a]\nx=1\n  2\n\n  3\n\ny=4", {"x": "1\n2\n\n3", "y": "4"}),
        ("[a]\nx=1\n  ; gone\n  2", {"x": "1\n2"}),
        ("[a]\nx=1\nx=2", {"x": "2"}),
        ("[a]\nx=1\n[b]\ny=2\n[a]\nz=3\nx=4", {"x": "4", "z": "3"}),
        ("[a]\nx=\"\"\"t\"\"\" '''u''' \\ \\\\q \\n", {"x": "\"\"\"t\"\"\" '''u''' \\ \\\\q \\n"}),
        ("[a]\nx=a,b,", {"x": "a,b,"}),
        ("[a]\nx=$y %(z)s", {"x": "$y %(z)s"}),
        ("[a]\nit's=1", {"it's": "1"}),
    ],
)
def test_values(text: str, wanted: dict[str, str]) -> None:
    assert section(text) == wanted


@pytest.mark.parametrize("name", ["a b", " a ", "'a'", '"', "]a[", "a]b", "é", "\\", "\\n", "#", "  "])
def test_section_names_come_through(name: str) -> None:
    text = f"[{name}]\nk=v\n"
    if name == "#":
        text = "[#]\nk=v\n"
    assert section(text, name) == {"k": "v"}


def test_places() -> None:
    body = parse_ini("# c\n[a]\nkey = value\n  goes on\n\n  other:x\n", "x.ini").entries["a"]
    assert body.origin == Origin("x.ini", 2, 1)
    assert isinstance(body.value, Mapping)
    entry = body.value.entries["key"]
    assert entry.origin == Origin("x.ini", 3, 1)
    assert entry.value.origin == Origin("x.ini", 3, 7)
    assert list(body.value.entries) == ["key"]


def test_all_bad_lines_are_told_at_once() -> None:
    with pytest.raises(ConfigRefused) as caught:
        parse_ini("[a]\nwhat\nx=1\n  = 2\nor this\n", "x.ini")
    assert [problem.origin.line for problem in caught.value.problems] == [2, 5]
    with pytest.raises(ConfigRefused) as caught:
        parse_ini("[a]\nwhat\n=2\n", "x.ini")
    assert caught.value.text == (
        "x.ini:2:1: cannot read this line: 'what' (write key = value; a line that goes on with a value is indented)\n"
        "x.ini:3:1: cannot read this line: '=2' (write key = value; a line that goes on with a value is indented)"
    )


def test_a_byte_order_mark_is_explained() -> None:
    with pytest.raises(ConfigRefused, match="byte order mark"):
        parse_ini("\ufeff[a]\nx=1\n", "x.ini")


def test_programs_can_be_left_out() -> None:
    programs = "".join(f"[program:p{n}]\ncommand=/bin/true\n; why\n\nautostart : false\n" for n in range(3))
    text = f"[supervisord]\nx=1\n{programs}[program:odd]\ncommand=/bin/true\n  and more\n[supervisorctl]\ny=2\n"
    kept = parse_ini(without_plain_programs(text), "x.ini")
    assert list(kept.entries) == ["supervisord", "program:odd", "supervisorctl"]
    whole = parse_ini(text, "x.ini")
    assert all(whole.entries[name] == entry for name, entry in kept.entries.items())
