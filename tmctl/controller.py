"""This client as a plug-in sees it: the surface of Supervisor's controller that plug-ins use.

Promises that what a plug-in looks at is true at that moment (server, credentials, exit status), and that `onecmd` may
be called from several threads at once, as plug-ins do to act on many programs. Imported only for plug-ins.
"""

import cmd
import sys
import threading
import xmlrpc.client
from collections.abc import Callable
from typing import Any

from tmctl import exits
from tmctl.client import Client, HttpStatus
from tmctl.commands import BY_NAME, COMMANDS
from tmctl.config import Target
from tmctl.connection import Unreachable
from tmctl.dispatch import run_line
from tmctl.marshal import BadReply, ServerFault
from tmctl.proxy import server_proxy, translated
from tmctl.session import Session


class Options:
    """The client's options: where the server is and as whom it is asked; assigning moves the client there."""

    def __init__(self, session: Session, target: Target, proxy: Callable[[], xmlrpc.client.ServerProxy]) -> None:
        self._session = session
        self.prompt = target.prompt
        self.history_file = target.history_file
        self.configfile = target.config
        self.interactive = session.interactive
        self.plugins: list[Any] = []
        """the plug-ins made so far; the first stands for the commands everybody has"""
        self.plugin_factories: list[tuple[str, Any, dict[str, str]]] = []
        self.getServerProxy = proxy

    @property
    def serverurl(self) -> str:
        """The server's address."""
        return self._session.serverurl

    @serverurl.setter
    def serverurl(self, url: str) -> None:
        self._session.connect_to(url)

    @property
    def username(self) -> str | None:
        """As whom the server is asked; None: as nobody."""
        return self._session.client.username

    @username.setter
    def username(self, name: str | None) -> None:
        self._session.client.username = name

    @property
    def password(self) -> str | None:
        """The password that goes with it."""
        return self._session.client.password

    @password.setter
    def password(self, secret: str | None) -> None:
        self._session.client.password = secret


class CommonCommands:
    """The commands everybody has, as a plug-in among plug-ins: `do_NAME(text)` and `help_NAME()`."""

    name = "default"

    def __init__(self, controller: "Controller") -> None:
        self.ctl = controller

    def __getattr__(self, name: str) -> Callable[..., Any]:
        kind, _, command = name.partition("_")
        if kind == "do" and command in BY_NAME:
            return lambda text="": self.ctl.onecmd(f"{command} {text}")
        if kind == "help" and command in BY_NAME:
            return lambda: self.ctl.onecmd(f"help {command}")
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        commands = [command.name for command in COMMANDS]
        return [*super().__dir__(), *(f"do_{name}" for name in commands), *(f"help_{name}" for name in commands)]


class Controller(cmd.Cmd):
    """What a plug-in's factory is given. From `cmd.Cmd` come the means of printing tables of topics."""

    def __init__(self, session: Session, target: Target) -> None:
        super().__init__(stdin=sys.stdin, stdout=sys.stdout)
        self._session = session
        self._used: set[Client] = set()
        self.options = Options(session, target, self.get_server_proxy)
        self.options.plugins.append(CommonCommands(self))
        self.prompt = f"{target.prompt}> "
        self.vocab = [command.name for command in COMMANDS]

    @property
    def exitstatus(self) -> int:
        """The exit status so far."""
        return self._session.status

    @exitstatus.setter
    def exitstatus(self, status: int) -> None:
        self._session.status = status

    def output(self, message: object) -> None:
        """Print a line."""
        self._session.say(message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message))

    def get_supervisor(self) -> Any:
        """Return a proxy of the methods that every supervisor has."""
        return self.get_server_proxy("supervisor")

    def get_server_proxy(self, namespace: str | None = None) -> Any:
        """Return a proxy of the server, or of one namespace; each has a connection of its own."""
        client = Client(self._session.client.address, self._session.client.username, self._session.client.password)
        proxy = server_proxy(client, self._used.add)
        return proxy if namespace is None else getattr(proxy, namespace)

    def close(self) -> None:
        """Close the connections of all proxies; a proxy that is used again opens one."""
        while self._used:
            self._used.pop().close()

    def upcheck(self) -> bool:
        """Tell whether the server can be worked with; what is wrong is printed and in the exit status."""
        try:
            return self._session.server_is_up()
        except (ServerFault, HttpStatus, Unreachable, BadReply) as error:
            raise translated(error) from error

    def set_exitstatus_from_xmlrpc_fault(self, faultcode: int, ignored_faultcode: int | None = None) -> None:
        """Remember the exit status that a fault deserves."""
        self._session.blame(faultcode, ignored_faultcode)

    def handle_error(self, message: object = None, fatal: bool = False, code: int | None = None) -> None:
        """Print what is wrong and remember the exit status; a fatal error ends the client."""
        if message is not None:
            self.output(message)
        self.exitstatus = exits.GENERIC if code is None else code
        if fatal:
            raise SystemExit(self.exitstatus)

    def onecmd(self, line: str) -> bool:
        """Run a line as if it had been typed; returns whether it ends the shell."""
        if threading.current_thread() is threading.main_thread():
            return run_line(self._session, line)
        beside = self._session.beside()
        try:
            return run_line(beside, line)
        finally:
            beside.client.close()
            if beside.status != exits.OK:
                self._session.status = beside.status

    def default(self, line: str) -> None:
        """Say that a line is no command."""
        self._session.fail(f"*** Unknown syntax: {line}")

    def emptyline(self) -> bool:
        """Do nothing."""
        return False

    def do_help(self, arg: str) -> bool | None:
        """Show what `help` shows."""
        return self.onecmd(f"help {arg}")
