"""What building settings needs to know about the machine and the person, handed in so that this floor stays pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tmd.config.settings import EnvironmentFile
from tmd.wire.places import Places


class User(NamedTuple):
    """An account."""

    uid: int
    gid: int
    name: str
    home: str


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The facts; the callables may look things up but change nothing."""

    environ: Mapping[str, str]
    hostname: str
    """as `uname -n` tells it"""
    uid: int
    home: str
    cwd: str
    """absolute"""
    tempdir: str
    places: Places
    find_user: Callable[[str], User | None]
    """by name, or by number written in digits"""
    find_group: Callable[[str], int | None]
    """by name, or by number written in digits -> gid"""
    directory_exists: Callable[[str], bool]
    """a relative path counts from the current directory"""
    file_exists: Callable[[str], bool]
    """whether something that is no directory has that absolute path"""
    unsafe_directory: Callable[[str, tuple[int, ...]], str | None] = lambda path, uids: None
    """(absolute directory, uids that are trusted beside root) -> why somebody else could plant or swap a file there,
    in words that finish a sentence (`anybody can write to '/srv'`); None when nobody can"""
    open_to_all: Callable[[str], bool] = lambda path: False
    """whether everybody may make files in an absolute directory, as in that for temporary ones"""
    environment_file_problems: Callable[[EnvironmentFile, int | None], Sequence[str]] | None = None
    """(file, uid of the program, None: ours) -> all that is wrong with it, a line each; None: nobody wants to know
    before the program starts, as it may change until then"""
    resolve_problem: Callable[[str], str | None] = lambda spec: "nothing can be imported here"
    """why there is nothing at `module:attribute`, None when there is something; imports the module"""
    overrides: Mapping[str, str] = {}
    """option of `[supervisord]`/`taskmaster:` -> text from the command line, which beats the file"""
    flags: Mapping[str, str] = {}
    """option -> the flag as it was typed, `-e` or `--loglevel`"""

    def expand_user(self, path: str) -> str:
        """Return a path with a leading `~` or `~name` replaced, or unchanged where nobody is of that name."""
        if not path.startswith("~"):
            return path
        name, slash, rest = path[1:].partition("/")
        if not name:
            return f"{self.home.rstrip('/')}{slash}{rest}" or "/"
        user = self.find_user(name) if not name.isdigit() else None
        return f"{user.home.rstrip('/')}{slash}{rest}" if user else path
