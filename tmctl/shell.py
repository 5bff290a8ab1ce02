"""The interactive shell: a prompt with editing, history and completion at a terminal, plain lines from a pipe.

Promises: shows `status` first; Ctrl-C ends a line or a command, never the shell; Ctrl-D leaves; the text is the same
whoever types. prompt_toolkit is imported here only, and only at a terminal.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from tmctl import named
from tmctl.alerts import SINKS
from tmctl.client import HttpStatus
from tmctl.complete import Names, completions
from tmctl.connection import Unreachable
from tmctl.dispatch import run_line
from tmctl.marshal import BadReply, ServerFault
from tmctl.output import CannotWrite
from tmctl.render import Info
from tmctl.session import Person, Session

HISTORY_LINES = 1000

ReadLine = Callable[[], str]
"""Returns a line; raises EOFError at the end and KeyboardInterrupt on Ctrl-C."""


def run_shell(session: Session, prompt: str, history_file: str, *, as_json: bool = False) -> None:
    """Read and run commands until the input ends or a command leaves."""
    names = Names(lambda: _ask_names(session), time.monotonic, lambda: _ask_sinks(session))
    at_terminal = session.person.is_at_terminal
    ended = _run_one(session, "status", as_json=as_json)
    read_line = _reader(session, f"{prompt}> ", history_file, names)
    while not ended:
        try:
            line = read_line()
        except EOFError:
            session.output.line("")
            return
        except KeyboardInterrupt:
            if at_terminal:
                continue
            session.output.line("")
            return
        names.forget()
        ended = _run_one(session, line, as_json=as_json)


def _reader(session: Session, prompt: str, history_file: str, names: Names) -> ReadLine:
    if not session.person.is_at_terminal or not sys.stdout.isatty():
        return lambda: session.person.ask(prompt)
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return _readline_reader(session, prompt, history_file, names)
    return _terminal_reader(session, prompt, history_file, names)


def _run_one(session: Session, line: str, *, as_json: bool) -> bool:
    try:
        return run_line(session, line, as_json=as_json)
    except KeyboardInterrupt:
        session.output.line("")
    except (BrokenPipeError, CannotWrite):
        raise
    except Exception as error:  # noqa: BLE001  the border of a request: the shell goes on
        session.output.error(f"error: {type(error).__name__}: {error} (a defect of tmctl: please report it)")
    session.client.close()
    return False


def _ask_names(session: Session) -> Sequence[Info]:
    try:
        infos: Sequence[Info] = session.client.call("supervisor.getAllProcessInfo")
    except (Unreachable, ServerFault, HttpStatus, BadReply):
        return ()
    return infos


def _ask_sinks(session: Session) -> Sequence[str]:
    try:
        return [sink["name"] for sink in named.ask(session, SINKS) or ()]
    except (Unreachable, ServerFault, HttpStatus, BadReply):
        return ()


def _readline_reader(session: Session, prompt: str, history_file: str, names: Names) -> ReadLine:
    """For terminals that obey no escape sequence: prompt_toolkit would not even echo what it completes there."""
    import readline  # noqa: PLC0415

    found: list[str] = []

    def complete(word: str, state: int) -> str | None:
        if state == 0:
            before = readline.get_line_buffer()[: readline.get_endidx()]
            found[:] = completions(before, names.infos, session.plugins, names.sinks)
        if state >= len(found):
            return None
        return found[0] + " " if len(found) == 1 else found[state]

    def read() -> str:
        try:
            line = input(prompt)
        except KeyboardInterrupt:
            print()
            raise
        append_history(history_file, line)
        return line

    readline.set_completer(complete)
    readline.set_completer_delims(" \t")
    readline.parse_and_bind("tab: complete")
    for line in read_history(history_file):
        readline.add_history(line)
    return read


def _terminal_reader(session: Session, prompt: str, history_file: str, names: Names) -> ReadLine:
    from prompt_toolkit import PromptSession  # noqa: PLC0415
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion  # noqa: PLC0415
    from prompt_toolkit.document import Document  # noqa: PLC0415
    from prompt_toolkit.formatted_text import FormattedText  # noqa: PLC0415
    from prompt_toolkit.history import History  # noqa: PLC0415
    from prompt_toolkit.output.defaults import create_output  # noqa: PLC0415
    from prompt_toolkit.output.vt100 import Vt100_Output  # noqa: PLC0415
    from prompt_toolkit.shortcuts import CompleteStyle  # noqa: PLC0415

    class ShellCompleter(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            before = document.text_before_cursor
            word = "" if not before or before[-1].isspace() else before.split()[-1]
            found = completions(before, names.infos, session.plugins, names.sinks)
            for text in found:
                # one candidate is the answer: go on with the next word, as shells do
                yield Completion(text + " " if len(found) == 1 else text, -len(word), display=text)

    class FileOfLines(History):
        def load_history_strings(self) -> Iterable[str]:
            return reversed(read_history(history_file))

        def store_string(self, string: str) -> None:
            append_history(history_file, string)

    class Typist(Person):
        """Answers come through the same editor, which may have read ahead."""

        def ask(self, question: str) -> str:
            return questions.prompt(styled(question))

    def styled(text: str) -> FormattedText:
        # A blank at the end of a line is only sent to the terminal when it has a style; the prompt ends in one.
        return FormattedText([("fg:ansidefault", text)])

    output = create_output()
    if isinstance(output, Vt100_Output):
        # Asking the terminal for the cursor's place hangs and warns on those that do not answer; nothing here needs it.
        output.enable_cpr = False
    questions: PromptSession[str] = PromptSession(output=output)
    lines: PromptSession[str] = PromptSession(
        completer=ShellCompleter(),
        complete_in_thread=False,
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        history=FileOfLines(),
        output=output,
    )
    session.person = Typist(sys.stdin, session.output)
    return lambda: lines.prompt(styled(prompt))


def read_history(path: str) -> list[str]:
    """Return the last lines typed, oldest first; none when there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()[-HISTORY_LINES:]
    except OSError:
        return []


def append_history(path: str, line: str) -> None:
    """Add a line to the history file, which nobody else may read; a place that cannot be written keeps no history."""
    line = line.strip()
    if not line or "\n" in line:
        return
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    try:
        os.write(descriptor, f"{line}\n".encode())
    except OSError:
        return
    finally:
        os.close(descriptor)
