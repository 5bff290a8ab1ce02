"""The listening sockets of FastCGI programs: opened by the daemon, handed to every process as its standard input.

Promises that a socket is there before the first process that accepts on it and stays for as long as one of them is up,
on its way up or down, or about to come back: connections queue over a crash, none is refused. It goes, with its file,
when the last one has come to rest. A file that others removed is made again at the next start, and a socket that only
processes of an earlier daemon still have is taken from them. What cannot be opened is a start that failed, never more,
and one that costs no retry while whoever has the address is on its way out. Accepts nothing itself.
"""

import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import msgspec

from tmd.config.settings import ProcessSpec, SocketSpec
from tmd.core import notices as n
from tmd.daemon.bus import Told
from tmd.posix.children import SHORTAGES, SpawnRefused
from tmd.posix.descriptors import socket_inode, take_socket
from tmd.posix.holders import Holder, named, unix_listeners
from tmd.posix.sockets import (
    SocketInUse,
    SocketRefused,
    give,
    identify,
    listen_inet,
    listen_unix,
    resolve,
    unlink_if_ours,
)
from tmd.wire.faults import Fault
from tmd.wire.names import ProcessId


class Place(NamedTuple):
    """What makes two processes share a socket: the address, and the program they come from."""

    program: str
    url: str

    @classmethod
    def of(cls, process: ProcessSpec) -> "Place | None":
        """Return where a process listens, None when it does not."""
        return None if process.socket is None else cls(process.program, process.socket.url)


class Programs(Protocol):
    """What the sockets ask about the programs, and of them."""

    def moves_off(self, id_: ProcessId, place: Place) -> bool:
        """Tell whether a process that has a place will soon have it no more: it stops, leaves or goes elsewhere."""

    def is_kin(self, process: ProcessSpec, environment: Mapping[str, str]) -> bool:
        """Tell whether an environment is the one that this daemon, or an earlier one, gives processes of a program."""

    def try_again(self, id_: ProcessId) -> None:
        """Start a process that waits for its next try."""


class SocketState(NamedTuple):
    """One open socket as another daemon goes on with it."""

    program: str
    url: str
    spec: SocketSpec
    fd: int
    identity: tuple[int, int] | None
    holders: list[ProcessId]


class SocketsState(msgspec.Struct):
    """All sockets of a daemon. `places`: where each process has its own, or had it last: (process, program, url)."""

    sockets: list[SocketState] = []
    places: list[tuple[ProcessId, str, str]] = []
    awaiting: list[tuple[ProcessId, str, str]] = []


class _Shared:
    """One open socket and who needs it."""

    def __init__(self, spec: SocketSpec, listener: socket.socket) -> None:
        self.spec, self.listener = spec, listener
        self.identity = identify(spec.path) if spec.family == "unix" else None
        self.inode = os.fstat(listener.fileno()).st_ino
        self.holders: set[ProcessId] = set()
        self.pins = 0
        """requests under way that will start a process on it again"""

    @property
    def in_place(self) -> bool:
        """Whether the address still leads here: others may have removed the file."""
        return self.spec.family == "inet" or identify(self.spec.path) == self.identity

    def is_at(self, spec: SocketSpec) -> bool:
        """Tell whether it keeps others from an address, however that is written."""
        if spec.family == "unix":
            return self.identity is not None and identify(spec.path) == self.identity
        if self.spec.family == "unix":
            return False
        address, port = self.listener.getsockname()
        if port != spec.port:
            return False
        wanted = resolve(spec.host)
        return wanted == address or (bool(wanted) and "0.0.0.0" in (wanted, address))

    def adopt(self, spec: SocketSpec) -> None:
        """Take another backlog, mode and owner for the same address; OSError."""
        if self.identity is not None:
            if (spec.owner_uid, spec.owner_gid) != (self.spec.owner_uid, self.spec.owner_gid):
                give(spec.path, spec.owner_uid, spec.owner_gid, spec.path)
            os.chmod(spec.path, spec.mode)
        self.listener.listen(_backlog(spec))
        self.spec = spec

    def close(self) -> None:
        """Stop listening; the file goes, unless it is another one by now."""
        self.listener.close()
        if self.identity is not None:
            unlink_if_ours(self.spec.path, self.identity)


class ListeningSockets:
    """All sockets that are open. Hears on the bus which processes came to rest; `log` gets a line about each change."""

    HEARS: ClassVar[tuple[type[n.Notice], ...]] = (
        n.ProcessStarting,
        n.ProcessStopped,
        n.ProcessExited,
        n.ProcessFatal,
        n.ProcessRemoved,
    )

    def __init__(self, log: Callable[[str], None], programs: Programs) -> None:
        self._log, self._programs = log, programs
        self._open: dict[Place, _Shared] = {}
        self._places: dict[ProcessId, Place] = {}
        """where each process has its socket, or had it last"""
        self._awaiting: dict[ProcessId, Place] = {}
        """who was refused an address only for as long as another program has it, and who has it"""

    def __len__(self) -> int:
        return len(self._open)

    def take(self, process: ProcessSpec) -> int | None:
        """Return the descriptor a process is to accept on, blocking and still ours; None: it has no socket.

        It counts as one that needs the socket until the bus tells that it came to rest. Raises `SpawnRefused`.
        """
        spec, id_, place = process.socket, process.id, Place.of(process)
        self._awaiting.pop(id_, None)
        if self._places.get(id_) != place:
            self._release(id_)
        if spec is None or place is None:
            return None
        try:
            shared = self._listening(place, spec, process)
        except SocketInUse as why:
            hint = " (left by an earlier daemon: end it)" if self._are_kin(process, why.held) else ""
            raise SpawnRefused(f"{why}{hint}", Fault.SPAWN_ERROR, transient=False) from why
        except SocketRefused as why:
            raise SpawnRefused(str(why), Fault.SPAWN_ERROR, transient=why.errno in SHORTAGES) from why
        except OSError as why:
            reason = f"cannot listen on {spec.url}: {(why.strerror or str(why)).lower()}"
            raise SpawnRefused(reason, Fault.SPAWN_ERROR, transient=why.errno in SHORTAGES) from why
        shared.holders.add(id_)
        self._places[id_] = place
        return shared.listener.fileno()

    def adopt(self, process: ProcessSpec, pid: int) -> bool:
        """Take the very socket from a process that an earlier daemon gave it to; tell whether we have it now.

        Of several processes with one socket the first one does it for all.
        """
        spec, place = process.socket, Place.of(process)
        if spec is None or place is None:
            return True
        inode = socket_inode(pid, 0)
        shared = self._open.get(place)
        if shared is None or shared.inode != inode:
            if shared is not None or not inode or (fd := take_socket(pid, inode)) is None:
                return False
            shared = _recovered(spec, socket.socket(fileno=fd))
            if shared is None:
                return False
            self._open[place] = shared
            self._log(f"Took back socket {spec.url} from pid {pid}")
        shared.holders.add(process.id)
        self._places[process.id] = place
        return True

    def hear(self, told: Told) -> None:
        """Take note of a notice."""
        match told.notice:
            case n.ProcessStarting(id=id_):
                if shared := self._last(id_):
                    shared.holders.add(id_)
            case (
                n.ProcessStopped(id=id_, restarts=False)
                | n.ProcessExited(id=id_, restarts=False)
                | n.ProcessFatal(id=id_)
            ):
                self._release(id_)
            case n.ProcessRemoved(id=id_):
                self._release(id_)
                self._places.pop(id_, None)
                self._awaiting.pop(id_, None)

    def keep(self, ids: Iterable[ProcessId]) -> Callable[[], None]:
        """Keep open what these processes listen on, although they come to rest; returns a function that ends that."""
        places = {self._places[id_] for id_ in ids if id_ in self._places}
        kept = [(place, self._open[place]) for place in places if place in self._open]
        for _, shared in kept:
            shared.pins += 1

        def let_go() -> None:
            while kept:
                place, shared = kept.pop()
                shared.pins -= 1
                if self._open.get(place) is shared:
                    self._close_if_idle(place)

        return let_go

    def state(self) -> SocketsState:
        """Return all there is, for another daemon to go on with."""
        return SocketsState(
            [
                SocketState(*place, each.spec, each.listener.fileno(), each.identity, list(each.holders))
                for place, each in self._open.items()
            ],
            [(id_, *place) for id_, place in self._places.items()],
            [(id_, *place) for id_, place in self._awaiting.items()],
        )

    def let_go(self) -> None:
        """Leave all sockets open for whoever goes on with them; nothing of them is ours any more."""
        for shared in self._open.values():
            shared.listener.detach()
        self._open.clear()

    def take_over(self, state: SocketsState) -> None:
        """Go on where an earlier daemon was."""
        for program, url, spec, fd, identity, holders in state.sockets:
            shared = self._open[Place(program, url)] = _Shared(spec, socket.socket(fileno=fd))
            shared.identity = identity
            shared.holders = set(holders)
        self._places |= {id_: Place(program, url) for id_, program, url in state.places}
        self._awaiting |= {id_: Place(program, url) for id_, program, url in state.awaiting}

    def close(self) -> None:
        """Close all."""
        self._awaiting.clear()
        for place in list(self._open):
            self._close(place)

    def _listening(self, place: Place, spec: SocketSpec, process: ProcessSpec) -> _Shared:
        shared = self._open.get(place)
        if shared is not None and not shared.in_place:
            # Whoever accepts on it still can be reached by nobody; a new one is there for all who start from now on.
            self._log(f"Replacing socket {spec.url}: its file was removed or replaced by others")
            self._open.pop(place).close()
            shared = None
        if shared is None:
            self._must_not_be_ours(spec, process.id)
            shared = self._open[place] = self._create(spec, process)
        elif shared.spec != spec:
            shared.adopt(spec)
        return shared

    def _must_not_be_ours(self, spec: SocketSpec, id_: ProcessId) -> None:
        """Refuse an address that a program of ours has, without bothering it by a try."""
        for place, shared in self._open.items():
            if shared.is_at(spec):
                goes = all(self._programs.moves_off(holder, place) for holder in shared.holders)
                if goes:
                    self._awaiting[id_] = place
                how_long = " until it has stopped" if goes else ""
                reason = f"cannot listen on {spec.url}: program '{place.program}' does{how_long}"
                raise SpawnRefused(reason, Fault.SPAWN_ERROR, transient=goes)

    def _create(self, spec: SocketSpec, process: ProcessSpec) -> _Shared:
        orphans: Sequence[Holder] = ()

        def claim(held: Sequence[Holder]) -> bool:
            nonlocal orphans
            orphans = held
            return self._are_kin(process, held)

        if spec.family == "unix":
            owner = spec.owner_uid, spec.owner_gid
            listener = listen_unix(spec.path, spec.mode, *owner, backlog=_backlog(spec), claim=claim)
        else:
            listener = listen_inet(spec.host, spec.port, backlog=_backlog(spec))
        listener.setblocking(True)  # the flag is shared with the children, and these just wait in accept()
        if orphans:
            self._log(f"Replacing socket {spec.url} of an earlier daemon: {named(orphans)} still held it")
        self._log(f"Creating socket {spec.url}")
        return _Shared(spec, listener)

    def _are_kin(self, process: ProcessSpec, held: Sequence[Holder]) -> bool:
        return bool(held) and all(
            holder.environment is not None and self._programs.is_kin(process, holder.environment) for holder in held
        )

    def _release(self, id_: ProcessId) -> None:
        if shared := self._last(id_):
            shared.holders.discard(id_)
            self._close_if_idle(self._places[id_])

    def _last(self, id_: ProcessId) -> _Shared | None:
        place = self._places.get(id_)
        return None if place is None else self._open.get(place)

    def _close_if_idle(self, place: Place) -> None:
        shared = self._open[place]
        if not shared.holders and not shared.pins:
            self._close(place)

    def _close(self, place: Place) -> None:
        self._log(f"Closing socket {place.url}")
        self._open.pop(place).close()
        for id_ in [id_ for id_, awaited in self._awaiting.items() if awaited == place]:
            del self._awaiting[id_]
            self._programs.try_again(id_)


def _recovered(spec: SocketSpec, listener: socket.socket) -> _Shared | None:
    """Return a socket that was taken back, None (and it is closed) when it is not what the settings ask for."""
    shared = _Shared(spec, listener)
    listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if spec.family == "unix":
        try:
            behind = unix_listeners(spec.path, os.lstat(spec.path))
        except OSError:
            behind = set()
        here = listener.family == socket.AF_UNIX and behind is not None and shared.inode in behind
    else:
        here = listener.family == socket.AF_INET and listener.getsockname() == (resolve(spec.host), spec.port)
    if listens and here:
        return shared
    listener.close()
    return None


def _backlog(spec: SocketSpec) -> int:
    return socket.SOMAXCONN if spec.backlog is None else spec.backlog
