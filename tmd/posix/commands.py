"""Finding what a command line names: its words and the file to execute, or the reason why there is none."""

import os
import re
import shlex
import stat
from collections.abc import Mapping
from functools import lru_cache

from tmd.wire.faults import Fault

DEFAULT_PATH = "/bin:/usr/bin:/usr/local/bin"
KNOWN_COMMANDS = 1024
"""so many command lines are taken apart once only: that takes as long as to write a journal"""
_PLAIN = re.compile(r"[ !#-&(-\[\]-~]*")
"""nothing but words and blanks: printable ASCII without quotes and backslashes"""


class SpawnRefused(Exception):
    """A program cannot be started. `reason` is what clients see as `spawnerr`, `fault` what a start request gets.

    `transient`: the machine is short of something, the program is not to blame.
    """

    def __init__(self, reason: str, fault: Fault, *, transient: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fault = fault
        self.transient = transient


def find_command(command: str, environment: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return (path, argv) of a command line, split as a POSIX shell would; raises `SpawnRefused`.

    A name without a slash is looked for in the PATH of `environment`, else of this process; the first file that
    exists wins, executable or not. A relative path counts from the current directory.
    """
    try:
        argv = _words(command)
    except ValueError as why:
        raise SpawnRefused(f"can't parse command {command!r}: {why}", Fault.NOT_EXECUTABLE) from why
    if not argv:
        raise SpawnRefused("command is empty", Fault.NOT_EXECUTABLE)
    path, mode = _look_for(argv[0], environment)
    if mode is None:
        raise SpawnRefused(f"can't find command {path!r}", Fault.NO_FILE)
    if stat.S_ISDIR(mode):
        raise SpawnRefused(f"command at {path!r} is a directory", Fault.NOT_EXECUTABLE)
    if not mode & 0o111:
        raise SpawnRefused(f"command at {path!r} is not executable", Fault.NOT_EXECUTABLE)
    if not os.access(path, os.X_OK):
        raise SpawnRefused(f"no permission to run command {path!r}", Fault.NOT_EXECUTABLE)
    return path, argv


@lru_cache(maxsize=KNOWN_COMMANDS)
def _words(command: str) -> tuple[str, ...]:
    return tuple(command.split() if _PLAIN.fullmatch(command) else shlex.split(command))


def _look_for(program: str, environment: Mapping[str, str]) -> tuple[str, int | None]:
    """Return the path and its mode, or the program as it was given and None."""
    if "/" in program:
        return program, _mode(program)
    for directory in _search_path(environment):
        path = os.path.join(directory, program)
        mode = _mode(path)
        if mode is not None:
            return path, mode
    return program, None


def _search_path(environment: Mapping[str, str]) -> list[str]:
    path, ours = environment.get("PATH"), os.environ.get("PATH")
    if path is None or path == ours:  # an empty one of ours means the default, an empty one of its own "here"
        path = ours or DEFAULT_PATH
    return path.split(os.pathsep)


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
