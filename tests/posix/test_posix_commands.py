"""Finding a command: Supervisor's rules and Supervisor's words."""

import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.posix.conftest import as_nobody
from tmd.posix.commands import SpawnRefused, find_command
from tmd.wire.faults import Fault

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from supervisor.options import ProcessException, ServerOptions
    from supervisor.process import Subprocess


@pytest.fixture
def bin_dir(open_dir: Path) -> Path:
    """Two directories for a PATH, and one of each kind of file."""
    for name, mode in (("one/tool", 0o755), ("two/tool", 0o755), ("one/plain", 0o644), ("two/plain", 0o755)):
        path = open_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)
    (open_dir / "one" / "folder").mkdir()
    (open_dir / "one" / "owner").write_text("#!/bin/sh\n")
    (open_dir / "one" / "owner").chmod(0o700)
    return open_dir


COMMANDS = [
    "",
    "   ",
    "'",
    'tool "a b',
    "tool\\",
    "tool",
    "tool 'a b' \"c d\" e\\ f ''",
    "tool # no comment",
    "nothing",
    "nothing 'with words'",
    "it's",
    '"it\'s"',
    "plain",
    "folder",
    "one/tool",
    "./one/tool x",
    "{}/one/tool",
    "{}/two/tool -x",
    "{}/one/plain",
    "{}/one/folder",
    "{}/one",
    "{}/none",
    "{}/one/tool/below",
    "/",
]


def supervisor_answer(command: str, path: str | None) -> object:
    class Config:
        options = ServerOptions()
        environment = None if path is None else {"PATH": path}

        def get_path(self) -> list[str]:
            return path.split(":") if path is not None else self.options.get_path()

    config: Any = Config()
    config.command = command
    config.options.poller.close()
    try:
        found, argv = Subprocess(config).get_execv_args()
    except ProcessException as refusal:
        return str(refusal)
    return found, tuple(argv)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("given", ["program", "daemon", "neither", "empty"])
def test_the_answer_is_that_of_supervisor(
    bin_dir: Path, monkeypatch: pytest.MonkeyPatch, command: str, given: str
) -> None:
    command = command.format(bin_dir)
    path = f"{bin_dir}/one:{bin_dir}/two"
    monkeypatch.chdir(bin_dir)
    if given == "neither":
        monkeypatch.delenv("PATH")
    else:
        monkeypatch.setenv("PATH", {"daemon": path, "empty": ""}.get(given, "/nowhere"))
    own = {"PATH": path} if given == "program" else {}
    expected = supervisor_answer(command, own.get("PATH"))
    if given == "empty":
        own = dict(os.environ)  # what a child would inherit
    try:
        answer: object = find_command(command, own)
    except SpawnRefused as refusal:
        answer = refusal.reason
    assert answer == expected


@pytest.mark.parametrize(
    ("command", "reason", "fault"),
    [
        ("{}/none", "can't find command '{}/none'", Fault.NO_FILE),
        ("none", "can't find command 'none'", Fault.NO_FILE),
        ("{}/one", "command at '{}/one' is a directory", Fault.NOT_EXECUTABLE),
        ("{}/one/plain", "command at '{}/one/plain' is not executable", Fault.NOT_EXECUTABLE),
        ("'", "can't parse command \"'\": No closing quotation", Fault.NOT_EXECUTABLE),
        ("", "command is empty", Fault.NOT_EXECUTABLE),
        ("/bin/\0", "can't find command '/bin/\\x00'", Fault.NO_FILE),
    ],
)
def test_each_refusal_has_its_fault(bin_dir: Path, command: str, reason: str, fault: Fault) -> None:
    with pytest.raises(SpawnRefused) as refused:
        find_command(command.format(bin_dir), {"PATH": str(bin_dir / "one")})
    assert (refused.value.reason, refused.value.fault) == (reason.format(bin_dir), fault)


def test_the_first_that_exists_wins_executable_or_not(bin_dir: Path) -> None:
    with pytest.raises(SpawnRefused, match="is not executable"):
        find_command("plain", {"PATH": f"{bin_dir}/one:{bin_dir}/two"})
    assert find_command("plain", {"PATH": f"{bin_dir}/two:{bin_dir}/one"})[0] == f"{bin_dir}/two/plain"


def test_a_file_that_only_others_may_execute_is_told_as_a_matter_of_permission(bin_dir: Path) -> None:
    path = bin_dir / "one" / "owner"

    def ask() -> str:
        try:
            find_command(str(path), {})
        except SpawnRefused as refusal:
            return f"{refusal.fault.name} {refusal.reason}"
        return "found"

    if os.geteuid() == 0:
        answer = as_nobody(ask)
    else:
        path.chmod(0o611)
        answer = ask()
    assert answer == f"NOT_EXECUTABLE no permission to run command '{path}'"
