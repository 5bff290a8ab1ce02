"""The few options of a configuration file that a client needs, whatever the file's format and dialect.

Included files are read only when the main file does not have what is asked for: a client must start fast, and most
files say where the server is in their first lines.
"""

import os
from collections.abc import Iterator
from collections.abc import Mapping as StringMapping
from glob import glob

from tmctl.config import BadConfig, PluginSection
from tmd.tree.files import read_sections
from tmd.tree.node import Mapping, Node, Scalar, Sequence
from tmd.tree.problems import ConfigRefused


class Sections:
    """A main file and, when needed, its includes. Options come expanded."""

    def __init__(self, path: str, environ: StringMapping[str, str]) -> None:
        self._main = path
        self._environ = environ
        try:
            self._files: list[tuple[str, Mapping]] = [(path, read_sections(path))]
        except ConfigRefused as refused:
            # A file that is missing or unreadable is told in Supervisor's words, one that cannot be parsed with places.
            unplaced = not refused.problems or not refused.problems[0].origin.line
            raise BadConfig(refused.supervisor_text if unplaced else refused.text) from None
        self._included = False
        self._is_ini = not path.lower().endswith((".yaml", ".yml", ".json", ".toml"))
        self.is_supervisors = (
            self._is_ini and not self.has("taskmaster") and (self.has("supervisord") or self.has("supervisorctl"))
        )
        """whether the file follows Supervisor's rules"""

    def has(self, section: str) -> bool:
        """Whether the main file has a section."""
        return section in self._files[0][1].entries

    def finds(self, section: str) -> bool:
        """Whether any file has a section."""
        return any(section in root.entries for _, root in self._each_file(section))

    def option(self, section: str, key: str) -> str | None:
        """Return an option's text, expanded; None where it is not said, or not a text. The last file wins."""
        found = None
        for path, root in self._each_file(section, key):
            scalar = _scalar(root, section, key)
            if scalar is None and self.is_supervisors and section in root.entries:
                scalar = _scalar(root, "DEFAULT", key)
            if scalar is not None and not scalar.missing:
                found = self._expanded(scalar, path)
        return found

    def plugins(self) -> tuple[PluginSection, ...]:
        """Return the plug-ins that the files read so far ask for: `[ctlplugin:NAME]`, nested `ctlplugins: NAME`."""
        found: dict[str, PluginSection] = {}
        for path, root in self._files:
            for name, section, members in self._plugin_parts(root):
                options = {key: self._expanded(scalar, path) for key, scalar in _texts(members, section).items()}
                factory = options.pop("supervisor.ctl_factory", None)
                if factory is None and not self.is_supervisors:
                    factory = options.pop("factory", None)
                if not factory:
                    raise BadConfig(f"section {section} does not specify a supervisor.ctl_factory")
                found[name] = PluginSection(name, section, factory, options)
        return tuple(found.values())

    def _plugin_parts(self, root: Mapping) -> Iterator[tuple[str, str, Mapping]]:
        """Yield name, section for messages, and options of each plug-in of one file."""
        nested = root.entries.get("ctlplugins")
        if not self._is_ini and nested is not None and isinstance(nested.value, Mapping):
            for name, entry in nested.value.entries.items():
                if isinstance(entry.value, Mapping):
                    yield name, f"ctlplugins.{name}", entry.value
        for header, entry in root.entries.items() if self._is_ini else ():
            kind, colon, name = header.partition(":")
            if kind == "ctlplugin" and colon and isinstance(entry.value, Mapping):
                shared = root.entries.get("DEFAULT") if self.is_supervisors else None
                defaults = shared.value.entries if shared is not None and isinstance(shared.value, Mapping) else {}
                yield name, f"[{header}]", entry.value._replace(entries={**defaults, **entry.value.entries})

    def starting_with(self, prefix: str) -> str | None:
        """Return the first section of a kind, such as `unix_http_server` or `unix_http_server:two`."""
        for _, root in self._each_file(prefix):
            for name in root.entries:
                if name.partition(":")[0] == prefix:
                    return name
        return None

    def listener(self, section: str, key: str, main_option: str) -> dict[str, str] | None:
        """Return the options of a server: of a whole section, or of a key that is a text or a mapping; None without.

        A text counts as the value of `main_option`, and the first item of a list as the list.
        """
        found = None
        for path, root in self._each_file(section, key or None):
            entry = root.entries.get(section)
            node: Node | None = entry.value if entry is not None else None
            if key and isinstance(node, Mapping):
                entry = node.entries.get(key)
                node = entry.value if entry is not None else None
            if isinstance(node, Sequence) and node.items:
                node = node.items[0]
            if isinstance(node, Scalar):
                found = {main_option: "none" if node.missing else self._expanded(node, path)}
            elif isinstance(node, Mapping):
                texts = ((name, option.value) for name, option in node.entries.items())
                found = {name: self._expanded(text, path) for name, text in texts if isinstance(text, Scalar)}
        return found

    def path(self, text: str) -> str:
        """Return a path from an option as an absolute one, counted from where its dialect counts."""
        base = "" if self.is_supervisors else os.path.dirname(os.path.abspath(self._main))
        return os.path.abspath(os.path.join(base, os.path.expanduser(text)))

    def _each_file(self, section: str, key: str | None = None) -> list[tuple[str, Mapping]]:
        entry = self._files[0][1].entries.get(section)
        known = entry is not None and (key is None or (isinstance(entry.value, Mapping) and key in entry.value.entries))
        if not known and not self._included:
            self._included = True
            for path in self._include_paths():
                try:
                    self._files.append((path, read_sections(path)))
                except ConfigRefused:  # the daemon will complain about it; the client has no use for it
                    continue
        return self._files

    def _include_paths(self) -> list[str]:
        base = os.path.dirname(os.path.abspath(self._main))
        patterns = []
        for section, key in (("include", "files"), ("taskmaster", "include")):
            for scalar in _scalars(self._files[0][1], section, key):
                patterns += self._expanded(scalar, self._main).split()
        return [path for pattern in patterns for path in sorted(glob(os.path.join(base, pattern)))]

    def _expanded(self, scalar: Scalar, path: str) -> str:
        if "%" not in scalar.text:
            return scalar.text
        names = {f"ENV_{name}": value for name, value in self._environ.items()}
        names["here"] = os.path.dirname(os.path.abspath(path))
        try:
            return scalar.text % names
        except KeyError as error:
            raise BadConfig(f"{scalar.origin}: cannot expand {scalar.text!r}: unknown name {error}") from None
        except (ValueError, TypeError) as error:
            raise BadConfig(
                f"{scalar.origin}: cannot expand {scalar.text!r}: {error} (write %% for a percent)"
            ) from None


def _scalars(root: Mapping, section: str, key: str) -> list[Scalar]:
    entry = root.entries.get(section)
    option = entry.value.entries.get(key) if entry is not None and isinstance(entry.value, Mapping) else None
    match option.value if option is not None else None:
        case Scalar() as scalar:
            return [scalar]
        case Sequence(items):
            return [item for item in items if isinstance(item, Scalar)]
        case _:
            return []


def _texts(members: Mapping, section: str) -> dict[str, Scalar]:
    """Return the options of a plug-in; what is left empty in YAML is not said."""
    found = {}
    for key, entry in members.entries.items():
        if not isinstance(entry.value, Scalar):
            raise BadConfig(f"{entry.origin}: {section}: {key} must be one text (a plug-in's options are texts)")
        if not entry.value.missing:
            found[key] = entry.value
    return found


def _scalar(root: Mapping, section: str, key: str) -> Scalar | None:
    return next(iter(_scalars(root, section, key)), None)
