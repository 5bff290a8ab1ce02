"""The handover: all that a daemon is, as values, for the process that takes its place to go on with.

    state -> bytes -> a file in memory that outlives the exec -> state

What an earlier version has written a later one can read: what it lacks has defaults, and what is unknown is passed
over. Promises that nobody is replaced by what cannot read the state, and that a failed replacement changes nothing.
Knows nothing of how the state comes about or is put in force.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

import msgspec

import tmd
from tmd.config.settings import GroupSpec, ProcessSpec, Settings
from tmd.core.inputs import ExitStatus
from tmd.core.records import Entry
from tmd.core.stopping import UnfinishedStop
from tmd.daemon.alerts import AlertsState
from tmd.daemon.counters import CountersState
from tmd.daemon.fcgi import SocketsState
from tmd.daemon.history import HistoryState
from tmd.daemon.hook_runs import HookKey
from tmd.daemon.hooks import PastState
from tmd.daemon.host import HostState
from tmd.daemon.life import ChannelKey, LivesState
from tmd.daemon.seats import ListenersState
from tmd.daemon.surface import Awaited, Operation
from tmd.posix import capabilities
from tmd.posix.drain import Held, LogTarget
from tmd.wire.names import ProcessId

FORMAT = 1
"""grows when an older version could not make sense of it"""
VARIABLE = "TASKMASTER_HANDOVER"
"""in the environment of the process that is to go on: the number of the descriptor that has the state"""


class CannotHandOver(Exception):
    """There is no state that could be handed over, or it cannot be read; the text says why."""


class Carried(NamedTuple):
    """What the floor above has: a state that is nobody else's business, its descriptors, what its answers wait for."""

    data: bytes = b""
    fds: Sequence[int] = ()
    operations: Sequence[Operation[Any]] = ()


class BootState(msgspec.Struct, kw_only=True):
    """What does not change over restarts. `address`, `watchdog_s`: the contract with the service manager."""

    path: str
    foreground: bool
    uid: int
    files_limit: int | None
    host: HostState
    adopt: bool = True
    warned: tuple[str, ...] = ()
    address: str | None = None
    watchdog_s: float | None = None


class GroupState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One group. `leavers`: those of its processes that are on their way out; `leaving`: all of it is."""

    spec: GroupSpec
    leavers: list[ProcessSpec] = []
    leaving: bool = False


class ChannelState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One pipe that is drained: of a life, or of a hook."""

    life: ChannelKey | None = None
    hook: HookKey | None = None
    fd: int
    held: Held


class State(msgspec.Struct, kw_only=True):
    """One daemon."""

    format: int = FORMAT
    version: str = tmd.__version__
    python: str = ""
    upgrades: int = 0
    """so many came before"""
    refused: int = 0
    failed: bool = False
    """no other process could be had: the same one goes on"""
    frozen_at: float = 0.0
    """monotonic: since when nobody is answered"""
    boot: BootState
    pidfile: tuple[str, int]
    settings: Settings
    """in force; their groups are in `groups`"""
    groups: list[GroupState] = []
    entries: list[Entry] = []
    stops: list[UnfinishedStop] = []
    lives: LivesState = msgspec.field(default_factory=LivesState)
    channels: list[ChannelState] = []
    unwritten: list[tuple[LogTarget, bytes]] = []
    listeners: ListenersState = msgspec.field(default_factory=ListenersState)
    sockets: SocketsState = msgspec.field(default_factory=SocketsState)
    hooks: list[PastState] = []
    essential: list[tuple[ProcessId, ExitStatus | None]] = []
    history: HistoryState = msgspec.field(default_factory=HistoryState)
    counters: CountersState = msgspec.field(default_factory=CountersState)
    troubles: dict[str, int] = {}
    alerts: AlertsState = msgspec.field(default_factory=AlertsState)
    trees: tuple[tuple[int, int, int, int], list[str]] = ((0, 0, 0, 0), [])
    additions: tuple[list[GroupSpec], list[GroupSpec]] = ([], [])
    config_path: str = ""
    journal: tuple[str, str, int] = ("", "", 0)
    """path, key, number of the last token"""
    journal_serials: dict[str, int] = {}
    spared: list[str] = []
    """tokens of lives that were left alone"""
    notices: int = 0
    operations: list[Awaited] = []
    http: bytes = b""
    http_fds: list[int] = []

    def forget(self) -> None:
        """Let go of what takes room, once others have it."""
        self.groups, self.entries, self.channels, self.unwritten = [], [], [], []
        self.lives, self.listeners, self.history = LivesState(), ListenersState(), HistoryState()
        self.alerts, self.counters, self.http = AlertsState(), CountersState(), b""

    @property
    def active(self) -> list[GroupSpec]:
        """The settings of the groups that are to stay."""
        return [group.spec for group in self.groups if not group.leaving]

    def descriptors(self) -> Iterator[int]:
        """Yield all that are to stay open."""
        yield self.pidfile[1]
        yield from self.http_fds
        yield from (channel.fd for channel in self.channels if channel.fd >= 0)
        yield from (each.fd for each in self.sockets.sockets)
        yield from (talk.fd for talk in self.listeners.talks if talk.fd is not None)
        for life in self.lives.lives:
            if life.stdin is not None:
                yield life.stdin
            if life.terminal is not None and life.terminal.fd >= 0:
                yield life.terminal.fd
            if life.stranger is not None and life.stranger.fd is not None:
                yield life.stranger.fd


def pack(state: State) -> bytes:
    """Return a state as bytes; raises `CannotHandOver`."""
    try:
        return msgspec.msgpack.encode(state)
    except (UnicodeEncodeError, msgspec.MsgspecError) as why:
        raise CannotHandOver(f"the state cannot be written down: {why}") from why


def unpack(data: bytes) -> State:
    """Return the state that was packed by this version or an earlier one; raises `CannotHandOver`."""
    try:
        written = msgspec.msgpack.decode(data, type=_Written)
        if written.format > FORMAT:
            raise CannotHandOver(
                f"the state is that of tmd {written.version} (format {written.format}), which tmd {tmd.__version__} "
                f"(format {FORMAT}) cannot read"
            )
        return msgspec.msgpack.decode(data, type=State)
    except msgspec.MsgspecError as why:
        raise CannotHandOver(f"tmd {tmd.__version__} cannot read the state: {why}") from why


class _Written(msgspec.Struct):
    format: int
    version: str = "?"


def receive(fd: int) -> State:
    """Return the state in a descriptor, which is closed, and keep its descriptors from programs; `CannotHandOver`."""
    try:
        with open(fd, "rb") as file:
            state = unpack(file.read())
        keep_from_programs(state)
    except OSError as why:
        raise CannotHandOver(f"cannot read the state: {why}") from why
    return state


def keep_from_programs(state: State) -> None:
    """Have no program inherit the descriptors of a state; OSError."""
    for each in state.descriptors():
        os.set_inheritable(each, False)


def command_line() -> list[str]:
    """Return what this process was started with, as it has to be said to start it anew; raises `CannotHandOver`."""
    if not sys.executable or not sys.orig_argv[1:]:
        raise CannotHandOver("this process does not know how it was started")
    return [sys.executable, *sys.orig_argv[1:]]


def _to_hand_on() -> frozenset[int]:
    """Return the part of root's power that this process has without being root: an exec would end it."""
    return capabilities.held("Prm") & capabilities.SPAWNING if os.geteuid() != 0 else frozenset()


def try_to_hand_on() -> None:
    """See whether an exec could keep the rights that programs are started with; raises `CannotHandOver`."""
    kept = _to_hand_on()
    try:
        if kept:
            capabilities.hand_on(kept)
            capabilities.keep_to_ourselves(kept)
    except OSError as why:
        raise CannotHandOver(f"{capabilities.names(kept)} would be lost: {why.strerror}") from why


def replace_process(state: State, data: bytes) -> NoReturn:
    """Become the process that goes on with a state, given as bytes, too; what it does not need is closed.

    OSError, or `CannotHandOver`, when that fails; then all is as it was before.
    """
    argv = command_line()
    back: int | None = None
    fd = os.memfd_create("tmd-handover", 0)
    kept = _to_hand_on()
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(fd, 0, os.SEEK_SET)
        os.set_inheritable(fd, True)
        for each in state.descriptors():
            os.set_inheritable(each, True)
        if kept:
            capabilities.hand_on(kept)
        back = _go_to(state.boot.host.cwd)  # what was said on the command line counts from there
        _flush()
        os.execve(argv[0], argv, {**os.environ, VARIABLE: str(fd)})
    finally:  # reached only when it failed
        os.close(fd)
        keep_from_programs(state)
        if kept:
            capabilities.keep_to_ourselves(kept)
        if back is not None:
            os.fchdir(back)
            os.close(back)
    raise AssertionError("an exec that worked has come back")


def _go_to(directory: str) -> int | None:
    """Change to a directory, and return the one before; None where that cannot be, and nothing is changed."""
    try:
        before = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        os.chdir(directory)
    except OSError:
        os.close(before)
        return None
    return before


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
