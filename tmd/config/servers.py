"""From the sections of HTTP servers and of the client to their settings."""

import posixpath

import msgspec

from tmd.config.option import Option, Options
from tmd.config.options import CTL, INET_SERVER, UNIX_SERVER
from tmd.config.reader import Findings, Reader, Setup
from tmd.config.settings import CtlSettings, ServerSpec
from tmd.tree.node import Entry, Mapping, Node, Scalar, Sequence, describe
from tmd.tree.problems import Problem

_UNIX = Options.of(UNIX_SERVER)
_INET = Options.of(INET_SERVER)
_CTL = Options.of(CTL)


DEFAULT_PORT = 4242


def read_server(body: Mapping, setup: Setup) -> ServerSpec | None:
    """Return the server of a `[unix_http_server]` or `[inet_http_server]` section, or None after a problem."""
    if body.label.startswith("inet_http_server"):
        reader = Reader(body, _INET, setup)
        spec = _inet(reader, setup)
    else:
        reader = Reader(body, _UNIX, setup)
        spec = _unix(reader, setup)
    reader.check_unknown()
    return spec


def _inet(reader: Reader, setup: Setup) -> ServerSpec | None:
    names = setup.names()
    username, password = _credentials(reader, setup)
    if reader.entry("port") is None:
        reader.fail("port", f"section [{reader.body.label}] has no port value", "e.g. port = 127.0.0.1:9001")
        return None
    found = reader.read("port", names)
    if found is None:
        return None
    host, port = found
    spec = ServerSpec(
        section=reader.body.label, family="inet", host=host, port=port, username=username, password=password
    )
    _check_exposed(spec, reader, "port", setup)
    return spec


def _unix(reader: Reader, setup: Setup) -> ServerSpec | None:
    names = setup.names()
    if reader.entry("file") is None:
        reader.fail("file", f"section [{reader.body.label}] has no file value", "e.g. file = /run/supervisor.sock")
        return None
    file = reader.read("file", names)
    username, password = _credentials(reader, setup)
    uid, gid = reader.read("chown", names, complaint="Invalid sockchown value")
    chmod = reader.read("chmod", names, complaint="Invalid chmod value")
    if file is None:
        return None
    return ServerSpec(
        section=reader.body.label,
        family="unix",
        file=file if setup.native else absolute(file.strip(), setup),
        chmod=chmod,
        owner_uid=uid,
        owner_gid=gid,
        username=username,
        password=password,
    )


def _credentials(reader: Reader, setup: Setup) -> tuple[str | None, str | None]:
    names = setup.names()
    username, password = reader.read("username", names), reader.read("password", names)
    if (reader.entry("username") is None) != (reader.entry("password") is None):
        given = "username" if reader.entry("username") is not None else "password"
        reader.fail(
            given,
            f"Section [{reader.body.label}] contains incomplete authentication: If a username or a password is "
            "specified, both the username and password must be specified",
        )
    return username, password


def _check_exposed(spec: ServerSpec, reader: Reader, option: str, setup: Setup) -> None:
    if spec.password is not None or is_loopback(spec.host):
        return
    origin, where = reader.place(option)
    shown = spec.host or "all interfaces"
    reason = f"anybody who can reach {shown}, port {spec.port}, may run programs here: there is no password"
    hint = f"set username and password, or listen on 127.0.0.1:{spec.port} only"
    if setup.native:
        setup.findings.problem(origin, where, reason, hint)
    else:
        setup.findings.warn(str(Problem(origin, where, reason, hint)))


def is_loopback(host: str) -> bool:
    """Return whether what goes to a host stays on this machine."""
    return host in ("localhost", "::1") or host.startswith("127.")


def absolute(path: str, setup: Setup) -> str:
    """Return a path as Supervisor makes it absolute: from the current directory, `~` replaced, tidied."""
    return posixpath.normpath(posixpath.join(setup.host.cwd, setup.host.expand_user(path)))


def read_native_servers(daemon: Mapping, sections: Mapping, setup: Setup) -> tuple[ServerSpec, ...]:
    """Return the servers of `taskmaster.socket`, `taskmaster.http` and of server sections, in this order.

    Where neither a socket nor a server section is named, there is the default socket; where a log of the daemon is
    named and nothing is said about TCP, there are pages for this machine at `DEFAULT_PORT`.
    """
    specs: list[ServerSpec | None] = []
    socket = daemon.entries.get("socket")
    if socket is not None:
        specs.append(_socket(socket, daemon, setup))
    elif not any(label.startswith("unix_http_server") for label in sections.entries):
        specs.append(ServerSpec(section="socket", family="unix", file=setup.host.places.socket))
    http = daemon.entries.get("http")
    if http is not None and not _says_none(http.value):
        if isinstance(http.value, Sequence):
            nodes = [(f"http[{at}]", node) for at, node in enumerate(http.value.items)]
        elif isinstance(http.value, Scalar) and "," in http.value.text:
            parts = http.value.text.split(",")
            nodes = [(f"http[{at}]", http.value._replace(text=part.strip())) for at, part in enumerate(parts)]
        else:
            nodes = [("http", http.value)]
        specs += [_http(key, Entry(http.origin, node), daemon, setup) for key, node in nodes]
    elif http is None and "logfile" in daemon.entries and not _names_tcp(sections):
        specs.append(ServerSpec(section="http", family="inet", host="127.0.0.1", port=DEFAULT_PORT, fallback=True))
    for entry in sections.entries.values():
        assert isinstance(entry.value, Mapping)
        specs.append(read_server(entry.value, setup))
    return tuple(spec for spec in specs if spec is not None)


def _names_tcp(sections: Mapping) -> bool:
    return any(label.startswith("inet_http_server") for label in sections.entries)


def _says_none(node: Node) -> bool:
    return isinstance(node, Scalar) and (node.missing or node.text.lower() in ("false", "none", "off", "no"))


def _socket(entry: Entry, daemon: Mapping, setup: Setup) -> ServerSpec | None:
    if _says_none(entry.value):
        return None
    where = daemon.where("socket")
    body = entry.value
    if isinstance(body, Scalar):
        body = Mapping({"file": entry}, entry.origin, where)
    elif not isinstance(body, Mapping):
        setup.findings.problem(entry.origin, where, f"must be a path or a mapping, got {describe(body)}")
        return None
    if "file" not in body.entries:
        default = Scalar(setup.host.places.socket.replace("%", "%%"), body.origin)
        body = body._replace(entries={**body.entries, "file": Entry(body.origin, default)})
    reader = Reader(body._replace(label=where, origin=entry.origin), _UNIX, setup)
    reader.check_unknown()
    spec = _unix(reader, setup)
    return None if spec is None else _renamed(spec, "socket")


def _renamed(spec: ServerSpec, section: str) -> ServerSpec:
    return msgspec.structs.replace(spec, section=section)


_HOST = Option("host", _INET["username"].kind, None, "Interface to serve; * means all.", native_only=True)
_HTTP_OPTIONS = Options.of((*INET_SERVER, _HOST))


def _http(key: str, entry: Entry, daemon: Mapping, setup: Setup) -> ServerSpec | None:
    where = daemon.where(key)
    body = entry.value
    if isinstance(body, Scalar):
        body = Mapping({"port": Entry(entry.origin, body)}, entry.origin, where)
    elif not isinstance(body, Mapping):
        reason = f"must be a port, an address or a mapping, got {describe(body)}"
        setup.findings.problem(entry.origin, where, reason, _INET["port"].kind.hint)
        return None
    reader = Reader(body._replace(label=where, origin=entry.origin), _HTTP_OPTIONS, setup)
    reader.check_unknown()
    if reader.entry("port") is None:
        reader.fail("port", "is missing", _INET["port"].kind.hint)
        return None
    username, password = _credentials(reader, setup)
    found = reader.read("port", setup.names())
    if found is None:
        return None
    host, port = found
    named_host = reader.read("host", setup.names())
    if named_host is not None:
        host = "" if named_host == "*" else named_host.lower()
    elif not host and ":" not in (reader.text("port", setup.names()) or ""):
        # a port alone means this machine: nobody opens a port to the world by leaving something out
        host = "127.0.0.1"
    spec = ServerSpec(section=key, family="inet", host=host, port=port, username=username, password=password)
    _check_exposed(spec, reader, "port", setup)
    return spec


def read_ctl(body: Mapping, setup: Setup) -> CtlSettings:
    """Return the client's settings.

    In Supervisor's dialect the daemon does not look at this section, so what is wrong there is a warning.
    """
    own = setup if setup.native else setup._replace(findings=Findings())
    reader = Reader(body, _CTL, own)
    names = setup.names()
    url = reader.read("serverurl", names)
    if url is not None and url.startswith("unix://~"):
        url = f"unix://{setup.host.expand_user(url.removeprefix('unix://'))}"
    history = reader.read("history_file", names)
    settings = CtlSettings(
        serverurl=url or None,
        username=reader.read("username", names),
        password=reader.read("password", names),
        prompt=reader.read("prompt", names),
        history_file=None if history is None else setup.host.expand_user(history),
    )
    reader.check_unknown()
    if own is not setup:
        for problem in own.findings.problems:
            setup.findings.warn(str(problem))
        for warning in own.findings.warnings:
            setup.findings.warn(warning)
        setup.findings.origins.update(own.findings.origins)
    return settings
