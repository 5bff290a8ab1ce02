"""From a FastCGI program's section to the listening socket its processes share."""

import re

from tmd.config import supervisor_kinds
from tmd.config.reader import Reader, Setup
from tmd.config.servers import absolute
from tmd.config.settings import SocketSpec

_TCP = re.compile(r"tcp://([^\s:]+):(\d+)")
_UNIX_ONLY = "socket_owner and socket_mode params should only be used with a Unix domain socket"


def read_socket(reader: Reader, program: str, setup: Setup) -> SocketSpec | None:
    """Return the socket, or None after a problem; problems are noted, in the order Supervisor has them."""
    names = setup.names()
    user = reader.read("user", names)
    backlog = reader.read("socket_backlog", names)
    if backlog is not None and not 1 <= backlog <= 0xFFFF:
        reader.fail("socket_backlog", f"Invalid socket_backlog value {backlog}", "between 1 and 65535")
    owner = reader.read("socket_owner", names, complaint="Invalid socket_owner value")
    mode = reader.read("socket_mode", names, complaint="Invalid socket_mode value")
    section = f"[{reader.body.label}]"
    url = reader.read("socket", setup.names(program_name=program))
    if not url:
        if setup.native and reader.entry("socket") is not None:
            return None  # noted when it was read
        reason = "is missing" if setup.native else f'{section} section requires a "socket" line'
        reader.fail("socket", reason, "e.g. unix:///run/app.sock or tcp://127.0.0.1:9000")
        return None
    within = "" if setup.native else f" in {section} socket"
    if url.startswith("unix://"):
        path = url.removeprefix("unix://")
        if not path.startswith("/"):
            wrong = ("Unix socket path %s is not an absolute path", path)
            reader.fail("socket", f"{wrong}{within}", "e.g. unix:///run/app.sock")
            return None
        if owner is None:
            owner = _owner_by_default(user, setup)
        return SocketSpec(
            family="unix",
            path=absolute(path, setup),
            backlog=backlog,
            mode=0o700 if mode is None else mode,
            owner_uid=owner[0],
            owner_gid=owner[1],
        )
    if owner is not None or mode is not None:
        option = "socket_owner" if owner is not None else "socket_mode"
        reader.fail(option, f"{_UNIX_ONLY}{within}", "leave it out")
        return None
    match = _TCP.fullmatch(url)
    if match is None:
        # Supervisor prints this very tuple
        reader.fail("socket", f"{('Bad socket format %s', url)}{within}", "tcp://host:port or unix:///path")
        return None
    try:
        port = supervisor_kinds.port_number(match[2])
    except ValueError as error:
        reader.fail("socket", f"{error}{within}")
        return None
    return SocketSpec(family="inet", host=match[1].lower(), port=port, backlog=backlog)


def _owner_by_default(user: tuple[int, int | None] | None, setup: Setup) -> tuple[int, int]:
    """Return whom the socket belongs to: the program's user where that is somebody else than the daemon."""
    if user is None or user[0] == setup.host.uid:
        return -1, -1
    account = setup.host.find_user(str(user[0]))
    return user[0], account.gid if account is not None else -1
