"""Programs that join while the daemon runs: read by the rules of the file in force, as if they stood in it.

Where a section would stand in the file, there is only a mapping of texts; everything else (the file's variables, its
defaults, what its daemon section says for all programs) was put aside when the file was read.
"""

from collections.abc import Mapping as AnyMapping
from typing import NamedTuple

from tmd.config.container import in_container_too
from tmd.config.daemon import finish_daemon, read_daemon
from tmd.config.environment_files import check_environment_files
from tmd.config.groups import distinct
from tmd.config.host import Host
from tmd.config.names import unfit
from tmd.config.programs import ForAll, program_reader, read_program
from tmd.config.reader import Findings, Setup, set_up
from tmd.config.safety import check_log_directories
from tmd.config.settings import DaemonSettings, ProcessSpec
from tmd.tree.files import Tree
from tmd.tree.node import Entry, Mapping, Origin, Scalar
from tmd.tree.problems import ConfigRefused

_PLACE = Origin("added at run time")


class Basis(NamedTuple):
    """What a program's section is read with."""

    setup: Setup
    for_all: ForAll
    daemon: DaemonSettings


class Addition(NamedTuple):
    """The processes of a program that is to join, and what to warn of."""

    processes: tuple[ProcessSpec, ...]
    warnings: tuple[str, ...]


def basis_of(tree: Tree, host: Host, daemon: DaemonSettings) -> Basis:
    """Return what later programs are read with; the tree has been found good, and means these settings."""
    setup = set_up(tree, host)
    body = tree.root.entries["taskmaster" if tree.native else "supervisord"].value
    assert isinstance(body, Mapping)
    reading = read_daemon(body, setup)
    for_all = finish_daemon(reading, setup).for_all if tree.native else ForAll(reading.environment)
    return Basis(setup, for_all, daemon)


def read_addition(basis: Basis, group: str, program: str, options: AnyMapping[str, str]) -> Addition:
    """Return the processes that a section would mean; raises ConfigRefused with every problem."""
    setup = basis.setup._replace(findings=Findings(), variables=dict(basis.setup.variables))
    # names of options: as in a file, where case means nothing in Supervisor's dialect
    entries = {
        key.strip() if setup.native else key.strip().lower(): Entry(_PLACE, Scalar(text.strip(), _PLACE))
        for key, text in options.items()
    }
    label = f"programs.{program}" if setup.native else f"program:{program}"
    body = Mapping(entries, _PLACE, label)
    for what, name in (("program", program), ("group", group)):
        _check_name(what, name, body, setup)
    reader = program_reader(body, setup)
    processes = distinct(list(read_program(reader, program, group, setup, basis.for_all)), body, setup)
    reader.check_unknown()
    check_log_directories(basis.daemon, setup)
    check_environment_files(setup)
    if setup.findings.problems:
        raise ConfigRefused(setup.findings.problems)
    if basis.daemon.container:
        processes = tuple(in_container_too(spec) for spec in processes)
    return Addition(tuple(processes), tuple(setup.findings.warnings))


def _check_name(what: str, name: str, body: Mapping, setup: Setup) -> None:
    if hint := unfit(name):
        setup.findings.problem(_PLACE, what, f"cannot name a {what} {name!r}", hint)
