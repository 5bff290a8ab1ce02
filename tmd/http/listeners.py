"""All listeners of the daemon: opened together or not at all, drained together, unix sockets removed at the end.

They share one table of methods, extensions included. Extensions are loaded when all sockets are ours and before the
first request is taken; where nothing listens, none is loaded.
"""

import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tmd.config.settings import ServerSpec
from tmd.daemon.handover import Carried
from tmd.daemon.surface import DaemonSurface, Operation, StartRefused
from tmd.http.carrying import Numbering, pack, unpacked
from tmd.http.guard import Guard
from tmd.http.server import HttpServer
from tmd.http.site import Services
from tmd.posix.loop import Loop
from tmd.posix.sockets import SocketInUse, give, identify, listen_inet, listen_unix, unlink_if_ours
from tmd.wire.levels import Level

if TYPE_CHECKING:
    from tmd.http.extensions import Extensions


class Listeners:
    """The open HTTP servers."""

    def __init__(
        self, loop: Loop, specs: Sequence[ServerSpec], daemon: DaemonSurface, carried: bytes | None = None
    ) -> None:
        self._daemon = daemon
        self._carried = unpacked(carried or b"")
        self._servers: list[HttpServer] = []
        self._paths: dict[str, tuple[int, int]] = {}
        self._guard: Guard | None = None
        self._extensions: Extensions | None = None
        self._services = Services(daemon)
        self.open: tuple[ServerSpec, ...] = ()
        """those that were opened; one that nobody asked for may be missing"""
        sockets: list[socket.socket] = []
        opened: list[ServerSpec] = []
        try:
            for spec in specs:
                sock = self._take_up(spec)
                if sock is None:
                    may_fail = spec.fallback or carried is not None
                    sock = self._try_to_listen(spec, daemon) if may_fail else self._listen(spec)
                if sock is not None:
                    sockets.append(sock)
                    opened.append(spec)
            self.open = tuple(opened)
            if specs and daemon.settings.rpcinterfaces:
                from tmd.http.extensions import load_extensions  # noqa: PLC0415 - most daemons have none

                try:
                    self._extensions = load_extensions(daemon, self._services.rpc)
                except StartRefused as why:
                    if carried is None:
                        raise
                    daemon.log(Level.CRIT, f"goes on without any extension: {why}")
            for spec in opened:
                self._servers.append(HttpServer(loop, sockets.pop(0), spec, daemon, self._services))
            by_path = {
                spec.file: (spec, server) for spec, server in zip(opened, self._servers, strict=True) if spec.file
            }
            self._guard = Guard(daemon, by_path, self._paths)
        except BaseException:
            for left in sockets:
                left.close()
            self.close()
            raise

    def drain(self, deadline_s: float, done: Callable[[], None]) -> None:
        """Take no more connections, let replies go out, then call `done` once."""
        if self._guard is not None:
            self._guard.close()
        if self._extensions is not None:
            self._extensions.abandon()
        waiting = len(self._servers)
        if not waiting:
            done()
            return

        def one_is_dry() -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                done()

        for server in self._servers:
            server.drain(deadline_s, one_is_dry)

    # --- from one daemon to the next ------------------------------------------------------------------------------

    def waiting(self, besides: Operation[Any] | None) -> int:
        """Return how many answers are under way that no other daemon could give, `besides` one."""
        return sum(server.waiting(besides) for server in self._servers)

    def hold(self) -> None:
        """Take nothing in any more, and end streams; what is to be sent goes out."""
        if self._guard is not None:
            self._guard.close()
        for server in self._servers:
            server.hold()

    def unsent_bytes(self) -> int:
        """Return how much waits to be sent."""
        return sum(server.unsent_bytes() for server in self._servers)

    def state(self) -> Carried:
        """Return all there is, for another daemon to go on with."""
        numbering = Numbering()
        servers = [server.state(self._paths.get(server.spec.file), numbering) for server in self._servers]
        return pack(servers, numbering)

    def let_go(self) -> None:
        """Leave all sockets open for whoever goes on with them."""
        for server in self._servers:
            server.let_go()

    def resume(self, operations: Sequence[Operation[Any]]) -> None:
        """Go on with the connections of an earlier daemon; those to listeners that are no more are closed."""
        states, self._carried = self._carried, []
        for state in states:
            server = next((server for server in self._servers if state.is_at(server.spec)), None)
            if server is not None:
                server.resume(state, operations)
                continue
            for fd in state.descriptors():
                os.close(fd)
            if state.identity is not None:
                unlink_if_ours(state.spec.file, state.identity)

    def _take_up(self, spec: ServerSpec) -> socket.socket | None:
        """Return the socket of an earlier daemon for this listener."""
        state = next((state for state in self._carried if state.is_at(spec)), None)
        if state is None:
            return None
        if state.identity is not None:
            self._paths[spec.file] = state.identity
        if (state.spec.chmod, state.spec.owner_uid, state.spec.owner_gid) != (
            spec.chmod,
            spec.owner_uid,
            spec.owner_gid,
        ):
            try:
                give(spec.file, spec.owner_uid, spec.owner_gid, spec.file)
                os.chmod(spec.file, spec.chmod)
            except OSError as why:
                self._daemon.log(Level.CRIT, f"cannot give '{spec.file}' its new owner and mode: {why}")
        return socket.socket(fileno=state.fd)

    def close(self) -> None:
        """Close everything and remove the unix sockets that are still ours."""
        if self._guard is not None:
            self._guard.close()
        if self._extensions is not None:
            self._extensions.close()
        for server in self._servers:
            server.close()
        self._services.close()
        self._servers.clear()
        for path, identity in self._paths.items():
            unlink_if_ours(path, identity)
        self._paths.clear()

    def _try_to_listen(self, spec: ServerSpec, daemon: DaemonSurface) -> socket.socket | None:
        try:
            return self._listen(spec)
        except (SocketInUse, OSError) as why:
            if spec.fallback:
                daemon.log(Level.WARN, f"no pages: {why} (set 'http' to an address of your own, or to false)")
            else:
                daemon.log(Level.CRIT, f"goes on without [{spec.section}]: {why}")
            return None

    def _listen(self, spec: ServerSpec) -> socket.socket:
        if spec.family == "inet":
            return listen_inet(spec.host, spec.port)
        listener = listen_unix(spec.file, spec.chmod, spec.owner_uid, spec.owner_gid)
        if (identity := identify(spec.file)) is not None:
            self._paths[spec.file] = identity
        return listener


def open_servers(
    loop: Loop, specs: Sequence[ServerSpec], daemon: DaemonSurface, carried: bytes | None = None
) -> Listeners:
    """Open all listeners and load all extensions.

    Raises `SocketInUse`, OSError or `StartRefused` with nothing left open. `carried`: what an earlier daemon had;
    then nothing is raised, and what cannot be opened is told and left out.
    """
    return Listeners(loop, specs, daemon, carried)
