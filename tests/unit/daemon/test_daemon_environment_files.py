"""Environment files as a start finds them: order, what may be missing, what is refused and why."""

import os
from pathlib import Path

import pytest

from tests.posix.conftest import as_nobody
from tmd.config.settings import EnvironmentFile, ProcessSpec
from tmd.daemon.environment_files import CannotRead, variables
from tmd.daemon.launching import Launching
from tmd.posix.commands import SpawnRefused
from tmd.wire.faults import Fault

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to lose")


def made(path: Path, text: str | bytes) -> EnvironmentFile:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return EnvironmentFile(str(path))


def spec(*files: EnvironmentFile, environment: dict[str, str] | None = None, own: tuple[str, ...] = ()) -> ProcessSpec:
    return ProcessSpec(
        name="web_00",
        group="web",
        program="web",
        command="true",
        environment=environment or {},
        environment_own=own,
        environment_file=files,
    )


def test_later_files_win(tmp_path: Path) -> None:
    files = [made(tmp_path / "a", "A=1\nB=1\n"), made(tmp_path / "b", "B=2\nC=2\n")]
    assert variables(files, os.geteuid()) == {"A": "1", "B": "2", "C": "2"}


def test_files_lie_between_the_daemons_and_the_programs_environment(tmp_path: Path) -> None:
    file = made(tmp_path / "a", "".join(f"{name}=file\n" for name in ("BASE", "SHARED", "OWN", "FILE", "SUPERVISOR_X")))
    launching = Launching({"BASE": "daemon", "KEPT": "daemon", "SHARED": "daemon"}, os.geteuid())
    program = spec(file, environment={"SHARED": "section", "OWN": "program", "LEFT": "section"}, own=("OWN",))
    found = launching.environment(program, "unix:///s")
    assert {name: found[name] for name in ("BASE", "KEPT", "SHARED", "OWN", "FILE", "LEFT")} == {
        "BASE": "file",
        "KEPT": "daemon",
        "SHARED": "file",
        "OWN": "program",
        "FILE": "file",
        "LEFT": "section",
    }
    assert found["SUPERVISOR_PROCESS_NAME"] == "web_00"
    assert "FILE" not in launching.without_files(program, None)


def test_the_command_is_looked_for_in_the_path_of_the_file(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    program = ProcessSpec(
        name="web",
        group="web",
        program="web",
        command="tool",
        environment_file=(made(tmp_path / "a", f"PATH={tmp_path}"),),
    )
    launching = Launching({"PATH": "/nowhere"}, os.geteuid())
    assert launching.prepare(program, program.command, None).path == str(tool)
    assert launching.refusal(program, None, files=True) is None


def test_what_may_be_missing_may_be_missing(tmp_path: Path) -> None:
    assert variables([EnvironmentFile(str(tmp_path / "no"), optional=True)], os.geteuid()) == {}
    with pytest.raises(CannotRead) as refused:
        variables([EnvironmentFile(str(tmp_path / "no"))], os.geteuid())
    assert str(refused.value) == f"{tmp_path}/no: no such file (write -{tmp_path}/no if it may be missing)"


def test_what_may_be_missing_may_not_be_broken(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("nonsense\n")
    with pytest.raises(CannotRead, match=r"/bad:1: this line is no assignment"):
        variables([EnvironmentFile(str(tmp_path / "bad"), optional=True)], os.geteuid())


def test_a_start_is_refused_with_the_place(tmp_path: Path) -> None:
    program = spec(made(tmp_path / "web.env", "A=1\n\nFOO BAR\nB\n"))
    with pytest.raises(SpawnRefused) as refused:
        Launching({}, os.geteuid()).prepare(program, "true", None)
    assert refused.value.reason == (
        f"cannot start web_00: {tmp_path}/web.env:3: this line is no assignment (NAME=value)"
    )
    assert (refused.value.fault, refused.value.transient) == (Fault.FAILED, False)


@pytest.mark.parametrize("kind", ["directory", "fifo", "device", "binary", "nul in the name"])
def test_what_is_no_file_of_variables_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "it")
    match kind:
        case "directory":
            os.mkdir(path)
        case "fifo":
            os.mkfifo(path)
        case "device":
            path = "/dev/zero"
        case "binary":
            made(tmp_path / "it", b"\x7fELF\x00")
        case _:
            path += "\0"
    with pytest.raises(CannotRead) as refused:
        variables([EnvironmentFile(path)], os.geteuid())
    assert str(refused.value).startswith(path)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    file = made(tmp_path / "a", "A=1\n")
    os.chmod(file.path, 0)

    def told() -> str:
        with pytest.raises(CannotRead) as refused:
            variables([file], os.geteuid())
        return str(refused.value)

    assert (as_nobody(told) if os.geteuid() == 0 else told()) == f"{file.path}: permission denied"


@AS_ROOT
def test_root_refuses_a_file_that_others_may_write(tmp_path: Path) -> None:
    file = made(tmp_path / "a", "LD_PRELOAD=/tmp/evil.so\n")
    os.chmod(file.path, 0o666)
    with pytest.raises(CannotRead, match="refusing it as root: anybody can write to"):
        variables([file], 0)


@AS_ROOT
def test_a_user_decides_about_programs_of_his_own_only(tmp_path: Path) -> None:
    file = made(tmp_path / "a", "A=1\n")
    os.chown(file.path, 65534, 65534)
    assert variables([file], 65534) == {"A": "1"}
    with pytest.raises(CannotRead, match=r"refusing it as root: .* belongs to"):
        variables([file], 0)
