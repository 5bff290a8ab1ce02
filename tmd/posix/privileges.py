"""Privileges: who users are, and becoming one of them for good."""

import os
import pwd
from dataclasses import dataclass


class PrivilegesRefused(OSError):
    """The process could not become the user; the text says at which step."""


@dataclass(frozen=True, slots=True)
class User:
    """An entry of the password database."""

    uid: int
    gid: int
    name: str
    home: str
    shell: str


def find_user(name_or_uid: str | int) -> User | None:
    """Return the user of this name or number, None when there is none."""
    try:
        uid = int(name_or_uid)
    except ValueError:
        uid = None
    try:
        entry = pwd.getpwnam(str(name_or_uid)) if uid is None else pwd.getpwuid(uid)
    except (KeyError, ValueError, OverflowError):  # also a NUL in a name, a number that no user can have
        return None
    return User(entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir, entry.pw_shell)


def group_ids(user: User) -> tuple[int, ...]:
    """Return all groups of a user, the primary one first."""
    groups = os.getgrouplist(user.name, user.gid)
    return tuple(dict.fromkeys((user.gid, *groups)))


def drop_to(uid: int, gid: int, groups: tuple[int, ...]) -> None:
    """Become this user with exactly these groups, with no way back; raises `PrivilegesRefused`.

    Nothing is done, and nothing needed, for whoever is that user already.
    """
    if os.getuid() == uid:
        return
    if os.getuid() != 0:
        raise PrivilegesRefused("Can't drop privilege as nonroot user")
    try:
        os.setgroups(groups)
    except OSError as why:
        raise PrivilegesRefused("Could not set groups of effective user") from why
    try:
        os.setgid(gid)
    except OSError as why:
        raise PrivilegesRefused("Could not set group id of effective user") from why
    try:
        os.setuid(uid)
    except OSError as why:
        raise PrivilegesRefused(f"Could not set user id of effective user: {why.strerror}") from why
    _verify(uid, gid, groups)


def _verify(uid: int, gid: int, groups: tuple[int, ...]) -> None:
    if os.getresuid() != (uid,) * 3 or os.getresgid() != (gid,) * 3 or set(os.getgroups()) != set(groups):
        raise PrivilegesRefused(f"cannot become uid {uid}: the system reports success, but we are not that user")
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise PrivilegesRefused(f"cannot become uid {uid}: root could be regained")
