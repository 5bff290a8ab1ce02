"""The listening sockets of FastCGI programs: opened by the daemon, handed to every process as its standard input.

Promises that a socket is there before the first process that accepts on it and stays for as long as one of them is up,
on its way up or down, or about to come back: connections queue over a crash, none is refused. It goes, with its file,
when the last one has come to rest. What cannot be opened is a start that failed, never more. Accepts nothing itself.
"""

import os
import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tmd.config.settings import ProcessSpec, SocketSpec
from tmd.core import notices as n
from tmd.daemon.bus import Told
from tmd.posix.children import SHORTAGES, SpawnRefused
from tmd.posix.sockets import SocketInUse, identify, listen_inet, listen_unix, unlink_if_ours
from tmd.wire.faults import Fault
from tmd.wire.names import ProcessId


class Place(NamedTuple):
    """What makes two processes share a socket: the address, and the program they come from."""

    program: str
    url: str


class _Shared:
    """One open socket and who needs it."""

    def __init__(self, spec: SocketSpec, listener: socket.socket) -> None:
        self.spec, self.listener = spec, listener
        self.identity = identify(spec.path) if spec.family == "unix" else None
        self.holders: set[ProcessId] = set()
        self.pins = 0
        """requests under way that will start a process on it again"""

    @property
    def in_place(self) -> bool:
        """Whether the address still leads here: others may have removed the file."""
        return self.spec.family == "inet" or identify(self.spec.path) == self.identity

    def adopt(self, spec: SocketSpec) -> None:
        """Take another backlog, mode and owner for the same address; OSError."""
        if self.identity is not None and self.in_place:
            if (spec.owner_uid, spec.owner_gid) != (self.spec.owner_uid, self.spec.owner_gid):
                os.chown(spec.path, spec.owner_uid, spec.owner_gid)
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

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._open: dict[Place, _Shared] = {}
        self._places: dict[ProcessId, Place] = {}
        """where each process has its socket, or had it last"""

    def __len__(self) -> int:
        return len(self._open)

    def take(self, process: ProcessSpec) -> int | None:
        """Return the descriptor a process is to accept on, blocking and still ours; None: it has no socket.

        It counts as one that needs the socket until the bus tells that it came to rest. Raises `SpawnRefused`.
        """
        spec, id_ = process.socket, process.id
        place = None if spec is None else Place(process.program, spec.url)
        if self._places.get(id_) != place:
            self._release(id_)
        if spec is None or place is None:
            return None
        try:
            shared = self._listening(place, spec, id_)
        except SocketInUse as why:
            raise SpawnRefused(self._ours_at(place) or str(why), Fault.SPAWN_ERROR, transient=False) from why
        except OSError as why:
            reason = str(why) if not why.strerror else f"cannot listen on {spec.url}: {why.strerror.lower()}"
            raise SpawnRefused(reason, Fault.SPAWN_ERROR, transient=why.errno in SHORTAGES) from why
        shared.holders.add(id_)
        self._places[id_] = place
        return shared.listener.fileno()

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

    def close(self) -> None:
        """Close all."""
        for place in list(self._open):
            self._close(place)

    def _listening(self, place: Place, spec: SocketSpec, id_: ProcessId) -> _Shared:
        shared = self._open.get(place)
        if shared is not None and not shared.in_place and shared.holders <= {id_}:
            self._close(place)
            shared = None
        if shared is None:
            shared = self._open[place] = self._create(spec)
        elif shared.spec != spec:
            shared.adopt(spec)
        return shared

    def _create(self, spec: SocketSpec) -> _Shared:
        if spec.family == "unix":
            listener = listen_unix(spec.path, spec.mode, spec.owner_uid, spec.owner_gid, backlog=_backlog(spec))
        else:
            listener = listen_inet(spec.host, spec.port, backlog=_backlog(spec))
        listener.setblocking(True)  # the flag is shared with the children, and these just wait in accept()
        self._log(f"Creating socket {spec.url}")
        return _Shared(spec, listener)

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

    def _ours_at(self, place: Place) -> str:
        """Return the reason when it is another program of ours that has the address."""
        for other in self._open:
            if other.url == place.url:
                return f"cannot listen on {place.url}: program '{other.program}' does"
        return ""


def _backlog(spec: SocketSpec) -> int:
    return socket.SOMAXCONN if spec.backlog is None else spec.backlog
