"""Privileges: who users are, and becoming one of them for good."""

import os
import pwd

import msgspec

from tmd.posix import capabilities

NO_CHANGE = (1 << 32) - 1
"""what the system's calls take for -1"""


class PrivilegesRefused(OSError):
    """The process could not become the user; the text says at which step."""


class User(msgspec.Struct, frozen=True):
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


def group_ids(user: User, gid: int | None = None) -> tuple[int, ...]:
    """Return all groups of a user, the primary one first; `gid` stands in for the primary one."""
    primary = user.gid if gid is None else gid
    groups = os.getgrouplist(user.name, primary)
    return tuple(dict.fromkeys((primary, *groups)))


def possible(number: int) -> bool:
    """Tell whether a user or a group can have this number.

    The system takes the highest one, as it takes -1, for "no change": a program that asked for it would stay root.
    """
    return 0 <= number < NO_CHANGE


def drop_to(uid: int, gid: int, groups: tuple[int, ...], *, keep: frozenset[int] = frozenset()) -> None:
    """Become this user with exactly these groups, with no way back; raises `PrivilegesRefused`.

    Nothing is done, and nothing needed, for whoever is that user already. The capabilities in `keep` stay in effect
    for this process, and are handed on to nobody.
    """
    if os.getuid() == uid:
        return
    if os.getuid() != 0:
        raise PrivilegesRefused("Can't drop privilege as nonroot user")
    if not (possible(uid) and possible(gid)):
        raise PrivilegesRefused(f"no user or group can have the number {NO_CHANGE}")
    if keep:
        require(keep)
        capabilities.keep_through_setuid(on=True)
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
    if keep:
        capabilities.set_all(permitted=keep)
        capabilities.keep_through_setuid(on=False)
    _verify(uid, gid, groups, keep)


def require(wanted: frozenset[int]) -> None:
    """Raise `PrivilegesRefused` unless all these capabilities are in effect."""
    missing = wanted - capabilities.held()
    if missing:
        raise PrivilegesRefused(f"{capabilities.names(missing)} missing")


def _verify(uid: int, gid: int, groups: tuple[int, ...], keep: frozenset[int]) -> None:
    if os.getresuid() != (uid,) * 3 or os.getresgid() != (gid,) * 3 or set(os.getgroups()) != set(groups):
        raise PrivilegesRefused(f"cannot become uid {uid}: the system reports success, but we are not that user")
    expected = {"Eff": keep, "Prm": keep, "Amb": frozenset[int](), "Inh": capabilities.held("Inh") - keep}
    wrong = [which for which, wanted in expected.items() if capabilities.held(which) != wanted]
    if wrong:
        raise PrivilegesRefused(f"cannot become uid {uid}: capabilities are not as they should be ({wrong})")
    if capabilities.SETUID in keep:
        return
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise PrivilegesRefused(f"cannot become uid {uid}: root could be regained")
