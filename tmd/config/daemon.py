"""From `[supervisord]` or `taskmaster:` to the daemon's own settings, and what it says for all programs."""

import posixpath
from typing import Any, NamedTuple

from tmd.config.container import STDOUT
from tmd.config.host import Host
from tmd.config.native_kinds import Context
from tmd.config.option import Option, Options
from tmd.config.options import DAEMON
from tmd.config.programs import ForAll
from tmd.config.reader import Again, Reader, Setup
from tmd.config.servers import absolute
from tmd.config.settings import DaemonSettings
from tmd.tree.node import Mapping, Origin, Scalar
from tmd.tree.problems import ConfigRefused, Problem
from tmd.wire.places import homeless

_NATIVE = Options.of(DAEMON)
_SUPERVISOR = Options.of(option for option in DAEMON if not option.native_only)
_COMMAND_LINE = Origin("command line")
_BEFORE_USER = ("minfds", "minprocs", "directory")
_AFTER_USER = (
    "umask",
    "logfile",
    "logfile_maxbytes",
    "logfile_backups",
    "loglevel",
    "pidfile",
    "identifier",
    "nodaemon",
    "silent",
    "childlogdir",
    "nocleanup",
    "strip_ansi",
    "statedir",
    "keep_root_to_spawn",
    "cgroups",
    "container",
    "exit_on",
    "stop_grace",
)
"""In the order Supervisor reads them, which decides what its first complaint is.

The names in `user` are filled in between the two; whether there is such a user it asks last of all.
"""


class DaemonPart(NamedTuple):
    """What the section yields."""

    settings: DaemonSettings
    for_all: ForAll


class DaemonReading(NamedTuple):
    """The section half read: Supervisor looks at `user` only after everything else in the file."""

    reader: Reader
    values: dict[str, Any]
    flags: dict[str, Any]
    environment: dict[str, str]


def check_flags(host: Host, *, supervisors: bool) -> None:
    """Raise ConfigRefused for the first flag that cannot be used, whatever the configuration will be.

    `supervisors`: we were called by Supervisor's name, so its rules count; else a flag must be wrong in both dialects.
    Whether there is such a `user` is asked when the file has been read, as Supervisor does.
    """
    for name, text in host.overrides.items():
        if name == "user":
            continue
        wrong = _wrong_flag(name, text, host, native=False)
        if wrong is not None and (supervisors or _wrong_flag(name, text, host, native=True) is not None):
            raise ConfigRefused([wrong], supervisor_text=wrong.reason)


def _wrong_flag(name: str, text: str, host: Host, *, native: bool) -> Problem | None:
    """Return what is wrong with the text of a flag, in Supervisor's words for its dialect; None if nothing is."""
    option = _NATIVE[name]
    try:
        _flag_value(option, text, host, native=native)
    except ValueError as error:
        flag = host.flags.get(name, f"--{name}")
        hint = getattr(error, "hint", "") or option.kind.hint_in(native=native)
        return Problem(_COMMAND_LINE, "", f"invalid value for {flag} {text!r}: {error}", hint)
    return None


def _flag_value(option: Option, text: str, host: Host, *, native: bool) -> Any:
    # a path on the command line counts from where the command was given, not from the file
    return option.kind.read(Scalar(text, _COMMAND_LINE), Context(host, host.cwd), native=native)


def read_daemon(body: Mapping, setup: Setup) -> DaemonReading:
    """Read everything but `user`, and make the variables for all programs known to what is read later."""
    options = _NATIVE if setup.native else _SUPERVISOR
    reader = Reader(body, options, setup)
    flags: dict[str, Any] = {}
    for name, text in setup.host.overrides.items():
        wrong = _wrong_flag(name, text, setup.host, native=setup.native)
        if wrong is not None:
            setup.findings.problem(*wrong)
        else:
            flags[name] = _flag_value(options[name], text, setup.host, native=setup.native)
    names = setup.names()
    values = {name: reader.read(name, names) for name in _BEFORE_USER}
    reader.check_expands("user", names)
    values |= {name: reader.read(name, names) for name in _AFTER_USER}
    again = Again({**names, "host_node_name": setup.host.hostname}, "environment")
    if setup.native:
        names = dict(again.names)
    environment = reader.read("environment", names, again=again)
    setup.variables.update({f"ENV_{name}": value for name, value in environment.items()})
    if not setup.native:
        reader.check_unknown()
    return DaemonReading(reader, values, flags, environment)


def finish_daemon(reading: DaemonReading, setup: Setup) -> DaemonPart:
    """Read `user` and return the whole."""
    reader, names = reading.reader, setup.names()
    user = reading.flags.get("user") if "user" in reading.flags else reader.read("user", names)
    user_text = setup.host.overrides.get("user") or reader.text("user", names)
    uid, gid = user if user is not None else (None, None)
    if uid is not None and gid is None:
        account = setup.host.find_user(str(uid))
        gid = account.gid if account is not None else None
    values = {**reading.values, **{name: value for name, value in reading.flags.items() if name in reading.values}}
    _place_files(reader, values, reading.flags, uid, setup)
    settings = DaemonSettings(**values, user=user_text if uid is not None else None, uid=uid, gid=gid)
    _check_kept_root(reader, settings, setup)
    _watch_logs(reader, settings, setup)
    for_all = ForAll(reading.environment)
    if setup.native:
        for_all = _native_for_all(reader, reading.environment, setup)
        reader.check_unknown()
    return DaemonPart(settings, for_all)


def _place_files(
    reader: Reader, values: dict[str, Any], flags: dict[str, Any], becomes: int | None, setup: Setup
) -> None:
    """Make paths absolute, and put files nobody placed where they belong. `becomes`: the user the daemon will be."""
    places = setup.host.places
    unplaced = {
        "logfile": places.logfile if setup.native else absolute("supervisord.log", setup),
        "pidfile": places.pidfile if setup.native else absolute("supervisord.pid", setup),
        "childlogdir": places.log if setup.native else setup.host.tempdir,
    }
    for name, default in unplaced.items():
        if reader.entry(name) is None and name not in flags:
            values[name] = default
    if values["container"]:
        values["nodaemon"] = True
        if reader.entry("logfile") is None and "logfile" not in flags:
            values["logfile"], values["logfile_maxbytes"] = STDOUT, 0
    for name in ("logfile", "pidfile", "childlogdir"):
        if not (name == "logfile" and values[name] == "syslog"):
            values[name] = absolute(values[name] or unplaced[name], setup)
    if values["statedir"] is None:
        own = places.run if values["container"] else places.state  # no state outlives a container
        beside_logs = not setup.native and _is_private(values["childlogdir"], becomes, setup)
        values["statedir"] = values["childlogdir"] if beside_logs else own
    if values["directory"] is not None:
        values["directory"] = absolute(values["directory"], setup)


def _is_private(directory: str, becomes: int | None, setup: Setup) -> bool:
    """Tell whether nobody but the daemon may make files there, as far as there is another place for its own.

    What is believed after a crash is not kept where others could write it, nor where they could take its name.
    """
    host = setup.host
    if becomes not in (None, host.uid) or host.places.state.startswith(f"{homeless(host.uid)}/"):
        return True  # our places are not that user's, or where everybody may make files, too
    return host.unsafe_directory(directory, ()) is None and not host.open_to_all(directory)


def _check_kept_root(reader: Reader, settings: DaemonSettings, setup: Setup) -> None:
    if not settings.keep_root_to_spawn or settings.uid:
        return
    if settings.uid is None and (reader.entry("user") is not None or "user" in setup.host.overrides):
        return  # it says somebody, only not right, which was noted when it was read
    reason = "means nothing while the daemon stays the superuser"
    hint = "say with 'user' whom it becomes"
    if setup.native:
        reader.fail("keep_root_to_spawn", reason, hint)
    else:
        setup.findings.warn(str(Problem(*reader.place("keep_root_to_spawn"), reason, hint)))


def _watch_logs(reader: Reader, settings: DaemonSettings, setup: Setup) -> None:
    if settings.logfile != "syslog":
        setup.findings.watch(posixpath.dirname(settings.logfile), None, *reader.place("logfile"))
    said_by = "statedir" if reader.entry("statedir") or setup.native else "childlogdir"
    setup.findings.watch(settings.statedir, None, *reader.place(said_by))
    # what programs log there by themselves is judged by this place, too
    setup.findings.auto_place = reader.place("childlogdir")


def _native_for_all(reader: Reader, environment: dict[str, str], setup: Setup) -> ForAll:
    names = setup.names()
    user = reader.read("uid", names)
    gid = reader.read("gid", names)
    if user is None:
        return ForAll(environment, None, None, gid)
    uid, own_gid = user
    return ForAll(environment, reader.text("uid", names), uid, gid if gid is not None else own_gid)
