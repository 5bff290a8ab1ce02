"""A rotation that is killed at any system call: whoever opens the file next finds every byte, once and in order."""

import fcntl
import functools
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.programs.check_lines import oldest_first
from tmd.posix import rotation
from tmd.posix.logfiles import LOOK_EVERY_S, LogFile, LogTarget, create
from tmd.posix.rotation import LINE_BYTES, SUFFIX
from tmd.posix.succession import Succession

CALLS = frozenset(("rename", "ftruncate", "pwrite", "open", "unlink", "close", "fchmod", "fchown", "flock"))
OLD = b"".join(b"old line %d\n" % number for number in range(8))
MOST_CALLS = 60


class Armed:
    """A module whose system calls are counted: before that of this number the process kills itself.

    Of what it is about to write at that moment it writes half.
    """

    def __init__(self, module: Any, count: "itertools.count[int]", number: int) -> None:
        self._module, self._count, self._number = module, count, number

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._module, name)
        if name in CALLS and next(self._count) == self._number:
            return functools.partial(_last, call if name == "pwrite" else None)
        return call


def _last(write: Callable[..., int] | None, *args: Any) -> None:
    if write is not None:
        fd, data, place = args
        write(fd, data[: len(data) // 2], place)
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(number: int, act: Callable[[], object]) -> bool:
    """Do something in a child that is killed before rotation's system call of this number; False: it got through."""
    pid = os.fork()
    if not pid:
        try:
            count = itertools.count(1)
            for name in ("os", "fcntl"):
                setattr(rotation, name, Armed(getattr(rotation, name), count, number))
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def crashes(prepare: Callable[[], Callable[[], object]]) -> Iterator[int]:
    """Let something be killed at its first call, at its second..., and yield after each."""
    for number in range(1, MOST_CALLS):
        act = prepare()
        if not killed_at(number, act):
            assert number > 3, "nothing of it was seen"
            return
        yield number
    raise AssertionError("it never got through")


def rotating(path: Path, data: bytes, maxbytes: int, backups: int, *, spare: bool = False) -> Callable[[], object]:
    """Make a file that is about to be rotated; return what rotates it."""

    def act() -> None:
        file = LogFile(LogTarget(str(path), maxbytes, backups))
        if spare:
            file.readers = [Succession(lambda: None, Succession.end)]
        file.ensure(0.0)
        file.write(data, 0.0)
        file.close()

    return act


def reopen(path: Path, maxbytes: int = 0, backups: int = 0) -> LogFile:
    file = LogFile(LogTarget(str(path), maxbytes, backups))
    file.ensure(0.0)
    return file


def contents(log: Path) -> bytes:
    return b"".join(path.read_bytes() for path in oldest_first(log))


def fresh(tmp_path: Path) -> Path:
    place = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    place.mkdir()
    return place / "log"


@pytest.mark.parametrize(("history", "rest"), [(0, b""), (0, b"begun"), (1, b"x" * 3000), (2, b""), (3, b"begun")])
def test_with_backups_every_byte_is_there_once(tmp_path: Path, history: int, rest: bytes) -> None:
    log = tmp_path / "none"
    before = b"".join(b"backup %d\n" % number for number in range(history, 0, -1))

    def prepare() -> Callable[[], object]:
        nonlocal log
        log = fresh(tmp_path)
        for number in range(1, history + 1):
            log.with_name(f"log.{number}").write_bytes(b"backup %d\n" % number)
        log.write_bytes(OLD)
        return rotating(log, b"one more\n" + rest, 20, 3)

    for number in crashes(prepare):
        written = b"one more\n" + rest
        reopen(log).close()
        reopen(log).close()  # done once is done
        files = [path.name for path in oldest_first(log)]
        everything = contents(log)
        if history == 3 and everything.startswith(b"backup 2"):  # full: the oldest has gone
            everything = b"backup 3\n" + everything
        assert everything == before + OLD + written, (number, files)
        assert sorted(path.name for path in log.parent.iterdir()) == sorted(files), "nothing else is left"
        for path in oldest_first(log)[:-1]:
            assert path.read_bytes().endswith(b"\n"), (number, path)
        if len(files) < 4:  # there is a number without a file: that is taken, and costs none
            everything = contents(log)
            rotating(log, b"again\n", 1, 3)()
            assert contents(log) == everything + b"again\n"


@pytest.mark.parametrize("spare", [False, True])
@pytest.mark.parametrize("rest", [b"begun", b"x" * 3000], ids=["begun", "long"])
def test_without_backups_what_stays_is_there_once(tmp_path: Path, rest: bytes, spare: bool) -> None:
    log = tmp_path / "none"

    def prepare() -> Callable[[], object]:
        nonlocal log
        log = fresh(tmp_path)
        log.write_bytes(OLD)
        return rotating(log, b"one more\n" + rest, 20, 0, spare=spare)

    seen = set()
    for number in crashes(prepare):
        reopen(log).close()
        assert [path.name for path in log.parent.iterdir()] == ["log"]
        seen.add(log.read_bytes())
        assert log.read_bytes() in (OLD + b"one more\n" + rest, rest), number
    assert rest in seen


def test_the_recovery_may_be_killed_too(tmp_path: Path) -> None:
    log = tmp_path / "none"

    def prepare() -> Callable[[], object]:
        nonlocal log
        log = fresh(tmp_path)
        log.with_name("log.1").write_bytes(OLD + b"begun")
        log.with_name("log.rotating").write_bytes(b"begun")
        return lambda: reopen(log)

    for number in crashes(prepare):
        reopen(log).close()
        assert (log.with_name("log.1").read_bytes(), log.read_bytes()) == (OLD, b"begun"), number


def test_the_recovery_of_an_emptied_file_may_be_killed_too(tmp_path: Path) -> None:
    log = tmp_path / "none"

    def prepare() -> Callable[[], object]:
        nonlocal log
        log = fresh(tmp_path)
        log.write_bytes(b"be")
        log.with_name("log.rotating").write_bytes(b"begun")
        return lambda: reopen(log)

    for number in crashes(prepare):
        reopen(log).close()
        assert log.read_bytes() == b"begun", number
        assert not log.with_name("log.rotating").exists()


@pytest.mark.parametrize(
    ("backup", "rest", "left"),
    [
        (b"whole\nbegun", b"begun", b"whole\n"),
        (b"whole\n", b"begun", b"whole\n"),
        (b"whole\n", b"", b"whole\n"),
        (b"no newline at all", b"", b"no newline at all"),
        (b"somebody else's", b"begun", b"somebody else's"),
        (b"egun", b"begun", b"egun"),
        (None, b"begun", None),
    ],
)
def test_a_tail_is_taken_from_the_backup_that_has_it(
    tmp_path: Path, backup: bytes | None, rest: bytes, left: bytes | None
) -> None:
    log, newest = tmp_path / "log", tmp_path / "log.1"
    if backup is not None:
        newest.write_bytes(backup)
    (tmp_path / "log.rotating").write_bytes(rest)
    reopen(log).close()
    assert log.read_bytes() == rest
    assert (newest.read_bytes() if newest.exists() else None) == left
    assert not (tmp_path / "log.rotating").exists()


def test_somebody_who_made_a_file_meanwhile_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_bytes(OLD)
    (tmp_path / "log.rotating").write_bytes(b"begun")
    (tmp_path / "log").touch()
    reopen(tmp_path / "log").close()
    assert contents(tmp_path / "log") == OLD + b"begun"


def test_while_another_process_rotates_it_nothing_is_touched(tmp_path: Path) -> None:
    with (tmp_path / "log.rotating").open("wb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        file = LogFile(LogTarget(str(tmp_path / "log")))
        with pytest.raises(OSError, match="another process is rotating it"):
            file.ensure(0.0)
        assert not (tmp_path / "log").exists()
        (tmp_path / "log").write_bytes(OLD)
        with pytest.raises(OSError, match="another process is rotating it"):
            file.ensure(0.0)
        assert (tmp_path / "log.rotating").exists()
    file.ensure(0.0)
    file.close()
    assert not (tmp_path / "log.rotating").exists()


def test_who_cannot_take_its_place_is_written_to_until_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    file = reopen(log, 10, 2)
    rename = os.rename

    def fails(source: str, goal: str) -> None:
        if source.endswith(SUFFIX):
            raise OSError(5, "input/output error")
        rename(source, goal)

    monkeypatch.setattr(os, "rename", fails)
    file.write(b"long enough\nbegun", 0.0)
    file.write(b" and", 0.0)
    file.ensure(LOOK_EVERY_S)
    file.write(b" ended", LOOK_EVERY_S)
    assert not log.exists()
    monkeypatch.setattr(os, "rename", rename)
    file.ensure(9.0)
    file.write(b"\n", 9.0)
    file.close()
    assert contents(log) == b"long enough\nbegun and ended\n"
    assert not (tmp_path / "log.rotating").exists()


def test_a_new_file_that_somebody_removes_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    file = reopen(log, 10, 2)
    rename = os.rename

    def is_too_late(source: str, goal: str) -> None:
        if source.endswith(SUFFIX):
            os.unlink(source)
        rename(source, goal)

    monkeypatch.setattr(os, "rename", is_too_late)
    file.write(b"long enough\nbegun", 0.0)
    monkeypatch.undo()
    file.ensure(9.0)
    file.write(b" and ended\n", 9.0)
    file.close()
    assert contents(log) == b"long enough\nbegun and ended\n"


@pytest.mark.parametrize("backups", [0, 2])
def test_what_others_write_meanwhile_is_not_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backups: int
) -> None:
    log = tmp_path / "log"
    file = reopen(log, 10, backups)
    flock = fcntl.flock

    def late(fd: int, how: int) -> None:
        with log.open("ab") as theirs:
            theirs.write(b", they said\nand they")
        monkeypatch.undo()
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    file.write(b"long enough\nbegun", 0.0)
    file.close()
    assert contents(log) == (b"long enough\nbegun, they said\nand they" if backups else b"begun")


def test_no_file_may_be_made_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = reopen(tmp_path / "log", 10, 0)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "permission denied")

    monkeypatch.setattr(rotation, "_begin", refuse)
    file.write(b"long enough\nbegun", 0.0)
    file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").read_bytes() == b"begun"


def test_what_is_planted_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"secret\nbegun")
    (tmp_path / "log").touch()
    os.link(precious, tmp_path / "log.rotating")
    reopen(tmp_path / "log").close()
    assert (tmp_path / "log").read_bytes() == b""
    (tmp_path / "log").unlink()
    (tmp_path / "log.rotating").unlink()
    (tmp_path / "log.rotating").write_bytes(b"begun")
    os.link(precious, tmp_path / "log.1")
    reopen(tmp_path / "log").close()
    assert precious.read_bytes() == b"secret\nbegun"
    (tmp_path / "log.rotating").symlink_to(precious)
    (tmp_path / "log").unlink()
    file = reopen(tmp_path / "log", 10, 1)
    file.write(b"long enough\n", 0.0)
    file.close()
    assert precious.read_bytes() == b"secret\nbegun"
    assert not (tmp_path / "log.rotating").is_symlink()


def test_more_than_a_line_is_never_moved(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_bytes(b"x" * (LINE_BYTES + 1))
    (tmp_path / "log.rotating").write_bytes(b"x" * (LINE_BYTES + 1))
    reopen(tmp_path / "log").close()
    assert len(contents(tmp_path / "log")) == 2 * (LINE_BYTES + 1)


def test_a_file_that_a_rotation_is_about_to_put_there_is_not_made_before(tmp_path: Path) -> None:
    log, backup, coming = (tmp_path / name for name in ("log", "log.1", f"log{SUFFIX}"))
    backup.write_bytes(b"whole\nbegun")
    coming.write_bytes(b"begun")
    create(LogTarget(str(log)))
    assert not log.exists()
    rotation.finish(str(log))
    assert (backup.read_bytes(), log.read_bytes()) == (b"whole\n", b"begun")
