"""Commands that plug-ins add: objects whose `do_NAME`, `help_NAME` and `complete_NAME` are commands of this client.

The configuration names a factory; it is called with this client and the section's options, and what it returns is the
plug-in. Promises that nothing a plug-in raises gets further than one line. Imported only when there are plug-ins.
"""

import importlib
import xmlrpc.client
from typing import Any

from tmctl.client import HttpStatus
from tmctl.commands import Command
from tmctl.config import BadConfig, PluginSection, Target
from tmctl.controller import Controller
from tmctl.output import CannotWrite
from tmctl.session import Request, Session

_NOT_THEIRS = (KeyboardInterrupt, BrokenPipeError, CannotWrite)
"""what passes through other people's code from elsewhere"""


class Plugins:
    """The plug-ins of one run, in the order of the configuration; the first that has a command runs it."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._members: list[tuple[str, Any]] = []

    def add(self, name: str, plugin: Any) -> None:
        """Take a plug-in in."""
        self._members.append((name, plugin))
        self._controller.options.plugins.append(plugin)
        self._controller.vocab += _commands_of(plugin)

    def names(self) -> list[str]:
        """Return the names of all commands."""
        return [name for _, plugin in self._members for name in _commands_of(plugin)]

    def topics(self) -> list[tuple[str, list[str]]]:
        """Return the commands of each plug-in, under its name."""
        return [(name, commands) for name, plugin in self._members if (commands := _commands_of(plugin))]

    def command(self, name: str, argument: str) -> Command | None:
        """Return a command with what was typed behind it; None when no plug-in has it."""
        plugin = self._owner(name)
        if plugin is None:
            return None

        def run(session: Session, _: Request) -> None:
            try:
                session.ended = bool(getattr(plugin, f"do_{name}")(argument))
            except xmlrpc.client.ProtocolError as error:
                if error.errcode == 401:
                    raise HttpStatus(error.url, error.errcode, error.errmsg) from error
                session.fail(told(error))
            except (*_NOT_THEIRS, SystemExit):  # the last is how a plug-in ends the client, and with which status
                raise
            except BaseException as error:  # noqa: BLE001  the border of a request: other people's code
                session.fail(told(error))
            finally:
                self._controller.close()

        return Command(name, run, ((name, ""),))

    def help(self, topic: str) -> bool:
        """Print the help of a command; False when no plug-in has it."""
        plugin = self._owner(topic)
        if plugin is None:
            return False
        try:
            explain = getattr(plugin, f"help_{topic}", None)
            if callable(explain):
                explain()
            else:
                doc = getattr(plugin, f"do_{topic}").__doc__
                self._controller.output(doc if doc else f"*** No help on {topic}")
        except Exception as error:  # noqa: BLE001  other people's code
            self._controller.handle_error(told(error))
        finally:
            self._controller.close()
        return True

    def complete(self, name: str, word: str, before: str) -> list[str]:
        """Return what a plug-in offers for a word of its command; `before` is the line up to the cursor."""
        try:
            offer = getattr(self._owner(name), f"complete_{name}", None)
            found = offer(word, before, len(before) - len(word), len(before)) if callable(offer) else ()
        except Exception:  # noqa: BLE001  a failed guess is no guess, and nothing may be printed while somebody types
            return []
        finally:
            self._controller.close()
        return [str(candidate).rstrip() for candidate in found or ()]

    def _owner(self, name: str) -> Any:
        return next((plugin for _, plugin in self._members if name in _commands_of(plugin)), None)


def _commands_of(plugin: Any) -> list[str]:
    # `help` is a command of everybody; the base class of Supervisor's plug-ins has one to show its own topics.
    names = (name for name in dir(plugin) if name.startswith("do_") and name != "do_help")
    return [name.removeprefix("do_") for name in names if _is_command(plugin, name)]


def _is_command(plugin: Any, name: str) -> bool:
    try:
        return callable(getattr(plugin, name, None))
    except Exception:  # noqa: BLE001  other people's code: what it raises is told to whoever asks for the command
        return True


def told(error: BaseException) -> str:
    """Return the line that Supervisor's client shows for an exception: its class, its text, the place."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    file = place.tb_frame.f_code.co_filename if place is not None else "?"
    return f"error: {type(error)}, {error}: file: {file} line: {place.tb_lineno if place is not None else 0}"


def load_plugins(session: Session, target: Target) -> Plugins:
    """Make the plug-ins that the configuration asks for; BadConfig says which cannot be made and why."""
    controller = Controller(session, target)
    plugins = Plugins(controller)
    factories = [(section, _factory(section)) for section in target.plugins]
    controller.options.plugin_factories += [(section.name, factory, section.options) for section, factory in factories]
    try:
        for section, factory in factories:
            _make(plugins, controller, section, factory)
    finally:
        controller.close()
    return plugins


def _make(plugins: Plugins, controller: Controller, section: PluginSection, factory: Any) -> None:
    try:
        plugin = factory(controller, **section.options)
        if hasattr(plugin, "__dict__"):
            plugin.name = section.name
        plugins.add(section.name, plugin)
    except _NOT_THEIRS:
        raise
    except BaseException as error:
        raise BadConfig(f"cannot load {section.section}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it called sys.exit({'' if error.code is None else repr(error.code)})"
    return f"{type(error).__name__}: {error}"


def _factory(section: PluginSection) -> Any:
    module, _, attributes = section.factory.strip().partition(":")
    try:
        found: Any = importlib.import_module(module)
        for attribute in attributes.split(".") if attributes else ():
            found = getattr(found, attribute)
    except _NOT_THEIRS:
        raise
    except SystemExit as error:
        raise BadConfig(f"cannot load {section.section}: {_cause(error)}") from error
    except BaseException as error:
        raise BadConfig(f"{section.factory} cannot be resolved within {section.section}: {_cause(error)}") from error
    return found
