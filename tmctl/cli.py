"""`tmctl [flags] [command [words]]`: the entry point.

Finds the server, then runs one command, or the shell when there is none. The borders are here: whatever happens, a
person sees a line, never a traceback.
"""

import os
import sys
from collections.abc import Sequence
from typing import cast

from tmctl import exits
from tmctl.arguments import COMPLETE, FLAGS, Arguments, BadArguments, parse_arguments
from tmctl.client import Client
from tmctl.config import SUPERVISORS_CLIENT, BadConfig, Surroundings, Target, Wishes, find_target
from tmctl.connection import Unreachable, parse_url
from tmctl.dispatch import run_arguments
from tmctl.output import (
    CannotWrite,
    ColourChoice,
    Output,
    complain,
    secure_streams,
    silence,
    standard_output,
)
from tmctl.session import Person, Session

_COLOURS = ("auto", "always", "never")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tmctl` with these arguments (default: the process's) and return its exit code."""
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        silence(sys.stdout)
        return exits.READER_GONE
    except CannotWrite as error:
        silence(sys.stdout)
        complain(f"cannot write to standard output: {error}")
        return exits.GENERIC
    except Exception as error:  # noqa: BLE001  the border of the program: a line, not a traceback
        complain(f"error: {type(error).__name__}: {error} (a defect of tmctl: please report it)")
        return exits.GENERIC


def _main(argv: Sequence[str]) -> int:
    secure_streams()
    try:
        arguments = parse_arguments(argv)
        # Under Supervisor's name the text is Supervisor's to the byte, on a terminal, too.
        colour = arguments.flags.get("color", "never" if _called() == SUPERVISORS_CLIENT else "auto")
        if colour not in _COLOURS:
            raise BadArguments(f"invalid value for --color {colour!r}: not one of {', '.join(_COLOURS)}")
    except BadArguments as error:
        return _usage(str(error))
    if COMPLETE in arguments.flags:
        from tmctl.offering import keep_quiet  # noqa: PLC0415  few ask for it

        keep_quiet()
    output = standard_output(cast("ColourChoice", colour), os.environ, raw="raw" in arguments.flags)
    if "help" in arguments.flags:
        output.line(help_page(_called()))
        return exits.OK
    if "version" in arguments.flags:
        from tmctl import __version__  # noqa: PLC0415

        output.line(__version__)
        return exits.OK
    surroundings = Surroundings(
        os.environ, os.getuid(), os.path.expanduser("~"), os.path.dirname(os.path.abspath(sys.argv[0])), _called()
    )
    try:
        target = find_target(_wishes(arguments), surroundings)
        address = parse_url(target.url)
    except BadConfig as error:
        return _usage(str(error))
    except ValueError as error:
        place = {"-s": "-s", "TMCTL_SERVERURL": "TMCTL_SERVERURL"}.get(target.source, f"serverurl in {target.source}")
        return _usage(f"invalid value for {place} {target.url!r}: {error}")
    session = _session(arguments, output, target, surroundings, Client(address, target.username, target.password))
    try:
        if COMPLETE in arguments.flags:
            from tmctl.offering import offer  # noqa: PLC0415

            offer(session, arguments.words)
            return exits.OK
        if target.plugins:
            from tmctl.plugins import load_plugins  # noqa: PLC0415  few have any

            session.plugins = load_plugins(session, target)
        return _run(session, arguments, target, surroundings)
    except BadConfig as error:
        return _usage(str(error))
    finally:
        session.client.close()


def _wishes(arguments: Arguments) -> Wishes:
    flags = arguments.flags
    return Wishes(
        flags.get("configuration"),
        flags.get("serverurl"),
        flags.get("username"),
        flags.get("password"),
        flags.get("history_file"),
    )


def _session(
    arguments: Arguments, output: Output, target: Target, surroundings: Surroundings, client: Client
) -> Session:
    def explain(error: Unreachable) -> str:
        from tmctl.diagnose import explain as explained  # noqa: PLC0415  only when something is wrong

        address = session.client.address
        asked = target
        if address.url != target.url:
            asked = target._replace(source="the address given to open", pidfile=None, serving=None)
        return explained(error, address, asked, surroundings)

    session = Session(
        client,
        output,
        person=Person(sys.stdin, output),
        interactive="interactive" in arguments.flags or not arguments.words,
        explain=explain,
    )
    return session


def _run(session: Session, arguments: Arguments, target: Target, surroundings: Surroundings) -> int:
    as_json = "json" in arguments.flags
    if arguments.words:
        run_arguments(session, arguments.words, as_json=as_json)
        return session.status
    from tmctl.shell import run_shell  # noqa: PLC0415  a one-shot command has no use for it

    run_shell(session, target.prompt, target.history_file or _history_file(surroundings), as_json=as_json)
    return exits.OK


def _history_file(surroundings: Surroundings) -> str:
    state = surroundings.environ.get("XDG_STATE_HOME") or f"{surroundings.home}/.local/state"
    return f"{state}/taskmaster/tmctl_history"


def _usage(message: str) -> int:
    program = os.path.basename(sys.argv[0]) or "tmctl"
    complain(f"Error: {message}\nFor help, use {program} -h")
    return exits.BAD_ARGUMENTS


def _called() -> str:
    """Return the name we were called by: a link to us may have that of Supervisor's client."""
    return os.path.basename(sys.argv[0]).removesuffix(".py")


def help_page(called: str = "tmctl") -> str:
    """Return what `--help` prints under a name."""
    from tmctl.reference import help_text, help_text_for_supervisors_client  # noqa: PLC0415

    return help_text_for_supervisors_client() if called == SUPERVISORS_CLIENT else help_text(FLAGS)
