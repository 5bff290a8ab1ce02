"""How a process is named on the wire: `group:process`, or one word when the two are equal."""

from typing import NamedTuple


class ProcessId(NamedTuple):
    """A process by group and name; the pair is unique in a daemon."""

    group: str
    process: str

    @property
    def namespec(self) -> str:
        """`group:process`, or `process` when both are the same word."""
        return self.process if self.group == self.process else f"{self.group}:{self.process}"


def split_namespec(namespec: str) -> tuple[str, str | None]:
    """Return (group, process); process is None where the whole group is meant (`g:*`, `g:`).

    A name without a colon means the process of that name in the group of that name.
    """
    group, colon, process = namespec.partition(":")
    if not colon:
        return namespec, namespec
    if process in ("", "*"):
        return group, None
    return group, process
