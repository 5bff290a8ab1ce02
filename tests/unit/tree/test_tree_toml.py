"""TOML, with the places found again."""

import pytest

from tmd.tree.node import Mapping, Scalar, Sequence
from tmd.tree.problems import ConfigRefused
from tmd.tree.toml import parse_toml

TEXT = """\
[taskmaster]
http = ["127.0.0.1:9001", 9002]

[programs.web]
command = "x # y"
  umask = 0o022
startsecs = 2.5
autostart = true
env = { A = "1", mask = 0o07 }

[programs."my web"]
command = 'z'
"""


def mapping(root: Mapping, *path: str) -> Mapping:
    for key in path:
        value = root.entries[key].value
        assert isinstance(value, Mapping)
        root = value
    return root


def test_values_and_places() -> None:
    root = parse_toml(TEXT, "x.toml")
    web = mapping(root, "programs", "web")
    texts = {key: entry.value.text for key, entry in web.entries.items() if isinstance(entry.value, Scalar)}
    assert texts == {"command": "x # y", "umask": "0o022", "startsecs": "2.5", "autostart": "true"}
    assert str(web.entries["umask"].origin) == "x.toml:6:3"
    assert web.where("umask") == "programs.web.umask"
    variables = mapping(web, "env")
    assert [entry.value.text for entry in variables.entries.values() if isinstance(entry.value, Scalar)] == [
        "1",
        "0o07",
    ]
    assert variables.entries["A"].origin.line == 9
    http = mapping(root, "taskmaster").entries["http"].value
    assert isinstance(http, Sequence)
    assert [item.text for item in http.items if isinstance(item, Scalar)] == ["127.0.0.1:9001", "9002"]
    assert mapping(root, "programs", "my web").entries["command"].origin.line == 12


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a = 1\nb = = 2", "x.toml:2:5: cannot read as TOML: invalid value"),
        ("a = 1\na = 2", "cannot overwrite a value"),
        ("a = ", "cannot read as TOML"),
        ("[a]\nb = 2024-01-01", "x.toml:2:1: a.b: cannot use a date or time here: 2024-01-01 (put it in quotes)"),
        ("a = " + "[" * 100_000, "cannot nest deeper than 64 levels"),
        ("a = " + "[" * 70 + "]" * 70, "cannot nest deeper than 64 levels"),
        (".".join(["a"] * 100) + " = 1", "cannot nest deeper than 64 levels"),
        ('a = "\\u0000"', "a value cannot contain a NUL character"),
    ],
)
def test_refusals(text: str, wanted: str) -> None:
    with pytest.raises(ConfigRefused) as caught:
        parse_toml(text, "x.toml")
    assert wanted in caught.value.text


def test_places_in_lists_of_tables() -> None:
    text = "[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n[a.b.c]\ny = 0o3\n[[a.b]]\n[[a.b.d]]\nz = 4\n[[a.b.d]]\nz = 5\n"
    listed = mapping(parse_toml(text, "x.toml"), "a").entries["b"].value
    assert isinstance(listed, Sequence)
    assert [item.origin.line for item in listed.items] == [1, 3, 7]
    first, second, third = listed.items
    assert isinstance(first, Mapping)
    assert isinstance(second, Mapping)
    assert isinstance(third, Mapping)
    assert (first.entries["x"].origin.line, second.entries["x"].origin.line) == (2, 4)
    below = mapping(second, "c").entries["y"]
    assert isinstance(below.value, Scalar)
    assert (below.value.text, below.origin.line) == ("0o3", 6)
    last = third.entries["d"].value
    assert isinstance(last, Sequence)
    assert [item.entries["z"].origin.line for item in last.items if isinstance(item, Mapping)] == [9, 11]
