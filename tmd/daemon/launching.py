"""Launching: what a program is started with, beyond its pipes: command, environment, identity, directory, umask.

Whoever starts something in a program's name asks here, so that it runs as the program would. Knows nothing of what
becomes of it.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

from tmd.config.settings import ProcessSpec
from tmd.core.records import LIFE
from tmd.daemon.environment_files import CannotRead, EnvironmentFiles
from tmd.posix import children
from tmd.posix.privileges import find_user, group_ids
from tmd.wire.faults import Fault

TERMINAL = "xterm-256color"
"""what a program's own terminal is, unless its settings say otherwise: those that people attach are much like it"""


class Launching:
    """`environment`: the daemon's own, which every child begins with; that of the user `uid`."""

    def __init__(self, environment: Mapping[str, str], uid: int) -> None:
        self._environment, self._uid = environment, uid
        self._files = EnvironmentFiles()

    def refusal(self, spec: ProcessSpec, serverurl: str | None, *, files: bool) -> children.SpawnRefused | None:
        """Return why a start would be refused for want of something to run, None when nothing speaks against it.

        `files`: for its environment files, too.
        """
        try:
            environment = self.environment(spec, serverurl)
        except children.SpawnRefused as refusal:
            return refusal if files else None
        try:
            children.find_command(spec.command, environment)
        except children.SpawnRefused as refusal:
            return refusal
        return None

    def environment(self, spec: ProcessSpec, serverurl: str | None) -> dict[str, str]:
        """Return the whole environment of a child; later wins (contract 5). Files of variables are read now.

        Raises `SpawnRefused` when one of them cannot be used.
        """
        environment = self.without_files(spec, serverurl)
        if spec.environment_file:
            found = self._from_files(spec)
            environment.update((name, value) for name, value in found.items() if name not in spec.environment_own)
        return environment

    def without_files(self, spec: ProcessSpec, serverurl: str | None) -> dict[str, str]:
        """Return the environment of a child but for what its files of variables say."""
        environment = dict(self._environment)
        uid = os.geteuid() if spec.uid is None else spec.uid
        if spec.user_environment and uid != self._uid:
            environment |= account(uid)
        environment["SUPERVISOR_ENABLED"] = "1"
        url = serverurl if spec.serverurl is None else spec.serverurl
        if url:
            environment["SUPERVISOR_SERVER_URL"] = url
        environment["SUPERVISOR_PROCESS_NAME"] = spec.name
        environment["SUPERVISOR_GROUP_NAME"] = spec.group
        if spec.tty:  # the daemon's words are about another terminal, or none
            environment["TERM"] = TERMINAL
            for name in ("LINES", "COLUMNS"):
                environment.pop(name, None)
        environment.update(spec.environment)
        return environment

    def _from_files(self, spec: ProcessSpec) -> dict[str, str]:
        try:
            return self._files.variables(spec.environment_file, os.geteuid() if spec.uid is None else spec.uid)
        except CannotRead as why:
            raise children.SpawnRefused(f"cannot start {spec.name}: {why}", Fault.FAILED) from None

    def prepare(self, spec: ProcessSpec, command: str, serverurl: str | None, token: str) -> "Start":
        """Return all it takes to run a command as the program would be; raises `SpawnRefused`, before any effect.

        `token`: which life it is; whatever it starts can be known by that.
        """
        environment = self.environment(spec, serverurl)
        environment[LIFE] = token
        path, argv = children.find_command(command, environment)
        return Start(spec, path, argv, environment, identity(spec))


class Start(NamedTuple):
    """A start that lacks only its three streams."""

    spec: ProcessSpec
    path: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    identity: tuple[int | None, int | None, tuple[int, ...] | None]

    def now(self, *, stdin: int, stdout: int, stderr: int, terminal: bool = False) -> int:
        """Start it and return its pid; raises `SpawnRefused`. `terminal`: the three are one that becomes its own."""
        uid, gid, groups = self.identity
        launch = children.Launch(
            argv=self.argv,
            path=self.path,
            environment=self.environment,
            directory=self.spec.directory,
            umask=self.spec.umask,
            uid=uid,
            gid=gid,
            groups=groups,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            restore_signals=self.spec.restore_signals,
            terminal=terminal,
        )
        return children.spawn(self.spec.name, launch)


def account(uid: int) -> dict[str, str]:
    """Return what tells a program whose it is; a user without an account has its number for a name, and no home."""
    user = find_user(uid)
    name = user.name if user else str(uid)
    home = (user.home if user else "") or "/"
    shell = (user.shell if user else "") or "/bin/sh"
    return {"HOME": home, "USER": name, "LOGNAME": name, "SHELL": shell}


def identity(spec: ProcessSpec) -> tuple[int | None, int | None, tuple[int, ...] | None]:
    """Return what to become (uid, gid, groups), Nones where nothing changes; raises `SpawnRefused`.

    Asking for whom we are already is no change. Another group comes without those the daemon was started with.
    """
    gid = spec.gid
    if spec.uid in (None, os.geteuid()) and gid in (None, os.getegid()):
        return None, None, None
    user = find_user(os.geteuid() if spec.uid is None else spec.uid)
    if user is not None:
        groups = group_ids(user, gid)
        return spec.uid, groups[0], groups
    if gid is None:
        reason = f"couldn't setuid to {spec.uid}: Can't find uid {spec.uid}"
        raise children.SpawnRefused(reason, Fault.SPAWN_ERROR, transient=False)
    return spec.uid, gid, (gid,)
