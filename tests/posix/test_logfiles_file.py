"""One log file: where it is opened, what it refuses, when it rotates."""

import os
import pty
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.posix.conftest import as_nobody
from tmd.posix import rotation
from tmd.posix.logfiles import LOOK_EVERY_S, LogFile, LogTarget, is_device_path, own_descriptor
from tmd.posix.rotation import LINE_BYTES


@pytest.fixture
def files() -> Iterator[list[LogFile]]:
    opened: list[LogFile] = []
    yield opened
    for file in opened:
        file.close()


def fill(file: LogFile) -> int:
    """Write until the target is full; return how many bytes went."""
    count = 0
    while True:
        try:
            count += file.write(b"x" * 4096, 0.0)
        except BlockingIOError:
            return count


def make(files: list[LogFile], path: Path | str, **limits: int) -> LogFile:
    file = LogFile(LogTarget(str(path), **limits))
    files.append(file)
    file.ensure(0.0)
    return file


def test_it_appends_and_takes_the_mode(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = make(files, path, mode=0o600)
    file.write(b"one\n", 0.0)
    assert path.stat().st_mode & 0o777 == 0o600
    again = make(files, path)
    again.write(b"two\n", 0.0)
    file.write(b"three\n", 0.0)
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_it_rotates_at_its_size_and_keeps_so_many(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = make(files, path, maxbytes=10, backups=2)
    for number in range(5):
        file.write(b"line %d....\n" % number, 0.0)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert (tmp_path / "log.2").read_bytes() == b"line 3....\n"
    assert (tmp_path / "log.1").read_bytes() == b"line 4....\n"
    assert path.read_bytes() == b""


def test_it_is_cut_between_lines(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = make(files, path, maxbytes=10, backups=3)
    file.write(b"whole line\nbegun", 0.0)
    assert (tmp_path / "log.1").read_bytes() == b"whole line\n"
    assert path.read_bytes() == b"begun"
    file.write(b" and ended\nx", 0.0)
    assert (tmp_path / "log.1").read_bytes() == b"begun and ended\n"
    assert path.read_bytes() == b"x"


def test_an_unfinished_line_puts_rotation_off_but_not_for_ever(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = make(files, path, maxbytes=10, backups=3)
    file.write(b"x" * 100, 0.0)
    assert not (tmp_path / "log.1").exists()
    while not (tmp_path / "log.1").exists():
        file.write(b"x" * 1000, 0.0)
    assert LINE_BYTES <= (tmp_path / "log.1").stat().st_size <= 2 * LINE_BYTES


def test_ordinary_limits_are_kept_exactly(files: list[LogFile], tmp_path: Path) -> None:
    file = make(files, tmp_path / "log", maxbytes=100_000, backups=2)
    data = b"".join(b"%07d\n" % number for number in range(40_000))
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest, 0.0) :]
    parts = [(tmp_path / name).read_bytes() for name in ("log.2", "log.1", "log")]
    assert all(len(part) <= 100_000 and part.endswith(b"\n") for part in parts)
    assert data.endswith(b"".join(parts))


def test_a_blob_that_trickles_in_overshoots_by_one_line_length_at_most(files: list[LogFile], tmp_path: Path) -> None:
    file = make(files, tmp_path / "log", maxbytes=100_000, backups=9)
    left = 1_000_000
    while left:
        left -= file.write(b"x" * min(left, 30_000), 0.0)
    sizes = sorted(path.stat().st_size for path in tmp_path.iterdir())
    assert sum(sizes) == 1_000_000
    assert sizes[-1] <= 100_000 + 65_536


def test_what_was_written_last_is_told_over_a_rotation_as_far_as_it_is_there(
    files: list[LogFile], tmp_path: Path
) -> None:
    file = make(files, tmp_path / "log", maxbytes=10, backups=2)
    file.write(b"long enough\nrest", 0.0)
    assert (file.tail(99), file.tail(9), file.tail(2)) == (b"long enough\nrest", b"ough\nrest", b"st")
    (tmp_path / "log.1").unlink()
    assert file.tail(99) == b"rest"
    (tmp_path / "log.1").mkdir()
    assert file.tail(99) == b"rest"


def test_no_backups_means_emptied(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = make(files, path, maxbytes=10)
    before = path.stat().st_ino
    file.write(b"long enough\nbegun", 0.0)
    assert path.read_bytes() == b"begun"
    assert path.stat().st_ino == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["log"]


def test_a_new_file_has_the_permissions_of_the_old(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = make(files, path, maxbytes=10, backups=1)
    path.chmod(0o640)
    file.write(b"long enough\n", 0.0)
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_cannot_rotate_grows_and_loses_nothing(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = make(files, path, maxbytes=10, backups=1)
    (tmp_path / "log.1").mkdir()
    (tmp_path / "log.1" / "occupied").touch()
    file.write(b"long enough\n", 0.0)
    file.write(b"and more\n", 0.1)
    assert path.read_bytes() == b"long enough\nand more\n"
    assert file.trouble_rotating.startswith("cannot rotate: ")
    (tmp_path / "log.1" / "occupied").unlink()
    (tmp_path / "log.1").rmdir()
    file.write(b"again\n", 2.0)
    assert file.trouble_rotating == ""
    assert (tmp_path / "log.1").read_bytes() == b"long enough\nand more\nagain\n"
    assert [entry.name for entry in sorted(tmp_path.iterdir())] == ["log", "log.1"]


def test_a_half_made_rotation_is_no_obstacle(files: list[LogFile], tmp_path: Path) -> None:
    file = make(files, tmp_path / "log", maxbytes=10, backups=1)
    (tmp_path / "log.rotating").write_bytes(b"left by a crash")
    file.write(b"long enough\n", 0.0)
    assert [entry.name for entry in sorted(tmp_path.iterdir())] == ["log", "log.1"]
    assert (tmp_path / "log").read_bytes() == b""


def test_it_follows_its_path(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = make(files, path)
    file.write(b"one\n", 0.0)
    path.rename(tmp_path / "moved")
    file.ensure(LOOK_EVERY_S)
    file.write(b"two\n", LOOK_EVERY_S)
    path.unlink()
    file.ensure(2 * LOOK_EVERY_S)
    file.write(b"three\n", 2 * LOOK_EVERY_S)
    os.truncate(path, 0)
    file.write(b"four\n", 2 * LOOK_EVERY_S)
    assert (tmp_path / "moved").read_bytes() == b"one\n"
    assert path.read_bytes() == b"four\n"


def test_a_hole_left_by_a_truncation_in_between_is_closed(tmp_path: Path) -> None:
    lines = b"".join(b"%06d\n" % number for number in range(30_000))
    fd = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    try:
        os.pwrite(fd, lines, 1_000_001)
        rotation.close_hole(fd)
        assert (tmp_path / "log").read_bytes() == lines
        rotation.close_hole(fd)
        assert (tmp_path / "log").read_bytes() == lines
        os.truncate(fd, 0)
        rotation.close_hole(fd)
        assert (tmp_path / "log").read_bytes() == b""
    finally:
        os.close(fd)


def test_a_file_moved_with_its_directory_is_still_written(files: list[LogFile], tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    file = make(files, tmp_path / "logs" / "log")
    (tmp_path / "logs").rename(tmp_path / "old")
    file.ensure(1.0)
    file.write(b"not lost\n", 1.0)
    assert (tmp_path / "old" / "log").read_bytes() == b"not lost\n"
    (tmp_path / "logs").mkdir()
    file.ensure(2.0)
    file.write(b"back\n", 2.0)
    assert (tmp_path / "logs" / "log").read_bytes() == b"back\n"


def test_others_who_moved_it_are_noticed_before_rotating(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = make(files, path, maxbytes=10, backups=3)
    path.rename(tmp_path / "moved")
    path.write_bytes(b"theirs")
    file.write(b"long enough\n", 0.0)
    file.ensure(0.0)
    file.write(b"\n", 0.0)
    assert (tmp_path / "moved").read_bytes() == b"long enough\n"
    assert path.read_bytes() == b"theirs\n"
    assert not (tmp_path / "log.1").exists()


def test_through_a_link_the_file_behind_it_rotates(files: list[LogFile], tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "log").symlink_to(tmp_path / "real" / "log")
    file = make(files, tmp_path / "log", maxbytes=5, backups=1)
    file.write(b"enough\n", 0.0)
    assert (tmp_path / "log").is_symlink()
    assert (tmp_path / "real" / "log.1").read_bytes() == b"enough\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has links of others to fear")
@pytest.mark.parametrize("link", ["log", "dir/log"])
def test_root_follows_no_link_of_others(tmp_path: Path, link: str) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "log").write_bytes(b"do not touch")
    place = tmp_path / link.split("/", maxsplit=1)[0]
    place.symlink_to(tmp_path / "precious" / ("log" if link == "log" else ""))
    os.lchown(place, 65534, 65534)
    file = LogFile(LogTarget(str(tmp_path / link)))
    with pytest.raises(PermissionError, match="refusing the symbolic link"):
        file.ensure(0.0)
    os.lchown(place, 0, 0)
    file.ensure(0.0)
    file.close()


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        LogFile(LogTarget(str(tmp_path))).ensure(0.0)


@pytest.mark.parametrize(
    ("path", "device", "number"),
    [
        ("/dev/stdout", True, 1),
        ("/dev/stderr", True, 2),
        ("/dev/fd/7", True, 7),
        ("/proc/self/fd/5", True, 5),
        ("/dev/null", True, None),
        ("/dev/shm/log", False, None),
        ("/var/log/dev/stdout", False, None),
    ],
)
def test_the_systems_own_paths_are_known(path: str, device: bool, number: int | None) -> None:
    assert is_device_path(path) is device
    assert own_descriptor(path) == number


def test_a_descriptor_of_our_own_is_never_rotated_even_if_a_file(files: list[LogFile], tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        out.write(b"before\n")
        out.flush()
        file = make(files, f"/proc/self/fd/{out.fileno()}", maxbytes=5, backups=3)
        file.write(b"enough to rotate\n", 0.0)
        file.truncate()
        file.reopen(0.0)
        file.write(b"more\n", 9.0)
    assert (tmp_path / "out").read_bytes() == b"before\nenough to rotate\nmore\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_fifo_without_reader_is_refused_and_a_full_one_says_so(files: list[LogFile], tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    file = LogFile(LogTarget(str(path)))
    files.append(file)
    with pytest.raises(OSError, match="No such device or address"):
        file.ensure(0.0)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        file.ensure(0.0)
        assert fill(file) > 0
        assert not file.rotates
    finally:
        os.close(reader)


def test_a_terminal_that_blocks_says_so(files: list[LogFile]) -> None:
    ours, theirs = pty.openpty()
    try:
        file = make(files, os.ttyname(theirs), maxbytes=5, backups=3)
        assert fill(file) > 0
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_socket_as_standard_output_is_written_without_blocking(files: list[LogFile]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        file = make(files, f"/dev/fd/{ours.fileno()}")
        assert file.write(b"hello\n", 0.0) == 6
        assert theirs.recv(100) == b"hello\n"
        assert fill(file) > 0
        assert os.get_blocking(ours.fileno())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a pipe of somebody else")
def test_a_pipe_of_another_user_as_standard_output_is_written_without_blocking() -> None:
    read_fd, write_fd = os.pipe()
    os.fchmod(write_fd, 0o600)

    def write_what_fits() -> str:
        file = LogFile(LogTarget(f"/dev/fd/{write_fd}"))
        file.ensure(0.0)
        return str(fill(file))

    try:
        count = int(as_nobody(write_what_fits))
        assert len(os.read(read_fd, 1 << 20)) == count > 0
    finally:
        os.close(read_fd)
        os.close(write_fd)
