"""What one listener serves: who is let in, and which part answers which path."""

import traceback

from tmd.config.settings import ServerSpec
from tmd.daemon.surface import DaemonSurface
from tmd.http.auth import Gate
from tmd.http.protocol import Head
from tmd.http.replies import Exchange, Reply, error
from tmd.http.rpc import Handler, Rpc
from tmd.http.streams import Followers
from tmd.http.supervisor_api import supervisor_handlers
from tmd.http.system_api import system_handlers
from tmd.http.taskmaster_api import taskmaster_handlers
from tmd.http.web import Pages


def make_rpc(daemon: DaemonSurface) -> Rpc:
    """Return all methods of the table, ready to be called."""
    handlers: dict[str, Handler] = {**supervisor_handlers(daemon), **taskmaster_handlers(daemon)}
    rpc = Rpc(daemon, handlers)
    handlers.update(system_handlers(daemon, rpc))
    return rpc


class Site:
    """Gate and routes of one listener; the methods are the same for all of them."""

    def __init__(self, spec: ServerSpec, daemon: DaemonSurface, hostname: str, rpc: Rpc) -> None:
        self._daemon = daemon
        self._gate = Gate(spec, hostname)
        self._rpc = rpc
        self._pages = Pages(daemon)
        self.followers = Followers(daemon)

    def refusal(self, head: Head) -> Reply | None:
        """Return the reply to a request that is not let in, before its body is taken in."""
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
            elif path.startswith("/mainlogtail"):
                self.followers.answer_main(exchange)
            else:
                self._pages.answer(exchange)
        except BaseException:  # noqa: BLE001 - the border of a request
            self._daemon.log_error(f"cannot answer an HTTP request: {traceback.format_exc()}")
            exchange.reply(error(500))
