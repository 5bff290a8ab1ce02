"""Every byte of a log once, whatever happens to the file meanwhile."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tmd.http.following import FIRST_BYTES, TRUNCATED, FollowedFile
from tmd.posix.rotation import cut_point, rotate


def taken(followed: FollowedFile, looks: int = 4) -> bytes:
    """What a follower is told in some looks at the file."""
    told = b""
    for _ in range(looks):
        try:
            named = os.stat(followed.path)
        except FileNotFoundError:
            named = None
        told += followed.look(named) or b""
        while data := followed.read():
            told += data
    return told


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    return path


@pytest.fixture
def followed(log: Path) -> Iterator[FollowedFile]:
    with closing(FollowedFile(str(log))) as followed:
        yield followed


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_the_last_bytes_come_first(log: Path) -> None:
    log.write_bytes(b"x" * 5000 + b"end")
    with closing(FollowedFile(str(log))) as followed:
        assert taken(followed) == (b"x" * 5000 + b"end")[-FIRST_BYTES:]


def test_what_comes_is_told_once(log: Path, followed: FollowedFile) -> None:
    assert taken(followed) == b"old\n"
    assert taken(followed) == b""
    append(log, b"new \xff\x1b")
    assert taken(followed) == b"new \xff\x1b"


def test_a_quiet_file_costs_nothing_but_the_look_at_its_name(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    assert followed.look(os.stat(log)) is None


def test_truncation_is_said(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    log.write_bytes(b"a\n")
    assert taken(followed) == TRUNCATED + b"a\n"


def test_rotation_by_rename_loses_nothing(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    append(log, b"late in the old\n")
    log.rename(f"{log}.1")
    append(Path(f"{log}.1"), b"later in the old\n")
    assert taken(followed) == b"late in the old\nlater in the old\n"
    log.write_bytes(b"first in the new\n")
    assert taken(followed) == b"first in the new\n"


def test_the_writer_may_still_hold_the_old_file_while_the_new_is_empty(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    log.rename(f"{log}.1")
    log.touch()
    append(Path(f"{log}.1"), b"still the old\n")
    assert taken(followed) == b"still the old\n"
    append(log, b"the new\n")
    assert taken(followed) == b"the new\n"


def test_one_look_is_let_pass_before_going_on(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    log.rename(f"{log}.1")
    log.write_bytes(b"new\n")
    assert taken(followed, looks=1) == b""
    append(Path(f"{log}.1"), b"last of the old\n")
    assert taken(followed) == b"last of the old\nnew\n"


def test_several_rotations_between_two_looks_skip_nothing(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    for number in range(4):
        for older in range(number, 0, -1):
            Path(f"{log}.{older}").rename(f"{log}.{older + 1}")
        log.rename(f"{log}.1")
        log.write_bytes(b"file %d\n" % number)
    assert taken(followed, looks=20) == b"file 0\nfile 1\nfile 2\nfile 3\n"


def test_an_old_file_that_is_gone_is_followed_by_the_present_one(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    append(log, b"unread\n")
    log.unlink()
    log.write_bytes(b"present\n")
    assert followed.orphaned
    assert taken(followed) == b"unread\npresent\n"
    assert not followed.orphaned


def test_a_line_that_moves_to_the_new_file_is_told_once(log: Path, followed: FollowedFile) -> None:
    fd = os.open(log, os.O_RDWR)
    try:
        append(log, b"whole\nbegun ")
        assert taken(followed) == b"old\nwhole\nbegun "
        size = os.fstat(fd).st_size
        cut = cut_point(fd, size)
        assert cut is not None
        new_fd = rotate(fd, str(log), 3, cut, 0o644)
        os.lseek(new_fd, 0, os.SEEK_END)
        os.write(new_fd, b"and ended\nnext\n")
        os.close(new_fd)
    finally:
        os.close(fd)
    assert taken(followed) == b"and ended\nnext\n"


def test_a_name_that_means_no_file_any_more_is_waited_for(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    log.unlink()
    log.mkdir()
    assert taken(followed) == b""
    log.rmdir()
    log.write_bytes(b"back\n")
    assert taken(followed) == b"back\n"


def test_only_regular_files_are_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "absent", "."):
        with pytest.raises(OSError):
            FollowedFile(str(tmp_path / name))
