"""What a daemon is made with: what does not change over restarts in one process, nor when another one takes over."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tmd.config.load import Loaded
from tmd.config.settings import ServerSpec
from tmd.daemon.handover import BootState, Carried
from tmd.daemon.host import HostState
from tmd.daemon.surface import DaemonSurface, Operation
from tmd.posix.loop import Loop
from tmd.posix.notify import Contract


class Servers(Protocol):
    """The HTTP listeners, as opened by the floor above."""

    @property
    def open(self) -> Sequence[ServerSpec]:
        """Those that are open: one that nobody asked for may be missing."""

    def drain(self, deadline_s: float, done: Callable[[], None]) -> None:
        """Stop listening, let replies in flight go out, then call `done`."""

    def close(self) -> None:
        """Close whatever is open."""

    def waiting(self, besides: Operation[Any] | None) -> int:
        """Return how many answers are under way that no other daemon could give, `besides` one."""

    def hold(self) -> None:
        """Take nothing in any more, and end streams; what is to be sent goes out."""

    def unsent_bytes(self) -> int:
        """Return how much waits to be sent."""

    def state(self) -> Carried:
        """Return all there is, for another daemon to go on with."""

    def let_go(self) -> None:
        """Leave all sockets open for whoever goes on with them."""

    def resume(self, operations: Sequence[Operation[Any]]) -> None:
        """Go on with the connections of an earlier daemon. `operations`: what their answers wait for."""


OpenServers = Callable[[Loop, Sequence[ServerSpec], DaemonSurface, bytes | None], Servers]


class Boot:
    """Flags, file, how to read it, how to serve. `host`: what was true at first."""

    def __init__(
        self,
        *,
        path: str,
        load: Callable[[str], Loaded],
        open_servers: OpenServers,
        environ: Mapping[str, str],
        host: HostState,
        foreground: bool,
        ready: Callable[[], None],
        contract: Contract,
        adopt: bool = True,
        write_profile: Callable[[], str] = lambda: "",
    ) -> None:
        self.path, self.load, self.open_servers, self.environ = path, load, open_servers, environ
        self.host = host
        self.foreground = foreground
        self.ready = ready
        self.write_profile = write_profile
        """writes the profile there is so far, if there is one; returns why that was not possible"""
        self.uid = os.geteuid()
        """who we were when we got the environment"""
        self.contract = contract
        """what the service manager wants of us"""
        self.adopt = adopt
        """whether programs that outlived an earlier daemon are taken back, unless their settings say otherwise"""
        self.files_limit: int | None = None
        """the soft limit of open files as configured, before we raised our own in need"""
        self.warned: tuple[str, ...] = ()
        """what a configuration was warned of before a restart"""

    def state(self) -> BootState:
        """Return all of it that another process cannot find out by itself."""
        return BootState(
            path=self.path,
            foreground=self.foreground,
            uid=self.uid,
            files_limit=self.files_limit,
            host=self.host,
            adopt=self.adopt,
            warned=self.warned,
            address=self.contract.address,
            watchdog_s=self.contract.watchdog_s,
        )

    def take_over(self, state: BootState) -> None:
        """Go on as what an earlier process was."""
        self.uid, self.files_limit, self.warned = state.uid, state.files_limit, state.warned
