"""Trust: may a process with root's power use this path, or could somebody else decide where it leads?

Whoever may write to a directory may put a link where root is about to open a file, or swap a directory under a path
that was looked at a moment ago. So a place is judged with everything on the way to it (`unsafe_directory`), a path is
followed through links of root's only (`real_path`), and a file is opened step by step, with no link followed and each
directory held while it is left (`open_real`). Nothing is asked for, and nothing refused to, anybody but root. Does not
know what a file is for.
"""

import errno
import grp
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tmd.posix.privileges import find_user

FIRST_PERSON = 1000
"""the lowest number that systems give to people, and to groups of theirs; below are services and administrators"""
EVERYBODY = "users"
"""a group of a low number that all people are in, on some systems"""
MOST_LINKS = 40
"""as many as the kernel follows in one path"""

_HELD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = _HELD | os.O_DIRECTORY


def unsafe_directory(path: str, uids: tuple[int, ...], *, system_groups: bool = True) -> str | None:
    """Return why somebody beside root and these users could plant or swap a file in a directory; None: nobody could.

    `path` is absolute, and may be that of a file. Everything on the way counts, links and where they lead, too; what
    does not exist yet is as safe as what it would be made in. A sticky directory like /tmp may be written by all:
    there, nobody can touch what is another's. Groups of the system (`syslog` may write to /var/log) are trusted, and
    those that a trusted user is in; without `system_groups`, of root's groups only number 0.
    """
    owners = {0, *uids} | _outsiders()
    members = owners if system_groups else set(uids) - {0}

    def why_unsafe(place: str, found: os.stat_result) -> str | None:
        if found.st_uid not in owners:
            user = find_user(found.st_uid)
            return f"{place!r} belongs to {f'{user.name!r} (uid {user.uid})' if user else f'uid {found.st_uid}'}"
        if stat.S_ISLNK(found.st_mode) or (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
            return None
        if found.st_mode & stat.S_IWOTH:
            return f"anybody can write to {place!r}"
        gid = found.st_gid
        if found.st_mode & stat.S_IWGRP and not (
            (_is_of_the_system(gid) if system_groups else gid == 0) or _has_one_of(members, gid)
        ):
            return f"group {_group_name(gid)!r} (gid {gid}) can write to {place!r}"
        return None

    try:
        return _follow(path, why_unsafe)[1]
    except OSError:
        return None  # it cannot be looked at, so neither can it be used: that is told by who tries


def real_path(path: str) -> str:
    """Return where a path leads, without links; PermissionError, as root, for one through a link of somebody else.

    It consists of what was judged and of nothing else: a link that is swapped in meanwhile has no say in it.
    """
    if os.geteuid() != 0:
        return os.path.realpath(path)
    real, foreign = _follow(path, _why_foreign)
    if foreign:
        raise PermissionError(errno.ELOOP, f"refusing {foreign}", path)
    return real


def open_real(path: str, flags: int, mode: int = 0o644) -> int:
    """Open a file by a path without links, as `os.open` does; PermissionError, as root, for one that others planted."""
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    if os.geteuid() != 0:
        return os.open(path, flags, mode)
    directory = _hold(os.path.dirname(path))
    try:
        fd = os.open(os.path.basename(path), flags, mode, dir_fd=directory)
        try:
            _refuse_planted(path, os.fstat(fd), os.fstat(directory))
        except OSError:
            os.close(fd)
            raise
        return fd
    finally:
        os.close(directory)


@contextmanager
def anchored(path: str) -> Iterator[str]:
    """Yield a path to the same file that stays good while directories are swapped; empty: there is no way to it now."""
    if os.geteuid() != 0:
        yield path
        return
    try:
        directory = _hold(os.path.dirname(path))
    except OSError:
        yield ""
        return
    try:
        yield f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    finally:
        os.close(directory)


def _hold(path: str) -> int:
    """Return a descriptor of a directory; a link anywhere in its path is an error."""
    held = os.open("/", _DIRECTORY)
    for name in filter(None, path.split("/")):
        try:
            below = os.open(name, _DIRECTORY, dir_fd=held)
        finally:
            os.close(held)
        held = below
    return held


def _refuse_planted(path: str, found: os.stat_result, directory: os.stat_result) -> None:
    """Refuse what the owner of the directory, or anybody who may write there, has put in the place of our file.

    The kernel can do the same (fs.protected_hardlinks, fs.protected_regular), where it was told to.
    """
    shared = directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and (shared or directory.st_uid not in (0, found.st_uid)):
        raise PermissionError(errno.EMLINK, f"refusing {path!r}: the file has another name too, so it may be any", path)
    if shared & stat.S_IWOTH and directory.st_mode & stat.S_ISVTX and found.st_uid not in (0, directory.st_uid):
        raise PermissionError(
            errno.EACCES, f"refusing {path!r}: uid {found.st_uid} made it, where everybody may make files", path
        )


def _follow(path: str, judge: Callable[[str, os.stat_result], str | None]) -> tuple[str, str | None]:
    """Return a path without links, and the first objection to what leads there; what does not exist is not judged."""
    place, links = "/", 0
    ahead = deque(os.path.abspath(path).split("/"))
    objection = judge(place, os.lstat(place))
    while ahead and objection is None:
        name = ahead.popleft()
        if name in ("", "."):
            continue
        if name == "..":
            place = os.path.dirname(place)
            continue
        step = os.path.join(place, name)
        try:
            found, target = _look(place, name)
        except (FileNotFoundError, NotADirectoryError):
            place = step
            continue
        objection = judge(step, found)
        if not stat.S_ISLNK(found.st_mode):
            place = step
            continue
        links += 1
        if links > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            place = "/"
        ahead.extendleft(reversed(target.split("/")))
    return place, objection


def _look(place: str, name: str) -> tuple[os.stat_result, str]:
    """Return what something in a directory is and, of a link, where that very link leads."""
    directory = _hold(place)
    try:
        fd = os.open(name, _HELD, dir_fd=directory)
    finally:
        os.close(directory)
    try:
        found = os.fstat(fd)
        return found, os.readlink("", dir_fd=fd) if stat.S_ISLNK(found.st_mode) else ""
    finally:
        os.close(fd)


def _why_foreign(place: str, found: os.stat_result) -> str | None:
    foreign = stat.S_ISLNK(found.st_mode) and found.st_uid != 0
    return f"the symbolic link {place!r} of uid {found.st_uid}" if foreign else None


def _is_of_the_system(gid: int) -> bool:
    return gid < FIRST_PERSON and _group_name(gid) != EVERYBODY


def _has_one_of(uids: set[int], gid: int) -> bool:
    users = (find_user(uid) for uid in uids)
    return any(gid in os.getgrouplist(user.name, user.gid) for user in users if user)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _outsiders() -> set[int]:
    """Return the number that stands for all users outside of our user namespace, its root among them."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as ranges:
            if ranges.read().split() == ["0", "0", "4294967295"]:
                return set()
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as number:
            return {int(number.read())}
    except (OSError, ValueError):
        return set()
