"""The pidfile: one daemon at a time, and nobody else's file is touched."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.posix.conftest import NOBODY, as_nobody
from tmd.posix.pidfile import PidFile, PidFileHeld

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def path(open_dir: Path) -> str:
    return str(open_dir / "tmd.pid")


def test_it_holds_our_number_and_goes_with_us(path: str) -> None:
    pidfile = PidFile.acquire(path)
    pidfile.write(12345)
    pidfile.write(99)
    assert Path(path).read_bytes() == b"99\n"
    assert not os.get_inheritable(pidfile.fileno())
    pidfile.release()
    pidfile.release()
    assert not os.path.exists(path)
    with pytest.raises(ValueError, match="released"):
        pidfile.fileno()


def test_a_second_one_is_told_who_has_it_and_changes_nothing(path: str) -> None:
    first = PidFile.acquire(path)
    first.write(os.getpid())
    before = os.stat(path)
    with pytest.raises(
        PidFileHeld, match=f"cannot take pidfile '{path}': another daemon .pid {os.getpid()}. holds"
    ) as held:
        PidFile.acquire(path)
    assert (held.value.path, held.value.pid) == (path, os.getpid())
    after = os.stat(path)
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    first.release()
    PidFile.acquire(path).release()


def test_a_holder_that_has_written_nothing_yet_is_known_all_the_same(path: str) -> None:
    first = PidFile.acquire(path)
    with pytest.raises(PidFileHeld) as held:
        PidFile.acquire(path)
    assert held.value.pid == os.getpid()
    first.release()


def test_a_file_left_by_a_crash_is_taken_over_and_names_nobody_meanwhile(path: str) -> None:
    Path(path).write_text("4711 and something long\n")
    pidfile = PidFile.acquire(path)
    assert Path(path).read_text() == ""
    pidfile.write(5)
    assert Path(path).read_text() == "5\n"
    pidfile.release()


def test_the_lock_outlives_the_process_that_took_it(path: str) -> None:
    """As it must when going into the background; then the file tells who has it."""
    reader, writer = os.pipe()
    script = """
import os, sys
from tmd.posix.pidfile import PidFile
pidfile = PidFile.acquire(sys.argv[1])
pid = os.fork()
if pid:
    pidfile.write(pid)
else:
    sys.stdin.read()
"""
    taker = subprocess.Popen([sys.executable, "-c", script, path], cwd=ROOT, stdin=reader)
    os.close(reader)
    assert taker.wait() == 0
    with pytest.raises(PidFileHeld) as held:
        PidFile.acquire(path)
    assert held.value.pid not in (taker.pid, os.getpid())
    assert held.value.pid == int(Path(path).read_text())
    os.close(writer)
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.close(fd)
    PidFile.acquire(path).release()


def test_an_inherited_descriptor_carries_on(path: str) -> None:
    first = PidFile.acquire(path)
    second = PidFile(path, os.dup(first.fileno()))
    os.close(first.fileno())
    second.write(7)
    assert Path(path).read_text() == "7\n"
    second.release()
    assert not os.path.exists(path)


def test_a_link_is_not_followed(path: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    os.symlink(precious, path)
    with pytest.raises(OSError, match="symbolic links"):
        PidFile.acquire(path)
    os.unlink(path)
    os.link(precious, path)
    with pytest.raises(OSError, match="another name"):
        PidFile.acquire(path)
    assert precious.read_text() == "keep me"


def test_what_is_no_file_is_refused_without_waiting(path: str, open_dir: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file"):
        PidFile.acquire(path)
    with pytest.raises(IsADirectoryError):
        PidFile.acquire(str(open_dir))
    with pytest.raises(FileNotFoundError):
        PidFile.acquire(str(open_dir / "none" / "tmd.pid"))


def test_a_file_somebody_put_in_our_place_stays(path: str) -> None:
    pidfile = PidFile.acquire(path)
    os.unlink(path)
    Path(path).write_text("somebody else\n")
    pidfile.release()
    assert Path(path).read_text() == "somebody else\n"


def test_a_file_that_cannot_be_removed_names_nobody(open_dir: Path, path: str) -> None:
    """After root has become another user its directory may be out of reach."""

    def serve() -> str:
        pidfile = PidFile.acquire(path)
        pidfile.write(os.getpid())
        if not AS_ROOT:
            open_dir.chmod(0o555)
        pidfile.release()
        open_dir.chmod(0o755) if not AS_ROOT else None
        return Path(path).read_text()

    Path(path).touch()
    if AS_ROOT:
        os.chown(path, NOBODY, NOBODY)
        assert as_nobody(serve) == ""
    else:
        assert serve() == ""
    assert Path(path).read_text() == ""


def test_it_is_handed_over_to_the_user_the_daemon_becomes(path: str) -> None:
    uid, gid = (NOBODY, NOBODY) if AS_ROOT else (os.geteuid(), os.getegid())
    pidfile = PidFile.acquire(path)
    pidfile.hand_over(uid, gid)
    found = os.stat(path)
    assert (found.st_uid, found.st_gid) == (uid, gid)
    pidfile.release()


RACER = """
import os, sys
from tmd.posix.pidfile import PidFile, PidFileHeld
print("ready", flush=True)
for line in sys.stdin:
    if line == "go\\n":
        try:
            mine = PidFile.acquire(sys.argv[1])
            mine.write(os.getpid())
            print("mine", os.getpid(), flush=True)
        except PidFileHeld as held:
            mine = None
            print("held", held.pid, flush=True)
    elif mine:
        mine.release()
"""


@pytest.fixture
def racers(path: str) -> Iterator[list[subprocess.Popen[str]]]:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, path], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    yield racers
    for racer in racers:
        racer.communicate()


def test_of_two_that_start_together_one_wins_and_the_other_names_it(
    path: str, racers: list[subprocess.Popen[str]]
) -> None:
    for attempt in range(100):
        if attempt % 3 == 0:
            Path(path).write_text("1234567\n")
        for word in ("go", "release"):
            for racer in racers:
                assert racer.stdin
                racer.stdin.write(f"{word}\n")
                racer.stdin.flush()
            if word == "go":
                answers = sorted(racer.stdout.readline().split() for racer in racers if racer.stdout)
                assert [answer[0] for answer in answers] == ["held", "mine"]
                assert answers[0][1] == answers[1][1]
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(fd, fcntl.LOCK_EX)  # until the winner has let go of it
        os.close(fd)


# --- taken away ------------------------------------------------------------------------------------------------------


def held_by(path: str) -> int | None:
    with pytest.raises(PidFileHeld) as held:
        PidFile.acquire(path)
    return held.value.pid


def test_what_is_as_it_should_be_is_left_alone(path: str) -> None:
    pidfile = PidFile.acquire(path)
    pidfile.write(5)
    before = os.stat(path)
    assert pidfile.look(5) is False
    assert os.stat(path) == before
    pidfile.release()


@pytest.mark.parametrize("instead", [None, b"", b"77\n"])
def test_a_file_that_was_removed_or_replaced_is_made_again_with_its_lock(path: str, instead: bytes | None) -> None:
    pidfile = PidFile.acquire(path)
    pidfile.write(5)
    number = pidfile.fileno()
    os.unlink(path)
    if instead is not None:
        Path(path).write_bytes(instead)
    assert pidfile.look(5) is True
    assert pidfile.look(5) is False
    assert Path(path).read_bytes() == b"5\n"
    assert pidfile.fileno() == number, "who inherits it finds it where it was"
    assert not os.get_inheritable(number)
    assert held_by(path) == os.getpid()
    pidfile.release()
    assert not os.path.exists(path)


@pytest.mark.parametrize("text", [b"", b"77\n", b"5\n6\n"])
def test_another_number_in_it_is_put_right(path: str, text: bytes) -> None:
    pidfile = PidFile.acquire(path)
    pidfile.write(5)
    Path(path).write_bytes(text)
    assert pidfile.look(5) is True
    assert Path(path).read_bytes() == b"5\n"
    pidfile.release()


def test_a_directory_that_was_removed_is_made_again(open_dir: Path) -> None:
    place = open_dir / "run"
    place.mkdir(mode=0o710)
    place.chmod(0o710)
    pidfile = PidFile.acquire(str(place / "tmd.pid"))
    pidfile.write(5)
    (place / "tmd.pid").unlink()
    place.rmdir()
    assert pidfile.look(5) is True
    assert place.stat().st_mode & 0o777 == 0o710
    pidfile.release()


def test_another_daemon_s_file_is_left_alone_and_ours_stays_open(path: str) -> None:
    pidfile = PidFile.acquire(path)
    os.unlink(path)
    other = PidFile.acquire(path)
    other.write(77)
    with pytest.raises(PidFileHeld):
        pidfile.look(5)
    assert Path(path).read_bytes() == b"77\n"
    other.release()
    assert pidfile.look(5) is True
    pidfile.release()


def test_what_cannot_be_made_leaves_everything_as_it_was(path: str) -> None:
    pidfile = PidFile.acquire(path)
    os.unlink(path)
    os.mkdir(path)
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="directory"):
        pidfile.look(5)
    assert set(os.listdir("/proc/self/fd")) == before
    os.rmdir(path)
    assert pidfile.look(5) is True
    pidfile.release()
