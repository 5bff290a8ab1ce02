"""The words of `attach`; the room that does it is imported when it is used."""

from typing import NamedTuple

from tmctl import exits
from tmctl.detaching import DEFAULT_KEYS, parse_keys, spelled
from tmctl.session import Misused, Request, Session

OPTIONS = ("--read-only", "--take", "--detach-keys")
FORMS = (
    (
        "attach NAME",
        f"put this terminal on that of a process (tty: true); {spelled(parse_keys(DEFAULT_KEYS))} detaches",
    ),
    ("attach --read-only NAME", "only watch"),
    ("attach --take NAME", "take the keyboard over from who has it"),
    ("attach --detach-keys KEYS NAME", f"detach by other keys, such as ctrl-] (default {DEFAULT_KEYS})"),
)


class Wishes(NamedTuple):
    """What was asked for. `mode`: write, watch or take."""

    name: str
    mode: str
    keys: bytes


def attach(session: Session, request: Request) -> None:
    """Put the operator's terminal on that of a program."""
    wishes = read_wishes(request.words)
    from tmctl.attach import attach as attach_to  # noqa: PLC0415  few ask for it

    attach_to(session, wishes)


def read_wishes(words: list[str]) -> Wishes:
    """Take the words apart; raises `Misused`."""
    names, mode, keys = [], "write", DEFAULT_KEYS
    remaining = iter(words)
    for word in remaining:
        option, equals, value = word.partition("=")
        if option == "--detach-keys":
            keys = value if equals else next(remaining, "")
        elif word in ("--read-only", "--take"):
            wanted = "watch" if word == "--read-only" else "take"
            if mode not in ("write", wanted):
                raise Misused("Error: --read-only and --take exclude each other", exits.BAD_ARGUMENTS)
            mode = wanted
        elif word.startswith("-"):
            raise Misused(f"Error: unknown option {word}", exits.BAD_ARGUMENTS)
        else:
            names.append(word)
    if len(names) != 1:
        raise Misused("Error: attach requires the name of one process", exits.BAD_ARGUMENTS)
    try:
        return Wishes(names[0], mode, parse_keys(keys))
    except ValueError as why:
        raise Misused(f"Error: {why}", exits.BAD_ARGUMENTS) from None
