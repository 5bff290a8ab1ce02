"""From a typed line to a command that ran: words, flags, the border where errors become lines.

Promises: no traceback reaches a person; every error is one line and an exit status.
"""

from collections.abc import Sequence

from tmctl import exits
from tmctl.client import HttpStatus
from tmctl.commands import ALIASES, BY_NAME, COMMANDS, Command
from tmctl.connection import Unreachable
from tmctl.marshal import BadReply, ServerFault
from tmctl.session import Misused, Request, Session

_SPELLINGS = {"--json": "--json", "--raw": "--raw", "--verbose": "--verbose", "-v": "--verbose"}


_WHOLE = ("--config", "--grep", "--since", "--until")
"""the words after these are taken as they are, blanks and all"""


def split_line(line: str) -> list[str]:
    """Return the words of a typed line; quotes count only where they may be needed, as in a path after `--config`."""
    if not any(option in line for option in _WHOLE) or not ("'" in line or '"' in line):
        return line.split()
    import shlex  # noqa: PLC0415  rare

    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def run_arguments(session: Session, arguments: Sequence[str], *, as_json: bool = False) -> None:
    """Run the command of a command line."""
    run_words(session, split_arguments(arguments), as_json=as_json, line=" ".join(arguments))


def split_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the words of a command line: an argument may hold several, except what follows `--config` and its like."""
    words: list[str] = []
    for argument in arguments:
        whole = argument.partition("=")[0] in _WHOLE or (bool(words) and words[-1] in _WHOLE)
        words += [argument] if whole else argument.split()
    return words


def run_line(session: Session, line: str, *, as_json: bool = False) -> bool:
    """Run a typed line; returns whether the shell should end."""
    return run_words(session, split_line(line), as_json=as_json, line=line)


def run_words(session: Session, words: Sequence[str], *, as_json: bool = False, line: str = "") -> bool:
    """Run a command; returns whether the shell should end. `line` is what was typed, where that is more."""
    if not words:
        return False
    line = line.strip() or " ".join(words)
    name, rest = _command_and_rest(words)
    command = _find(session, name, line)
    if command is None:
        session.document = {} if as_json else None
        session.fail(f"*** Unknown syntax: {line}")
        _print_document(session)
        _suggest(session, name)
        return False
    request = _request(command, rest, as_json=as_json)
    session.document = {} if request.json else None
    raw_before = session.output.raw
    session.output.raw = raw_before or request.raw
    try:
        if request.json and "--json" not in command.flags:
            session.document = {}
            session.fail(f"Error: {command.name} has nothing to show as JSON", exits.BAD_ARGUMENTS)
        else:
            _run(session, command, request)
    finally:
        session.output.raw = raw_before
        _print_document(session)
    ended, session.ended = session.ended, False
    return command.ends_shell or ended


def _find(session: Session, name: str, line: str) -> Command | None:
    """Return the command of a name: Supervisor's, else a plug-in's, else one of our own."""
    command = BY_NAME.get(ALIASES.get(name, name))
    if session.plugins is None or (command is not None and not command.own):
        return command
    return session.plugins.command(name, line[len(name) :].strip()) or command


def _command_and_rest(words: Sequence[str]) -> tuple[str, list[str]]:
    """Take the command's name off the words: else its letters end it, so `status-x` is `status -x`."""
    first, rest = words[0], list(words[1:])
    if first in BY_NAME:
        return first, rest
    if first.startswith("?"):
        return "help", [first[1:], *rest] if first[1:] else rest
    length = 0
    while length < len(first) and (first[length] == "_" or (first[length].isascii() and first[length].isalnum())):
        length += 1
    remainder = first[length:]
    return first[:length], [remainder, *rest] if remainder else rest


def _request(command: Command, words: Sequence[str], *, as_json: bool) -> Request:
    found: set[str] = set()
    config = None
    names: list[str] = []
    remaining = iter(words)
    for word in remaining:
        flag = _SPELLINGS.get(word)
        if flag in command.flags:
            found.add(str(flag))
        elif "--config" in command.flags and word == "--config":
            config = next(remaining, "")
        elif "--config" in command.flags and word.startswith("--config="):
            config = word.partition("=")[2]
        else:
            names.append(word)
    return Request(
        command.name,
        names,
        json=as_json or "--json" in found,
        verbose="--verbose" in found,
        raw="--raw" in found,
        config=config,
    )


def _run(session: Session, command: Command, request: Request) -> None:
    try:
        command.run(session, request)
    except Misused as misuse:
        session.fail(misuse.text, misuse.status)
        session.say(*command.help_lines)
    except HttpStatus as answer:
        if answer.status == 401:
            _authenticate(session, command, request)
        else:
            session.fail(
                f"error: the server answered {answer.status} {answer.reason} (more in its log: tmctl maintail)"
            )
    except ServerFault as fault:
        session.fail(f"error: {_explained(fault)}")
    except Unreachable as error:
        session.fail(f"error: {_unreachable_text(session, error)}")
        session.hint(error)
    except BadReply as error:
        session.fail(f"error: {session.serverurl}: {error} (is a supervisor listening there?)")


def _authenticate(session: Session, command: Command, request: Request) -> None:
    session.fail("Server requires authentication")
    if not session.interactive:
        return
    try:
        username = session.person.ask("Username:")
        password = session.person.ask_secret("Password:")
    except EOFError:
        session.say("")
        return
    session.say("")
    session.client.username, session.client.password = username, password
    session.client.close()
    session.status = exits.OK
    _run(session, command, request)


def _explained(fault: ServerFault) -> str:
    if fault.text == "SHUTDOWN_STATE":
        return "the daemon is shutting down (SHUTDOWN_STATE)"
    if fault.text == "UNKNOWN_METHOD":
        return "the server does not know this command (UNKNOWN_METHOD)"
    return fault.text or f"fault {fault.code}"


def _unreachable_text(session: Session, error: Unreachable) -> str:
    known = {"no such file or directory": "no such file", "connection refused": "refused connection"}
    if error.reason in known:
        return f"{session.serverurl} {known[error.reason]}"
    return f"cannot talk to {session.serverurl}: {error.reason}"


def _print_document(session: Session) -> None:
    if session.document is None:
        return
    import json  # noqa: PLC0415  only where JSON is asked for

    document, session.document = session.document, None
    session.output.line(json.dumps(document, indent=2, ensure_ascii=False))


def _suggest(session: Session, name: str) -> None:
    import difflib  # noqa: PLC0415  only for a mistyped command

    known = [command.name for command in COMMANDS]
    if session.plugins is not None:
        known += session.plugins.names()
    near = difflib.get_close_matches(name, known, 1)
    if near:
        session.output.error(f"did you mean {near[0]!r}?")
