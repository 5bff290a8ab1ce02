"""Supervisor's dialect: from the sections with processes to groups, in the order Supervisor looks at them.

First what `[group:x]` lists, then programs that are in no group, then event listeners, then FastCGI programs.
"""

from typing import NamedTuple

from tmd.config import supervisor_kinds
from tmd.config.fcgi import read_socket
from tmd.config.names import unsayable
from tmd.config.option import Options
from tmd.config.options import GROUP
from tmd.config.pools import read_pool, read_pool_priority
from tmd.config.programs import ForAll, program_reader, read_program, section_reader
from tmd.config.reader import Findings, Reader, Setup
from tmd.config.settings import GroupSpec, ProcessKind, ProcessSpec, SocketSpec
from tmd.tree.node import Mapping
from tmd.tree.problems import Problem
from tmd.tree.shape import did_you_mean

_GROUP = Options.of(GROUP)


class _Context(NamedTuple):
    sections: dict[str, Mapping]
    setup: Setup
    for_all: ForAll


def read_groups(sections: dict[str, Mapping], environment: dict[str, str], setup: Setup) -> list[GroupSpec]:
    """Return the groups of a file; `environment` is that of the daemon's own section."""
    context = _Context(sections, setup, ForAll(environment))
    members: set[str] = set()
    groups = [_group(header, context, members) for header in _headers(sections, "group")]
    alone = {kind: [each for each in _headers(sections, kind) if each not in members] for kind in _LONE_KINDS}
    groups += [_program(header, context) for header in alone["program"]]
    groups += [_listener(header, context) for header in alone["eventlistener"]]
    groups += [_fcgi(header, context) for header in alone["fcgi-program"]]
    return groups


_LONE_KINDS = ("program", "eventlistener", "fcgi-program")


def _headers(sections: dict[str, Mapping], kind: str) -> list[str]:
    return [header for header in sections if header.startswith(f"{kind}:")]


def _group(header: str, context: _Context, members: set[str]) -> GroupSpec:
    sections, setup, for_all = context
    body = sections[header]
    reader = Reader(body, _GROUP, setup)
    name = _name(reader, setup)
    listed = reader.read("programs", setup.names())
    priority = reader.read("priority", setup.names())
    reader.check_unknown()
    specs: list[ProcessSpec] = []
    named_in = header
    for program in listed:
        kinds: list[ProcessKind] = [kind for kind in ("program", "fcgi-program") if f"{kind}:{program}" in sections]
        if len(kinds) != 1:
            _not_one(reader, program, named_in, context)
            continue
        # Supervisor's messages go on with the section it looked at last
        named_in = f"{kinds[0]}:{program}"
        members.add(named_in)
        specs += _member(sections[named_in], kinds[0], name, setup, for_all)
    return GroupSpec(name=name, kind="group", priority=priority, processes=distinct(specs, body, setup))


def _not_one(reader: Reader, program: str, named_in: str, context: _Context) -> None:
    """Note that a member does not exist, or exists twice."""
    if f"program:{program}" in context.sections:
        reason = f"[{named_in}] name {program} is ambiguous (exists as program and fcgi-program)"
        reader.fail("programs", reason, "give one of them another name", more=True)
        return
    known = tuple(
        header.partition(":")[2] for header in context.sections if header.startswith(("program:", "fcgi-program:"))
    )
    reason = f"[{named_in}] names unknown program or fcgi-program {program}"
    reader.fail("programs", reason, did_you_mean(program, known) if program else "there is a comma too many", more=True)


def _member(body: Mapping, kind: ProcessKind, group: str, setup: Setup, for_all: ForAll) -> tuple[ProcessSpec, ...]:
    reader = program_reader(body, setup, kind)
    name = _name(reader, setup)
    socket = None
    if kind == "fcgi-program":
        # Supervisor does not look at the socket of a member: what it would not have found is no reason to refuse
        quiet = setup._replace(findings=Findings())
        socket = read_socket(section_reader(body, quiet, kind), name, quiet)
        if quiet.findings.problems:
            first = quiet.findings.problems[0]
            reason = f"{first.reason}: runs as a program without a socket"
            setup.findings.warn(str(first._replace(reason=reason)))
            socket, kind = None, "program"
    specs = read_program(reader, name, group, setup, for_all, kind=kind, socket=socket)
    reader.check_unknown()
    return specs


def _program(header: str, context: _Context) -> GroupSpec:
    body, setup = context.sections[header], context.setup
    reader = section_reader(body, setup)
    name = _name(reader, setup)
    priority = reader.read("priority", setup.names())
    specs = _processes(body, "program", name, name, context)
    return GroupSpec(name=name, priority=priority, processes=specs)


def _listener(header: str, context: _Context) -> GroupSpec:
    body, setup = context.sections[header], context.setup
    reader = section_reader(body, setup, "eventlistener")
    priority = read_pool_priority(reader, setup)
    pool = read_pool(reader, setup)
    # the name of a pool is taken as it is; that of its processes is looked at
    group = header.partition(":")[2]
    name = _name(program_reader(body, setup, "eventlistener"), setup)
    specs = _processes(body, "eventlistener", name, group, context)
    return GroupSpec(name=group, kind="eventlistener", priority=priority, processes=specs, pool=pool)


def _fcgi(header: str, context: _Context) -> GroupSpec:
    body, setup = context.sections[header], context.setup
    reader = section_reader(body, setup, "fcgi-program")
    name = _name(reader, setup)
    priority = reader.read("priority", setup.names())
    socket = read_socket(reader, name, setup)
    specs = _processes(body, "fcgi-program", name, name, context, socket)
    return GroupSpec(name=name, kind="fcgi-program", priority=priority, processes=specs)


def _processes(
    body: Mapping, kind: ProcessKind, name: str, group: str, context: _Context, socket: SocketSpec | None = None
) -> tuple[ProcessSpec, ...]:
    reader = program_reader(body, context.setup, kind)
    specs = read_program(reader, name, group, context.setup, context.for_all, kind=kind, socket=socket)
    reader.check_unknown()
    return distinct(list(specs), body, context.setup)


def _name(reader: Reader, setup: Setup) -> str:
    """Return the name in a header, noting a bad one."""
    name = reader.body.label.partition(":")[2]
    if unsayable(name):
        reason = f"no client can ask for {name!r}: a character in it cannot be sent"
        setup.findings.warn(str(Problem(reader.body.origin, f"[{reader.body.label}]", reason)))
    try:
        return supervisor_kinds.process_name(name, setup.host)
    except ValueError as error:
        reason = f"{error}{reader.suffix}"
        hint = "no blanks, no : and no / in a name"
        setup.findings.problem(reader.body.origin, f"[{reader.body.label}]", reason, hint)
        return name.strip()


def distinct(specs: list[ProcessSpec], body: Mapping, setup: Setup) -> tuple[ProcessSpec, ...]:
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
