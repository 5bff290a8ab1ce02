"""From `alerts`, `[alert:x]` and `email` to the places that are told what happens.

An alert is Supervisor's in no dialect, so both dialects have the same rules here; only a key that is no option at all
is a warning in Supervisor's, as everywhere there.
"""

import posixpath
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from tmd.config.alert_kinds import SmtpServer
from tmd.config.alert_options import ALERT, COMMON, NAME, OPTIONS_OF
from tmd.config.names import unfit
from tmd.config.option import Options
from tmd.config.options import DAEMON
from tmd.config.reader import Reader, Setup
from tmd.config.servers import absolute, is_loopback
from tmd.config.settings import AUTO, AlertKind, AlertSpec, DaemonSettings, GroupSpec
from tmd.config.supervisor_kinds import SYSLOG
from tmd.tree.node import Mapping, Origin, Scalar, Sequence, describe
from tmd.tree.problems import Problem
from tmd.tree.shape import did_you_mean
from tmd.wire.alerts import SERIOUS, covers

_IN_A_LIST = Options.of(ALERT)
_IN_A_SECTION = Options.of(option for option in ALERT if option is not NAME)
_DAEMON = Options.of(DAEMON)
_PORTS = {"none": 25, "starttls": 587, "tls": 465}
_SHARED_FIELDS = {
    "file_maxbytes": "maxbytes",
    "file_backups": "backups",
    "from": "sender",
    "webhook": "url",
    "email": "to",
    "syslog": "facility",
}
"""options whose field of AlertSpec is called otherwise"""


class _Read(NamedTuple):
    """One alert, its name still to be found where none is given."""

    name: str | None
    kind: AlertKind
    reader: Reader
    values: dict[str, Any]


def read_alerts(
    daemon: Mapping,
    sections: Iterable[tuple[str, Mapping]],
    settings: DaemonSettings,
    groups: Collection[GroupSpec],
    setup: Setup,
) -> tuple[AlertSpec, ...]:
    """Return the alerts of the daemon's own section, of (name, section) pairs, and of `email`, in this order.

    `groups`: those an alert may be about.
    """
    # what is said for all sections is meant for programs
    setup = setup._replace(defaults=None)
    found = [_read(body, _own_name(body, setup), _IN_A_LIST, settings, setup) for body in _listed(daemon, setup)]
    for name, body in sections:
        _check_name(name, body.origin, body.label, setup)
        found.append(_read(body, name, _IN_A_SECTION, settings, setup))
    reads = [each for each in found if each is not None]
    _check_programs(reads, groups, setup)
    _check_files(reads, settings, groups, setup)
    everyone = Reader(daemon, _DAEMON, setup)
    if everyone.read("email", setup.names()):
        reads.append(_serious(everyone, setup))
    return _named(reads, setup)


def _listed(daemon: Mapping, setup: Setup) -> list[Mapping]:
    entry = daemon.entries.get("alerts") if setup.native else None
    if entry is None or (isinstance(entry.value, Scalar) and entry.value.missing):
        return []
    where = daemon.where("alerts")
    setup.findings.origins.of(daemon.label).setdefault("alerts", entry.origin)
    nodes = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
    bodies = []
    for at, node in enumerate(nodes):
        label = f"{where}[{at}]" if isinstance(entry.value, Sequence) else where
        if isinstance(node, Mapping):
            bodies.append(node._replace(label=label))
        else:
            hint = "e.g. {file: alerts.jsonl}; in INI a section [alert:NAME]"
            # the text itself is not repeated: it may be the url of a webhook
            got = "a text" if isinstance(node, Scalar) and not node.missing else describe(node)
            setup.findings.problem(node.origin, label, f"must be a mapping, got {got}", hint)
    return bodies


def _own_name(body: Mapping, setup: Setup) -> str | None:
    reader = Reader(body, _IN_A_LIST, setup)
    name: str | None = reader.read("name", setup.names())
    if name is not None:
        _check_name(name, *reader.place("name"), setup)
    return name


def _check_name(name: str, origin: Origin, where: str, setup: Setup) -> None:
    if hint := unfit(name):
        setup.findings.problem(origin, where, f"cannot name an alert {name!r}", hint)


def _read(body: Mapping, name: str | None, options: Options, settings: DaemonSettings, setup: Setup) -> _Read | None:
    reader, names = Reader(body, options, setup), setup.names()
    reader.check_unknown()
    kinds = [kind for kind in OPTIONS_OF if reader.entry(kind) is not None]
    if not kinds:
        hint = f"one of {', '.join(OPTIONS_OF)}"
        setup.findings.problem(body.origin, body.label, "says nothing of whom to tell", hint)
        return None
    kind = kinds[0]
    for other in kinds[1:]:
        reader.fail(other, f"cannot stand beside {kind!r}", "make two alerts of it")
    own = {option.name for option in (*OPTIONS_OF[kind], *COMMON)}
    for option in options:
        if option not in own and option not in kinds and option != NAME.name and reader.entry(option) is not None:
            reader.fail(option, f"means nothing beside {kind!r}", f"known there: {', '.join(sorted(own - {kind}))}")
    values = {option.name: reader.read(option.name, names) for option in (*COMMON, *OPTIONS_OF[kind])}
    if kind == "email":
        _mail(reader, values, setup)
    if values[kind] is None:
        return None  # noted when it was read
    if kind == "file":
        values["path"] = _place(reader, values.pop("file"), settings, setup)
    return _Read(name, kind, reader, values)


def _place(reader: Reader, written: str, settings: DaemonSettings, setup: Setup) -> str:
    """Return the absolute path of an alert file: it counts from where the daemon's own log is."""
    base = settings.childlogdir if settings.logfile == SYSLOG else posixpath.dirname(settings.logfile)
    path = posixpath.normpath(posixpath.join(base, written))
    parent = posixpath.dirname(path)
    # the directory of the log itself may be one that the daemon makes when it starts
    if parent != base and not setup.host.directory_exists(parent):
        reason = f"cannot use {path!r}: there is no directory {parent!r}"
        reader.fail("file", reason, "make the directory first")
    setup.findings.watch(parent, None, *reader.place("file"))
    return path


def _mail(reader: Reader, values: dict[str, Any], setup: Setup) -> None:
    """Check what belongs together, and take the server apart."""
    server: SmtpServer | None = values.pop("smtp")
    given = [name for name in ("username", "password") if reader.entry(name) is not None]
    if len(given) == 1:
        reader.fail(given[0], "is not enough: a server wants username and password, or neither")
    if reader.entry("smtp") is None:
        for name in (*given, "security"):
            if reader.entry(name) is not None:
                reader.fail(name, "means nothing without 'smtp'", "the local sendmail needs none")
        _check_sendmail(reader, values["sendmail"], setup)
        return
    if reader.entry("sendmail") is not None:
        reader.fail("sendmail", "means nothing beside 'smtp'", "keep one")
    if server is None:
        return
    values["smtp_host"] = server.host
    values["smtp_port"] = server.port or _PORTS[values["security"]]
    if given and values["security"] == "none" and not is_loopback(server.host):
        reason = f"would send the password to {server.host!r} in the clear"
        hint = "set security to starttls or tls"
        if setup.native:
            reader.fail(given[-1], reason, hint)
        else:
            setup.findings.warn(str(Problem(*reader.place(given[-1]), reason, hint)))


def _check_sendmail(reader: Reader, path: str, setup: Setup) -> None:
    if not setup.host.file_exists(path):
        reason = f"no mail will go out: there is no {path!r}"
        hint = "install one, or name a mail server with smtp"
        setup.findings.warn(str(Problem(*reader.place("email"), reason, hint)))


def _serious(reader: Reader, setup: Setup) -> _Read:
    """Return what `email` of the daemon's own section stands for."""
    to = reader.read("email", setup.names())
    mail = {option.name: option.default_in(native=setup.native) for option in OPTIONS_OF["email"]}
    mail |= {"email": to, "events": SERIOUS, "programs": ()}
    del mail["smtp"]
    _check_sendmail(reader, mail["sendmail"], setup)
    return _Read(None, "email", reader, mail)


def _check_programs(reads: Iterable[_Read], groups: Iterable[GroupSpec], setup: Setup) -> None:
    """Note each name or pattern that means no process there is: it may be a typing error."""
    known = {
        word
        for group in groups
        for spec in group.processes
        for word in (spec.group, spec.program, f"{spec.group}:{spec.name}")
    }
    for each in reads:
        for pattern in each.values["programs"]:
            if not any(covers(pattern, name) for name in known):
                reason, hint = f"there is no program {pattern!r}", did_you_mean(pattern, tuple(known))
                setup.findings.warn(str(Problem(*each.reader.place("programs"), reason, hint)))


def _check_files(reads: Iterable[_Read], settings: DaemonSettings, groups: Iterable[GroupSpec], setup: Setup) -> None:
    """Note each file of an alert that is written by something else, too: one would rotate it away from the other."""
    taken = {settings.pidfile: "it is the daemon's pidfile"}
    if settings.logfile != SYSLOG:
        taken[settings.logfile] = "it is the daemon's own log"
    for group in groups:
        for spec in group.processes:
            for log in (spec.stdout_logfile, spec.stderr_logfile):
                if log is not None and log != AUTO:
                    taken.setdefault(absolute(log, setup), f"it is a log of {spec.group}:{spec.name}")
    for each in reads:
        path = each.values.get("path")
        if path is None or (path.startswith("/dev/") and not path.startswith("/dev/shm/")):
            continue  # a device keeps nothing, so nobody can take it away
        why = "it is a directory" if setup.host.directory_exists(path) else taken.get(path)
        if why is not None:
            each.reader.fail("file", f"cannot use {path!r}: {why}", "an alert wants a file of its own")
        taken[path] = f"it is that of the alert at {each.reader.place('file')[0]}"


def _named(reads: list[_Read], setup: Setup) -> tuple[AlertSpec, ...]:
    """Return the specs, each with a name of its own."""
    taken: dict[str, _Read] = {}
    for each in reads:
        if each.name is not None:
            first = taken.setdefault(each.name, each)
            if first is not each:
                hint = f"the other is at {first.reader.body.origin}"
                body = each.reader.body
                reason = f"another alert has the name {each.name!r}, too"
                setup.findings.problem(body.origin, body.label, reason, hint)
    specs = []
    for each in reads:
        name = each.name
        if name is None:
            numbers = (each.kind if number == 1 else f"{each.kind}-{number}" for number in range(1, len(reads) + 2))
            name = next(word for word in numbers if word not in taken)
            taken[name] = each
        fields = {_SHARED_FIELDS.get(option, option): value for option, value in each.values.items()}
        specs.append(AlertSpec(name=name, kind=each.kind, **fields))
    return tuple(specs)
