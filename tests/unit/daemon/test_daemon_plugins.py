"""Objects of other people's modules: found, or refused with the reason, whatever the module does."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tmd.daemon.host import machine_host
from tmd.daemon.plugins import MAX_TEXT, CannotResolve, resolve, told

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module that can be imported; return its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names: list[str] = []

    def write(text: str) -> str:
        names.append(f"plugin_of_{tmp_path.name}_{len(names)}")
        (tmp_path / f"{names[-1]}.py").write_text(text, encoding="utf-8")
        return names[-1]

    yield write
    for name in names:
        sys.modules.pop(name, None)


def reason(spec: str) -> str:
    with pytest.raises(CannotResolve) as why:
        resolve(spec)
    assert str(why.value) == f"cannot resolve '{spec}': {why.value.reason}"
    return why.value.reason


def test_what_is_there_is_found() -> None:
    assert resolve("os") is sys.modules["os"]
    for spec in ("os.path:join", " os.path : join ", "os:path.join", "os:path..join"):
        assert resolve(spec) is sys.modules["os.path"].join


@pytest.mark.parametrize("spec", ["os:", ":join", "", "os:path join", "os path", "os:path:join", "os-path:join"])
def test_what_does_not_read_like_a_place_is_refused(spec: str) -> None:
    assert reason(spec) == "it does not read module:attribute"


def test_why_something_is_not_there_is_told() -> None:
    assert reason("os:nothing") == "AttributeError: module 'os' has no attribute 'nothing'"
    assert reason("no_such_module:x") == "ModuleNotFoundError: No module named 'no_such_module'"
    problem = machine_host().resolve_problem
    assert problem("os:nothing") == "AttributeError: module 'os' has no attribute 'nothing'"
    assert problem("os.path:join") is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("1 // 0", "ZeroDivisionError: integer division or modulo by zero"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_module_that_will_not_be_imported_ends_nobody(write: Write, tmp_path: Path, line: str, said: str) -> None:
    name = write(f"\n{line}\n")
    assert reason(f"{name}:make") == f"{said}, at {tmp_path / name}.py:2"


def test_an_attribute_that_exits_ends_nobody(write: Write) -> None:
    name = write("def __getattr__(name):\n    raise SystemExit('no ' + name)\n")
    assert reason(f"{name}:make").startswith("SystemExit: no make, at ")


def test_an_exception_is_told_in_one_line_whatever_its_text_does() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit(1)

    assert told(Mute()) == "Mute: (it cannot say what)"
    assert told(ValueError("a\n  b")) == "ValueError: a b"
    assert told(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert told(ValueError("x" * 10_000)) == f"ValueError: {'x' * MAX_TEXT}..."
