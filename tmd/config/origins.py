"""Where each value was written, for as many programs as there are: most sections have one form, which is kept once."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from tmd.tree.node import Origin

_Form: TypeAlias = tuple[tuple[str, int, int], ...]
"""names of options, each with its line counted from that of the first, and its column"""


class Origins(Mapping[str, Origin]):
    """`program:web.command` -> place."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, Origin]] = {}
        self._packed: dict[str, tuple[str, int, _Form]] = {}

    def of(self, label: str) -> dict[str, Origin]:
        """Return the places of the options of a section, for who reads it to add to; before `pack`."""
        return self._open.setdefault(label, {})

    def update(self, others: "Origins") -> None:
        """Add all that others have; before `pack`."""
        for label, places in others._open.items():
            self.of(label).update(places)

    def pack(self) -> None:
        """Take less room from now on: nothing is added any more."""
        forms: dict[_Form, _Form] = {}
        mixed = {}
        for label, places in self._open.items():
            if len({origin.file for origin in places.values()}) != 1:
                mixed[label] = places  # it goes on in another file, or takes an option from [DEFAULT]
                continue
            file, first, _ = next(iter(places.values()))
            form = tuple([(name, line - first, column) for name, (_, line, column) in places.items()])
            self._packed[label] = file, first, forms.setdefault(form, form)
        self._open = mixed

    def __getitem__(self, key: str) -> Origin:
        label, _, name = key.rpartition(".")
        if label in self._open:
            return self._open[label][name]
        file, first, form = self._packed[label]
        for each, line, column in form:
            if each == name:
                return Origin(file, first + line, column)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        known = {label: [name for name, _, _ in form] for label, (_, _, form) in self._packed.items()}
        for label, names in {**self._open, **known}.items():
            yield from (f"{label}.{name}" if label else name for name in names)

    def __len__(self) -> int:
        return sum(1 for _ in self)
