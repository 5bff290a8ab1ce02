"""This machine and this person, as facts for the pure floor that builds settings."""

import grp
import os
import stat
from collections.abc import Mapping

import msgspec

from tmd.config.host import Host, User
from tmd.daemon.plugins import CannotResolve, resolve
from tmd.posix.privileges import find_user
from tmd.posix.trust import unsafe_directory
from tmd.wire.places import Places, default_places, home_for_files


class HostState(msgspec.Struct):
    """What was true when the daemon was started, before it became what it is."""

    uid: int
    home: str
    cwd: str
    tempdir: str
    places: Places


def machine_host(
    overrides: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    before: HostState | None = None,
) -> Host:
    """Return the facts as they are now; `overrides` are options from the command line, `flags` how each was typed.

    `before`: what was true when the daemon was started, which has become somebody else since.
    """
    before = before or _now()
    uid = before.uid
    return Host(
        environ=dict(os.environ),
        hostname=os.uname().nodename,
        uid=uid,
        home=before.home,
        cwd=before.cwd,
        tempdir=before.tempdir,
        places=before.places,
        find_user=_find_user,
        find_group=_find_group,
        directory_exists=os.path.isdir,
        unsafe_directory=unsafe_directory if uid == 0 else _safe_directory,
        open_to_all=_open_to_all,
        file_exists=_file_exists,
        resolve_problem=_resolve_problem,
        overrides=dict(overrides or {}),
        flags=dict(flags or {}),
    )


def host_state(host: Host) -> HostState:
    """Return what of the facts may be another one later."""
    return HostState(host.uid, host.home, host.cwd, host.tempdir, host.places)


def _now() -> HostState:
    home = os.path.expanduser("~")
    uid = os.geteuid()
    places = default_places(os.environ, uid, home_for_files(home, _may_write))
    return HostState(uid, home, _current_directory(), _temporary_directory(), places)


def _open_to_all(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & stat.S_IWOTH)
    except OSError:
        return False  # whoever needs it will tell


def _current_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # removed under our feet: relative paths lead nowhere, all others still work
        return "/"


def _temporary_directory() -> str:
    """Return the first of the usual ones that can be written (`tempfile` would bring half of the library for that)."""
    named = [directory for name in ("TMPDIR", "TEMP", "TMP") if (directory := os.environ.get(name))]
    for directory in (*named, "/tmp", "/var/tmp", "/usr/tmp", _current_directory()):
        if os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
            return os.path.abspath(directory)
    return "/tmp"  # nowhere, as in a container: told where something is to be written there


def _may_write(path: str) -> bool:
    return os.access(path, os.W_OK)


def _file_exists(path: str) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)


def _resolve_problem(spec: str) -> str | None:
    try:
        resolve(spec)
    except CannotResolve as why:
        return why.reason
    return None


def _safe_directory(path: str, uids: tuple[int, ...]) -> str | None:
    """Only root has a power that others could borrow by a file in the right place."""
    return None


def _find_user(text: str) -> User | None:
    entry = find_user(text)
    return User(entry.uid, entry.gid, entry.name, entry.home) if entry else None


def _find_group(text: str) -> int | None:
    try:
        return grp.getgrgid(int(text)).gr_gid if text.isdigit() else grp.getgrnam(text).gr_gid
    except (KeyError, OverflowError):
        return None
