"""The command line: flags before the command, in the ways of Supervisor's client.

Pure: words in, flags out. Flags end at the first word that is none, for what follows belongs to the command.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Flag(NamedTuple):
    """One flag."""

    letters: str
    long: str
    value: str = ""
    """what its value is called; empty: it takes none"""
    help: str = ""

    @property
    def spelled(self) -> str:
        """How the help page writes it."""
        value = f" {self.value}" if self.value else ""
        return ", ".join(self._spellings) + value

    @property
    def spelled_as_supervisor(self) -> str:
        """How Supervisor's own help pages write flags."""
        value = f" {self.value}" if self.value else ""
        return "/".join(self._spellings) + value

    @property
    def _spellings(self) -> list[str]:
        return [*(f"-{letter}" for letter in self.letters), f"--{self.long}"]


FLAGS: tuple[Flag, ...] = (
    Flag("c", "configuration", "FILE", "read where the server is from this file (default: search)"),
    Flag("s", "serverurl", "URL", "talk to this server: unix:///path/to/socket or http://host:port"),
    Flag("u", "username", "NAME", "authenticate with this name"),
    Flag("p", "password", "SECRET", "and this password (better in TMCTL_PASSWORD: others can see a command line)"),
    Flag("r", "history_file", "FILE", "keep what is typed in the shell in this file"),
    Flag(
        "i",
        "interactive",
        "",
        "start an interactive shell, as without a command; with one, only ask back as the shell does",
    ),
    Flag("", "json", "", "print one JSON document instead of text"),
    Flag("", "color", "WHEN", "auto, always or never (default auto: on a terminal, unless NO_COLOR is set)"),
    Flag("", "raw", "", "pass control characters in logs through to the terminal"),
    Flag("", "version", "", "print the version of this client"),
    Flag("h?", "help", "", "print this help"),
)

COMPLETE = "complete"
"""A flag that only the completions of shells use: what follows is what was typed, the last word unfinished."""


class BadArguments(Exception):
    """A command line that cannot be understood."""


class Arguments(NamedTuple):
    """Flags by long name (a flag without a value maps to an empty text), and the command's words."""

    flags: dict[str, str]
    words: list[str]


def parse_arguments(arguments: Sequence[str]) -> Arguments:
    """Take a command line apart; raises BadArguments."""
    flags: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word == f"--{COMPLETE}":
            flags[COMPLETE] = ""
        elif word.startswith("--"):
            _long(word[2:], rest, flags)
        else:
            _short(word[1:], rest, flags)
    return Arguments(flags, rest)


def _long(word: str, rest: list[str], flags: dict[str, str]) -> None:
    name, equals, value = word.partition("=")
    name = name.replace("history-file", "history_file").replace("colour", "color")
    near = [flag for flag in FLAGS if flag.long == name] or [flag for flag in FLAGS if flag.long.startswith(name)]
    if not near:
        raise BadArguments(f"option --{name} not recognized")
    if len(near) > 1:
        raise BadArguments(f"option --{name} not a unique prefix")
    flag = near[0]
    if not flag.value and equals:
        raise BadArguments(f"option --{flag.long} must not have an argument")
    if flag.value and not equals:
        if not rest:
            raise BadArguments(f"option --{flag.long} requires argument")
        value = rest.pop(0)
    _keep(flag, f"--{flag.long}", value, flags)


def _short(letters: str, rest: list[str], flags: dict[str, str]) -> None:
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = next((flag for flag in FLAGS if letter in flag.letters), None)
        if flag is None:
            raise BadArguments(f"option -{letter} not recognized")
        value = ""
        if flag.value:
            if not letters and not rest:
                raise BadArguments(f"option -{letter} requires argument")
            value, letters = (letters, "") if letters else (rest.pop(0), "")
        _keep(flag, f"-{letter}", value, flags)


def _keep(flag: Flag, spelled: str, value: str, flags: dict[str, str]) -> None:
    if flag.long in flags:
        raise BadArguments(f"conflicting command line option {spelled!r}")
    flags[flag.long] = value
