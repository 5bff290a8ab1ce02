"""The reader of files: what it refuses, and how includes come together."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tmd.tree.files import MAX_FILE_BYTES, MAX_INI_BYTES, Tree, read_sections, read_tree
from tmd.tree.node import Mapping
from tmd.tree.problems import ConfigRefused

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


def read(path: Path, uid: int = 1000) -> Tree:
    return read_tree(str(path), uid=uid, expand=lambda text, here, native: text.replace("%(here)s", here))


def refused(path: Path, uid: int = 1000) -> ConfigRefused:
    with pytest.raises(ConfigRefused) as caught:
        read(path, uid)
    return caught.value


def keys(tree: Tree, part: str) -> list[str]:
    value = tree.root.entries[part].value
    assert isinstance(value, Mapping)
    return list(value.entries)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    error = refused(path)
    assert error.text == f"{path}: could not find config file {path}"
    assert error.supervisor_text == f"could not find config file {path}"


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.yaml"
    os.mkfifo(fifo)
    assert "could not read config file" in refused(fifo).text
    assert "FIFO" in refused(fifo).text
    assert "it is a directory" in refused(tmp_path).text
    assert "device" in refused(Path("/dev/zero")).text


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"# " + b"x" * MAX_FILE_BYTES)
    assert "the limit is 10 MB" in refused(path).text


def test_ini_may_be_larger(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_bytes(b"[supervisord]\n# " + b"x" * MAX_FILE_BYTES)
    assert list(read_sections(str(path)).entries) == ["supervisord"]
    path.write_bytes(b"# " + b"x" * MAX_INI_BYTES)
    assert "the limit is 64 MB" in refused(path).text


@pytest.mark.parametrize("ending", ["ini", "yaml", "json", "toml", "conf", ""])
def test_rubbish(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(random.Random(1).randbytes(50_000))
    assert "not text: byte 0x" in refused(path).text
    path.write_bytes(b"[a]\nb = \x00\n")
    assert refused(path).text.startswith(f"{path}:2:5: not text: a NUL character")


@AS_ROOT
def test_an_unreadable_file_and_include(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("programs: {b: {command: x}}\n")
    secret.chmod(0o600)
    main = tmp_path / "main.yaml"
    main.write_text("taskmaster: {include: [secret.yaml]}\n")
    supervisor = tmp_path / "supervisord.conf"
    supervisor.write_text("[supervisord]\n[include]\nfiles = secret.yaml\n")
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    script = (
        "import os, sys, tmd.tree.ini, tmd.tree.yaml\n"  # while we may: the checkout need not be everybody's
        "from tmd.tree.files import read_tree\nfrom tmd.tree.problems import ConfigRefused\n"
        "os.setgroups([])\nos.setresgid(65534, 65534, 65534)\nos.setresuid(65534, 65534, 65534)\n"
        "for path in sys.argv[1:]:\n"
        "    try: print(*read_tree(path, uid=1, expand=lambda t, h, n: t).warnings)\n"
        "    except ConfigRefused as e: print(e.text)\n"
    )
    command = [sys.executable, "-c", script]
    ran = subprocess.run(
        [*command, str(secret), str(main), str(supervisor)], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    lines = ran.stdout.splitlines()
    assert lines[0] == f"{secret}: could not read config file {secret} (permission denied)", ran.stderr
    assert lines[1] == lines[0]
    assert lines[2] == f"{lines[0]}: left out"


@pytest.mark.parametrize(
    ("name", "text", "native"),
    [
        ("a.ini", "[supervisord]\n", False),
        ("a.ini", "[taskmaster]\n", True),
        ("a.ini", "[program:a]\ncommand=x\n", True),
        ("a.ini", "[a]\ncommand=x\n", True),
        ("a.ini", "[eventlistener:a]\ncommand=x\nevents=TICK\n", True),
        ("a.ini", "[fcgi-program:a]\ncommand=x\n", True),
        ("a.ini", "[rpcinterface:a]\n[taskmaster]\n", True),
        ("a.conf", "[supervisord]\n[program:a]\ncommand=x\n", False),
        ("a", "[supervisord]\n", False),
        ("a", "programs:\n  a: {command: x}\n", True),
        ("a", '{"programs": {}}', True),
        ("a", "---\nprograms: {}", True),
        ("a.json", '{"programs": {}}', True),
        ("a.toml", "[programs.a]\ncommand='x'\n", True),
        ("a.yaml", "\ufeffprograms: {}\n", True),
    ],
)
def test_dialects(name: str, text: str, native: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read(path).native is native


@pytest.mark.parametrize(
    "text", ["", "; nothing\n", "[unix_http_server]\nfile=/x\n", "[rpcinterface:x]\n[program:a]\n"]
)
def test_an_ini_file_that_is_neither(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text(text)
    assert refused(path).supervisor_text == ".ini file does not include supervisord section"


def test_native_include(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.toml").write_text("[programs.b]\ncommand = 'y'\n")
    (tmp_path / "conf.d" / "a.ini").write_text("[a]\ncommand = y\n[group:g]\nprograms = a\n")
    path = tmp_path / "main.yaml"
    path.write_text("taskmaster: {include: ['%(here)s/conf.d/*', 'none*', 'main.yaml']}\nprograms: {c: {cmd: z}}\n")
    tree = read(path)
    assert keys(tree, "programs") == ["c", "a", "b"]
    assert keys(tree, "groups") == ["g"]
    included = [str(tmp_path / "conf.d" / name) for name in ("a.ini", "b.toml")]
    assert tree.files == (str(path), *included)
    assert tree.notes == tuple(f'Included extra file "{name}" during parsing' for name in included)
    assert tree.warnings == (f'No file matches via include "{tmp_path}/none*"',)
    assert tree.directories[included[0]] == str(tmp_path / "conf.d")


def test_native_files_may_not_say_a_thing_twice(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("taskmaster: {loglevel: info, include: c.yaml}\nprograms:\n  a: {command: y}\n")
    path = tmp_path / "main.ini"
    path.write_text(
        "[taskmaster]\nloglevel = debug\n[a]\ncommand = x\n[program:a]\ncommand = z\n[include]\nfiles = b.yaml\n"
    )
    tree = read(path)
    assert [(problem.origin.line, problem.where, problem.reason) for problem in tree.problems] == [
        (5, "programs.a", "given twice"),
        (1, "taskmaster.include", "cannot include from an included file"),
        (1, "taskmaster.loglevel", "given twice"),
        (3, "programs.a", "given twice"),
    ]


def test_every_bad_include_is_told(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("a: [")
    (tmp_path / "c.ini").write_text("what\n")
    os.mkfifo(tmp_path / "d.yaml")
    path = tmp_path / "main.yaml"
    path.write_text("taskmaster:\n  include: ['[bcd].*']\n")
    problems = refused(path).problems
    assert [Path(problem.origin.file).name for problem in problems] == ["b.yaml", "c.ini", "d.yaml"]


def test_supervisor_main_file_may_include_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("[supervisord]\n[program:a]\ncommand=x\n[include]\nfiles=*.conf\n")
    assert read(path).files == (str(path),)


def test_unknown_keys_of_include(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("[supervisord]\n[include]\nfiles=\nfile=x\n")
    assert read(path).warnings == (f"{path}:4:1: include.file: unknown option (known: files)",)
    path.write_text("[taskmaster]\n[include]\nfiles=\nfile=x\n")
    assert "include.file: unknown option" in refused(path).text


@pytest.mark.parametrize(("mode", "told"), [(0o666, True), (0o646, True), (0o644, False), (0o600, False)])
def test_who_else_may_write_matters_to_root(mode: int, told: bool, tmp_path: Path) -> None:
    native, supervisor = tmp_path / "a.yaml", tmp_path / "a.conf"
    native.write_text("programs: {}\n")
    supervisor.write_text("[supervisord]\n")
    for path in (native, supervisor):
        path.chmod(mode)
        assert read(path, uid=1000)
    if told:
        assert "everybody may write this file" in refused(native, uid=0).text
        assert "everybody may write this file" in read(supervisor, uid=0).warnings[0]
    else:
        assert read(native, uid=0)
        assert read(supervisor, uid=0).warnings == ()


def test_one_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("[include]\nfiles=/no/where\n[supervisorctl]\nprompt=x\n")
    assert list(read_sections(str(path)).entries) == ["include", "supervisorctl"]


def test_native_sections_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.ini"
    kinds = ("program", "group", "eventlistener", "fcgi-program", "rpcinterface", "ctlplugin")
    path.write_text("[taskmaster]\n" + "".join(f"[{kind}:x]\n" for kind in kinds) + "[eventlistner:y]\n")
    tree = read(path)
    assert [keys(tree, f"{kind}s") for kind in kinds] == [["x"]] * len(kinds)
    assert [str(problem).partition(": ")[2] for problem in tree.problems] == [
        "[eventlistner:y]: unknown section (did you mean 'eventlistener'?)",
    ]
    other = tmp_path / "a.yaml"
    other.write_text("".join(f"{kind}s: {{x: {{}}}}\n" for kind in kinds) + "eventlistner: {}\n")
    tree = read(other)
    assert [keys(tree, f"{kind}s") for kind in kinds] == [["x"]] * len(kinds)
    assert [problem.hint for problem in tree.problems] == ["did you mean 'eventlisteners'?"]
