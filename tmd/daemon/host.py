"""This machine and this person, as facts for the pure floor that builds settings."""

import grp
import os
import platform
import tempfile
from collections.abc import Mapping

from tmd.config.host import Host, User
from tmd.daemon.plugins import CannotResolve, resolve
from tmd.posix.privileges import find_user
from tmd.posix.trust import unsafe_directory
from tmd.wire.places import default_places


def machine_host(overrides: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None) -> Host:
    """Return the facts as they are now; `overrides` are options from the command line, `flags` how each was typed."""
    home = os.path.expanduser("~")
    uid = os.geteuid()
    return Host(
        environ=dict(os.environ),
        hostname=platform.node(),
        uid=uid,
        home=home,
        cwd=_current_directory(),
        tempdir=tempfile.gettempdir(),
        places=default_places(os.environ, uid, home),
        find_user=_find_user,
        find_group=_find_group,
        directory_exists=os.path.isdir,
        unsafe_directory=unsafe_directory if uid == 0 else _safe_directory,
        file_exists=_file_exists,
        resolve_problem=_resolve_problem,
        overrides=dict(overrides or {}),
        flags=dict(flags or {}),
    )


def _current_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # removed under our feet: relative paths lead nowhere, all others still work
        return "/"


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
