"""What Supervisor accepts as a number, a size, a signal..., and its exact words for what it does not.

Each reader takes the expanded text and raises ValueError with Supervisor's text. Lenient where Supervisor is: a
negative size passes here.
"""

import posixpath

from tmd.config.host import Host
from tmd.config.settings import AUTO, Autorestart
from tmd.config.signal_names import PSEUDO_SIGNALS, SIGNALS
from tmd.wire.levels import LEVEL_WORDS, Level

TRUE_WORDS = ("yes", "true", "on", "1")
FALSE_WORDS = ("no", "false", "off", "0")
SYSLOG = "syslog"
"""What `log_file` returns for the deprecated word; no path, since a path of that name has a directory or a suffix."""
_SIZE_UNITS = {"kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SIGNAL_NAMES = {**SIGNALS, **PSEUDO_SIGNALS}
_SIGNAL_NUMBERS = frozenset(_SIGNAL_NAMES.values())


def plain_text(text: str, host: Host) -> str:
    """Any text."""
    return text


def integer(text: str, host: Host) -> int:
    """Python's whole numbers."""
    return int(text)


def boolean(text: str, host: Host) -> bool:
    """Four words for each."""
    word = text.lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError(f"not a valid boolean value: {text!r}")


def byte_size(text: str, host: Host) -> int:
    """A whole number, with KB, MB or GB if wanted."""
    lower = text.lower()
    unit = _SIZE_UNITS.get(lower[-2:])
    return int(lower) if unit is None else int(lower[:-2]) * unit


def octal(text: str, host: Host) -> int:
    """A file mode or a umask."""
    try:
        return int(text, 8)
    except ValueError:
        raise ValueError(f"{text} can not be converted to an octal type") from None


def exit_codes(text: str, host: Host) -> tuple[int, ...]:
    """A comma list of 0 to 255."""
    try:
        codes = tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        codes = (-1,)
    if any(not 0 <= code <= 255 for code in codes):
        raise ValueError(f"not a valid list of exit codes: {text!r}")
    return codes


def signal_number(text: str, host: Host) -> int:
    """A signal by number or name, with or without SIG."""
    try:
        number = int(text)
    except ValueError:
        found = _SIGNAL_NAMES.get(text.strip().upper().removeprefix("SIG"))
        if found is None:
            raise ValueError(f"value {text!r} is not a valid signal name") from None
        number = found
    if number not in _SIGNAL_NUMBERS:
        raise ValueError(f"value {text!r} is not a valid signal number")
    return number


def autorestart(text: str, host: Host) -> Autorestart:
    """A boolean word or `unexpected`."""
    word = text.lower()
    if word in TRUE_WORDS:
        return Autorestart.ALWAYS
    if word in FALSE_WORDS:
        return Autorestart.NEVER
    if word == "unexpected":
        return Autorestart.UNEXPECTED
    raise ValueError(f"invalid 'autorestart' value {word!r}")


def log_level(text: str, host: Host) -> Level:
    """One of the seven words."""
    level = LEVEL_WORDS.get(text.lower())
    if level is None:
        raise ValueError(f"bad logging level name {text!r}")
    return level


def user_id(text: str, host: Host) -> int:
    """An existing account, by name or number."""
    kind, name = _account(text)
    user = host.find_user(name)
    if user is None:
        raise ValueError(f"Invalid user {kind} {text}")
    return user.uid


def user_and_group(text: str, host: Host) -> tuple[int, int]:
    """`user` or `user:group` -> (uid, gid); gid -1 where none is named."""
    user, colon, group = text.partition(":")
    try:
        uid = user_id(user, host)
    except ValueError:
        raise ValueError(f"Invalid user:group definition {text}") from None
    if not colon:
        return uid, -1
    gid = host.find_group(_account(group)[1])
    if gid is None:
        raise ValueError(f"Invalid user:group definition {text}")
    return uid, gid


def _account(text: str) -> tuple[str, str]:
    try:
        return "id", str(int(text))
    except ValueError:
        return "name", text


def file_path(text: str, host: Host) -> str:
    """A path whose directory exists."""
    path = host.expand_user(text)
    parent = posixpath.dirname(path)
    if parent and not host.directory_exists(parent):
        raise ValueError(f"The directory named as part of the path {text} does not exist")
    return path


def existing_directory(text: str, host: Host) -> str:
    """A directory that exists."""
    path = host.expand_user(text)
    if not host.directory_exists(path):
        raise ValueError(f"{text} is not an existing directory")
    return path


def log_file(text: str, host: Host) -> str | None:
    """A path, or one of the words NONE, OFF, AUTO, syslog."""
    word = text.lower()
    if word in ("none", "off"):
        return None
    if word == "auto":
        return AUTO
    if word == "syslog":
        return SYSLOG
    return file_path(text, host)


def server_url(text: str, host: Host) -> str | None:
    """A URL, not looked at; empty for none; None for AUTO."""
    return None if text.strip().upper() == "AUTO" else text


def strings(text: str, host: Host) -> tuple[str, ...]:
    """A comma list."""
    return tuple(part.strip() for part in text.split(",")) if text else ()


def address(text: str, host: Host) -> tuple[str, int]:
    """`port`, `host:port`, `*:port` or `:port` -> (host, port); an empty host means all interfaces."""
    name, colon, number = text.rpartition(":")
    if not colon:
        try:
            return "", port_number(text)
        except ValueError:
            raise ValueError(f"not a valid port number: {text!r} ") from None
    if not number:
        raise ValueError(f"no port number specified in {number!r}")
    name = name.lower()
    return "" if name == "*" else name, port_number(number)


def port_number(text: str) -> int:
    """1 to 65535."""
    port = int(text)
    if port < 1:
        raise ValueError(f"{port} is below lower bound (1)")
    if port > 0xFFFF:
        raise ValueError(f"{port} is above upper bound (65535)")
    return port


def process_name(text: str, host: Host) -> str:
    """A name without blank, colon and slash; surrounding blanks go."""
    name = text.strip()
    for character in " :/":
        if character in name:
            raise ValueError(f"Invalid name: {text!r} because of character: {character!r}")
    return name


def python_object(text: str, host: Host) -> str:
    """`module:attribute`; blanks around the colon mean nothing."""
    module, colon, attribute = text.partition(":")
    return f"{module.strip()}{colon}{attribute.strip()}"
