"""One life: a process that exists, with its pipes or its terminal; and all of it as values, for another daemon."""

from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from tmd.config.settings import ProcessSpec
from tmd.core import records
from tmd.core.inputs import LAST_WORDS_BYTES, LastWords
from tmd.daemon.surface import Channel
from tmd.daemon.terminals import Terminal, TerminalState
from tmd.posix.pidfds import StrangerState
from tmd.posix.reaping import ChildEvent
from tmd.posix.stdin import StdinWriter
from tmd.wire.names import ProcessId


class ChannelKey(NamedTuple):
    """One output pipe of one life."""

    id: ProcessId
    channel: Channel
    pid: int
    generation: int


class Ears(Protocol):
    """Who hears what event listeners say on their stdout: the protocol they speak, not output for a log."""

    def opened(self, id_: ProcessId, fd: int) -> None:
        """Take over the read end of a new life."""

    def ended(self, id_: ProcessId) -> int | None:
        """Hear the last words of a process that is gone; return the pipe if somebody else still holds it."""


class LifeState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One life. `stdin`: our end of it, and what was not written there yet."""

    id: ProcessId
    pid: int
    keys: tuple[ChannelKey, ...] = ()
    stdin: int | None = None
    unwritten: bytes = b""
    terminal: TerminalState | None = None
    listens: bool = False
    stranger: StrangerState | None = None
    """it is no child of ours"""
    end: ChildEvent | None = None
    """it is gone, and that was not told yet"""


class LivesState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All lives of a daemon. `lingering`: pipes of earlier ones that somebody still holds open."""

    lives: list[LifeState] = []
    remembered: list[tuple[ProcessId, records.Life]] = []
    lingering: list[ChannelKey] = []
    generation: int = 0


def last_words(keys: Iterable[ChannelKey], last: Mapping[Hashable, bytes]) -> LastWords:
    """Return what a life has said last. `last`: of each of its pipes, as far as that is known."""
    said = {key.channel: last[key][-LAST_WORDS_BYTES:] for key in keys if key in last}
    return LastWords(said.get("stdout", b""), said.get("stderr", b""))


class Life:
    """One process that exists: its pid, what it was started from, its pipes."""

    def __init__(
        self, spec: ProcessSpec, pid: int, stdin: StdinWriter, keys: tuple[ChannelKey, ...], terminal: Terminal | None
    ) -> None:
        self.id, self.spec, self.pid, self.stdin, self.keys = spec.id, spec, pid, stdin, keys
        self.terminal = terminal
        """its own, in place of pipes"""
        self.listens = False
        """an event listener: what it says on its stdout is heard, not drained"""
        self.end: ChildEvent | None = None
        """how it ended, from when the kernel says so"""

    def state(self, stranger: StrangerState | None) -> LifeState:
        """Return all of it, for another daemon to go on with."""
        stdin, unwritten = self.stdin.state
        return LifeState(
            id=self.id,
            pid=self.pid,
            keys=self.keys,
            stdin=stdin,
            unwritten=unwritten,
            terminal=None if self.terminal is None else self.terminal.state,
            listens=self.listens,
            stranger=stranger,
            end=self.end,
        )
