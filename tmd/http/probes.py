"""What a container's runtime asks: is it alive, is it ready.

`/healthz` answers as long as the loop turns. `/readyz` says yes once every program that starts with the daemon is up,
or has done what it was to do. Both are open to everybody who reaches the listener, whatever Host is written and without
a password, for probes send none; so they tell numbers and no names.
"""

from tmd.daemon.surface import DaemonSurface
from tmd.http.protocol import Head
from tmd.http.replies import BARE, Exchange, Reply, error
from tmd.wire.states import DaemonState, ProcessState

HEALTH = "/healthz"
READINESS = "/readyz"


def is_probe(head: Head) -> bool:
    """Tell whether a request is one that needs nobody's leave."""
    return head.path in (HEALTH, READINESS)


class Probes:
    """Answers them."""

    def __init__(self, daemon: DaemonSurface) -> None:
        self._daemon = daemon

    def answer(self, exchange: Exchange) -> None:
        """Answer 200 for yes and 503 for no, with a line of text."""
        if exchange.head.method not in ("GET", "HEAD"):
            exchange.reply(error(405, headers=(("Allow", "GET, HEAD"),)))
            return
        missing = self._missing() if exchange.head.path == READINESS else ""
        text = missing or ("ready" if exchange.head.path == READINESS else "alive")
        exchange.reply(Reply(503 if missing else 200, f"{text}\n".encode(), "text/plain", BARE))

    def _missing(self) -> str:
        """Return what is not ready, empty when all is."""
        if self._daemon.state is not DaemonState.RUNNING:
            return "not ready: the daemon is ending or starting again"
        wanted = up = 0
        for view in self._daemon.views():
            if view.spec.autostart and not view.stopped_by_hand:
                wanted += 1
                done = view.state is ProcessState.EXITED and view.exitstatus in view.spec.exitcodes
                up += view.state is ProcessState.RUNNING or done
        return "" if up == wanted else f"not ready: {up} of {wanted} programs are"
