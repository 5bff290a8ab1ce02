"""YAML and JSON: what is taken as written, and what is refused."""

import time

import pytest

from tmd.tree.node import Mapping, Node, Origin, Scalar, Sequence
from tmd.tree.problems import ConfigRefused
from tmd.tree.yaml import MAX_ALIASES, MAX_DEPTH, parse_yaml


def plain(node: Node) -> object:
    match node:
        case Scalar():
            return node.text
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


def read(text: str) -> object:
    return plain(parse_yaml(text, "x.yaml"))


def refused(text: str) -> str:
    with pytest.raises(ConfigRefused) as caught:
        parse_yaml(text, "x.yaml")
    return caught.value.text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("umask: 022", {"umask": "022"}),
        ("umask: 0o22", {"umask": "0o22"}),
        ("a: on\nb: yes\nc: 1_000\nd: 1:30\ne: 2.50", {"a": "on", "b": "yes", "c": "1_000", "d": "1:30", "e": "2.50"}),
        ('{"a": [1, "two", null, true], "b": {}}', {"a": ["1", "two", "null", "true"], "b": {}}),
        ('{\n\t"a":\t1\n}', {"a": "1"}),
        ("a: !!str 1\nb: !!int 2", {"a": "1", "b": "2"}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: &x {k: 1}\nb: *x", {"a": {"k": "1"}, "b": {"k": "1"}}),
        ("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3", {"a": {"k": "1", "l": "2"}, "b": {"k": "3", "l": "2"}}),
        (
            "a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc: {<<: [*x, *y]}",
            {"a": {"k": "1"}, "b": {"k": "2", "m": "3"}, "c": {"k": "1", "m": "3"}},
        ),
        ("", {}),
        ("# nothing\n", {}),
        ("---\na: 1\n...\n", {"a": "1"}),
    ],
)
def test_values(text: str, wanted: object) -> None:
    assert read(text) == wanted


def test_places_and_labels() -> None:
    root = parse_yaml("programs:\n  web:\n    startsecs: -1\n", "x.yaml")
    programs = root.entries["programs"].value
    assert isinstance(programs, Mapping)
    web = programs.entries["web"].value
    assert isinstance(web, Mapping)
    assert web.entries["startsecs"].origin == Origin("x.yaml", 3, 5)
    assert web.where("startsecs") == "programs.web.startsecs"
    assert web.entries["startsecs"].value.origin == Origin("x.yaml", 3, 16)


def test_a_null_is_told_from_a_word() -> None:
    root = parse_yaml('a:\nb: ~\nc: "null"\nd: ""\n', "x.yaml")
    missing = {key: entry.value.missing for key, entry in root.entries.items() if isinstance(entry.value, Scalar)}
    assert missing == {"a": True, "b": True, "c": False, "d": False}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: 1\nb: 2\na: 3", "x.yaml:3:1: a: given twice (first at line 1: keep one)"),
        ("p:\n  a: 1\n  a: 2", "x.yaml:3:3: p.a: given twice (first at line 2: keep one)"),
        ("a: !!python/object:os.system {}", "cannot use the tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: !mine 1", "x.yaml:1:4: cannot use the tag '!mine'"),
        ("a: &x [*x]", "alias '*x' contains itself"),
        ("a: *x", "cannot find the anchor of alias '*x'"),
        ("a: 1\n---\nb: 2", "cannot read a second document"),
        ("[1, 2]", "x.yaml:1:1: expected a mapping, got a list"),
        ("word", "expected a mapping, got 'word'"),
        ("a: [1", "x.yaml:2:1: cannot read as YAML: did not find expected ',' or ']'"),
        ("a:\n\tb: 1", "not tabs"),
        ("{[1]: 2}", "a key must be one word"),
        ("a: {<<: 1}", "<<: expected a mapping, got '1'"),
        ('a: "\\0"', "a value cannot contain a NUL character"),
        ("a: 1\nb: x\x07y", "x.yaml:2:5: cannot read as YAML: a control character"),
        ("a: b: c", "cannot read as YAML: mapping values are not allowed"),
    ],
)
def test_refusals(text: str, wanted: str) -> None:
    assert wanted in refused(text)


def test_a_hundred_thousand_brackets() -> None:
    for text in ("[" * 100_000, "a: " + "[" * 100_000 + "]" * 100_000, "{a: " * 100_000, "- " * 100_000):
        began = time.monotonic()
        assert f"cannot nest deeper than {MAX_DEPTH} levels" in refused(text)
        assert time.monotonic() - began < 1


def test_the_deepest_allowed() -> None:
    assert read("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    assert "cannot nest deeper" in refused("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_depth_counts_through_aliases() -> None:
    half = MAX_DEPTH // 2
    nested = "[" * half + "]" * half
    assert "cannot nest deeper" in refused(f"a: &x {nested}\nb: {'[' * half}*x{']' * half}")


def test_aliases_do_not_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "multiply" in refused("\n".join(lines))


def test_aliases_are_counted() -> None:
    assert "aliases" in refused("a: &x 1\nb: [" + ", ".join(["*x"] * (MAX_ALIASES + 1)) + "]")
