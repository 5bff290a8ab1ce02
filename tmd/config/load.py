"""The one way from a file to settings."""

from collections.abc import Mapping as AnyMapping
from typing import NamedTuple

from tmd.config.additions import Basis, basis_of
from tmd.config.build import build
from tmd.config.expand import Names, expand_native, expand_supervisor
from tmd.config.host import Host
from tmd.config.safety import unsafe_files
from tmd.config.settings import Dialect, Settings
from tmd.tree.files import Tree, read_tree
from tmd.tree.node import Entry, Mapping, Origin


class Loaded(NamedTuple):
    """A configuration that can be used."""

    settings: Settings
    warnings: tuple[str, ...]
    """for the log, at warn, in order"""
    notes: tuple[str, ...]
    """for the log, at info: which files were included"""
    files: tuple[str, ...]
    """every file read, the main one first"""
    origins: AnyMapping[str, Origin]
    """`program:web.command`, `programs.web.command`... -> where it was written"""
    basis: Basis
    """what programs that join later are read with"""


def in_force(settings: Settings, path: str, host: Host) -> Loaded:
    """Return settings whose file cannot be used just now, as if it had been read and had nothing else in it."""
    native = settings.dialect is Dialect.NATIVE
    origin = Origin(path)
    section = "taskmaster" if native else "supervisord"
    root = Mapping({section: Entry(origin, Mapping({}, origin, section))}, origin)
    tree = Tree(path, native, root, (path,), {path: path.rpartition("/")[0] or "/"})
    return Loaded(settings, (), (), (path,), {}, basis_of(tree, host, settings.daemon))


def load_file(path: str, host: Host) -> Loaded:
    """Return what a configuration file means on a host; raises ConfigRefused with every problem found."""

    def expand(text: str, here: str, native: bool) -> str:
        names: Names = {
            "here": here,
            "host_node_name": host.hostname,
            **{f"ENV_{name}": value for name, value in host.environ.items()},
        }
        return expand_native(text, names) if native else expand_supervisor(text, names, "include.files")

    tree = read_tree(path, uid=host.uid, expand=expand)
    built = build(tree, host)
    return Loaded(
        settings=built.settings,
        warnings=(*tree.warnings, *unsafe_files(tree.files, host), *built.warnings),
        notes=tree.notes,
        files=tree.files,
        origins=built.origins,
        basis=basis_of(tree, host, built.settings.daemon),
    )
