"""YAML, and JSON which is YAML, built from the parser's events so that nothing is guessed and nothing explodes.

Plain words keep their source text: `umask: 022` stays `022` and `autorestart: on` stays `on`. Refused: a key given
twice, tags that are not plain data, aliases that multiply, nesting deeper than 64, more than one document. Events are
taken one by one, so a text of a hundred thousand brackets is given up at the sixty-fifth: the composing loader, which
would recurse, never sees it. The one convenience is `<<`, which fills in the keys a mapping does not have itself.
"""

from typing import Any, NamedTuple

import yaml

from tmd.tree.node import Entry, Mapping, Node, Origin, Scalar, Sequence, describe
from tmd.tree.problems import ConfigRefused, Problem

MAX_DEPTH = 64
MAX_ALIASES = 1_000
MAX_NODES = 1_000_000
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {None, "!"} | {_TAG + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq")}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str, file: str) -> Mapping:
    """Return the one mapping a YAML or JSON text holds; raises ConfigRefused."""
    try:
        return _Builder(file).build(text)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        origin = Origin(file, mark.line + 1, mark.column + 1) if mark else Origin(file)
        raise ConfigRefused([_syntax_problem(origin, error.problem or error.context or "")]) from None
    except yaml.reader.ReaderError as error:
        before = text.encode("utf-8", "replace")[: error.position].decode("utf-8", "replace")
        line_start = before.rfind("\n") + 1
        origin = Origin(file, before.count("\n") + 1, len(before) - line_start + 1)
        raise ConfigRefused(
            [Problem(origin, "", "cannot read as YAML: a control character", "a configuration is plain text")]
        ) from None


def _syntax_problem(origin: Origin, complaint: str) -> Problem:
    hint = "indent with blanks, write `key: value`"
    if "\\t" in complaint or "tab" in complaint or "cannot start any token" in complaint:
        hint = "indent with blanks, not tabs; put values that begin with % @ ` in quotes"
    return Problem(origin, "", f"cannot read as YAML: {complaint}", hint)


class _Measured(NamedTuple):
    """A finished node with what it weighs when written out in full."""

    node: Node
    nodes: int
    height: int


class _Open:
    """A collection whose end has not been seen."""

    __slots__ = ("anchor", "entries", "height", "items", "key", "label", "merges", "nodes", "origin")

    def __init__(self, origin: Origin, anchor: str | None, label: str, *, mapping: bool) -> None:
        self.origin = origin
        self.anchor = anchor
        self.label = label
        self.entries: dict[str, Entry] | None = {} if mapping else None
        self.items: list[Node] = []
        self.merges: list[tuple[Origin, Node]] = []
        self.key: Scalar | None = None
        self.nodes = 1
        self.height = 1

    @property
    def child_label(self) -> str:
        if self.entries is None:
            return f"{self.label}[{len(self.items)}]"
        return f"{self.label}.{self.key.text}" if self.label and self.key else self.key.text if self.key else ""


class _Builder:
    """Turns events into the tree with a stack of its own."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, _Measured | None] = {}
        self._aliases = 0
        self._root: Node | None = None

    def build(self, text: str) -> Mapping:
        for event in yaml.parse(text, Loader=_LOADER):
            match event:
                case yaml.ScalarEvent():
                    self._check_tag(event)
                    if "\0" in event.value:
                        raise self._refused(event, "a value cannot contain a NUL character")
                    scalar = Scalar(event.value, self._origin(event), plain=not event.style)
                    self._place(_Measured(scalar, 1, 1), event.anchor)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._begin(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._end()
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.DocumentStartEvent() if self._root is not None:
                    raise self._refused(event, "cannot read a second document", "one file holds one configuration")
                case _:
                    continue
        match self._root:
            case Mapping():
                return self._root
            case None | Scalar(text="", plain=True):
                return Mapping({}, Origin(self._file, 1, 1))
            case _:
                raise ConfigRefused(
                    [
                        Problem(
                            self._root.origin,
                            "",
                            f"expected a mapping, got {describe(self._root)[:80]}",
                            "e.g. programs: {web: {command: ...}}",
                        )
                    ]
                )

    def _origin(self, event: yaml.Event) -> Origin:
        mark: Any = event.start_mark
        return Origin(self._file, mark.line + 1, mark.column + 1)

    def _refused(self, event: yaml.Event, reason: str, hint: str = "") -> ConfigRefused:
        return ConfigRefused([Problem(self._origin(event), "", reason, hint)])

    def _check_tag(self, event: Any) -> None:
        if event.tag not in _PLAIN_TAGS:
            raise self._refused(event, f"cannot use the tag {event.tag!r}", "values are plain data, never objects")

    def _begin(self, event: Any) -> None:
        self._check_tag(event)
        if len(self._open) >= MAX_DEPTH:
            raise self._refused(event, f"cannot nest deeper than {MAX_DEPTH} levels")
        mapping = isinstance(event, yaml.MappingStartEvent)
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.entries is not None and parent.key is None:
            raise self._refused(event, "a key must be one word", "keys cannot be lists or mappings")
        if event.anchor:
            self._anchors[event.anchor] = None
        label = parent.child_label if parent is not None else ""
        self._open.append(_Open(self._origin(event), event.anchor, label, mapping=mapping))

    def _end(self) -> None:
        done = self._open.pop()
        node: Node
        if done.entries is None:
            node = Sequence(tuple(done.items), done.origin)
        else:
            for origin, source in done.merges:
                self._merge(done.entries, origin, source)
            node = Mapping(done.entries, done.origin, done.label)
        self._place(_Measured(node, done.nodes, done.height), done.anchor)

    def _alias(self, event: Any) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self._refused(event, f"cannot use more than {MAX_ALIASES} aliases")
        if event.anchor not in self._anchors:
            raise self._refused(event, f"cannot find the anchor of alias '*{event.anchor}'")
        target = self._anchors[event.anchor]
        if target is None:
            raise self._refused(event, f"alias '*{event.anchor}' contains itself")
        if len(self._open) + target.height > MAX_DEPTH:
            raise self._refused(event, f"cannot nest deeper than {MAX_DEPTH} levels")
        # an alias counts as everything it stands for: nine lists of nine aliases of ... weigh a billion
        parent = self._open[-1]
        if parent.nodes + target.nodes > MAX_NODES:
            raise self._refused(event, f"aliases multiply to more than {MAX_NODES} values")
        self._place(target, None)

    def _place(self, made: _Measured, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = made
        node = made.node
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.nodes += made.nodes
        parent.height = max(parent.height, made.height + 1)
        if parent.nodes > MAX_NODES:
            raise ConfigRefused([Problem(node.origin, "", f"cannot hold more than {MAX_NODES} values")])
        if parent.entries is None:
            parent.items.append(node)
        elif parent.key is None:
            if not isinstance(node, Scalar):
                raise ConfigRefused([Problem(node.origin, "", "a key must be one word")])
            parent.key = node
        else:
            key, parent.key = parent.key, None
            self._put(parent, key, node)

    def _put(self, parent: _Open, key: Scalar, node: Node) -> None:
        assert parent.entries is not None
        if key.text == "<<" and key.plain:
            parent.merges.append((key.origin, node))
            return
        earlier = parent.entries.get(key.text)
        if earlier is not None:
            where = f"{parent.label}.{key.text}" if parent.label else key.text
            raise ConfigRefused(
                [Problem(key.origin, where, "given twice", f"first at line {earlier.origin.line}: keep one")]
            )
        parent.entries[key.text] = Entry(key.origin, node)

    def _merge(self, entries: dict[str, Entry], origin: Origin, source: Node) -> None:
        sources = source.items if isinstance(source, Sequence) else (source,)
        for each in sources:
            if not isinstance(each, Mapping):
                raise ConfigRefused([Problem(origin, "<<", f"expected a mapping, got {describe(each)}")])
            for key, entry in each.entries.items():
                entries.setdefault(key, entry)
