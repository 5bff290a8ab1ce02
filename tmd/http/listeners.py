"""All listeners of the daemon: opened together or not at all, drained together, unix sockets removed at the end.

They share one table of methods, extensions included. Extensions are loaded when all sockets are ours and before the
first request is taken; where nothing listens, none is loaded.
"""

import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tmd.config.settings import ServerSpec
from tmd.daemon.surface import DaemonSurface
from tmd.http.server import HttpServer
from tmd.http.site import Services
from tmd.posix.loop import Loop
from tmd.posix.sockets import SocketInUse, identify, listen_inet, listen_unix, unlink_if_ours
from tmd.wire.levels import Level

if TYPE_CHECKING:
    from tmd.http.extensions import Extensions


class Listeners:
    """The open HTTP servers."""

    def __init__(self, loop: Loop, specs: Sequence[ServerSpec], daemon: DaemonSurface) -> None:
        self._servers: list[HttpServer] = []
        self._paths: dict[str, tuple[int, int] | None] = {}
        self._extensions: Extensions | None = None
        self._services = Services(daemon)
        self.open: tuple[ServerSpec, ...] = ()
        """those that were opened; one that nobody asked for may be missing"""
        sockets: list[socket.socket] = []
        opened: list[ServerSpec] = []
        try:
            for spec in specs:
                sock = self._try_to_listen(spec, daemon) if spec.fallback else self._listen(spec)
                if sock is not None:
                    sockets.append(sock)
                    opened.append(spec)
            self.open = tuple(opened)
            if specs and daemon.settings.rpcinterfaces:
                from tmd.http.extensions import load_extensions  # noqa: PLC0415 - most daemons have none

                self._extensions = load_extensions(daemon, self._services.rpc)
            for spec in opened:
                self._servers.append(HttpServer(loop, sockets.pop(0), spec, daemon, self._services))
        except BaseException:
            for left in sockets:
                left.close()
            self.close()
            raise

    def drain(self, deadline_s: float, done: Callable[[], None]) -> None:
        """Take no more connections, let replies go out, then call `done` once."""
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

    def close(self) -> None:
        """Close everything and remove the unix sockets that are still ours."""
        if self._extensions is not None:
            self._extensions.close()
        for server in self._servers:
            server.close()
        self._services.close()
        self._servers.clear()
        for path, identity in self._paths.items():
            if identity is not None:
                unlink_if_ours(path, identity)
        self._paths.clear()

    def _try_to_listen(self, spec: ServerSpec, daemon: DaemonSurface) -> socket.socket | None:
        try:
            return self._listen(spec)
        except (SocketInUse, OSError) as why:
            daemon.log(Level.WARN, f"no pages: {why} (set 'http' to an address of your own, or to false)")
            return None

    def _listen(self, spec: ServerSpec) -> socket.socket:
        if spec.family == "inet":
            return listen_inet(spec.host, spec.port)
        listener = listen_unix(spec.file, spec.chmod, spec.owner_uid, spec.owner_gid)
        self._paths[spec.file] = identify(spec.file)
        return listener


def open_servers(loop: Loop, specs: Sequence[ServerSpec], daemon: DaemonSurface) -> Listeners:
    """Open all listeners and load all extensions.

    Raises `SocketInUse`, OSError or `StartRefused` with nothing left open.
    """
    return Listeners(loop, specs, daemon)
