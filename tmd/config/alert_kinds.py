"""What an alert accepts as an address, a URL, a list of events...

Supervisor has no alerts, so there is one way to read these in both dialects. Many of the values are secrets, or hold
one: what is said of them never repeats more than the part that is wrong and known to be none.
"""

import re
from typing import Any, NamedTuple

from tmd.config import value_schemas as schemas
from tmd.config.kinds import STRINGS, Kind, one_of, show_list
from tmd.config.native_kinds import Context, Unfit, each_fit, environment, seconds, strings, text_of
from tmd.config.settings import FACILITIES
from tmd.tree.node import Node, Scalar
from tmd.tree.shape import nearest
from tmd.wire.alerts import ALERT_EVENTS, UNEXPECTED_EXIT

_EVENT_WORDS = (*ALERT_EVENTS, UNEXPECTED_EXIT)
_ADDRESS = re.compile(r"(?!-)[0-9A-Za-z!#$%&'*+/=?^_`{|}~.-]+(?:@[0-9A-Za-z_.:\[\]-]+)?")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS = ("connection", "content-length", "transfer-encoding")
_SECONDS = (0.1, 600.0)
_SMTP = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s\[\]/@:\x00-\x1f]+))(?::([0-9]{1,5}))?")


class SmtpServer(NamedTuple):
    """Where mail is handed in; no port: the usual one."""

    host: str
    port: int | None


def _events(node: Node, context: Context) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.lower() for word in strings(node, context)))
    return tuple(each_fit(_event, words))


def _event(word: str) -> str:
    if word not in _EVENT_WORDS:
        near = nearest(word, _EVENT_WORDS)
        raise Unfit(f"unknown event {word[:80]!r}", f"did you mean {near!r}?" if near else "")
    return word


def _file(node: Node, context: Context) -> str:
    """A path as it is written: what it counts from is not known here."""
    text = text_of(node)
    if not text.strip():
        raise Unfit("cannot be empty")
    return context.host.expand_user(text)


def _url(node: Node, context: Context) -> str:
    from urllib.parse import urlsplit  # noqa: PLC0415 - only a webhook needs it

    text = text_of(node).strip()
    if any(character <= " " or character == "\x7f" for character in text):
        raise Unfit("cannot have a blank or a control character in it", "write %%20 for a blank")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        reason = "its port is not a number up to 65535" if "port" in str(error).lower() else "its host is not one"
        raise Unfit(f"cannot be read: {reason}") from None
    if parts.scheme not in ("http", "https"):
        raise Unfit("must begin with http:// or https://")
    if not host or port == 0:
        raise Unfit("names no host" if not host else "cannot have port 0")
    return text


def _headers(node: Node, context: Context) -> dict[str, str]:
    try:
        headers = environment(node, context)
    except Unfit as error:
        # what it says of a text repeats the text
        if isinstance(node, Scalar):
            raise Unfit("cannot be read as headers") from None
        raise Unfit(str(error), more=[Unfit(str(each)) for each in error.more]) from None
    each_fit(_header, headers.items())
    if len({name.lower() for name in headers}) < len(headers):
        raise Unfit("says a header twice, but for upper and lower case")
    return headers


def _header(header: tuple[str, str]) -> None:
    name, value = header
    if not _HEADER_NAME.fullmatch(name):
        raise Unfit(f"cannot name a header {name[:80]!r}", "letters, digits and hyphens")
    if name.lower() in _OWN_HEADERS:
        raise Unfit(f"cannot set {name!r}: it follows from what is sent")
    if any((character < " " and character != "\t") or character == "\x7f" for character in value):
        raise Unfit(f"cannot have a line break or another control character in {name!r}")


def _secret(node: Node, context: Context) -> str:
    text = text_of(node)
    if not text:
        raise Unfit("cannot be empty")
    return text


def _timeout(node: Node, context: Context) -> float:
    wanted = seconds(node, context)
    least, most = _SECONDS
    if not least <= wanted <= most:
        raise Unfit(f"must be between {least:g} and {most:g} seconds, got {wanted:g}")
    return wanted


def _address(text: str) -> str:
    # one that begins with a hyphen would be an option of sendmail
    if text.startswith("-") or not _ADDRESS.fullmatch(text):
        raise Unfit(f"cannot be a mail address: {text[:80]!r}")
    return text


def _addresses(node: Node, context: Context) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each_fit(_address, (text.strip() for text in strings(node, context)))))
    if not found:
        raise Unfit("names nobody")
    return found


def _sender(node: Node, context: Context) -> str:
    return _address(text_of(node).strip())


def _smtp(node: Node, context: Context) -> SmtpServer:
    text = text_of(node).strip()
    match = _SMTP.fullmatch(text)
    port = int(match[3]) if match and match[3] else None
    if match is None or (port is not None and not 1 <= port <= 0xFFFF):
        hint = "name and password are options of their own: username, password" if "@" in text else ""
        raise Unfit("cannot be read as host:port", hint)
    return SmtpServer(match[1] or match[2], port)


def _program(node: Node, context: Context) -> str:
    path = text_of(node).strip()
    if not path.startswith("/"):
        raise Unfit(f"must be an absolute path, got {path[:80]!r}")
    if not context.host.file_exists(path):
        raise Unfit(f"cannot use {path!r}: there is no such file")
    return path


def _facility(node: Node, context: Context) -> str:
    if isinstance(node, Scalar) and (node.missing or not node.text.strip()):
        return "daemon"
    return str(SYSLOG_FACILITY_WORD.native(node, context))


def _show_headers(value: Any) -> str:
    return ",".join(f'{name}="{text}"' for name, text in value.items())


def _unread(node: Node, context: Context) -> Any:
    raise Unfit("must be a mapping or a list of mappings", "in INI: a section [alert:NAME] for each")


_HEADERS: dict[str, Any] = {
    "type": ["object", "string"],
    "additionalProperties": {"type": ["string", "number", "boolean"]},
    "propertyNames": {"pattern": f"^{_HEADER_NAME.pattern}$"},
}
_EVENT_LIST = schemas.word_list(_EVENT_WORDS)

EVENTS = Kind("events", "e.g. process_exited:unexpected,process_fatal", None, _events, show_list, _EVENT_LIST)
PROGRAMS = STRINGS._replace(hint="names or patterns, e.g. web,worker_*", supervisor=None)
FILE = Kind("file", "a path whose directory exists", None, _file, str, schemas.FILLED)
URL = Kind(
    "address",
    "e.g. https://hooks.example.com/taskmaster",
    None,
    _url,
    str,
    {"type": "string", "pattern": r"^[hH][tT][tT][pP][sS]?://\S+$|%\("},
)
HEADERS = Kind("headers", 'e.g. X-Team="ops",Authorization="Bearer 123"', None, _headers, _show_headers, _HEADERS)
SECRET = Kind("text", "some text", None, _secret, str, schemas.SECRET)
TIMEOUT = Kind("seconds", "seconds, e.g. 2.5", None, _timeout, lambda value: f"{value:g}", schemas.seconds(*_SECONDS))
ADDRESSES = Kind(
    "mail addresses", "e.g. ops@example.com,root", None, _addresses, show_list, schemas.several(_ADDRESS.pattern)
)
ADDRESS = Kind("mail address", "e.g. tmd@example.com", None, _sender, str, schemas.matching(_ADDRESS.pattern))
SMTP = Kind("server", "e.g. mail.example.com:587", None, _smtp, str, schemas.matching(_SMTP.pattern))
SECURITY = one_of("protection", ("none", "starttls", "tls"))
PROGRAM = Kind("file", "the absolute path of a program", None, _program, str, schemas.matching("/.*"))
SYSLOG_FACILITY_WORD = one_of("facility", FACILITIES)
FACILITY = SYSLOG_FACILITY_WORD._replace(native=_facility, schema=schemas.words(FACILITIES, None, ""))
ALERTS = Kind("list", "e.g. [{file: alerts.jsonl}]", None, _unread, str, {"type": "array"})
