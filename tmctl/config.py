"""Where the server is, and as whom to talk to it: flags, then environment, then a configuration file, then the default.

The one module that reads configuration files (through `tmd.tree`). Of the daemon's own options only those that say
where it listens and where its pid file is are looked at; a mistake in any other never keeps the client from working.
"""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from tmd.wire.places import (
    Places,
    config_candidates,
    default_places,
    home_for_files,
    homeless,
    passed_over_here,
)

if TYPE_CHECKING:
    from tmctl.sections import Sections

SUPERVISORS_CLIENT = "supervisorctl"
"""Called by this name, and without any configuration, we look where Supervisor's client looks."""
SUPERVISOR_DEFAULT_URL = "http://localhost:9001"


class Wishes(NamedTuple):
    """What the command line says; None: nothing."""

    config: str | None = None
    serverurl: str | None = None
    username: str | None = None
    password: str | None = None
    history_file: str | None = None


class PluginSection(NamedTuple):
    """One plug-in for this client, as the configuration asks for it."""

    name: str
    section: str
    """`[ctlplugin:x]`, or where else it was written"""
    factory: str
    """`module:attribute`"""
    options: dict[str, str]


class Target(NamedTuple):
    """The server to talk to, and what the shell on it looks like."""

    url: str
    username: str | None = None
    password: str | None = None
    prompt: str = "taskmaster"
    history_file: str | None = None
    """None: the default place"""
    pidfile: str | None = None
    """where the daemon would have written its pid, if that is known"""
    source: str = "the default"
    """who said so, for messages"""
    config: str | None = None
    """the file that was read"""
    serving: str | None = None
    """the file of the daemon that is to be found at the address, if that is known"""
    plugins: tuple[PluginSection, ...] = ()


class BadConfig(Exception):
    """The configuration file cannot be used; the text names the place."""


class Surroundings(NamedTuple):
    """What the process was born into."""

    environ: Mapping[str, str]
    uid: int
    home: str
    argv0_dir: str
    called: str = "tmctl"
    """the name of the program, as it was called"""

    @property
    def places(self) -> Places:
        """The default directories."""
        home = home_for_files(self.home, lambda path: os.access(path, os.W_OK))
        return default_places(self.environ, self.uid, home)

    def candidates(self) -> Iterator[str]:
        """The configuration files that exist, in the order of search."""
        found = config_candidates(
            self.environ, self.uid, self.home, self.argv0_dir, supervisors=self.called == SUPERVISORS_CLIENT
        )
        return (path for path in found if os.path.exists(path))

    def passed_over(self) -> str | None:
        """Return the configuration in the current directory that is not looked for, if there is one."""
        here = passed_over_here(self.uid, supervisors=self.called == SUPERVISORS_CLIENT)
        return next(filter(os.path.exists, here), None)


def find_target(wishes: Wishes, surroundings: Surroundings) -> Target:
    """Return the server to talk to; raises BadConfig."""
    environ = surroundings.environ
    url = wishes.serverurl or environ.get("TMCTL_SERVERURL")
    named = wishes.config or environ.get("TMCTL_CONFIG")
    path = named or next(surroundings.candidates(), None)
    target = Target(f"unix://{surroundings.places.socket}", pidfile=surroundings.places.pidfile)
    if surroundings.called == SUPERVISORS_CLIENT:
        target = Target(SUPERVISOR_DEFAULT_URL, prompt="supervisor")
    if path is not None:
        try:
            target = _target_of_file(path, surroundings)
        except BadConfig:
            # A file nobody named is only a help; with the server named it is not even needed.
            if named is not None or url is None:
                raise
    if url is not None:
        if _place(url) != _place(target.url):
            # Somebody else's address: the file says nothing of the daemon there.
            target = target._replace(pidfile=None, serving=None)
        target = target._replace(url=url, source="-s" if wishes.serverurl else "TMCTL_SERVERURL")
    _check_owner(target.url, surroundings.uid)
    return target._replace(
        username=_first(wishes.username, environ.get("TMCTL_USERNAME"), target.username),
        password=_first(wishes.password, environ.get("TMCTL_PASSWORD"), target.password),
        history_file=wishes.history_file or target.history_file,
    )


def _place(url: str) -> str:
    return os.path.realpath(url.removeprefix("unix://")) if url.startswith("unix://") else url


def _check_owner(url: str, uid: int) -> None:
    """Raise BadConfig when a socket is where anybody could have put it first, and somebody else did."""
    directory = homeless(uid)
    if url.startswith(f"unix://{directory}/") and os.path.lexists(directory) and os.lstat(directory).st_uid != uid:
        raise BadConfig(f"cannot use '{url}': '{directory}' belongs to somebody else")


def serves(config: str, socket: str, surroundings: Surroundings) -> bool:
    """Tell whether a configuration has its daemon listen at a socket; True when it cannot be told."""
    from tmctl.sections import Sections  # noqa: PLC0415  as below

    try:
        sections = Sections(config, surroundings.environ)
        if not sections.is_supervisors:
            own = _own_server(sections, surroundings.places).url
            return not own.startswith("unix://") or _place(own) == os.path.realpath(socket)
        section = sections.starting_with("unix_http_server")
        server = sections.listener(section, "", "file") if section is not None else None
    except BadConfig:
        return True
    return server is None or os.path.realpath(sections.path(server.get("file", socket))) == os.path.realpath(socket)


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)


def _target_of_file(path: str, surroundings: Surroundings) -> Target:
    # Imported here: a client that is told where the server is needs no parser at all.
    from tmctl.sections import Sections  # noqa: PLC0415

    sections = Sections(path, surroundings.environ)
    part = "supervisorctl" if sections.finds("supervisorctl") else "ctl"
    if sections.is_supervisors and part == "ctl":
        raise BadConfig(".ini file does not include supervisorctl section")
    url = sections.option(part, "serverurl")
    username, password = sections.option(part, "username"), sections.option(part, "password")
    if url is not None and url.startswith("unix://"):
        url = f"unix://{sections.path(url.removeprefix('unix://'))}"
    elif sections.is_supervisors:
        url = url or SUPERVISOR_DEFAULT_URL
    elif url is None or url.upper() == "AUTO":
        own = _own_server(sections, surroundings.places)
        url, username, password = own.url, _first(username, own.username), _first(password, own.password)
    history = sections.option(part, "history_file")
    pidfile = sections.option("supervisord" if sections.is_supervisors else "taskmaster", "pidfile")
    if pidfile is None and not sections.is_supervisors:
        pidfile = surroundings.places.pidfile
    return Target(
        url,
        username,
        password,
        prompt=sections.option(part, "prompt") or ("supervisor" if sections.is_supervisors else "taskmaster"),
        history_file=sections.path(history) if history else None,
        pidfile=sections.path(pidfile) if pidfile else None,
        source=path,
        config=path,
        serving=path,
        plugins=sections.plugins(),
    )


def _own_server(sections: "Sections", places: Places) -> Target:
    """Return where a native file has its daemon listen, and the credentials that go with it."""
    socket, http = sections.listener("taskmaster", "socket", "file"), sections.listener("taskmaster", "http", "port")
    section = sections.starting_with("unix_http_server")
    if socket is None and section is not None:
        socket = sections.listener(section, "", "file")
    if socket is None:
        socket = {}
    if socket.get("file") not in _NONE:
        file = socket.get("file")
        return _with_credentials(f"unix://{sections.path(file) if file else places.socket}", socket)
    if http is None:
        section = sections.starting_with("inet_http_server")
        http = sections.listener(section, "", "port") if section is not None else None
    if http is None or not http.get("port"):
        return Target(f"unix://{places.socket}")
    host, _, port = http["port"].partition(",")[0].strip().rpartition(":")
    host = http.get("host", host)
    return _with_credentials(f"http://{'localhost' if host in _EVERYWHERE else host}:{port}", http)


def _with_credentials(url: str, options: Mapping[str, str]) -> Target:
    password = options.get("password")
    if password is not None and password.startswith("{SHA}"):
        # A digest is what the daemon compares with; whoever types the password has to know it.
        return Target(url)
    return Target(url, options.get("username"), password)


_NONE = ("false", "none", "off", "no")
_EVERYWHERE = ("", "*", "0.0.0.0")
