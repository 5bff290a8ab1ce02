"""Environment files as a start finds them: order, what may be missing, what is refused and why."""

import os
import time
from pathlib import Path

import pytest

from tests.posix.conftest import as_nobody
from tmd.config.settings import EnvironmentFile, ProcessSpec
from tmd.daemon.environment_files import MOST_KEPT_BYTES, CannotRead, EnvironmentFiles
from tmd.daemon.launching import Launching
from tmd.posix.commands import SpawnRefused
from tmd.posix.trust import open_real
from tmd.tree.dotenv import Assignment, read_dotenv
from tmd.wire.faults import Fault

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to lose")


def made(path: Path, text: str | bytes) -> EnvironmentFile:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return EnvironmentFile(str(path))


def variables(files: list[EnvironmentFile], uid: int) -> dict[str, str]:
    return EnvironmentFiles().variables(files, uid)


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


class Parser:
    """Counts what is parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parsed = 0
        monkeypatch.setattr("tmd.daemon.environment_files.read_dotenv", self._read)

    def _read(self, data: bytes) -> list[Assignment]:
        self.parsed += 1
        return read_dotenv(data)


def in_an_hour() -> int:
    return time.time_ns() + 3600 * 10**9


def test_what_a_file_says_is_remembered_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parser, known, uid = Parser(monkeypatch), EnvironmentFiles(in_an_hour), os.geteuid()
    file, broken = made(tmp_path / "a", "A=1\n"), made(tmp_path / "b", "oops\n")
    for _ in range(5):
        assert known.variables([file], uid) == {"A": "1"}
        assert known.problems(broken, None) == (f"{broken.path}:1: this line is no assignment (NAME=value)",)
    assert parser.parsed == 2
    before = os.stat(file.path)
    while os.stat(file.path).st_ctime_ns == before.st_ctime_ns:  # till the clock of the file system has ticked
        made(tmp_path / "a", "A=2\n")
        os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known.variables([file], uid) == {"A": "2"}, "of the same size, and as old as it says of itself"
    other = made(tmp_path / "c", "A=3\n")
    os.replace(other.path, file.path)
    assert known.variables([file], uid) == {"A": "3"}
    os.unlink(file.path)
    with pytest.raises(CannotRead, match="no such file"):
        known.variables([file], uid)
    assert parser.parsed == 4


def test_a_file_that_changed_just_now_may_change_again_within_a_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of a file system stands still for milliseconds: two changes can have one time."""
    parser, file = Parser(monkeypatch), made(tmp_path / "a", "A=1\n")
    changed = os.stat(file.path).st_ctime_ns
    known = EnvironmentFiles(lambda: changed + 10**9)
    for _ in range(3):
        assert known.variables([file], os.geteuid()) == {"A": "1"}
    assert parser.parsed == 3


def test_not_more_is_remembered_than_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parser, known, uid = Parser(monkeypatch), EnvironmentFiles(in_an_hour), os.geteuid()
    size = MOST_KEPT_BYTES // 32
    files = [made(tmp_path / str(number), f"A={number}\nB={'x' * size}\n") for number in range(40)]
    for file in files:
        known.variables([file], uid)
    assert parser.parsed == 40
    assert known.variables([files[-1]], uid)["A"] == "39"
    assert parser.parsed == 40
    assert known.variables([files[0]], uid)["A"] == "0"
    assert parser.parsed == 41


@AS_ROOT
def test_who_may_write_a_file_is_asked_every_time(tmp_path: Path) -> None:
    known, file = EnvironmentFiles(in_an_hour), made(tmp_path / "a", "A=1\n")
    assert known.variables([file], 65534) == known.variables([file], 0) == {"A": "1"}
    os.chown(file.path, 65534, 65534)
    assert known.variables([file], 65534) == {"A": "1"}
    with pytest.raises(CannotRead, match="refusing it as root"):
        known.variables([file], 0)


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
    assert launching.prepare(program, program.command, None, "0.1").path == str(tool)
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
        Launching({}, os.geteuid()).prepare(program, "true", None, "0.1")
    assert refused.value.reason == (
        f"cannot start web_00: {tmp_path}/web.env:3: this line is no assignment (NAME=value)"
    )
    assert (refused.value.fault, refused.value.transient) == (Fault.FAILED, False)


@pytest.mark.parametrize("kind", ["directory", "fifo", "device", "binary", "nul in the name"])
def test_what_is_no_file_of_variables_is_refused_at_once(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "it")
    opened: list[str] = []

    def noted(path: str, flags: int) -> int:
        opened.append(path)
        return open_real(path, flags)

    monkeypatch.setattr("tmd.daemon.environment_files.open_real", noted)
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
    assert bool(opened) is (kind == "binary"), "only to open a device may do something"


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
@pytest.mark.parametrize("link", ["Home/web.env", "Home", "etc/web.env"])
def test_a_link_of_the_programs_user_does_not_fetch_what_only_root_can_read(tmp_path: Path, link: str) -> None:
    for name in ("secrets", "etc"):
        (tmp_path / name).mkdir(0o755)
    secret = made(tmp_path / "secrets" / "web.env", "TOKEN=s3cret\n")
    os.chmod(secret.path, 0o600)
    if link == "Home":
        (tmp_path / "Home").symlink_to("secrets")
    else:
        (tmp_path / "Home").mkdir(exist_ok=True)
        (tmp_path / "Home" / "web.env").symlink_to("../secrets/web.env")
        os.chown(tmp_path / "Home", 65534, 65534)
    if link == "etc/web.env":
        (tmp_path / "etc" / "web.env").symlink_to("../Home/web.env")
    theirs = tmp_path / ("Home" if link == "Home" else "Home/web.env")
    os.lchown(theirs, 65534, 65534)
    asked = EnvironmentFile(str(tmp_path / ("etc" if link.startswith("etc") else "Home") / "web.env"))
    with pytest.raises(CannotRead) as refused:
        variables([asked], 65534)
    assert str(refused.value) == f"{asked.path}: refusing the symbolic link '{theirs}' of uid 65534"
    os.lchown(theirs, 0, 0)
    assert variables([asked], 65534) == {"TOKEN": "s3cret"}, "root may link what it likes"


@AS_ROOT
def test_a_second_name_that_the_programs_user_gave_to_a_file_of_roots_is_refused(tmp_path: Path) -> None:
    secret = made(tmp_path / "secret", "TOKEN=s3cret\n")
    (tmp_path / "home").mkdir()
    os.link(secret.path, tmp_path / "home" / "web.env")
    os.chown(tmp_path / "home", 65534, 65534)
    with pytest.raises(CannotRead, match="the file has another name too"):
        variables([EnvironmentFile(f"{tmp_path}/home/web.env")], 65534)


@AS_ROOT
def test_groups_of_the_system_have_no_say(tmp_path: Path) -> None:
    """www-data (gid 33) is trusted to keep logs, but not to have root load a library."""
    (tmp_path / "etc").mkdir()
    file = made(tmp_path / "etc" / "a", "A=1\n")
    for place in (tmp_path / "etc" / "a", tmp_path / "etc"):
        before = place.stat().st_mode
        os.chown(place, 0, 33)
        place.chmod(before | 0o020)
        for uid in (0, 65534):
            with pytest.raises(CannotRead, match=rf"refusing it as root: group .* \(gid 33\) can write to '{place}'"):
                variables([file], uid)
        assert variables([file], 33) == {"A": "1"}, "a group of the program's user"
        os.chown(place, 0, 0)
        assert variables([file], 65534) == {"A": "1"}
        place.chmod(before)


@AS_ROOT
def test_a_user_decides_about_programs_of_his_own_only(tmp_path: Path) -> None:
    file = made(tmp_path / "a", "A=1\n")
    os.chown(file.path, 65534, 65534)
    assert variables([file], 65534) == {"A": "1"}
    with pytest.raises(CannotRead, match=r"refusing it as root: .* belongs to"):
        variables([file], 0)
