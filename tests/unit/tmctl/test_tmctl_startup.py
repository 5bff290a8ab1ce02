"""A one-shot command is light: what it imports is on a list."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.tmctl.fake_daemon import FakeDaemon
from tests.unit.tmctl.processes import ROOT, environment

SCRIPT = """
import sys
before = set(sys.modules)
from tmctl.cli import main
main(sys.argv[1:])
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}), file=sys.stderr)
"""

EXPECTED = {
    *("tmctl", "tmd", "pyexpat", "binascii", "socket", "select", "selectors", "errno", "enum", "typing", "types"),
    *("collections", "functools", "operator", "keyword", "reprlib", "contextlib", "re", "copyreg", "math", "array"),
    *("itertools", "warnings"),
}


def imported(fake: FakeDaemon, home: Path, *arguments: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        env=environment(home, TMCTL_CONFIG=""),
        cwd=home,
        check=True,
        timeout=30,
    )
    return {name for name in ran.stderr.decode().splitlines()[-1].split() if not name.startswith("_")}


def test_a_command_with_its_server_named_imports_no_parser(fake: FakeDaemon, tmp_path: Path) -> None:
    for line in ("status", "start batch", "restart web", "update", "tail web"):
        assert imported(fake, tmp_path, "-s", fake.url, *line.split()) <= EXPECTED, line


@pytest.mark.parametrize(
    ("name", "text", "never"),
    [
        ("t.ini", "[taskmaster]\nsocket = {path}\n", {"yaml", "prompt_toolkit", "ssl", "json", "http", "xmlrpc"}),
        (
            "t.yaml",
            "taskmaster: {{socket: {path}}}\n",
            {"configobj", "prompt_toolkit", "ssl", "json", "http", "xmlrpc"},
        ),
    ],
)
def test_a_configuration_costs_its_own_parser_only(
    name: str, text: str, never: set[str], fake: FakeDaemon, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text.format(path=fake.socket_path))
    found = imported(fake, tmp_path, "-c", str(tmp_path / name), "status")
    assert not found & {*never, "msgspec", "asyncio", "subprocess", "logging"}


def test_nothing_of_tmd_but_wire_and_tree_is_used() -> None:
    import ast

    for path in (ROOT / "tmctl").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.partition(".")[0] == "tmd":
                    assert name.startswith(("tmd.wire.", "tmd.tree.")), (path, name)
                if name.partition(".")[0] == "prompt_toolkit":
                    assert path.name == "shell.py"
