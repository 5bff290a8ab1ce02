"""What one listener serves: who is let in, and which part answers which path."""

import traceback
from typing import TYPE_CHECKING

from tmd.config.settings import ServerSpec
from tmd.daemon.surface import DaemonSurface
from tmd.http.attach import Attachments
from tmd.http.auth import Gate, only_shows
from tmd.http.log_files import MAX_READ_SHOWING
from tmd.http.metrics import PATH as METRICS_PATH
from tmd.http.metrics import Metrics
from tmd.http.probes import Probes, is_probe
from tmd.http.protocol import Head
from tmd.http.replies import BARE, Exchange, Reply, error
from tmd.http.room import MAX_STREAMS, Room
from tmd.http.rpc import Handler, Rpc
from tmd.http.streams import Followers
from tmd.http.supervisor_api import supervisor_handlers
from tmd.http.system_api import system_handlers
from tmd.http.taskmaster_api import taskmaster_handlers
from tmd.http.turns import Turns

if TYPE_CHECKING:
    from tmd.http.web import Common, Web


def make_rpc(daemon: DaemonSurface) -> Rpc:
    """Return all methods of the table, ready to be called."""
    handlers: dict[str, Handler] = {**supervisor_handlers(daemon), **taskmaster_handlers(daemon)}
    rpc = Rpc(daemon, handlers)
    handlers.update(system_handlers(daemon, rpc))
    return rpc


def make_showing(daemon: DaemonSurface, rpc: Rpc) -> Rpc:
    """Return the same methods, those of extensions among them, for listeners that only show."""
    handlers: dict[str, Handler] = {
        **supervisor_handlers(daemon, MAX_READ_SHOWING),
        **taskmaster_handlers(daemon),
    }
    showing = rpc.showing(handlers)
    handlers.update(system_handlers(daemon, showing))
    return showing


class Services:
    """What all listeners of a daemon share: the methods, and what pages need as soon as somebody opens one."""

    def __init__(self, daemon: DaemonSurface) -> None:
        self._daemon = daemon
        self.rpc = make_rpc(daemon)
        self.metrics = Metrics(daemon)
        self._common: Common | None = None

    def common(self) -> "Common":
        """Return what all pages share."""
        if self._common is None:
            from tmd.http.web import Common  # noqa: PLC0415 - most daemons are never looked at with a browser

            self._common = Common(self._daemon)
        return self._common

    def close(self) -> None:
        """Let go of everything; idempotent."""
        if self._common is not None:
            self._common.close()


class Site:
    """Gate and routes of one listener; the methods are the same for all of them."""

    def __init__(
        self, spec: ServerSpec, daemon: DaemonSurface, hostname: str, services: Services, turns: Turns
    ) -> None:
        self._daemon = daemon
        self._gate = Gate(spec, hostname)
        self._services = services
        self._turns = turns
        self.shows_only = only_shows(spec, daemon.settings.dialect)
        self._rpc = make_showing(daemon, services.rpc) if self.shows_only else services.rpc
        self._room = Room(daemon, MAX_STREAMS[spec.family])
        self._web: Web | None = None
        self.followers = Followers(daemon, self._room)
        self.attachments = Attachments(daemon, self._room, shows_only=self.shows_only)
        self._probes = Probes(daemon)

    def refusal(self, head: Head) -> Reply | None:
        """Return the reply to a request that is not let in, before its body is taken in."""
        if is_probe(head):
            return None
        refused = self._gate.refusal(head)
        if refused is None and head.path.startswith("/RPC2"):
            if head.method != "POST":
                return error(400)
            if head.length is None:
                return error(411, close=True)
        return refused

    def answer(self, exchange: Exchange) -> None:
        """Answer a request that was let in; whatever goes wrong ends here as a 500."""
        path = exchange.head.path
        try:
            if path.startswith("/RPC2"):
                self._rpc.answer(exchange)
            elif path.startswith("/logtail"):
                self.followers.answer_process(exchange)
            elif path.startswith("/attach/"):
                self.attachments.answer(exchange)
            elif path.startswith("/mainlogtail"):
                self.followers.answer_main(exchange)
            elif is_probe(exchange.head):
                self._probes.answer(exchange)
            elif path == METRICS_PATH:
                self._services.metrics.answer(exchange)
            elif path == "/ok.html" and exchange.head.method in ("GET", "HEAD", "POST"):
                exchange.reply(Reply(200, b"OK", "text/plain", BARE))
            else:
                self._pages().answer(exchange)
        except BaseException:  # noqa: BLE001 - the border of a request
            self._daemon.log_error(f"cannot answer an HTTP request: {traceback.format_exc()}")
            exchange.reply(error(500))

    def _pages(self) -> "Web":
        if self._web is None:
            from tmd.http.web import Web  # noqa: PLC0415 - most daemons are never looked at with a browser

            common = self._services.common()
            controls = not self.shows_only
            self._web = Web(self._daemon, common, controls=controls, room=self._room, turns=self._turns)
        return self._web

    def end(self, *, replaced: bool = False) -> None:
        """End all streams in order, with what there is to send. `replaced`: another daemon follows at once."""
        self.followers.end()
        self.attachments.end(replaced=replaced)
        if self._web is not None:
            self._web.streams.end()
