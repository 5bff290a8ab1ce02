"""The house itself: imports go down only, pure floors stay pure, locks live in two places."""

import ast
import functools
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"wire": 0, "tree": 0, "config": 1, "core": 2, "posix": 3, "daemon": 4, "http": 5}
PURE = ("wire", "tree", "config", "core")
IMPURE_MODULES = {"os", "time", "socket", "subprocess", "threading", "logging", "random", "selectors", "signal"}
READER_OF_FILES = "tmd/tree/files.py"
HOMES_OF_LOCKS = {"tmd/posix/loop.py", "tmd/posix/drain.py"}


def modules(top: str) -> list[Path]:
    return sorted((ROOT / top).rglob("*.py"))


class Facts(NamedTuple):
    """What is looked at in a file, with the lines: what it imports, inside functions too, what it names and passes."""

    imports: list[tuple[int, str]]
    names: list[tuple[int, str]]
    attributes: list[tuple[int, str]]
    keywords: list[tuple[int, str | None]]


@functools.cache
def facts(path: Path) -> Facts:
    found = Facts([], [], [], [])
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                found.imports.extend((node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                assert node.level == 0, f"{path}:{node.lineno}: relative import"
                assert node.module is not None
                found.imports.append((node.lineno, node.module))
                if node.module == "tmd":
                    found.imports.extend((node.lineno, f"tmd.{alias.name}") for alias in node.names)
            case ast.Attribute():
                found.attributes.append((node.lineno, node.attr))
            case ast.Name():
                found.names.append((node.lineno, node.id))
            case ast.keyword():
                found.keywords.append((node.lineno, node.arg))
    return found


def floor_of(module: str) -> int | None:
    parts = module.split(".")
    if parts[0] != "tmd":
        return None
    if len(parts) == 1:
        return 0
    return FLOORS.get(parts[1], 6)


def test_there_is_a_house_to_look_at() -> None:
    assert len(modules("tmd")) > 40
    assert len(modules("tmctl")) > 5


def test_imports_go_down_only() -> None:
    for path in modules("tmd"):
        relative = path.relative_to(ROOT)
        own = floor_of(".".join(relative.with_suffix("").parts))
        assert own is not None
        for line, module in facts(path).imports:
            assert not module.startswith("tmctl"), f"{relative}:{line}: tmd imports {module}"
            floor = floor_of(module)
            if floor is None:
                continue
            assert floor <= own, f"{relative}:{line}: floor {own} imports {module} of floor {floor}"
            pair = {relative.parts[1], module.split(".")[1] if "." in module else ""}
            assert pair != {"core", "posix"}, f"{relative}:{line}: core and posix know nothing of each other"


def test_the_client_knows_only_the_contract() -> None:
    for path in modules("tmctl"):
        for line, module in facts(path).imports:
            if module.split(".")[0] == "tmd" and module != "tmd":
                assert module.split(".")[1] in ("wire", "tree", "__version__"), f"{path}:{line}: tmctl imports {module}"


@pytest.mark.parametrize("floor", PURE)
def test_pure_floors_are_pure(floor: str) -> None:
    for path in modules(f"tmd/{floor}"):
        relative = str(path.relative_to(ROOT))
        if relative == READER_OF_FILES:
            continue
        for line, module in facts(path).imports:
            assert module.split(".")[0] not in IMPURE_MODULES, f"{relative}:{line}: a pure floor imports {module}"


def test_locks_live_in_two_places() -> None:
    words = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore"}
    for path in modules("tmd"):
        relative = str(path.relative_to(ROOT))
        if relative in HOMES_OF_LOCKS:
            continue
        for line, name in facts(path).names + facts(path).attributes:
            assert name not in words, f"{relative}:{line}: {name}"


def test_nothing_runs_python_between_fork_and_exec() -> None:
    for path in modules("tmd"):
        relative = str(path.relative_to(ROOT))
        for line, keyword in facts(path).keywords:
            assert keyword not in ("preexec_fn", "shell"), f"{relative}:{line}: {keyword}="
        for line, name in facts(path).attributes:
            if name in ("fork", "forkpty"):
                assert relative == "tmd/posix/daemonize.py", f"{relative}:{line}: fork"


def test_there_is_no_util_module() -> None:
    for path in modules("tmd") + modules("tmctl"):
        assert path.stem not in ("util", "utils", "helpers", "misc", "common"), path


def test_files_hold_one_idea() -> None:
    for path in modules("tmd") + modules("tmctl"):
        lines = len(path.read_text().splitlines())
        assert lines <= 460, f"{path.relative_to(ROOT)} has {lines} lines: find the second idea a room"
