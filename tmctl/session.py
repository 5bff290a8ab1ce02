"""What a command may use: the server, the outputs, the person's answers, and the exit status so far.

Promises: in `--json` mode nothing but one document reaches standard output. Knows no command.
"""

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from tmctl import exits
from tmctl.client import Client
from tmctl.connection import Unreachable, parse_url
from tmctl.lines import Lines
from tmctl.marshal import ServerFault
from tmctl.output import Output
from tmctl.render import Paint, ansi, plain
from tmd.wire.faults import Fault

if TYPE_CHECKING:
    from tmctl.plugins import Plugins

API_VERSION = "3.0"


class Misused(Exception):
    """A command was given the wrong words: `text` for the user, who is then shown the command's help."""

    def __init__(self, text: str, status: int = exits.GENERIC) -> None:
        self.text = text
        self.status = status
        super().__init__(text)


class Request(NamedTuple):
    """One command as typed, flags taken out of its words."""

    name: str
    words: list[str]
    json: bool = False
    verbose: bool = False
    raw: bool = False
    config: str | None = None

    @property
    def everything(self) -> bool:
        """Whether `all` is among the names."""
        return "all" in self.words

    def takes_no_words(self) -> None:
        """Raise `Misused` if there are any."""
        if self.words:
            raise Misused(f"Error: {self.name} accepts no arguments")

    def takes_names(self, status: int = exits.GENERIC) -> None:
        """Raise `Misused` if there are none."""
        if not self.words:
            raise Misused(f"Error: {self.name} requires a process name", status)


class Person:
    """Whoever types: at a terminal, or through a pipe."""

    def __init__(self, stdin: TextIO, output: Output) -> None:
        self._stdin = stdin
        self._output = output
        self._lines: Lines | None = None

    def lines(self) -> Lines:
        """Return what is typed, as lines."""
        if self._lines is None:
            self._lines = Lines(self._stdin.fileno())
        return self._lines

    @property
    def is_at_terminal(self) -> bool:
        """Whether standard input is a terminal."""
        return self._stdin.isatty()

    def ask(self, question: str) -> str:
        """Return a line typed in answer; EOFError when there is none."""
        self._output.text(question)
        line = self.lines().take()
        if line is None:
            raise EOFError(question)
        return line

    def ask_secret(self, question: str) -> str:
        """Return a line typed without echo; EOFError when there is none."""
        if not self.is_at_terminal:
            return self.ask(question)
        from getpass import getpass  # noqa: PLC0415  only ever needed here

        return getpass(question)


class Session:
    """One run of `tmctl`, or one shell."""

    def __init__(
        self,
        client: Client,
        output: Output,
        *,
        person: Person,
        interactive: bool = False,
        explain: Callable[[Unreachable], str] | None = None,
    ) -> None:
        self.client = client
        self.output = output
        self.interactive = interactive
        self.person = person
        self.status = exits.OK
        self.document: dict[str, Any] | None = None
        """what `--json` will print; None: the command prints text"""
        self.plugins: Plugins | None = None
        """commands that the configuration adds"""
        self.ended = False
        """a plug-in's command asked for the end of the shell"""
        self._explain = explain

    @property
    def serverurl(self) -> str:
        """The server's address as the user wrote it."""
        return self.client.address.url

    @property
    def paint(self) -> Paint:
        """How words are coloured."""
        return ansi if self.output.colour else plain

    def beside(self) -> "Session":
        """Return a session with a connection and a status of its own, for another thread; nobody is asked there."""
        client = Client(self.client.address, self.client.username, self.client.password)
        session = Session(client, self.output, person=self.person, explain=self._explain)
        session.plugins = self.plugins
        return session

    def connect_to(self, url: str) -> None:
        """Talk to another server from now on; ValueError if the URL is none."""
        address = parse_url(url)
        self.client.close()
        self.client = Client(address, self.client.username, self.client.password)

    def say(self, *lines: str) -> None:
        """Print lines, unless a document is being made."""
        if self.document is None and lines:
            self.output.line("\n".join(lines))

    def record(self, key: str, value: Any) -> None:
        """Put something in the document, if one is being made."""
        if self.document is not None:
            self.document[key] = value

    def begin_list(self, key: str) -> None:
        """Have a list in the document, if one is being made, also when nothing will be put in it."""
        if self.document is not None:
            self.document.setdefault(key, [])

    def append(self, key: str, value: Any) -> None:
        """Put one more item in a list of the document, if one is being made."""
        if self.document is not None:
            self.document.setdefault(key, []).append(value)

    def fail(self, line: str, status: int = exits.GENERIC) -> None:
        """Say what is wrong, and remember the exit status."""
        self.status = status
        self.say(line)
        self.append("errors", line)

    def blame(self, code: int, ignored: int | None = None) -> None:
        """Remember the exit status that a fault deserves; a later success does not take it back."""
        if code in (ignored, Fault.SUCCESS):
            return
        dead = code in (Fault.SPAWN_ERROR, Fault.ABNORMAL_TERMINATION, Fault.NOT_RUNNING)
        self.status = exits.NOT_RUNNING if dead else exits.GENERIC

    def hint(self, error: Unreachable) -> None:
        """Say on standard error which cause of an unreachable server is seen, and the remedy."""
        if self._explain is not None:
            self.output.error(self._explain(error))

    def server_is_up(self) -> bool:
        """Ask the server for its version; say what is wrong when it is not one we can talk to."""
        try:
            version = self.client.call("supervisor.getVersion")
        except ServerFault as fault:
            if fault.code != Fault.UNKNOWN_METHOD:
                raise
            self.fail(_NO_NAMESPACE, exits.NO_NAMESPACE)
            return False
        except Unreachable as error:
            if error.number == errno.ECONNREFUSED:
                self.fail(f"{self.serverurl} refused connection", exits.REFUSED)
            elif error.number == errno.ENOENT:
                self.fail(f"{self.serverurl} no such file", exits.NOT_RUNNING)
            else:
                raise
            self.hint(error)
            return False
        if version != API_VERSION:
            self.fail(
                f"Sorry, this version of supervisorctl expects to talk to a server with API version {API_VERSION},"
                f" but the remote version is {version}.",
                exits.API_MISMATCH,
            )
            return False
        return True


_NO_NAMESPACE = (
    "Sorry, supervisord responded but did not recognize the supervisor namespace commands that this client needs:"
    " enable [rpcinterface:supervisor] in its configuration."
)
