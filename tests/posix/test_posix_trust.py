"""Trust: which directories root may use, and files that others planted."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.posix.conftest import NOBODY
from tmd.posix import trust
from tmd.posix.logfiles import LogFile, LogTarget, open_file
from tmd.posix.privileges import find_user
from tmd.posix.trust import anchored, open_real, real_path, unsafe_directory

AS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can make what belongs to others, and only root is refused it"
)
STRANGER = NOBODY - 2
"""a number that nobody has, most likely"""


@pytest.fixture
def place(open_dir: Path) -> Path:
    """A directory of ours, below a sticky one."""
    return open_dir.resolve()


# --- directories ---------------------------------------------------------------------------------------------------


@AS_ROOT
def test_a_directory_of_roots_below_a_sticky_one_is_safe(place: Path) -> None:
    assert stat.S_ISVTX & place.parent.stat().st_mode
    assert unsafe_directory(str(place), ()) is None
    assert unsafe_directory(str(place.parent), ()) is None


def where_anybody_can_write(place: Path) -> str:
    place.chmod(0o777)
    return f"anybody can write to '{place}'"


def of_a_stranger(place: Path) -> str:
    os.chown(place, STRANGER, 0)
    return f"'{place}' belongs to uid {STRANGER}"


def of_somebody_with_a_name(place: Path) -> str:
    os.chown(place, 1, 0)
    return f"'{place}' belongs to 'daemon' (uid 1)"


def where_a_group_of_people_can_write(place: Path) -> str:
    os.chown(place, 0, 54321)
    place.chmod(0o775)
    return f"group '54321' (gid 54321) can write to '{place}'"


def where_all_people_can_write(place: Path) -> str:
    os.chown(place, 0, 100)
    place.chmod(0o775)
    return f"group 'users' (gid 100) can write to '{place}'"


def of_a_stranger_though_sticky(place: Path) -> str:
    place.chmod(0o1777)
    return of_a_stranger(place)


Spoil = Callable[[Path], str]
SPOILS = [
    where_anybody_can_write,
    of_a_stranger,
    of_somebody_with_a_name,
    where_a_group_of_people_can_write,
    where_all_people_can_write,
    of_a_stranger_though_sticky,
]


@AS_ROOT
@pytest.mark.parametrize("spoil", SPOILS)
def test_where_others_could_plant_a_file_is_told(place: Path, spoil: Spoil) -> None:
    (place / "logs").mkdir()
    reason = spoil(place / "logs")
    assert unsafe_directory(str(place / "logs"), (12,)) == reason
    assert unsafe_directory(f"{place}/logs/not/there/yet", ()) == reason, "as unsafe as what it would be made in"
    assert unsafe_directory(f"{place}/logs/../logs/", ()) == reason
    assert unsafe_directory(str(place), ()) is None, "what is beside does not matter"


@AS_ROOT
@pytest.mark.parametrize("spoil", SPOILS)
def test_what_is_above_counts_too(place: Path, spoil: Spoil) -> None:
    (place / "srv" / "logs").mkdir(parents=True)
    assert unsafe_directory(str(place / "srv" / "logs"), ()) is None
    reason = spoil(place / "srv")
    assert unsafe_directory(str(place / "srv" / "logs"), ()) == reason


@AS_ROOT
@pytest.mark.parametrize("absolute", [True, False])
def test_where_a_link_leads_counts_too(place: Path, absolute: bool) -> None:
    (place / "srv" / "logs").mkdir(parents=True)
    (place / "var").mkdir()
    (place / "var" / "logs").symlink_to(place / "srv" / "logs" if absolute else "../srv/./logs")
    assert unsafe_directory(str(place / "var" / "logs"), ()) is None
    reason = where_anybody_can_write(place / "srv")
    assert unsafe_directory(str(place / "var" / "logs"), ()) == reason


@AS_ROOT
def test_a_link_of_a_stranger_is_as_bad_as_a_directory(place: Path) -> None:
    (place / "logs").symlink_to("/etc")
    assert unsafe_directory(str(place / "logs"), ()) is None
    os.lchown(place / "logs", STRANGER, STRANGER)
    assert unsafe_directory(str(place / "logs"), ()) == f"'{place}/logs' belongs to uid {STRANGER}"
    assert unsafe_directory(str(place / "logs"), (STRANGER,)) is None


@AS_ROOT
def test_links_in_a_circle_are_no_way_to_anywhere(place: Path) -> None:
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    assert unsafe_directory(str(place / "a"), ()) is None


@AS_ROOT
def test_the_users_named_are_trusted_with_their_groups(place: Path) -> None:
    os.chown(place, STRANGER, 0)
    assert unsafe_directory(str(place), (5, STRANGER)) is None
    where_a_group_of_people_can_write(place)
    assert unsafe_directory(str(place), (STRANGER,)) is not None
    nobody = find_user("nobody")
    assert nobody is not None
    os.chown(place, 0, nobody.gid)
    assert unsafe_directory(str(place), (nobody.uid,)) is None
    assert unsafe_directory(str(place), (1,)) is not None


@AS_ROOT
def test_groups_of_the_system_are_trusted(place: Path) -> None:
    """/var/log belongs to root:syslog with mode 775 on some systems."""
    os.chown(place, 0, 102)
    place.chmod(0o775)
    assert unsafe_directory(str(place), ()) is None


@AS_ROOT
def test_groups_of_the_system_are_not_trusted_where_it_is_said_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = find_user("nobody")
    assert nobody is not None
    where = str(place / "file")
    (place / "file").touch(0o664)
    (place / "file").chmod(0o664)
    os.chown(place / "file", 0, 102)
    assert unsafe_directory(where, ()) is None
    reason = unsafe_directory(where, (nobody.uid,), system_groups=False)
    assert reason is not None
    assert reason.startswith("group ")
    assert reason.endswith(f" (gid 102) can write to '{where}'")
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 102] if name == "root" else [gid])
    assert unsafe_directory(where, (0,), system_groups=False) == reason, "others may be in a group that root is in"
    for gid in (0, nobody.gid):
        os.chown(place / "file", 0, gid)
        assert unsafe_directory(where, (nobody.uid,), system_groups=False) is None
    assert unsafe_directory(where, (0,), system_groups=False) is not None


@AS_ROOT
def test_a_sticky_bit_makes_no_file_safe(place: Path) -> None:
    (place / "file").touch()
    (place / "file").chmod(0o1666)
    assert unsafe_directory(str(place / "file"), ()) == f"anybody can write to '{place}/file'"


# --- files ---------------------------------------------------------------------------------------------------------


def opened(path: Path) -> int:
    return open_file(str(path), os.O_RDWR | os.O_CREAT)


def logged(path: Path) -> int:
    file = LogFile(LogTarget(str(path)))
    file.ensure(0.0)
    return file.fd


OPENERS = [opened, logged]


@AS_ROOT
@pytest.mark.parametrize("opener", OPENERS)
def test_a_hard_link_in_a_directory_of_others_is_refused(place: Path, opener: Callable[[Path], int]) -> None:
    (place / "precious").write_text("do not touch")
    (place / "theirs").mkdir()
    os.link(place / "precious", place / "theirs" / "log")
    os.close(opener(place / "theirs" / "log"))
    for owner, mode in ((STRANGER, 0o755), (0, 0o1777), (0, 0o775)):
        os.chown(place / "theirs", owner, 0)
        (place / "theirs").chmod(mode)
        with pytest.raises(PermissionError, match="the file has another name too"):
            opener(place / "theirs" / "log")
    assert (place / "precious").read_text() == "do not touch"


@AS_ROOT
def test_a_hard_link_of_ones_own_file_is_no_harm(place: Path) -> None:
    (place / "log").touch()
    os.link(place / "log", place / "copy")
    for path in (place, place / "log"):
        os.chown(path, STRANGER, STRANGER)
    os.close(opened(place / "log"))


@AS_ROOT
@pytest.mark.parametrize("opener", OPENERS)
def test_a_file_that_a_stranger_made_where_all_may_is_refused(place: Path, opener: Callable[[Path], int]) -> None:
    (place / "log").touch()
    os.chown(place / "log", STRANGER, STRANGER)
    os.close(opener(place / "log"))
    place.chmod(0o1777)
    with pytest.raises(PermissionError, match=f"uid {STRANGER} made it, where everybody may make files"):
        opener(place / "log")
    os.chown(place / "log", 0, 0)
    os.close(opener(place / "log"))


@AS_ROOT
def test_a_fifo_of_a_stranger_does_not_get_our_output(place: Path) -> None:
    os.mkfifo(place / "log")
    os.chown(place / "log", STRANGER, STRANGER)
    place.chmod(0o1777)
    reader = os.open(place / "log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(PermissionError, match="made it"):
            logged(place / "log")
    finally:
        os.close(reader)


@AS_ROOT
def test_a_link_of_a_stranger_behind_one_of_roots_is_refused(place: Path) -> None:
    (place / "precious").mkdir()
    (place / "home").mkdir()
    (place / "home" / "logs").symlink_to(place / "precious")
    os.lchown(place / "home" / "logs", STRANGER, STRANGER)
    (place / "var").symlink_to(place / "home" / "logs")
    with pytest.raises(PermissionError, match=f"refusing the symbolic link '{place}/home/logs' of uid {STRANGER}"):
        real_path(str(place / "var" / "log"))
    for opener in OPENERS:
        with pytest.raises(PermissionError, match="refusing the symbolic link"):
            opener(place / "var" / "log")
    assert not list((place / "precious").iterdir())


@AS_ROOT
def test_links_of_roots_are_followed_whatever_is_at_their_end(place: Path) -> None:
    (place / "srv" / "logs").mkdir(parents=True)
    (place / "var").symlink_to("srv/../srv/./logs")
    (place / "abs").symlink_to(place / "var")
    assert real_path(f"{place}/abs/log") == f"{place}/srv/logs/log" == os.path.realpath(f"{place}/abs/log")
    assert real_path(f"{place}/abs/not/there") == f"{place}/srv/logs/not/there"
    assert real_path(f"{place}/abs/../logs") == f"{place}/logs", "as it is written"
    (place / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="Too many levels"):
        real_path(f"{place}/circle")


@AS_ROOT
def test_who_swaps_a_directory_while_a_path_is_followed_does_not_decide_where_it_leads(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link of root's with the name of the file stands elsewhere: it is none that was on the way."""
    (place / "secret").write_text("do not touch")
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / "log").symlink_to(place / "secret")
    (place / "logs").mkdir()
    judge = trust._why_foreign

    def swap(step: str, found: os.stat_result) -> str | None:
        verdict = judge(step, found)
        if step == str(place / "logs"):
            (place / "logs").rename(place / "moved")
            (place / "logs").symlink_to("elsewhere")
        return verdict

    monkeypatch.setattr(trust, "_why_foreign", swap)
    real = real_path(str(place / "logs" / "log"))
    assert real == str(place / "logs" / "log")
    with pytest.raises(NotADirectoryError):
        open_real(real, os.O_RDONLY)


@AS_ROOT
def test_a_backup_is_not_read_through_what_took_the_place_of_its_directory(place: Path) -> None:
    (place / "logs").mkdir()
    (place / "precious").mkdir()
    file = LogFile(LogTarget(str(place / "logs" / "log"), maxbytes=10, backups=2))
    try:
        file.ensure(0.0)
        file.write(b"long enough\nrest", 0.0)
        assert file.tail(99) == b"long enough\nrest"
        (place / "precious" / "log.1").write_bytes(b"secret\n")
        (place / "logs").rename(place / "moved")
        (place / "logs").symlink_to(place / "precious")
        assert file.tail(99) == b"rest"
        (place / "logs").unlink()
        (place / "logs").mkdir()
        os.chown(place / "logs", STRANGER, STRANGER)
        os.link(place / "precious" / "log.1", place / "logs" / "log.1")
        assert file.tail(99) == b"rest"
    finally:
        file.close()


@AS_ROOT
def test_a_directory_swapped_for_a_link_after_the_look_is_not_followed(place: Path) -> None:
    (place / "precious").mkdir()
    (place / "logs").symlink_to(place / "precious")
    with pytest.raises(NotADirectoryError):
        open_real(str(place / "logs" / "log"), os.O_WRONLY | os.O_CREAT)
    assert not list((place / "precious").iterdir())


@AS_ROOT
def test_what_is_renamed_stays_in_the_directory_it_was_found_in(place: Path) -> None:
    (place / "logs").mkdir()
    (place / "logs" / "log").write_text("ours")
    (place / "precious").mkdir()
    with anchored(str(place / "logs" / "log")) as path:
        (place / "logs").rename(place / "moved")
        (place / "logs").symlink_to(place / "precious")
        os.rename(path, f"{path}.1")
        Path(path).write_text("new")
    assert sorted(file.name for file in (place / "moved").iterdir()) == ["log", "log.1"]
    assert not list((place / "precious").iterdir())
    with anchored(str(place / "logs" / "log")) as path:
        assert path == "", "through a link there is no way"


@AS_ROOT
def test_a_log_is_not_rotated_into_a_directory_that_took_the_place_of_its_own(place: Path) -> None:
    (place / "logs").mkdir()
    (place / "precious").mkdir()
    file = LogFile(LogTarget(str(place / "logs" / "log"), maxbytes=10, backups=2))
    try:
        file.ensure(0.0)
        (place / "logs").rename(place / "moved")
        (place / "logs").symlink_to(place / "precious")
        os.link(place / "moved" / "log", place / "precious" / "log")
        file.write(b"0123456789\n" * 10_000, 0.0)
        assert [path.name for path in (place / "precious").iterdir()] == ["log"]
    finally:
        file.close()


def test_who_is_not_root_opens_what_the_system_allows(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (place / "real").write_text("text")
    (place / "link").symlink_to("real")
    os.link(place / "real", place / "other")
    for name in ("link", "other"):
        fd = open_file(str(place / name), os.O_RDONLY)
        assert os.read(fd, 9) == b"text"
        assert not os.get_inheritable(fd)
        os.close(fd)
    with anchored(str(place / "real")) as path:
        assert path == str(place / "real")


def test_what_is_the_systems_own_is_opened_as_it_is() -> None:
    fd = open_file("/dev/fd/0" if os.path.exists("/dev/fd/0") else "/dev/null", os.O_RDONLY)
    os.close(fd)
