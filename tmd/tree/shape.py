"""The shape of our own dialect: `taskmaster`, `programs`, `groups`, `ctl`..., whatever format it was written in.

An INI file says with section names what YAML says by nesting; here both become one mapping with the PARTS as keys,
and several files become one. What an option means is not known.
"""

from tmd.tree.node import Entry, Mapping, Origin, describe
from tmd.tree.problems import Problem

_NAMED_PARTS = (
    "programs",
    "groups",
    "eventlisteners",
    "fcgi-programs",
    "rpcinterfaces",
    "ctlplugins",
    "alerts",
    "servers",
)
"""parts that map names to mappings"""
PARTS = ("taskmaster", "ctl", *_NAMED_PARTS, "defaults")
_WRITTEN_PARTS = tuple(part for part in PARTS if part not in ("alerts", "servers", "defaults"))
"""parts that a YAML or TOML file may have"""
SERVER_SECTIONS = ("unix_http_server", "inet_http_server")
PROCESS_SECTIONS = ("program", "group", "eventlistener", "fcgi-program")
"""kinds of INI section that have a name and processes; the part is the plural"""
FOREIGN_SECTIONS = ("rpcinterface", "ctlplugin")
"""kinds of INI section that name other people's code, in the daemon and in the client"""
OWN_SECTIONS = ("alert",)
"""kinds of INI section that have a name, and that Supervisor does not have; the part is the plural"""

NAMED_SECTIONS = (*PROCESS_SECTIONS, *FOREIGN_SECTIONS, *OWN_SECTIONS)
COMMAND_WORDS = {"command", "cmd"}
"""an INI section with one of these and no colon in its header is a program, whatever it is called"""


def nearest(word: str, words: tuple[str, ...]) -> str | None:
    """Return the word meant by a typing error, if one is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a typing error needs it

    # sorted: of equally near words always the same one
    return next(iter(get_close_matches(word.lower(), sorted(words), 1)), None)


def did_you_mean(word: str, words: tuple[str, ...]) -> str:
    """Return a hint for an unknown word; all the words where none is near and they are few."""
    near = nearest(word, words)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"known: {', '.join(sorted(words))}" if 0 < len(words) <= 12 else ""


def shape_ini(sections: Mapping, problems: list[Problem]) -> Mapping:
    """Return the parts of a native INI file."""
    parts = _empty_parts(sections.origin)
    for header, entry in sections.entries.items():
        part, name = _place(header, entry.origin, problems)
        if part is None:
            continue
        assert isinstance(entry.value, Mapping)
        if part == "programs" and header in NAMED_SECTIONS and not entry.value.entries.keys() & COMMAND_WORDS:
            problems.append(Problem(entry.origin, f"[{header}]", "needs a name", f"[{header}:NAME]"))
        elif name is None:
            _fill(parts[part], entry.value, problems, f"[{header}]")
        else:
            _add(parts[part], name, entry, problems, part)
    return _whole(parts, sections.origin)


def _place(header: str, origin: Origin, problems: list[Problem]) -> tuple[str | None, str | None]:
    """Return the part a section belongs to, and its name there when the part has names."""
    kind, colon, name = header.partition(":")
    name = name.strip()
    if kind in SERVER_SECTIONS:
        return "servers", header
    if not colon:
        if header in ("taskmaster", "ctl"):
            return header, None
        if header == "supervisorctl":
            return "ctl", None
        if header == "DEFAULT":
            return "defaults", None
        return (None, None) if header == "include" else ("programs", header.strip())
    if kind in NAMED_SECTIONS:
        return f"{kind}s", name
    hint = did_you_mean(kind, (*NAMED_SECTIONS, *SERVER_SECTIONS))
    problems.append(Problem(origin, f"[{header}]", "unknown section", hint))
    return None, None


def shape_nested(root: Mapping, problems: list[Problem]) -> Mapping:
    """Return the parts of a YAML, JSON or TOML file; keys that begin with `x-` are the author's own."""
    parts = _empty_parts(root.origin)
    for key, entry in root.entries.items():
        if key.startswith("x-"):
            continue
        if key not in _WRITTEN_PARTS:
            problems.append(Problem(entry.origin, key, "unknown section", did_you_mean(key, _WRITTEN_PARTS)))
            continue
        content = _mapping(entry, key, problems)
        if key not in _NAMED_PARTS:
            _fill(parts[key], content, problems, key)
            continue
        for name, member in content.entries.items():
            where = f"{key}.{name}"
            body = _mapping(member, where, problems)
            parts[key].entries[name] = Entry(member.origin, Mapping(body.entries, member.origin, where))
    return _whole(parts, root.origin)


def _mapping(entry: Entry, where: str, problems: list[Problem]) -> Mapping:
    value = entry.value
    if isinstance(value, Mapping):
        return value._replace(label=where)
    if not getattr(value, "missing", False):
        problems.append(
            Problem(entry.origin, where, f"must map names to values, got {describe(value)[:80]}", "e.g. key: value")
        )
    return Mapping({}, entry.origin, where)


def _empty_parts(origin: Origin) -> dict[str, Mapping]:
    return {part: Mapping({}, origin, part) for part in PARTS}


def _whole(parts: dict[str, Mapping], origin: Origin) -> Mapping:
    return Mapping({part: Entry(content.origin, content) for part, content in parts.items()}, origin)


def _fill(into: Mapping, more: Mapping, problems: list[Problem], where: str) -> None:
    for key, entry in more.entries.items():
        _add(into, key, entry, problems, where)


def _add(into: Mapping, name: str, entry: Entry, problems: list[Problem], where: str) -> None:
    earlier = into.entries.setdefault(name, entry)
    if earlier is not entry:
        label = f"{where}.{name}" if where else name
        problems.append(Problem(entry.origin, label, "given twice", f"first at {earlier.origin}: keep one"))


def merge_shapes(into: Mapping, more: Mapping, problems: list[Problem]) -> None:
    """Add the parts of a further file; anything both files say is a problem."""
    for part in PARTS:
        target, source = into.entries[part].value, more.entries[part].value
        assert isinstance(target, Mapping)
        assert isinstance(source, Mapping)
        if part == "taskmaster" and "include" in source.entries:
            entry = source.entries.pop("include")
            problems.append(
                Problem(
                    entry.origin,
                    "taskmaster.include",
                    "cannot include from an included file",
                    "list it in the main file",
                )
            )
        _fill(target, source, problems, part)


def merge_sections(into: Mapping, more: Mapping) -> None:
    """Add the sections of a further INI file in Supervisor's way: key by key, the later file wins."""
    for header, entry in more.entries.items():
        earlier = into.entries.setdefault(header, entry)
        if earlier is not entry:
            assert isinstance(earlier.value, Mapping)
            assert isinstance(entry.value, Mapping)
            earlier.value.entries.update(entry.value.entries)
