"""What `logs` was asked for: words into a request.

Pure; `Misused` says what is wrong with the words.
"""

import re
from typing import Literal, NamedTuple

from tmctl import exits
from tmctl.log_lines import Entry
from tmctl.log_times import parse_time
from tmctl.session import Misused

DEFAULT_LINES = 15
MAX_LINES = 1_000_000

Streams = Literal["stdout", "stderr", "both"]

_WITH_VALUE = {"-n": "lines", "--lines": "lines", "--since": "since", "--until": "until", "--grep": "grep"}
_WITHOUT = {
    "-f": "follow",
    "--follow": "follow",
    "-i": "ignore case",
    "--ignore-case": "ignore case",
    "-t": "times",
    "--times": "times",
    "--stdout": "stdout",
    "--stderr": "stderr",
    "--both": "both",
    "-a": "all",
    "--all": "all",
    "--no-prefix": "no prefix",
}


class Asked(NamedTuple):
    """What to show."""

    names: tuple[str, ...] = ()
    """none: everything"""
    follow: bool = False
    streams: Streams = "both"
    lines: int | None = DEFAULT_LINES
    """of each log at most so many of what is there; None: all"""
    since: float | None = None
    """epoch seconds"""
    until: float | None = None
    pattern: re.Pattern[str] | None = None
    prefix: bool = True
    times: bool = False

    @property
    def by_time(self) -> bool:
        """Whether lines are chosen by when they were written."""
        return self.since is not None or self.until is not None

    def wants(self, entry: Entry, arrived: float | None = None) -> bool:
        """Whether a line is to be shown; `arrived` is its time where the log does not tell one."""
        if self.by_time:
            at = arrived if entry.at is None else entry.at
            if at is None or (self.since is not None and at < self.since):
                return False
            if self.until is not None and at > self.until:
                return False
        return self.pattern is None or self.pattern.search(entry.text) is not None


def asked_for(words: list[str], now: float) -> Asked:
    """Read the words behind `logs`; `now` is epoch seconds."""
    values: dict[str, str] = {}
    said: list[str] = []
    names: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if not word.startswith("-") or word == "-":
            names.append(word)
            continue
        while word[2:] and f"-{word[1]}" in _WITHOUT:  # -fn5 is -f -n5
            said.append(_WITHOUT[f"-{word[1]}"])
            word = f"-{word[2:]}"  # noqa: PLW2901  what is left of it
        option, value = _split(word)
        if option in _WITH_VALUE:
            if value is None:
                value = next(remaining, None)
            if value is None:
                raise Misused(f"Error: {option} needs a value", exits.BAD_ARGUMENTS)
            values[_WITH_VALUE[option]] = value
        elif option in _WITHOUT and value is None:
            said.append(_WITHOUT[option])
        else:
            raise Misused(f"Error: bad argument {word}", exits.BAD_ARGUMENTS)
    return _asked(values, said, names, now)


def _split(word: str) -> tuple[str, str | None]:
    """Take `--lines=5` and `-n5` apart."""
    if word.startswith("--"):
        option, equals, value = word.partition("=")
        return option, value if equals else None
    return (word[:2], word[2:] or None) if word[:2] in _WITH_VALUE else (word, None)


def _asked(values: dict[str, str], said: list[str], names: list[str], now: float) -> Asked:
    if "stdout" in names[1:] or "stderr" in names[1:]:
        raise Misused("Error: say --stdout or --stderr", exits.BAD_ARGUMENTS)
    channels = [one for one in said if one in ("stdout", "stderr", "both")]
    streams: Streams = "both"
    if channels and len(set(channels)) == 1:
        streams = "stdout" if channels[0] == "stdout" else "stderr" if channels[0] == "stderr" else "both"
    follow = "follow" in said
    since, until = (_time(values, key, now) for key in ("since", "until"))
    if follow and until is not None:
        raise Misused("Error: --until and -f exclude each other", exits.BAD_ARGUMENTS)
    if "ignore case" in said and "grep" not in values:
        raise Misused("Error: -i belongs to --grep", exits.BAD_ARGUMENTS)
    chooses = since is not None or until is not None or "grep" in values
    return Asked(
        () if "all" in said or "all" in names else tuple(names),
        follow,
        streams,
        _lines(values, None if chooses else DEFAULT_LINES),
        since,
        until,
        _pattern(values, "ignore case" in said),
        "no prefix" not in said,
        "times" in said,
    )


def _time(values: dict[str, str], key: str, now: float) -> float | None:
    if key not in values:
        return None
    try:
        return parse_time(values[key], now)
    except ValueError as error:
        raise Misused(f"Error: cannot understand --{key}: {error}", exits.BAD_ARGUMENTS) from None


def _lines(values: dict[str, str], default: int | None) -> int | None:
    text = values.get("lines")
    if text is None:
        return default
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_LINES):
        shown = text if len(text) < 40 else f"{text[:40]}..."
        raise Misused(f"Error: cannot show {shown!r} lines (0 to {MAX_LINES}, or all)", exits.BAD_ARGUMENTS)
    return int(text)


def _pattern(values: dict[str, str], ignore_case: bool) -> re.Pattern[str] | None:
    text = values.get("grep")
    if text is None:
        return None
    try:
        return re.compile(text, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        raise Misused(f"Error: cannot understand --grep {text!r}: {error}", exits.BAD_ARGUMENTS) from None
