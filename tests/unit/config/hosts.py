"""Hosts to read configurations on: one made up, and this machine."""

import grp
import os
import platform
import pwd
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tmd.config.host import Host, User
from tmd.daemon.plugins import CannotResolve, resolve
from tmd.wire.places import Places

_USERS = (User(0, 0, "root", "/root"), User(1000, 1001, "web", "/home/web"), User(65534, 65534, "nobody", "/"))
_GROUPS = {"root": 0, "webs": 1001, "nogroup": 65534}


def _find_user(text: str) -> User | None:
    return next((user for user in _USERS if text in (user.name, str(user.uid))), None)


def _find_group(text: str) -> int | None:
    return _GROUPS.get(text, next((gid for gid in _GROUPS.values() if str(gid) == text), None))


def made_up_host(
    environ: Mapping[str, str] | None = None,
    *,
    directories: tuple[str, ...] = ("/", "/tmp", "/var/log", "/run", "/srv", "/home/web"),
    overrides: Mapping[str, str] | None = None,
    uid: int = 1000,
    resolvable: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
) -> Host:
    return Host(
        environ=environ if environ is not None else {"PATH": "/bin", "COLOUR": "blue"},
        hostname="node-1",
        uid=uid,
        home="/home/web",
        cwd="/srv",
        tempdir="/tmp",
        places=Places("/run/taskmaster", "/var/log/taskmaster", "/var/lib/taskmaster"),
        find_user=_find_user,
        find_group=_find_group,
        directory_exists=lambda path: (
            path in directories or (path.startswith(tempfile.gettempdir()) and Path(path).is_dir())
        ),
        file_exists=lambda path: path in files or Path(path).is_file(),
        resolve_problem=lambda spec: None if spec in resolvable else f"there is no {spec}",
        overrides=overrides or {},
    )


def this_host() -> Host:
    def find_user(text: str) -> User | None:
        try:
            found = pwd.getpwuid(int(text)) if text.lstrip("-").isdigit() else pwd.getpwnam(text)
        except (KeyError, OverflowError):
            return None
        return User(found.pw_uid, found.pw_gid, found.pw_name, found.pw_dir)

    def find_group(text: str) -> int | None:
        try:
            return (grp.getgrgid(int(text)) if text.lstrip("-").isdigit() else grp.getgrnam(text)).gr_gid
        except (KeyError, OverflowError):
            return None

    def resolve_problem(spec: str) -> str | None:
        try:
            resolve(spec)
        except CannotResolve as why:
            return why.reason
        return None

    return Host(
        environ=dict(os.environ),
        hostname=platform.node(),
        uid=os.getuid(),
        home=str(Path.home()),
        cwd=str(Path.cwd()),
        tempdir=tempfile.gettempdir(),
        places=Places("/run/taskmaster", "/var/log/taskmaster", "/var/lib/taskmaster"),
        find_user=find_user,
        find_group=find_group,
        directory_exists=os.path.isdir,
        file_exists=os.path.isfile,
        resolve_problem=resolve_problem,
    )
