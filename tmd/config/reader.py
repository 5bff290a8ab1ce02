"""Reading the options of one section, in either dialect, without stopping at the first problem.

A value that cannot be read is noted with its place and its default is used, so that everything wrong is found in one
pass. Problems are kept in the order they are found: in Supervisor's dialect the first is the one Supervisor tells.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tmd.config.expand import CannotExpand, Names, expand_native, expand_supervisor
from tmd.config.host import Host
from tmd.config.native_kinds import Context, Unfit
from tmd.config.option import Options
from tmd.config.origins import Origins
from tmd.config.settings import EnvironmentFile
from tmd.tree.files import Tree
from tmd.tree.node import Entry, Mapping, Node, Origin, Scalar, Sequence, describe
from tmd.tree.problems import Problem
from tmd.tree.shape import did_you_mean


class Findings:
    """What was found on the way: problems, warnings, and the place of each value."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: dict[str, None] = {}
        """in the order they were found, each once"""
        self.origins = Origins()
        self.values: dict[tuple[int, str, str, bool], Any] = {}
        """(kind of option, text, directory it counts from, whether it is plain) -> what that means"""
        self.log_places: dict[tuple[str, int | None], tuple[Origin, str]] = {}
        """(directory of a log, or AUTO; whose program writes it, None: the daemon itself) -> where that is said"""
        self.auto_place: tuple[Origin, str] | None = None
        """where the directory of generated logs is said"""
        self.environment_files: dict[tuple[EnvironmentFile, int | None], tuple[Origin, str]] = {}
        """(file, whose program it is for) -> where that is said"""
        self.hints: dict[tuple[int, str], tuple[str, object]] = {}
        """(options there are, unknown option) -> what may have been meant, and the options: their id is taken"""
        self._seen: set[tuple[Origin, str]] = set()

    def problem(self, origin: Origin, where: str, reason: str, hint: str = "", *, more: bool = False) -> None:
        """Note a problem; of several at one place only the first counts, as a section is read for many processes.

        `more`: it counts all the same, as one of several entries of a list.
        """
        problem = Problem(origin, where, reason, hint)
        if (origin, where) not in self._seen or (more and problem not in self.problems):
            self._seen.add((origin, where))
            self.problems.append(problem)

    def watch(self, directory: str, uid: int | None, origin: Origin, where: str) -> None:
        """Note that a log is written in a directory."""
        self.log_places.setdefault((directory, uid), (origin, where))

    def warn(self, text: str) -> None:
        """Note a warning, once."""
        self.warnings[text] = None


class Setup(NamedTuple):
    """What every section is read with."""

    native: bool
    host: Host
    findings: Findings
    directories: dict[str, str]
    """file -> its absolute directory"""
    here: str
    """absolute directory of the main file"""
    variables: dict[str, str]
    """ENV_X -> value; grows by the variables the configuration sets for all programs"""
    defaults: Mapping | None = None
    """`[DEFAULT]`"""

    def names(self, **more: str | int) -> dict[str, str | int]:
        """Return the names a value may use."""
        return {**self.variables, "here": self.here, **more}


def set_up(tree: Tree, host: Host) -> Setup:
    """Return what the sections of a tree are read with on a host."""
    defaults = tree.root.entries.get("defaults" if tree.native else "DEFAULT")
    return Setup(
        native=tree.native,
        host=host,
        findings=Findings(),
        directories=tree.directories,
        here=tree.directories[tree.path],
        variables={f"ENV_{name}": value for name, value in host.environ.items()},
        defaults=defaults.value if defaults is not None and isinstance(defaults.value, Mapping) else None,
    )


class Again(NamedTuple):
    """A second expansion, as Supervisor gives some options."""

    names: Names
    label: str


class Reader:
    """One section."""

    def __init__(self, body: Mapping, options: Options, setup: Setup, suffix: str = "") -> None:
        self.body = body
        self.suffix = suffix
        """what Supervisor adds to its message: where the section is"""
        self._options = options
        self._setup = setup
        self._places = setup.findings.origins.of(body.label)
        self._constants: dict[str, Any] = self._absent()
        """options whose values are known and cannot be others for another process"""

    def _absent(self) -> dict[str, Any]:
        """Return what holds for the options that are not written: of many programs that is nearly all there is."""
        constants = self._options.defaults[self._setup.native].copy()
        spellings = self._options.spellings[self._setup.native]
        for key in self.body.entries:
            constants.pop(spellings.get(key, key), None)
        if self._setup.defaults is not None:
            for key in self._setup.defaults.entries:
                constants.pop(key, None)
        return constants

    def entry(self, name: str) -> Entry | None:
        """Return what is written for an option, under its name or a synonym."""
        found = self.body.entries.get(name)
        if self._setup.native:
            for synonym in self._options[name].synonyms:
                other = self.body.entries.get(synonym)
                if other is None:
                    continue
                if found is not None:
                    reason = f"says the same as {name!r}, which is given, too"
                    hint = f"keep one; the other is at {found.origin}"
                    self._setup.findings.problem(other.origin, self.body.where(synonym), reason, hint)
                found = found or other
        if found is None and self._setup.defaults is not None:
            return self._setup.defaults.entries.get(name)
        return found

    def default(self, name: str) -> Any:
        """Return what holds where nothing is written."""
        return self._options[name].default_in(native=self._setup.native)

    def raw(self, name: str) -> str | None:
        """Return the text of an option as written."""
        entry = self.entry(name)
        return entry.value.text if entry is not None and isinstance(entry.value, Scalar) else None

    def read(self, name: str, names: Names, *, label: str = "", again: Again | None = None, complaint: str = "") -> Any:
        """Return the value of an option; its default where it is absent or wrong.

        `complaint` is what Supervisor says of any wrong value here, for an option that has such a message.
        """
        if name in self._constants:
            return self._constants[name]
        entry = self.entry(name)
        if entry is None:
            self._constants[name] = value = self.default(name)
            return value
        self._places.setdefault(name, entry.origin)
        try:
            value = self._value(name, entry, names, label, again)
        except ValueError as error:
            reason = str(error)
            if complaint and not self._setup.native and not isinstance(error, CannotExpand):
                reason = f"{complaint} {self.text(name, names)}"
            hint = getattr(error, "hint", "") or self._hint(name)
            if self._options[name].secret and isinstance(error, CannotExpand):
                reason, hint = self._without_value(name, reason), "write %% for one percent sign"
            self.fail(name, reason, hint)
            for each in getattr(error, "more", ()):
                self.fail(name, str(each), each.hint or self._hint(name), more=True)
            value = self.default(name)
            self._constants[name] = value
        if not _has_percent(entry.value):
            self._constants[name] = value
        return value

    def read_all(self, wanted: Iterable[str], names: Names) -> dict[str, Any]:
        """Return the values of several options, read in this order."""
        known = self._constants
        return {name: known[name] if name in known else self.read(name, names) for name in wanted}

    def _without_value(self, name: str, reason: str) -> str:
        """Return what is wrong with a secret, without the secret."""
        if self._setup.native:
            return "cannot expand it: a percent sign begins no name that is known here"
        return reason.replace(repr(self.raw(name)), "'***'")

    def _hint(self, name: str) -> str:
        return self._options[name].kind.hint_in(native=self._setup.native)

    def _value(self, name: str, entry: Entry, names: Names, label: str, again: Again | None) -> Any:
        kind, node = self._options[name].kind, entry.value
        here = self._setup.directories.get(entry.origin.file, self._setup.here)
        context = Context(self._setup.host, here)
        if isinstance(node, Scalar) and "%" not in node.text:
            # Of many programs most say the same: that is read once, and kept once.
            values, key = self._setup.findings.values, (id(kind), node.text, here, node.plain)
            if key not in values:
                values[key] = kind.read(node, context, native=self._setup.native)
            return values[key]
        if here != names.get("here"):
            names = {**names, "here": here}
        if self._setup.native:
            return kind.native(expand_node(node, names), context)
        if not isinstance(node, Scalar):
            raise Unfit(f"must be one value, got {describe(node)}")
        text = expand_supervisor(node.text, names, label or self.body.where(name))
        if again is not None:
            text = expand_supervisor(text, again.names, again.label)
        return kind.read(node._replace(text=text), context, native=False)

    def text(self, name: str, names: Names) -> str | None:
        """Return the expanded text of an option, or None where it is absent or cannot be expanded."""
        raw = self.raw(name)
        if raw is None:
            return None
        try:
            return expand_native(raw, names) if self._setup.native else expand_supervisor(raw, names, name)
        except CannotExpand:
            return None

    def check_expands(self, name: str, names: Names) -> None:
        """Note a problem with the names in an option that is read later."""
        raw = self.raw(name)
        if raw is not None and not self._setup.native:
            try:
                expand_supervisor(raw, names, self.body.where(name))
            except CannotExpand as error:
                self.fail(name, str(error), error.hint)

    def place(self, name: str) -> tuple[Origin, str]:
        """Return where to point for an option: at it, or at the section it is missing from."""
        entry = self.entry(name)
        if entry is None:
            return self.body.origin, self.body.where(name)
        written = next((key for key, each in self.body.entries.items() if each is entry), name)
        return entry.origin, self.body.where(written)

    def fail(self, name: str, reason: str, hint: str = "", *, more: bool = False) -> None:
        """Note a problem with an option; `more`: even beside another one, as an option that is a list can have."""
        origin, where = self.place(name)
        self._setup.findings.problem(origin, where, f"{reason}{self.suffix}", hint, more=more)

    def check_unknown(self) -> None:
        """Note every key that is no option: a problem in the native dialect, a warning in Supervisor's."""
        known = self._options.spellings[self._setup.native]
        for key, entry in self.body.entries.items():
            if key in known:
                continue
            where = self.body.where(key)
            hint = self._meant(key)
            if self._setup.native:
                self._setup.findings.problem(entry.origin, where, "unknown option", hint)
            else:
                self._setup.findings.warn(str(Problem(entry.origin, where, "unknown option, ignored", hint)))

    def _meant(self, key: str) -> str:
        """Return the hint for an unknown option, looked for once: ten thousand programs may have the same mistake."""
        hints, known = self._setup.findings.hints, self._options.spellings[self._setup.native]
        if (id(known), key) not in hints:
            hints[id(known), key] = did_you_mean(key, tuple(sorted(known))), known
        return hints[id(known), key][0]


def expand_node(node: Node, names: Names) -> Node:
    """Return a node with every text in it expanded in the native way; raises CannotExpand."""
    match node:
        case Scalar():
            return node._replace(text=expand_native(node.text, names)) if "%" in node.text else node
        case Sequence():
            return node._replace(items=tuple(expand_node(item, names) for item in node.items))
        case Mapping():
            entries = {key: Entry(entry.origin, expand_node(entry.value, names)) for key, entry in node.entries.items()}
            return node._replace(entries=entries)


def _has_percent(node: Node) -> bool:
    match node:
        case Scalar():
            return "%" in node.text
        case Sequence():
            return any(_has_percent(item) for item in node.items)
        case Mapping():
            return any(_has_percent(entry.value) for entry in node.entries.values())
