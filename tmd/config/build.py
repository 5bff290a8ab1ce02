"""From the located tree to the settings, or to everything that is wrong with it.

Problems are found in the order Supervisor looks, so that the first one found is the one Supervisor would name; they
are told in order of place. Nothing is looked up but through the Host.
"""

from collections.abc import Mapping as AnyMapping
from typing import NamedTuple

from tmd.config.alerts import read_alerts
from tmd.config.container import in_container
from tmd.config.daemon import DaemonPart, finish_daemon, read_daemon
from tmd.config.environment_files import check_environment_files
from tmd.config.exit_kinds import check_exit_on
from tmd.config.extensions import read_extensions
from tmd.config.groups import read_groups
from tmd.config.host import Host
from tmd.config.native_groups import read_native_groups
from tmd.config.options import SECTIONS
from tmd.config.reader import Setup, set_up
from tmd.config.safety import check_log_directories
from tmd.config.servers import read_ctl, read_native_servers, read_server
from tmd.config.settings import CtlSettings, Dialect, GroupSpec, ServerSpec, Settings
from tmd.tree.files import Tree
from tmd.tree.node import Entry, Mapping, Origin
from tmd.tree.problems import ConfigRefused, Problem
from tmd.tree.shape import NAMED_SECTIONS, SERVER_SECTIONS, did_you_mean

_KNOWN_ALONE = ("supervisord", "supervisorctl", "include", "DEFAULT")
_KNOWN_KINDS = (*NAMED_SECTIONS, *SERVER_SECTIONS)


class Built(NamedTuple):
    """Settings, what to warn of, and where each value was written (`program:web.command` -> place)."""

    settings: Settings
    warnings: tuple[str, ...]
    origins: AnyMapping[str, Origin]


def build(tree: Tree, host: Host) -> Built:
    """Return the settings a tree means on a host; raises ConfigRefused with every problem."""
    setup = set_up(tree, host)
    setup.findings.problems += tree.problems
    settings = _native(tree.root, setup) if tree.native else _supervisor(tree.root, setup)
    if setup.defaults is not None:
        _check_defaults(setup.defaults, setup)
    check_log_directories(settings.daemon, setup)
    check_environment_files(setup)
    if setup.findings.problems:
        words = "" if tree.native else setup.findings.problems[0].reason
        raise ConfigRefused(setup.findings.problems, supervisor_text=words, files=tree.files)
    if settings.daemon.container:
        settings = in_container(settings)
    setup.findings.origins.pack()
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
    known = {option.name for section in SECTIONS for option in section.options}
    for key, entry in defaults.entries.items():
        if key in known:
            continue
        hint = did_you_mean(key, tuple(sorted(known)))
        if setup.native:
            setup.findings.problem(entry.origin, f"DEFAULT.{key}", "unknown option", hint)
        else:
            setup.findings.warn(str(Problem(entry.origin, f"DEFAULT.{key}", "unknown option, ignored", hint)))


# Supervisor's dialect


def _supervisor(root: Mapping, setup: Setup) -> Settings:
    sections = {header: _body(entry) for header, entry in root.entries.items() if header != "DEFAULT"}
    reading = read_daemon(sections["supervisord"], setup)
    # before the groups: an extension may bring events of its own, which listeners subscribe to
    extensions = read_extensions(_named(sections, "rpcinterface"), setup)
    groups = read_groups(sections, reading.environment, setup)
    servers = _supervisor_servers(sections, setup)
    daemon = finish_daemon(reading, setup)
    ctl = read_ctl(sections["supervisorctl"], setup) if "supervisorctl" in sections else CtlSettings()
    alerts = read_alerts(sections["supervisord"], _named(sections, "alert"), daemon.settings, groups, setup)
    _check_sections(sections, setup)
    active, shadowed = _sorted(groups)
    check_exit_on(daemon.settings.exit_on, reading.reader, active, setup)
    return Settings(
        dialect=Dialect.SUPERVISOR,
        daemon=daemon.settings,
        servers=servers,
        groups=active,
        shadowed=shadowed,
        ctl=ctl,
        rpcinterfaces=extensions,
        alerts=alerts,
    )


def _body(entry: Entry) -> Mapping:
    assert isinstance(entry.value, Mapping)
    return entry.value


def _named(sections: dict[str, Mapping], kind: str) -> list[tuple[str, Mapping]]:
    """Return the sections of one kind by the name in their header, which is taken as it is."""
    return [(header.partition(":")[2], body) for header, body in sections.items() if header.startswith(f"{kind}:")]


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
        kind, colon, _ = header.partition(":")
        if header in _KNOWN_ALONE or header.startswith(SERVER_SECTIONS):
            continue
        if not colon or kind not in NAMED_SECTIONS:
            words = _KNOWN_KINDS if colon else (*_KNOWN_ALONE, *SERVER_SECTIONS)
            hint = f"[{header}:NAME]" if header in NAMED_SECTIONS else did_you_mean(kind, words)
            setup.findings.warn(str(Problem(body.origin, f"[{header}]", "unknown section, ignored", hint)))


# The native dialect


def _native(root: Mapping, setup: Setup) -> Settings:
    parts = {key: _body(entry) for key, entry in root.entries.items()}
    reading = read_daemon(parts["taskmaster"], setup)
    daemon: DaemonPart = finish_daemon(reading, setup)
    extensions = read_extensions(
        ((name, _body(entry)) for name, entry in parts["rpcinterfaces"].entries.items()), setup
    )
    active, shadowed = _sorted(read_native_groups(parts, daemon.for_all, setup))
    sections = [(name, _body(entry)) for name, entry in parts["alerts"].entries.items()]
    alerts = read_alerts(parts["taskmaster"], sections, daemon.settings, active, setup)
    check_exit_on(daemon.settings.exit_on, reading.reader, active, setup)
    return Settings(
        dialect=Dialect.NATIVE,
        daemon=daemon.settings,
        servers=read_native_servers(parts["taskmaster"], parts["servers"], setup),
        groups=active,
        shadowed=shadowed,
        ctl=read_ctl(parts["ctl"], setup),
        rpcinterfaces=extensions,
        alerts=alerts,
    )
