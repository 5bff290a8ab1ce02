"""From the located tree to the settings, or to everything that is wrong with it.

Problems are found in the order Supervisor looks, so that the first one found is the one Supervisor would name; they
are told in order of place. Nothing is looked up but through the Host.
"""

from typing import NamedTuple

from tmd.config import supervisor_kinds
from tmd.config.daemon import DaemonPart, finish_daemon, read_daemon
from tmd.config.host import Host
from tmd.config.options import CTL, DAEMON, GROUP, INET_SERVER, PROGRAM, UNIX_SERVER
from tmd.config.programs import ForAll, program_reader, read_program
from tmd.config.reader import Findings, Reader, Setup
from tmd.config.servers import read_ctl, read_native_servers, read_server
from tmd.config.settings import CtlSettings, Dialect, GroupSpec, ProcessSpec, ServerSpec, Settings
from tmd.tree.files import Tree
from tmd.tree.node import Entry, Mapping, Origin
from tmd.tree.problems import ConfigRefused, Problem
from tmd.tree.shape import SERVER_SECTIONS, UNSUPPORTED_SECTIONS, did_you_mean

_GROUP = {option.name: option for option in GROUP}
_KNOWN_ALONE = ("supervisord", "supervisorctl", "include", "DEFAULT")
_KNOWN_KINDS = ("program", "group", *SERVER_SECTIONS, *UNSUPPORTED_SECTIONS)


class Built(NamedTuple):
    """Settings, what to warn of, and where each value was written (`program:web.command` -> place)."""

    settings: Settings
    warnings: tuple[str, ...]
    origins: dict[str, Origin]


def build(tree: Tree, host: Host) -> Built:
    """Return the settings a tree means on a host; raises ConfigRefused with every problem."""
    defaults = tree.root.entries.get("defaults" if tree.native else "DEFAULT")
    default_body = defaults.value if defaults is not None and isinstance(defaults.value, Mapping) else None
    setup = Setup(
        native=tree.native,
        host=host,
        findings=Findings(),
        directories=tree.directories,
        here=tree.directories[tree.path],
        variables={f"ENV_{name}": value for name, value in host.environ.items()},
        defaults=default_body,
    )
    setup.findings.problems += tree.problems
    settings = _native(tree.root, setup) if tree.native else _supervisor(tree.root, setup)
    if default_body is not None:
        _check_defaults(default_body, setup)
    if setup.findings.problems:
        words = "" if tree.native else setup.findings.problems[0].reason
        raise ConfigRefused(setup.findings.problems, supervisor_text=words, files=tree.files)
    return Built(settings, tuple(setup.findings.warnings), setup.findings.origins)


def _sorted(groups: list[GroupSpec]) -> tuple[tuple[GroupSpec, ...], tuple[GroupSpec, ...]]:
    """Return the active groups in order, and those that lost their name to an earlier one."""
    active: dict[str, GroupSpec] = {}
    shadowed: list[GroupSpec] = []
    for group in sorted(groups, key=lambda each: (each.priority, each.name)):
        if active.setdefault(group.name, group) is not group:
            shadowed.append(group)
    return tuple(active.values()), tuple(shadowed)


def _check_defaults(defaults: Mapping, setup: Setup) -> None:
    sections = (DAEMON, PROGRAM, GROUP, UNIX_SERVER, INET_SERVER, CTL)
    known = {option.name for options in sections for option in options}
    for key, entry in defaults.entries.items():
        if key in known:
            continue
        hint = did_you_mean(key, tuple(sorted(known)))
        if setup.native:
            setup.findings.problem(entry.origin, f"DEFAULT.{key}", "unknown option", hint)
        else:
            setup.findings.warn(str(Problem(entry.origin, f"DEFAULT.{key}", "unknown option, ignored", hint)))


def _distinct(specs: list[ProcessSpec], body: Mapping, setup: Setup) -> tuple[ProcessSpec, ...]:
    """Return the processes of a group with one of each name: the last, as under Supervisor."""
    by_name = {spec.name: spec for spec in specs}
    if len(by_name) < len(specs):
        names = [spec.name for spec in specs]
        twice = next(name for name in by_name if names.count(name) > 1)
        reason = f"two processes are named {twice!r}"
        hint = "set process_name, e.g. %(program_name)s_%(process_num)02d"
        if setup.native:
            setup.findings.problem(body.origin, body.label, reason, hint)
        else:
            setup.findings.warn(str(Problem(body.origin, body.label, f"{reason}, the last one counts", hint)))
    return tuple(by_name.values())


# Supervisor's dialect


def _supervisor(root: Mapping, setup: Setup) -> Settings:
    sections = {header: _body(entry) for header, entry in root.entries.items() if header != "DEFAULT"}
    reading = read_daemon(sections["supervisord"], setup)
    groups = _supervisor_groups(sections, reading.environment, setup)
    servers = _supervisor_servers(sections, setup)
    daemon = finish_daemon(reading, setup)
    ctl = read_ctl(sections["supervisorctl"], setup) if "supervisorctl" in sections else CtlSettings()
    _check_sections(sections, setup)
    active, shadowed = _sorted(groups)
    return Settings(
        dialect=Dialect.SUPERVISOR,
        daemon=daemon.settings,
        servers=servers,
        groups=active,
        shadowed=shadowed,
        ctl=ctl,
    )


def _body(entry: Entry) -> Mapping:
    assert isinstance(entry.value, Mapping)
    return entry.value


def _supervisor_groups(sections: dict[str, Mapping], environment: dict[str, str], setup: Setup) -> list[GroupSpec]:
    for_all = ForAll(environment)
    groups: list[GroupSpec] = []
    members: set[str] = set()
    for header, body in sections.items():
        if not header.startswith("group:"):
            continue
        reader = Reader(body, _GROUP, setup)
        name = _supervisor_name(reader, setup)
        listed = reader.read("programs", setup.names())
        priority = reader.read("priority", setup.names())
        reader.check_unknown()
        specs: list[ProcessSpec] = []
        named_in = header
        for program in listed:
            section = f"program:{program}"
            if section not in sections:
                _missing_member(reader, program, named_in, sections, setup)
                continue
            if f"fcgi-program:{program}" in sections:
                reason = f"[{named_in}] name {program} is ambiguous (exists as program and fcgi-program)"
                reader.fail("programs", reason)
            named_in = section
            members.add(section)
            specs += _supervisor_program(sections[section], name, setup, for_all, alone=False)
        processes = _distinct(specs, body, setup)
        groups.append(GroupSpec(name=name, kind="group", priority=priority, processes=processes))
    for header, body in sections.items():
        if header.startswith("program:") and header not in members:
            reader = Reader(body, {option.name: option for option in PROGRAM}, setup)
            name = _supervisor_name(reader, setup)
            priority = reader.read("priority", setup.names())
            specs = _supervisor_program(body, name, setup, for_all, alone=True)
            groups.append(GroupSpec(name=name, priority=priority, processes=_distinct(specs, body, setup)))
    return groups


def _supervisor_name(reader: Reader, setup: Setup) -> str:
    """Return the name in a header, noting a bad one."""
    name = reader.body.label.partition(":")[2]
    try:
        return supervisor_kinds.process_name(name, setup.host)
    except ValueError as error:
        reason = f"{error}{reader.suffix}"
        setup.findings.problem(
            reader.body.origin, f"[{reader.body.label}]", reason, "no blanks, no : and no / in a name"
        )
        return name.strip()


def _missing_member(reader: Reader, program: str, named_in: str, sections: dict[str, Mapping], setup: Setup) -> None:
    if f"fcgi-program:{program}" in sections:
        origin, where = reader.place("programs")
        reason = f"{program!r} is an fcgi-program, which this version does not support: left out"
        setup.findings.warn(str(Problem(origin, where, reason)))
        return
    known = tuple(header.partition(":")[2] for header in sections if header.startswith("program:"))
    reason = f"[{named_in}] names unknown program or fcgi-program {program}"
    reader.fail("programs", reason, did_you_mean(program, known) if program else "there is a comma too many")


def _supervisor_program(body: Mapping, group: str, setup: Setup, for_all: ForAll, *, alone: bool) -> list[ProcessSpec]:
    reader = program_reader(body, setup)
    name = group if alone else _supervisor_name(reader, setup)
    specs = read_program(reader, name, group, setup, for_all)
    reader.check_unknown()
    return list(specs)


def _supervisor_servers(sections: dict[str, Mapping], setup: Setup) -> tuple[ServerSpec, ...]:
    found: dict[str, ServerSpec] = {}
    for kind in ("inet_http_server", "unix_http_server"):
        for header, body in sections.items():
            if header.startswith(kind):
                spec = read_server(body, setup)
                if spec is not None:
                    found[header] = spec
    return tuple(found[header] for header in sections if header in found)


def _check_sections(sections: dict[str, Mapping], setup: Setup) -> None:
    for header, body in sections.items():
        kind, colon, name = header.partition(":")
        if header in _KNOWN_ALONE or header.startswith(SERVER_SECTIONS):
            continue
        if colon and kind in UNSUPPORTED_SECTIONS:
            if (kind, name) != ("rpcinterface", "supervisor"):
                reason = "sections of this kind are not supported by this version: left out"
                setup.findings.warn(str(Problem(body.origin, f"[{header}]", reason)))
        elif not colon or kind not in ("program", "group"):
            words = _KNOWN_KINDS if colon else (*_KNOWN_ALONE, *SERVER_SECTIONS)
            hint = did_you_mean(kind, words)
            setup.findings.warn(str(Problem(body.origin, f"[{header}]", "unknown section, ignored", hint)))


# The native dialect


def _native(root: Mapping, setup: Setup) -> Settings:
    parts = {key: _body(entry) for key, entry in root.entries.items()}
    reading = read_daemon(parts["taskmaster"], setup)
    daemon: DaemonPart = finish_daemon(reading, setup)
    active, shadowed = _sorted(_native_groups(parts, daemon.for_all, setup))
    return Settings(
        dialect=Dialect.NATIVE,
        daemon=daemon.settings,
        servers=read_native_servers(parts["taskmaster"], parts["servers"], setup),
        groups=active,
        shadowed=shadowed,
        ctl=read_ctl(parts["ctl"], setup),
    )


def _native_groups(parts: dict[str, Mapping], for_all: ForAll, setup: Setup) -> list[GroupSpec]:
    programs = {name: _body(entry) for name, entry in parts["programs"].entries.items()}
    if not programs:
        setup.findings.warn(str(Problem(parts["programs"].origin, "", "there are no programs")))
    for name, body in programs.items():
        _check_native_name(name, body, "program", setup)
    groups: list[GroupSpec] = []
    members: set[str] = set()
    for name, entry in parts["groups"].entries.items():
        body = _body(entry)
        _check_native_name(name, body, "group", setup)
        reader = Reader(body, _GROUP, setup)
        listed = reader.read("programs", setup.names(group_name=name))
        priority = reader.read("priority", setup.names(group_name=name))
        reader.check_unknown()
        specs: list[ProcessSpec] = []
        for program in dict.fromkeys(listed):
            if program not in programs:
                hint = did_you_mean(program, tuple(programs))
                reader.fail("programs", f"there is no program {program!r}", hint)
                continue
            members.add(program)
            specs += read_program(program_reader(programs[program], setup), program, name, setup, for_all)
        groups.append(GroupSpec(name=name, kind="group", priority=priority, processes=_distinct(specs, body, setup)))
    for name, body in programs.items():
        reader = program_reader(body, setup)
        reader.check_unknown()
        if name in members:
            continue
        if name in parts["groups"].entries:
            other = parts["groups"].entries[name].origin
            hint = f"the group is at {other}: give one another name, or list the program in the group"
            setup.findings.problem(body.origin, body.label, f"a group has the name {name!r}, too", hint)
        specs = list(read_program(reader, name, name, setup, for_all))
        priority = reader.read("priority", setup.names(program_name=name))
        groups.append(GroupSpec(name=name, priority=priority, processes=_distinct(specs, body, setup)))
    return groups


def _check_native_name(name: str, body: Mapping, what: str, setup: Setup) -> None:
    reason = ""
    if not name.strip():
        reason = f"a {what} needs a name"
    elif any(character in " :/\t\n" for character in name):
        reason = f"cannot name a {what} {name!r}"
    if reason:
        setup.findings.problem(body.origin, body.label, reason, "no blanks, no : and no / in a name")
