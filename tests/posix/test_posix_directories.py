"""A directory that was taken away is made again as it was."""

import os
import stat
from pathlib import Path

import pytest

from tests.posix.conftest import NOBODY
from tmd.posix.directories import Directory


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    directory = Directory(str(tmp_path / "s"))
    tmp_path.chmod(0o711)
    assert directory.make_again() is False
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o711


def test_mode_and_owner_are_as_they_were(tmp_path: Path) -> None:
    place = tmp_path / "run" / "tmd"
    place.mkdir(parents=True)
    place.chmod(0o1730)
    if os.geteuid() == 0:
        os.chown(place, NOBODY, NOBODY)
    before = place.stat()
    directory = Directory(str(place / "s"))
    place.rmdir()
    place.parent.rmdir()
    assert directory.make_again() is True
    after = place.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert directory.make_again() is False


def test_one_that_never_was_is_ordinary(tmp_path: Path) -> None:
    directory = Directory(str(tmp_path / "new" / "s"))
    assert directory.make_again() is True
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o755


def test_the_working_directory_is_always_there() -> None:
    assert Directory("s").make_again() is False


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    directory = Directory(str(tmp_path / "run" / "s"))
    (tmp_path / "run").touch()
    with pytest.raises(OSError, match="exists"):
        directory.make_again()
