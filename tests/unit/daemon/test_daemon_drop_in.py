"""Links under the names of Supervisor's programs."""

import os
from pathlib import Path

import pytest

from tmd.drop_in import STANDS_FOR, CannotInstall, called_as, install_names


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return programs_in(tmp_path / "venv" / "bin")


@pytest.fixture
def names(tmp_path: Path) -> Path:
    directory = tmp_path / "names"
    directory.mkdir()
    return directory


def programs_in(directory: Path) -> Path:
    directory.mkdir(parents=True)
    for program in ("tmd", "tmctl", "tmd-pidproxy"):
        (directory / program).write_text("#!/bin/sh\n")
        (directory / program).chmod(0o755)
    return directory


def links(directory: Path) -> dict[str, str]:
    return {path.name: os.readlink(path) for path in directory.iterdir() if path.is_symlink()}


def test_every_name_is_linked(home: Path, names: Path) -> None:
    said = install_names(str(names), [str(home)])
    assert links(names) == {name: str(home / program) for name, program in STANDS_FOR.items()}
    assert said[0] == f"{names}/supervisord -> {home}/tmd"
    assert len(said) == 4


def test_doing_it_again_changes_nothing(home: Path, names: Path) -> None:
    install_names(str(names), [str(home)])
    before = {path.name: path.lstat().st_mtime_ns for path in names.iterdir()}
    said = install_names(str(names), [str(home)])
    assert {path.name: path.lstat().st_mtime_ns for path in names.iterdir()} == before
    assert all(line.endswith("(was there)") for line in said)


def test_in_the_directory_of_the_programs_links_are_relative(home: Path) -> None:
    install_names(str(home), [str(home)])
    assert links(home) == dict(STANDS_FOR)


def test_links_to_an_earlier_place_are_moved(home: Path, names: Path, tmp_path: Path) -> None:
    (names / "supervisord").symlink_to("/gone/venv/bin/tmd")
    said = install_names(str(names), [str(home)])
    assert said[0] == f"{names}/supervisord -> {home}/tmd (was /gone/venv/bin/tmd)"
    assert links(names)["supervisord"] == str(home / "tmd")
    assert sorted(path.name for path in names.iterdir()) == sorted(STANDS_FOR)


@pytest.mark.parametrize("kind", ["file", "directory", "foreign link", "link to another of ours"])
def test_nothing_else_is_ever_overwritten(kind: str, home: Path, names: Path) -> None:
    taken = names / "pidproxy"
    match kind:
        case "file":
            taken.write_text("mine")
        case "directory":
            taken.mkdir()
        case "foreign link":
            taken.symlink_to("/usr/lib/supervisor/pidproxy")
        case _:
            taken.symlink_to(home / "tmd")
    with pytest.raises(CannotInstall, match=r"pidproxy': .* is there \(move it away; nothing was changed\)"):
        install_names(str(names), [str(home)])
    assert [path.name for path in names.iterdir()] == ["pidproxy"]


def test_a_directory_that_is_not_there(home: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotInstall, match="no such directory"):
        install_names(str(tmp_path / "nowhere"), [str(home)])


def test_programs_are_looked_for_where_all_of_them_are(home: Path, names: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.mkdir()
    (half / "tmd").mkdir()  # a checkout has directories of these names
    (half / "tmctl").mkdir()
    install_names(str(names), ["", str(half), str(home)])
    assert links(names)["supervisorctl"] == str(home / "tmctl")
    with pytest.raises(CannotInstall, match=r"no directory has tmctl, tmd, tmd-pidproxy \(looked in .*half\)"):
        install_names(str(names), [str(half)])


@pytest.mark.parametrize(
    ("argv0", "name"),
    [
        ("/usr/bin/supervisord", "supervisord"),
        ("supervisord", "supervisord"),
        ("/x/supervisord.py", "supervisord"),
        ("", ""),
    ],
)
def test_the_name_a_program_is_called_by(argv0: str, name: str) -> None:
    assert called_as(argv0) == name
