"""The kinds of value an option can have: how each dialect reads it, how it is shown, what an editor may check."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tmd.config import native_kinds as native
from tmd.config import supervisor_kinds as supervisor
from tmd.config import value_schemas as schemas
from tmd.config.environment import parse_environment
from tmd.config.host import Host
from tmd.config.native_kinds import Context, text_of
from tmd.config.settings import ADOPT, CONTROL_GROUPS, HOOK_FAILURES, LOG_FORMATS, ORPHANS, Autorestart
from tmd.config.signal_names import signal_name
from tmd.tree.node import Node
from tmd.wire.levels import LEVEL_WORDS


class Kind(NamedTuple):
    """One kind of value."""

    word: str
    """its name in the reference"""
    hint: str
    """what a good value looks like"""
    supervisor: Callable[[str, Host], Any] | None
    """None: of an option Supervisor does not have, read alike in both dialects"""
    native: Callable[[Node, Context], Any]
    show: Callable[[Any], str]
    """a value as it would be written in a file"""
    schema: dict[str, Any]
    supervisor_hint: str = ""
    """what a good value looks like where Supervisor takes less"""

    def read(self, node: Node, context: Context, *, native: bool) -> Any:
        """Return the value of an expanded node; raises ValueError, in Supervisor's dialect with Supervisor's words."""
        if native or self.supervisor is None:
            return self.native(node, context)
        return self.supervisor(text_of(node), context.host)

    def hint_in(self, *, native: bool) -> str:
        """Return what a good value looks like in a dialect."""
        return self.hint if native or not self.supervisor_hint else self.supervisor_hint


def _supervisor_user(text: str, host: Host) -> tuple[int, int | None]:
    return supervisor.user_id(text, host), None


def _supervisor_environment(text: str, host: Host) -> dict[str, str]:
    return parse_environment(text)


def _show_text(value: Any) -> str:
    return str(value)


def _show_boolean(value: Any) -> str:
    return "true" if value else "false"


def _show_size(value: Any) -> str:
    for unit, factor in (("GB", 1024**3), ("MB", 1024**2), ("KB", 1024)):
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return str(value)


def _show_octal(value: Any) -> str:
    return f"0{value:o}"


def show_list(value: Any) -> str:
    """Return a list as it is written in INI."""
    return ",".join(str(each) for each in value)


def _show_signal(value: Any) -> str:
    return signal_name(value)


def _show_autorestart(value: Any) -> str:
    return {Autorestart.ALWAYS: "true", Autorestart.NEVER: "false"}.get(value, "unexpected")


def _show_environment(value: Any) -> str:
    return ",".join(f'{name}="{text}"' for name, text in value.items())


def _show_files(value: Any) -> str:
    return ",".join(f"-{file.path}" if file.optional else file.path for file in value)


def _show_level(value: Any) -> str:
    return next(word for word, level in LEVEL_WORDS.items() if level == value)


_PATH = schemas.FILLED


def _whole_kind(word: str, hint: str, least: int, most: int | None = None) -> Kind:
    return Kind(word, hint, supervisor.integer, native.whole(least, most), _show_text, schemas.whole(least, most))


def one_of(word: str, words: tuple[str, ...]) -> Kind:
    """Return the kind of an option of ours that takes one of a few words."""
    return Kind(word, ", ".join(words), None, native.one_of(words), _show_text, schemas.words(words))


TEXT = Kind("text", "some text", supervisor.plain_text, native.plain_text, _show_text, schemas.TEXT)
COMMAND = Kind(
    "command", "a program and its arguments", supervisor.plain_text, native.command, _show_text, schemas.COMMAND
)
HOOK = COMMAND._replace(supervisor=None)
BOOLEAN = Kind("yes or no", "true or false", supervisor.boolean, native.boolean, _show_boolean, schemas.BOOLEAN)
OWN_TEXT = TEXT._replace(supervisor=None)
OWN_BOOLEAN = BOOLEAN._replace(supervisor=None)
COUNT = _whole_kind("number", "a whole number, e.g. 3", 0)
OWN_COUNT = COUNT._replace(supervisor=None)
OWN_NAME = OWN_TEXT._replace(schema=schemas.NAME)
INSTANCES = _whole_kind("number", "a whole number, e.g. 3", 0, 100_000)
BUFFER_SIZE = _whole_kind("number", "a whole number, e.g. 1024", 1)
BACKLOG = _whole_kind("number", "a whole number, e.g. 128", 1, 65535)
PRIORITY = _whole_kind("number", "a whole number, e.g. 999", -(2**31), 2**31 - 1)
SECONDS = Kind(
    "seconds",
    "seconds, e.g. 2.5",
    supervisor.integer,
    native.seconds,
    lambda value: f"{value:g}",
    schemas.SECONDS,
    "a whole number of seconds, e.g. 3",
)
OWN_SECONDS = SECONDS._replace(supervisor=None, supervisor_hint="")
SIZE = Kind("size", "bytes, e.g. 50MB", supervisor.byte_size, native.byte_size, _show_size, schemas.SIZE)
OWN_SIZE = SIZE._replace(supervisor=None)
OCTAL = Kind("octal", "octal, e.g. 022", supervisor.octal, native.octal, _show_octal, schemas.OCTAL)
EXIT_CODES = Kind(
    "exit codes",
    "numbers from 0 to 255, e.g. 0,2",
    supervisor.exit_codes,
    native.exit_codes,
    show_list,
    schemas.EXIT_CODES,
)
SIGNAL = Kind(
    "signal", "e.g. TERM, SIGTERM or 15", supervisor.signal_number, native.signal_number, _show_signal, schemas.SIGNAL
)
LOG_FORMAT = one_of("format", LOG_FORMATS)
HOOK_FAILURE = one_of("rule", HOOK_FAILURES)
ORPHAN_RULE = one_of("rule", ORPHANS)
CONTROL_GROUP_RULE = one_of("rule", CONTROL_GROUPS)
ADOPTION = Kind("rule", ", ".join(ADOPT), None, native.adoption, _show_text, schemas.ADOPTION)
AUTORESTART = Kind(
    "restart rule",
    "always, never or unexpected",
    supervisor.autorestart,
    native.autorestart,
    _show_autorestart,
    schemas.RESTART,
    "true, false or unexpected",
)
LOG_LEVEL = Kind(
    "level",
    f"one of {', '.join(LEVEL_WORDS)}",
    supervisor.log_level,
    native.log_level,
    _show_level,
    schemas.words(LEVEL_WORDS),
)
USER = Kind("user", "an existing user name or number", _supervisor_user, native.user, _show_text, schemas.ACCOUNT)
PROGRAM_USER = USER._replace(native=native.program_user)
GROUP = Kind("group", "an existing group name or number", None, native.group, _show_text, schemas.ACCOUNT)
OWNER = Kind("owner", "user or user:group", supervisor.user_and_group, native.owner, _show_text, schemas.ACCOUNT)
FILE = Kind("file", "a path whose directory exists", supervisor.file_path, native.file_path, _show_text, _PATH)
SOCKET_FILE = Kind("file", "a path", supervisor.plain_text, native.directory, _show_text, _PATH)
MAIN_LOG = Kind("file", "a path whose directory exists", supervisor.file_path, native.main_log, _show_text, _PATH)
OPTIONAL_FILES = Kind("files", "e.g. web.env,-local.env", None, native.environment_files, _show_files, schemas.TEXTS)
EXISTING_DIRECTORY = Kind(
    "directory",
    "an existing directory",
    supervisor.existing_directory,
    native.existing_directory,
    _show_text,
    _PATH,
)
DIRECTORY = Kind("directory", "a directory", supervisor.plain_text, native.directory, _show_text, _PATH)
OWN_DIRECTORY = DIRECTORY._replace(supervisor=None)
LOG_FILE = Kind(
    "log", "a path, AUTO or NONE", supervisor.log_file, native.log_file, lambda value: value or "NONE", schemas.LOG
)
SERVER_URL = Kind(
    "address",
    "e.g. http://127.0.0.1:9001 or unix:///run/taskmaster/tmd.sock",
    supervisor.server_url,
    native.server_url,
    _show_text,
    schemas.SERVER_URL,
)
ENVIRONMENT = Kind(
    "variables", 'e.g. A=1,B="x,y"', _supervisor_environment, native.environment, _show_environment, schemas.VARIABLES
)
STRINGS = Kind("list", "e.g. a,b", supervisor.strings, native.strings, show_list, schemas.TEXTS)
EVENTS = STRINGS._replace(hint="e.g. PROCESS_STATE,TICK_60")
PYTHON_OBJECT = Kind(
    "place in a module",
    "module:attribute",
    supervisor.python_object,
    native.python_object,
    _show_text,
    schemas.FILLED,
)
LISTENING_SOCKET = Kind(
    "socket",
    "tcp://host:port or unix:///path",
    supervisor.plain_text,
    native.listening_socket,
    _show_text,
    schemas.LISTENING,
)
ADDRESS = Kind("port", "e.g. 9001 or 127.0.0.1:9001", supervisor.address, native.address, _show_text, schemas.PORT)
PROCESS_NAME = Kind(
    "name",
    "e.g. %(program_name)s_%(process_num)02d",
    supervisor.plain_text,
    native.process_name,
    _show_text,
    _PATH,
)
