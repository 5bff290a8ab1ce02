"""Every byte of a log once, whatever happens to the file meanwhile."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tmd.http import following
from tmd.http.following import FIRST_BYTES, TRUNCATED, FollowedFile
from tmd.http.log_files import open_log
from tmd.posix.rotation import cut_point, rotate
from tmd.posix.succession import Succession


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


def rotate_by_name(log: Path, text: bytes, keep: int = 1000) -> None:
    """Do what a rotation does: shift all, begin a new file."""
    numbers = sorted((int(path.suffix[1:]) for path in log.parent.glob(f"{log.name}.*")), reverse=True)
    for number in numbers:
        Path(f"{log}.{number}").rename(f"{log}.{number + 1}")
    log.rename(f"{log}.1")
    log.write_bytes(text)
    if keep in numbers:
        Path(f"{log}.{keep + 1}").unlink()


def test_a_file_rotated_away_is_followed_by_the_oldest_left(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    append(log, b"unread\n")
    for number in range(6):
        rotate_by_name(log, b"file %d\n" % number, keep=3)
    assert followed.orphaned
    assert taken(followed, looks=20) == b"unread\nfile 2\nfile 3\nfile 4\nfile 5\n"


def test_a_removed_file_is_not_followed_by_what_is_older(log: Path, followed: FollowedFile) -> None:
    old = Path(f"{log}.1")
    old.write_bytes(b"read long ago\n")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    taken(followed)
    log.unlink()
    log.write_bytes(b"present\n")
    assert taken(followed) == b"present\n"


def test_a_rotation_into_the_middle_of_a_look_skips_nothing(
    log: Path, followed: FollowedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(followed)
    rotate_by_name(log, b"file 0\n")
    left = [3]

    def open_late(path: str) -> tuple[int, int]:
        if left[0]:
            left[0] -= 1
            rotate_by_name(log, b"file %d\n" % (3 - left[0]))
        return open_log(path)

    monkeypatch.setattr(following, "open_log", open_late)
    assert taken(followed, looks=20) == b"file 0\nfile 1\nfile 2\nfile 3\n"


def test_a_number_that_is_missing_for_a_moment_hides_nothing(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    for number in range(3):
        rotate_by_name(log, b"file %d\n" % number)
    Path(f"{log}.2").rename(f"{log}.2.aside")
    assert taken(followed) == b"", "what comes next is not there, and nothing else will do"
    Path(f"{log}.2.aside").rename(f"{log}.2")
    assert taken(followed, looks=20) == b"file 0\nfile 1\nfile 2\n"


def test_it_is_restless_while_the_name_means_another_file(log: Path, followed: FollowedFile) -> None:
    taken(followed)
    assert not followed.restless
    rotate_by_name(log, b"new\n")
    taken(followed, looks=1)
    assert followed.restless
    taken(followed)
    assert not followed.restless


@pytest.mark.parametrize("keep", [1000, 3])
def test_an_empty_new_file_hides_none_that_came_in_between(log: Path, followed: FollowedFile, keep: int) -> None:
    taken(followed)
    for number in range(6):
        rotate_by_name(log, b"file %d\n" % number, keep)
    rotate_by_name(log, b"", keep)
    told = taken(followed, looks=20)
    assert told == b"".join(b"file %d\n" % number for number in range(0 if keep == 1000 else 3, 6))
    append(Path(f"{log}.1"), b"late\n")
    assert taken(followed) == b"late\n"
    append(log, b"new\n")
    assert taken(followed) == b"new\n"


def rotate_and_tell(log: Path, succession: Succession, text: bytes) -> None:
    """Do what the drain does: a new file in place of the old one, of which nothing is left, and say so."""
    before = os.stat(log)
    (log.parent / "next").write_bytes(text)
    (log.parent / "next").rename(log)
    fd = os.open(log, os.O_RDONLY)
    succession.add((before.st_dev, before.st_ino), fd, 1000)
    os.close(fd)


def test_what_the_writer_tells_is_followed_without_a_look_at_any_name(log: Path) -> None:
    succession = Succession(lambda: None, Succession.end)
    with closing(FollowedFile(str(log), succession)) as followed:
        for number in range(5):
            append(log, b"late in %d\n" % number)
            rotate_and_tell(log, succession, b"file %d\n" % (number + 1))
        told = b""
        while data := followed.read():
            told += data
        assert told == b"old\nlate in 0\n" + b"".join(
            b"file %d\n" % number + (b"late in %d\n" % number if number < 5 else b"") for number in range(1, 6)
        )
        assert taken(followed) == b""
    assert followed.closed


def test_what_the_writer_does_not_tell_is_found_and_what_it_told_before_is_no_trap(log: Path) -> None:
    succession = Succession(lambda: None, Succession.end)
    with closing(FollowedFile(str(log), succession)) as followed:
        taken(followed)
        rotate_by_name(log, b"untold\n")
        rotate_and_tell(log, succession, b"told\n")
        assert taken(followed, looks=20).endswith(b"told\n")
        rotate_and_tell(log, succession, b"last\n")
        assert taken(followed) == b"last\n"


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
