"""What the native dialect accepts as a number, a size, a signal..., and its words for what it does not.

Each reader takes a node of the tree with every text in it expanded, and raises Unfit. They are strict where
Supervisor is lenient (nothing negative slips through) and lenient where it is strict (fractions of a second, lists).
"""

import posixpath
import shlex
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from tmd.config import supervisor_kinds as supervisor
from tmd.config.environment import parse_environment
from tmd.config.host import Host
from tmd.config.names import unfit
from tmd.config.settings import AUTO, Adopt, Autorestart, EnvironmentFile
from tmd.config.signal_names import SIGNALS
from tmd.tree.node import Mapping, Node, Scalar, Sequence, describe
from tmd.tree.shape import nearest
from tmd.wire.levels import LEVEL_WORDS, Level

_Item = TypeVar("_Item")
_Value = TypeVar("_Value")


class Unfit(ValueError):
    """A value that its option cannot take; `hint` overrides the kind's. `more`: what else is wrong with it."""

    def __init__(self, reason: str, hint: str = "", more: Iterable["Unfit"] = ()) -> None:
        super().__init__(reason)
        self.hint = hint
        self.more = tuple(more)


def each_fit(read: Callable[[_Item], _Value], items: Iterable[_Item]) -> list[_Value]:
    """Return what a reader makes of each item; raises Unfit for all that it cannot take."""
    found: list[_Value] = []
    wrong: list[Unfit] = []
    for item in items:
        try:
            found.append(read(item))
        except Unfit as why:
            wrong.append(why)
    if wrong:
        raise Unfit(str(wrong[0]), wrong[0].hint, wrong[1:])
    return found


class Context(NamedTuple):
    """What a native reader may ask."""

    host: Host
    here: str
    """absolute directory of the file the value is in; relative paths count from there"""


def text_of(node: Node) -> str:
    """Return the text of a word; raises Unfit for a list, a mapping or a null."""
    if isinstance(node, Scalar) and not node.missing:
        return node.text
    raise Unfit(f"must be one value, got {describe(node)}")


def plain_text(node: Node, context: Context) -> str:
    """Any one value."""
    return text_of(node)


def command(node: Node, context: Context) -> str:
    """Any text that is not empty and that a shell could split."""
    text = text_of(node)
    if not text.strip():
        raise Unfit("cannot be empty")
    if why := unsplittable(text):
        raise Unfit(why)
    return text


def unsplittable(command: str) -> str | None:
    """Return why a command can never be split into words, None when it can."""
    if not any(character in command for character in "'\"\\"):
        return None  # splitting takes its time, and nothing else can be wrong
    try:
        shlex.split(command)
    except ValueError as error:
        what = "a quote is not closed" if "quotation" in str(error) else "nothing follows the backslash at its end"
        return f"cannot be split into words: {what}"
    return None


def boolean(node: Node, context: Context) -> bool:
    """Four words for each."""
    text = text_of(node)
    try:
        return supervisor.boolean(text, context.host)
    except ValueError:
        raise Unfit(f"cannot read {text!r} as yes or no") from None


def whole(least: int, most: int | None = None) -> Callable[[Node, Context], int]:
    """Return a reader of whole numbers within bounds."""

    def read(node: Node, context: Context) -> int:
        text = text_of(node)
        try:
            number = int(text)
        except ValueError:
            raise Unfit(f"cannot read {text[:80]!r} as a whole number") from None
        if number < least:
            what = "cannot be negative" if least == 0 else f"cannot be less than {least}"
            raise Unfit(f"{what}, got {number}")
        if most is not None and number > most:
            raise Unfit(f"cannot be more than {most}, got {number}")
        return number

    return read


_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MAX_SECONDS = 10.0 * 365 * 24 * 3600


def seconds(node: Node, context: Context) -> float:
    """A number, in seconds or with ms, s, m or h."""
    text = text_of(node)
    number = text.strip().lower()
    unit = next((unit for unit in ("ms", "s", "m", "h") if number.endswith(unit)), "")
    try:
        seconds = float(number.removesuffix(unit)) * _DURATION_UNITS.get(unit, 1.0)
    except ValueError:
        raise Unfit(f"cannot read {text!r} as a number of seconds") from None
    if seconds < 0:
        raise Unfit(f"cannot be negative, got {text}")
    if not seconds <= _MAX_SECONDS:
        raise Unfit(f"cannot be more than ten years, got {text}")
    return round(seconds, 6)


_SIZE_UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMG", 1):
    _SIZE_UNITS.update(dict.fromkeys((_letter, f"{_letter}B", f"{_letter}IB"), 1024**_power))


def byte_size(node: Node, context: Context) -> int:
    """A whole number, with K, M or G (powers of 1024) if wanted."""
    text = text_of(node)
    number = text.strip().upper()
    digits = number.rstrip("KMGIB").rstrip()
    try:
        size = int(digits) * _SIZE_UNITS[number[len(digits) :].strip()]
    except (ValueError, KeyError):
        raise Unfit(f"cannot read {text!r} as a size") from None
    if size < 0:
        raise Unfit(f"cannot be negative, got {text}")
    return size


def octal(node: Node, context: Context) -> int:
    """A file mode or a umask; 022, 0o22 and 22 are the same."""
    text = text_of(node)
    try:
        mode = int(text, 8)
    except ValueError:
        raise Unfit(f"cannot read {text!r} as an octal number") from None
    if not 0 <= mode <= 0o7777:
        raise Unfit(f"must be between 0 and 7777, got {text}")
    return mode


def exit_codes(node: Node, context: Context) -> tuple[int, ...]:
    """A list, a comma list or one number of 0 to 255."""
    if isinstance(node, Sequence):
        texts = each_fit(text_of, node.items)
    else:
        text = text_of(node)
        texts = text.split(",") if text.strip() else []
    read = whole(0, 255)
    return tuple(each_fit(lambda text: read(Scalar(text.strip(), node.origin), context), texts))


def signal_number(node: Node, context: Context) -> int:
    """A signal by number or name, with or without SIG."""
    text = text_of(node)
    try:
        number = int(text)
    except ValueError:
        number = SIGNALS.get(text.strip().upper().removeprefix("SIG"), 0)
    if number not in SIGNALS.values():
        raise Unfit(f"cannot read {text!r} as a signal")
    return number


_AUTORESTART_WORDS = {"always": Autorestart.ALWAYS, "never": Autorestart.NEVER}


def autorestart(node: Node, context: Context) -> Autorestart:
    """always, never, unexpected, or a boolean word."""
    text = text_of(node)
    try:
        return _AUTORESTART_WORDS.get(text.lower()) or supervisor.autorestart(text, context.host)
    except ValueError:
        raise Unfit(f"cannot read {text!r}") from None


def adoption(node: Node, context: Context) -> Adopt:
    """A boolean word, or kill."""
    text = text_of(node)
    if text.lower() == "kill":
        return "kill"
    try:
        return "yes" if supervisor.boolean(text, context.host) else "no"
    except ValueError:
        raise Unfit(f"cannot read {text!r}") from None


def log_level(node: Node, context: Context) -> Level:
    """One of the seven words."""
    text = text_of(node)
    level = LEVEL_WORDS.get(text.lower())
    if level is None:
        near = nearest(text, tuple(LEVEL_WORDS))
        raise Unfit(f"unknown level {text!r}", f"did you mean {near!r}?" if near else "")
    return level


_MAX_ID = 2**32 - 2
"""the number after it means "unchanged" to the system"""


def user(node: Node, context: Context) -> tuple[int, int | None]:
    """`user` or `user:group` -> (uid, gid or None)."""
    name, colon, group = text_of(node).partition(":")
    user = context.host.find_user(name.strip())
    if user is None:
        raise Unfit(f"cannot find user {name.strip()!r}")
    return user.uid, _find_group(group, context) if colon else None


def program_user(node: Node, context: Context) -> tuple[int, int | None]:
    """As `user`, and a number without an account, which then needs a group."""
    name, colon, group = text_of(node).partition(":")
    uid = _number_of_account(name)
    if uid is None or context.host.find_user(str(uid)) is not None:
        return user(node, context)
    return uid, _find_group(group, context) if colon else None


def _number_of_account(text: str) -> int | None:
    """Return the number of a user or group, None for a name or for a number no user or group can have."""
    digits = text.strip()
    if not digits.isdecimal() or len(digits) > len(str(_MAX_ID)):
        return None
    return int(digits) if int(digits) <= _MAX_ID else None


def group(node: Node, context: Context) -> int:
    """An existing group, by name or number."""
    return _find_group(text_of(node), context)


def _find_group(name: str, context: Context) -> int:
    gid = context.host.find_group(name.strip())
    if gid is None:
        gid = _number_of_account(name)
    if gid is None:
        raise Unfit(f"cannot find group {name.strip()!r}", "a name or number from the group database")
    return gid


def owner(node: Node, context: Context) -> tuple[int, int]:
    """`user` or `user:group` -> (uid, gid); gid -1 where none is named."""
    uid, gid = user(node, context)
    return uid, -1 if gid is None else gid


def _absolute(text: str, context: Context) -> str:
    if not text.strip():
        raise Unfit("cannot be empty")
    return posixpath.normpath(posixpath.join(context.here, context.host.expand_user(text)))


def file_path(node: Node, context: Context) -> str:
    """A path whose directory exists, made absolute."""
    path = _absolute(text_of(node), context)
    parent = posixpath.dirname(path)
    if not context.host.directory_exists(parent):
        raise Unfit(f"cannot use {path!r}: there is no directory {parent!r}", "make the directory first")
    return path


def main_log(node: Node, context: Context) -> str:
    """A path, or syslog."""
    return "syslog" if text_of(node) == "syslog" else file_path(node, context)


def existing_directory(node: Node, context: Context) -> str:
    """A directory that exists, made absolute."""
    path = _absolute(text_of(node), context)
    if not context.host.directory_exists(path):
        raise Unfit(f"cannot use {path!r}: there is no such directory", "make it first")
    return path


def directory(node: Node, context: Context) -> str:
    """A path, made absolute."""
    return _absolute(text_of(node), context)


def environment_files(node: Node, context: Context) -> tuple[EnvironmentFile, ...]:
    """A list or a comma list of files, made absolute, which need not be there yet; `-` before one: it need never be."""
    return tuple(_environment_file(text, context) for text in strings(node, context))


def _environment_file(text: str, context: Context) -> EnvironmentFile:
    return EnvironmentFile(_absolute(text.removeprefix("-").strip(), context), optional=text.startswith("-"))


def one_of(words: tuple[str, ...]) -> Callable[[Node, Context], str]:
    """Return a reader of one of a few words; case means nothing."""

    def read(node: Node, context: Context) -> str:
        text = text_of(node)
        if text.lower() not in words:
            near = nearest(text, words)
            raise Unfit(f"cannot read {text[:80]!r}", f"did you mean {near!r}?" if near else "")
        return text.lower()

    return read


def log_file(node: Node, context: Context) -> str | None:
    """A path, or one of the words NONE, OFF, AUTO, syslog."""
    if isinstance(node, Scalar) and node.missing:
        return None
    word = text_of(node).lower()
    if word in ("none", "off", "false"):
        return None
    if word == "auto":
        return AUTO
    return supervisor.SYSLOG if word == "syslog" else file_path(node, context)


def server_url(node: Node, context: Context) -> str | None:
    """An http or unix address, or AUTO."""
    text = text_of(node).strip()
    if text.upper() == "AUTO":
        return None
    if not text.startswith(("http://", "unix:///")):
        raise Unfit(f"cannot read {text!r} as the address of a server")
    return text


def environment(node: Node, context: Context) -> dict[str, str]:
    """A mapping, or `A=1,B="x,y"`."""
    if isinstance(node, Mapping):
        return dict(each_fit(_variable, ((name, entry.value) for name, entry in node.entries.items())))
    if isinstance(node, Scalar) and node.missing:
        return {}
    text = text_of(node)
    try:
        return parse_environment(text)
    except ValueError as error:
        reason = "a quote is not closed" if "quotation" in str(error) else "a value may need quotes"
        raise Unfit(f"cannot read {text!r} as variables: {reason}") from None


def _variable(item: tuple[str, Node]) -> tuple[str, str]:
    name, value = item
    if not name or "=" in name:
        raise Unfit(f"cannot name a variable {name!r}")
    if isinstance(value, Scalar) and value.text == "":
        return name, ""
    try:
        return name, text_of(value)
    except Unfit:
        raise Unfit(f"{name} must be one value, got {describe(value)}", 'write "" for an empty one') from None


def strings(node: Node, context: Context) -> tuple[str, ...]:
    """A list or a comma list."""
    if isinstance(node, Sequence):
        return tuple(each_fit(lambda item: text_of(item).strip(), node.items))
    if isinstance(node, Scalar) and node.missing:
        return ()
    return supervisor.strings(text_of(node), context.host)


def address(node: Node, context: Context) -> tuple[str, int]:
    """`port`, `host:port`, `*:port` or `:port` -> (host, port); an empty host means all interfaces."""
    text = text_of(node)
    try:
        return supervisor.address(text.strip(), context.host)
    except ValueError:
        raise Unfit(f"cannot read {text!r} as a port") from None


def process_name(node: Node, context: Context) -> str:
    """A name without blank, colon, slash and what cannot be printed; blanks around it go."""
    text = text_of(node)
    name = text.strip()
    if not name:
        raise Unfit("cannot be empty")
    if hint := unfit(name):
        raise Unfit(f"cannot name a process {text!r}", hint)
    return name


def python_object(node: Node, context: Context) -> str:
    """Where something is in a module; whether it is there is for the host to say."""
    text = supervisor.python_object(text_of(node), context.host)
    if not text:
        raise Unfit("cannot be empty")
    return text


def listening_socket(node: Node, context: Context) -> str:
    """`unix:///path` (made absolute) or `tcp://host:port`."""
    text = text_of(node).strip()
    if text.startswith("unix://"):
        return f"unix://{_absolute(text.removeprefix('unix://'), context)}"
    host, _, port = text.removeprefix("tcp://").rpartition(":")
    if not text.startswith("tcp://") or not host or ":" in host or " " in host or not port.isdecimal():
        raise Unfit(f"cannot read {text!r} as a socket")
    if not 1 <= int(port) <= 0xFFFF:
        raise Unfit(f"must have a port between 1 and 65535, got {text!r}")
    return text
