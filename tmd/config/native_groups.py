"""The native dialect: from programs, event listeners, FastCGI programs and groups to groups of processes."""

from typing import NamedTuple

from tmd.config.fcgi import read_socket
from tmd.config.groups import distinct
from tmd.config.names import unfit
from tmd.config.option import Options
from tmd.config.options import GROUP
from tmd.config.pools import read_pool, read_pool_priority
from tmd.config.programs import ForAll, program_reader, read_program
from tmd.config.reader import Reader, Setup
from tmd.config.settings import GroupSpec, ProcessKind, ProcessSpec
from tmd.tree.node import Mapping
from tmd.tree.problems import Problem
from tmd.tree.shape import did_you_mean

_GROUP = Options.of(GROUP)
_PARTS: dict[ProcessKind, str] = {
    "program": "programs",
    "fcgi-program": "fcgi-programs",
    "eventlistener": "eventlisteners",
}
_MEMBER_KINDS: tuple[ProcessKind, ...] = ("program", "fcgi-program")
_WORDS = {
    "program": "a program",
    "fcgi-program": "a FastCGI program",
    "eventlistener": "an event listener",
    "group": "a group",
}


class _Owner(NamedTuple):
    kind: str
    body: Mapping


def read_native_groups(parts: dict[str, Mapping], for_all: ForAll, setup: Setup) -> list[GroupSpec]:
    """Return the groups of a configuration given by its parts."""
    found = {kind: _bodies(parts[part]) for kind, part in _PARTS.items()}
    if not any(found.values()):
        setup.findings.warn(str(Problem(parts["programs"].origin, "", "there are no programs")))
    for kind, bodies in found.items():
        for name, body in bodies.items():
            _check_name(name, body, kind, setup)
    group_bodies = _bodies(parts["groups"])
    members: set[tuple[ProcessKind, str]] = set()
    groups = [_group(name, body, found, members, setup, for_all) for name, body in group_bodies.items()]
    owners = {name: _Owner("group", body) for name, body in group_bodies.items()}
    for kind, bodies in found.items():
        for name, body in bodies.items():
            program_reader(body, setup, kind).check_unknown()
            if (kind, name) in members:
                continue
            earlier = owners.setdefault(name, _Owner(kind, body))
            if earlier.body is not body:
                _same_name(name, body, earlier, kind, setup)
            groups.append(_alone(name, body, kind, setup, for_all))
    return groups


def _bodies(part: Mapping) -> dict[str, Mapping]:
    return {name: entry.value for name, entry in part.entries.items() if isinstance(entry.value, Mapping)}


def _same_name(name: str, body: Mapping, earlier: _Owner, kind: ProcessKind, setup: Setup) -> None:
    hint = f"the {earlier.kind} is at {earlier.body.origin}: give one another name"
    if earlier.kind == "group" and kind in _MEMBER_KINDS:
        hint += ", or list the program in the group"
    setup.findings.problem(body.origin, body.label, f"{_WORDS[earlier.kind]} has the name {name!r}, too", hint)


def _alone(name: str, body: Mapping, kind: ProcessKind, setup: Setup, for_all: ForAll) -> GroupSpec:
    """Return the group that a section makes by itself."""
    reader = program_reader(body, setup, kind)
    specs = _processes(reader, name, name, kind, setup, for_all)
    listener = kind == "eventlistener"
    pool = read_pool(reader, setup) if listener else None
    priority = (
        read_pool_priority(reader, setup) if listener else reader.read("priority", setup.names(program_name=name))
    )
    processes = distinct(list(specs), body, setup)
    return GroupSpec(name=name, kind=kind, priority=priority, processes=processes, pool=pool)


def _processes(
    reader: Reader, name: str, group: str, kind: ProcessKind, setup: Setup, for_all: ForAll
) -> tuple[ProcessSpec, ...]:
    socket = read_socket(reader, name, setup) if kind == "fcgi-program" else None
    return read_program(reader, name, group, setup, for_all, kind=kind, socket=socket)


def _group(
    name: str,
    body: Mapping,
    found: dict[ProcessKind, dict[str, Mapping]],
    members: set[tuple[ProcessKind, str]],
    setup: Setup,
    for_all: ForAll,
) -> GroupSpec:
    _check_name(name, body, "group", setup)
    reader = Reader(body, _GROUP, setup)
    listed = reader.read("programs", setup.names(group_name=name))
    priority = reader.read("priority", setup.names(group_name=name))
    reader.check_unknown()
    specs: list[ProcessSpec] = []
    for program in dict.fromkeys(listed):
        kinds = [kind for kind in _MEMBER_KINDS if program in found[kind]]
        if not kinds:
            known = tuple(each for kind in _MEMBER_KINDS for each in found[kind])
            reader.fail("programs", f"there is no program {program!r}", did_you_mean(program, known), more=True)
            continue
        if len(kinds) > 1:
            hint = f"they are at {found['program'][program].origin} and {found['fcgi-program'][program].origin}"
            reader.fail("programs", f"{program!r} is a program and a FastCGI program", hint, more=True)
        members.update((kind, program) for kind in kinds)
        member = program_reader(found[kinds[0]][program], setup, kinds[0])
        specs += _processes(member, program, name, kinds[0], setup, for_all)
    return GroupSpec(name=name, kind="group", priority=priority, processes=distinct(specs, body, setup))


def _check_name(name: str, body: Mapping, kind: str, setup: Setup) -> None:
    if hint := unfit(name):
        reason = f"cannot name {_WORDS[kind]} {name!r}" if name.strip() else f"{_WORDS[kind]} needs a name"
        setup.findings.problem(body.origin, body.label, reason, hint)
