"""The names of Supervisor's programs: which of ours stands for each, and the links that make it so.

Promises to overwrite nothing but such links, and to change nothing at all when one of them cannot be made.
"""

import os
from collections.abc import Iterable
from typing import NamedTuple

DAEMON = "supervisord"
SAMPLE = "echo_supervisord_conf"
STANDS_FOR = {DAEMON: "tmd", "supervisorctl": "tmctl", SAMPLE: "tmd", "pidproxy": "tmd-pidproxy"}
"""Supervisor's program -> ours."""


class CannotInstall(Exception):
    """The links cannot be made; nothing was changed."""


class _Link(NamedTuple):
    name: str
    path: str
    target: str
    there: str | None
    """what a link of ours that is there already points to"""


def called_as(argv0: str) -> str:
    """Return the name a program was called by."""
    return os.path.basename(argv0).removesuffix(".py")


def install_names(directory: str, homes: Iterable[str]) -> list[str]:
    """Link Supervisor's names in a directory to our programs, found in the first of `homes` that has them all.

    Returns what was done, a line for each name. Raises CannotInstall.
    """
    home = _home(homes)
    if not os.path.isdir(directory):
        raise CannotInstall(f"cannot install names in '{directory}': no such directory (make it, or name another)")
    links = [_looked_at(name, directory, home) for name in STANDS_FOR]
    said = []
    for link in links:
        if link.there == link.target:
            said.append(f"{link.path} -> {link.target} (was there)")
            continue
        try:
            _make(link)
        except OSError as why:
            undone = " (the ones before were made)" if said else " (nothing was changed)"
            raise CannotInstall(f"cannot install '{link.path}': {os.strerror(why.errno or 0).lower()}{undone}") from why
        said.append(f"{link.path} -> {link.target}" + (f" (was {link.there})" if link.there else ""))
    return said


def _home(homes: Iterable[str]) -> str:
    looked = list(dict.fromkeys(os.path.realpath(home) for home in homes if home))
    ours = sorted(set(STANDS_FOR.values()))
    for home in looked:
        if all(_is_program(os.path.join(home, program)) for program in ours):
            return home
    raise CannotInstall(f"cannot install names: no directory has {', '.join(ours)} (looked in {', '.join(looked)})")


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _looked_at(name: str, directory: str, home: str) -> _Link:
    path = os.path.join(directory, name)
    target = STANDS_FOR[name]
    if os.path.realpath(directory) != home:
        target = os.path.join(home, target)
    there = os.readlink(path) if os.path.islink(path) else None
    ours = there is not None and os.path.basename(there) == STANDS_FOR[name]
    if os.path.lexists(path) and not ours:
        kind = f"a link to '{there}'" if there is not None else "something that is no link of ours"
        raise CannotInstall(f"cannot install '{path}': {kind} is there (move it away; nothing was changed)")
    return _Link(name, path, target, there)


def _make(link: _Link) -> None:
    """Make or replace a link in one step: there is no moment without one."""
    if link.there is None:
        os.symlink(link.target, link.path)
        return
    fresh = f"{link.path}.new.{os.getpid()}"
    os.symlink(link.target, fresh)
    os.replace(fresh, link.path)
