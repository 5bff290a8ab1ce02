"""Where the output of a channel goes, who sees it on its way, and what is on its way still.

Words only: moving bytes is for others.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Protocol

import msgspec

from tmd.posix.linewise import Format
from tmd.posix.logfiles import LogTarget

State = dict[str, str]
"""what is held back, in words that JSON knows, bytes as Latin-1; empty for nothing. `rest`: the bytes that would go to
the log if no more came, for who does not know what else there is"""


class Transformed(Protocol):
    """What some output turned into."""

    @property
    def log(self) -> bytes:
        """What goes on to the log."""

    @property
    def said(self) -> bytes:
        """What somebody wants to know."""

    @property
    def communicated(self) -> tuple[bytes, ...]:
        """Texts sent to somebody."""


class Transform(Protocol):
    """Sees the bytes of one channel on their way; called in the drain's thread."""

    @property
    def preserves(self) -> bool:
        """Whether the log gets just what comes in, at once: then it may have it before this sees it."""

    def feed(self, data: bytes) -> Transformed:
        """Take the next bytes."""

    def end(self) -> Transformed:
        """Give out what was held back: the process is gone. More may come from its heirs."""

    def state(self) -> State:
        """Return what is held back."""

    def resume(self, state: Mapping[str, str]) -> None:
        """Hold back what another one did, to go on where it ended."""


class Tally:
    """Counts bytes; only ever added to, by one thread. Any may read it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Sinks(msgspec.Struct, frozen=True):
    """Where the output of one channel goes. All None: read, so that nobody hangs, and forgotten."""

    target: LogTarget | None = None
    syslog_tag: str | None = None
    transform: Callable[[], Transform] | None = None
    copy: Callable[[bytes], None] | None = None
    """gets what goes to the log, in the drain's thread"""
    format: Format | None = None
    """makes the lines of the log of it; nobody else gets these"""
    tap: Callable[[bytes], None] | None = None
    """gets every byte as the program wrote it, in the drain's thread"""
    tally: Tally | None = None
    """counts what was taken out of the pipe, wherever it went then"""


class Held(msgspec.Struct, frozen=True):
    """What a drain holds of a channel beside the pipe, in words that JSON knows; bytes are Latin-1."""

    transform: State = {}
    lines: State = {}
    syslog: str = ""
    """a line that was begun"""
    last: str = ""
    """the last bytes it brought"""
    speaks: bool = False
    """the file of several ends with a line that it has begun"""
    heard_out: bool = False
    """its program has ended"""


class Carried(msgspec.Struct, frozen=True):
    """A channel that another drain is to go on with. `fd` -1: it has ended, and only its last bytes are left."""

    key: Hashable
    fd: int
    held: Held


class Surrendered(msgspec.Struct, frozen=True):
    """All that a drain had, for the next one."""

    channels: list[Carried]
    """older ones of a key first"""
    unwritten: list[tuple[LogTarget, bytes]]
    """what a target in trouble has not taken yet, in order"""
