"""Sockets that were taken away: a unix socket whose file is gone, or another one by now, is made again.

Who removes the file of a control socket, or the directory it is in, locks everybody out of a daemon that is well. What
others have put there meanwhile, be it a file or a socket somebody listens on, is left alone, and told about; the socket
is made once that is gone.
"""

from collections.abc import Callable
from time import monotonic

from tmd.config.settings import ServerSpec
from tmd.daemon.lookout import next_look_s
from tmd.daemon.surface import DaemonSurface
from tmd.http.server import HttpServer
from tmd.posix.directories import Directory
from tmd.posix.sockets import SocketInUse, identify, listen_unix
from tmd.wire.levels import Level

Identity = tuple[int, int]


class Guard:
    """Looks after the sockets in `identities`, by path; what it makes anew is noted there."""

    def __init__(
        self, daemon: DaemonSurface, servers: dict[str, tuple[ServerSpec, HttpServer]], identities: dict[str, Identity]
    ) -> None:
        self._daemon, self._servers, self._identities = daemon, servers, identities
        self._directories = {path: Directory(path) for path in servers}
        self._cancel: Callable[[], None] | None = None
        self._look_later()

    def close(self) -> None:
        """Look no more."""
        if self._cancel is not None:
            self._cancel()
            self._cancel = None

    def _look_later(self) -> None:
        if self._servers:
            self._cancel = self._daemon.call_later(next_look_s(monotonic()), self.look)

    def look(self) -> None:
        """Make again what is not there; another look follows."""
        self.close()
        self._look_later()
        for path, (spec, server) in self._servers.items():
            if identify(path) != self._identities.get(path):
                self._make_again(spec, server)

    def _make_again(self, spec: ServerSpec, server: HttpServer) -> None:
        path, troubles = spec.file, self._daemon.troubles
        gone = f"the control socket '{path}' was taken away"
        try:
            self._directories[path].make_again()
            listener = listen_unix(path, spec.chmod, spec.owner_uid, spec.owner_gid)
        except (SocketInUse, OSError) as why:
            troubles.happened("socket", path, f"{gone}, and cannot be made again: {why}", level=Level.CRIT)
            return
        identity = identify(path)
        if identity is not None:
            self._identities[path] = identity
        server.listen_on(listener)
        if troubles.is_in("socket", path):
            troubles.over("socket", path, f"the control socket '{path}' is there again")
        else:
            troubles.once("socket", f"{gone}: it was made again")
