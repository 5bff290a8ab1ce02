"""The page about faults names the test of each, and every test of the lane is on it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LANE = ROOT / "tests" / "faults"
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
WHOLE = set(re.findall(r"`(tests/[\w/*]+\.py)`", PAGE))
"""files that are named as such, or by what their names have in common"""
NAMED = set(re.findall(r"`(test_\w+)`", PAGE))


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_of_a_fault_is_on_the_page() -> None:
    lane = sorted(LANE.glob("test_*.py"))
    assert len(lane) >= 5
    missing = {
        f"{path.name}::{name}"
        for path in lane
        if not any(path in ROOT.glob(pattern) for pattern in WHOLE)
        for name in functions_of(path) - NAMED
    }
    assert not missing, f"docs/faults.md does not name {sorted(missing)}"


def test_all_that_is_on_the_page_is_there() -> None:
    assert [pattern for pattern in WHOLE if not list(ROOT.glob(pattern))] == []
    known = set().union(*map(functions_of, LANE.glob("test_*.py")))
    assert known >= NAMED, f"docs/faults.md names {sorted(NAMED - known)}"
