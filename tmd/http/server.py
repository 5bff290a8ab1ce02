"""A listener on the loop: accepts, counts and evicts connections.

Over the cap the connection that has been idle for longest goes, so that a flood of idle ones locks nobody out; none
goes before it has had a moment to ask, so that a storm of new ones does not, either. Each listener has its own cap, so
that a flood on TCP leaves the unix socket alone. Without descriptors left it serves one connection at a time from a
descriptor kept in reserve, and does not spin.
"""

import errno
import os
import select
import socket
from collections.abc import Callable, Sequence
from typing import Any

from tmd.config.settings import ServerSpec
from tmd.daemon.surface import DaemonSurface, Operation
from tmd.http.carrying import Numbering, ServerState
from tmd.http.connection import Connection
from tmd.http.exchange import HttpExchange
from tmd.http.protocol import Head
from tmd.http.replies import HeadWriter, Reply, error
from tmd.http.site import Services, Site
from tmd.http.turns import Turns
from tmd.posix.loop import Loop, Timer
from tmd.posix.sockets import polled

ASK_AGAIN = (("Retry-After", "1"),)
MAX_TCP = 512
MAX_UNIX = 256
MAX_UNSENT = 256 * 1024 * 1024
"""bytes that all connections together have not taken yet: some whole logs that are read at once"""
MAX_UNSENT_SHOWING = 64 * 1024 * 1024
"""the same where whoever comes may ask"""
MAX_HELD = 64 * 1024 * 1024
"""bytes of requests of all connections together that have come and are not answered"""
MAX_HELD_SHOWING = 16 * 1024 * 1024
"""the same where whoever comes may ask"""
ACCEPT_AT_ONCE = 256
"""connections taken in one turn of the loop"""
PAUSE_S = 0.1
"""before it is tried again to accept without descriptors"""
GRACE_S = 0.05
"""for so long after it came, or was last answered, a connection is not evicted: it is about to ask something"""
CROWDED_S = 0.02
"""before it is tried again to accept when all are in their grace"""

_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class HttpServer:
    """Serves one listening socket, which it owns from now on; what is at the socket's path is not its business."""

    def __init__(
        self, loop: Loop, listening_socket: socket.socket, spec: ServerSpec, daemon: DaemonSurface, services: Services
    ) -> None:
        self.spec = spec
        self.head_writer = HeadWriter(written=daemon.counters.traffic.replied)
        self.turns = Turns(loop)
        self._loop = loop
        self._daemon = daemon
        self._listener = listening_socket
        self._listener.setblocking(False)
        self._fd = listening_socket.fileno()
        self._cap = MAX_UNIX if spec.family == "unix" else MAX_TCP
        self._site = Site(spec, daemon, socket.gethostname(), services, self.turns)
        self._most_unsent = MAX_UNSENT_SHOWING if self._site.shows_only else MAX_UNSENT
        self._most_held = MAX_HELD_SHOWING if self._site.shows_only else MAX_HELD
        # When they were last used, in that order: a dict keeps it, and moving to the end is delete and insert.
        self._connections: dict[Connection, float] = {}
        self._unsent = self._held = 0
        self._relieving = False
        self._reserve = self._open_reserve()
        self._pause: Timer | None = None
        self._drained: Callable[[], None] | None = None
        self._drain_timer: Timer | None = None
        self.figures = {"accepted": 0, "evicted": 0, "refused": 0, "short_of_descriptors": 0}
        daemon.counters.traffic.connections[_url(spec)] = lambda: {"open": len(self), **self.figures}
        self._listen()

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def listen_on(self, listening_socket: socket.socket) -> None:
        """Go on with another listening socket; who is connected stays."""
        self._stop_listening()
        self._listener.close()
        self._listener = listening_socket
        self._listener.setblocking(False)
        self._fd = listening_socket.fileno()
        if self._drained is None:
            self._listen()

    # --- ending -----------------------------------------------------------------------------------------------

    def drain(self, deadline_s: float, done: Callable[[], None]) -> None:
        """Take no more connections, end streams, send the replies that are under way; call `done` once, then.

        Requests that have arrived are answered. At the deadline what is left is cut off. `close` is still to be called.
        """
        self._stop_listening()
        self._drained = done
        self._drain_timer = self._loop.call_later(deadline_s, self._cut)
        self._site.end()
        for connection in list(self._connections):
            connection.finish()
        self._check_drained()

    def close(self) -> None:
        """Close the listener and every connection now; idempotent."""
        self._stop_listening()
        if self._drain_timer is not None:
            self._drain_timer.cancel()
        self._drained = None
        for connection in list(self._connections):
            connection.close()
        self._listener.close()
        self._close_reserve()

    def _cut(self) -> None:
        for connection in list(self._connections):
            connection.close()
        self._check_drained()

    def _check_drained(self) -> None:
        if self._drained is None or self._connections:
            return
        done, self._drained = self._drained, None
        if self._drain_timer is not None:
            self._drain_timer.cancel()
        # In the next turn: `done` may close what is still in the middle of a call.
        self._loop.call_soon(done)

    # --- from one daemon to the next ------------------------------------------------------------------------------

    def waiting(self, besides: Operation[Any] | None) -> int:
        """Return how many answers are under way that no other daemon could give, `besides` one."""
        exchanges = [connection.exchange for connection in self._connections]
        return sum(_is_ours_to_answer(each) and each.operation is not besides for each in exchanges if each is not None)

    def hold(self) -> None:
        """Take nothing in any more, end streams, and have those ask again whose answers no other daemon could give."""
        self._stop_listening()
        self._site.end(replaced=True)
        for connection in list(self._connections):
            connection.hold()
            exchange = connection.exchange
            if exchange is not None and _is_ours_to_answer(exchange):
                exchange.reply(error(503, "the daemon is being replaced: ask again", headers=ASK_AGAIN))

    def unsent_bytes(self) -> int:
        """Return how much waits to be sent."""
        return self._unsent

    def state(self, identity: tuple[int, int] | None, numbering: Numbering) -> ServerState:
        """Return all there is, for another daemon to go on with."""
        states = [connection.state(numbering) for connection in self._connections]
        return ServerState(
            spec=self.spec,
            fd=self._fd,
            identity=identity,
            connections=[state for state in states if state is not None],
            figures=self.figures,
        )

    def let_go(self) -> None:
        """Leave all sockets open for whoever goes on with them; what ends here is closed."""
        self._stop_listening()
        for connection in list(self._connections):
            if connection.state(Numbering()) is None:
                connection.close()
            else:
                connection.let_go()
        self._listener.detach()
        self._close_reserve()

    def resume(self, state: ServerState, operations: Sequence[Operation[Any]]) -> None:
        """Go on with the connections of an earlier daemon. `operations`: what their answers wait for."""
        self.figures |= state.figures
        for each in state.connections:
            connection = Connection(self._loop, socket.socket(fileno=each.fd), self)
            self._connections[connection] = self._loop.now()
            exchange = connection.resume(each)
            if exchange is None:
                continue
            if 0 <= each.operation < len(operations):
                self._daemon.hand(operations[each.operation])
                self._site.answer(exchange)
                self._daemon.hand(None)
            else:
                exchange.reply(error(503, headers=ASK_AGAIN))

    # --- what connections ask ---------------------------------------------------------------------------------

    def refusal(self, head: Head) -> Reply | None:
        """Return the reply to a request that is not let in."""
        return self._site.refusal(head)

    def answer(self, exchange: HttpExchange) -> None:
        """Answer a request."""
        self._site.answer(exchange)

    def used(self, connection: Connection) -> None:
        """A connection has brought a request: it is the last to be evicted."""
        if connection in self._connections:
            del self._connections[connection]
            self._connections[connection] = self._loop.now()

    def unsent(self, change: int) -> None:
        """So many bytes more wait to be sent, or fewer; when they are too many, the one furthest behind goes."""
        self._unsent += change
        self._relieve_soon()

    def held(self, change: int) -> None:
        """So many bytes more of requests are held, or fewer; when they are too many, the one with most of them goes."""
        self._held += change
        self._relieve_soon()

    def _relieve_soon(self) -> None:
        if not self._relieving and (self._unsent > self._most_unsent or self._held > self._most_held):
            self._relieving = True
            self._loop.call_soon(self._relieve)  # whoever wrote is in the middle of something

    def _relieve(self) -> None:
        self._relieving = False
        while self._unsent > self._most_unsent:
            self.figures["evicted"] += 1
            max(self._connections, key=lambda connection: connection.unsent_bytes).close()
        while self._held > self._most_held:
            self.figures["evicted"] += 1
            max(self._connections, key=lambda connection: connection.held_bytes).close()

    def closed(self, connection: Connection) -> None:
        """A connection is over."""
        self._connections.pop(connection, None)
        self._restore_reserve()
        self._check_drained()

    # --- accepting --------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._pause = None
        self._loop.watch(self._fd, readable=self._on_connections)

    def _stop_listening(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._loop.unwatch(self._fd)

    def _on_connections(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            if self._crowded():
                self._rest(CROWDED_S)
                return
            try:
                sock, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as why:
                if why.errno in _NO_ROOM:
                    self._on_no_room()
                    return
                continue  # the client has gone while it was waiting (accept(2), ECONNABORTED and network errors)
            self._take(sock)

    def _on_no_room(self) -> None:
        """No descriptor is left: spend the reserve on whoever waits; without one, rest for a moment."""
        if not self._somebody_waits():
            return  # the kernel looks for a free descriptor before it looks for a connection
        if self._reserve >= 0:
            self._close_reserve()
            return  # the listener is still readable: the next turn accepts with the descriptor just set free
        self.figures["short_of_descriptors"] += 1
        url = _url(self.spec)
        self._daemon.troubles.happened("descriptors", url, f"cannot take connections at {url}: too many open files")
        self._evict()
        self._rest(PAUSE_S)

    def _rest(self, pause_s: float) -> None:
        """Accept nobody for a moment; who comes meanwhile waits in the kernel's queue."""
        self._loop.unwatch(self._fd)
        self._pause = self._loop.call_later(pause_s, self._listen)

    def _crowded(self) -> bool:
        """Tell whether there is no room, and somebody to evict, but not yet."""
        if len(self._connections) < self._cap or self._victim() is not None:
            return False
        return not all(connection.busy for connection in self._connections)

    def _somebody_waits(self) -> bool:
        return polled(self._fd, select.POLLIN)

    def _take(self, sock: socket.socket) -> None:
        self._restore_reserve()
        self.figures["accepted"] += 1
        # What is left is for starting programs, and for whoever can reach the unix socket.
        full = len(self._connections) >= self._cap or (self.spec.family == "inet" and not self._daemon.room_for_files())
        if full and not self._evict():
            self.figures["refused"] += 1
            sock.close()
            return
        sock.setblocking(False)
        if self.spec.family == "inet":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connections[Connection(self._loop, sock, self)] = self._loop.now()

    def _evict(self) -> bool:
        """Close the connection that has been idle for longest; False when there is none to close."""
        victim = self._victim()
        if victim is None:
            return False
        self.figures["evicted"] += 1
        victim.close()
        return True

    def _victim(self) -> Connection | None:
        """Return the connection that was last used before all others, of those that have had their chance.

        Honest clients send a request in one go: who has sent the half of one has had it.
        """
        fresh = self._loop.now() - GRACE_S
        for connection, used_at in self._connections.items():
            if not connection.busy and (used_at <= fresh or connection.halfway):
                return connection
        return None

    def _open_reserve(self) -> int:
        try:
            return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1

    def _restore_reserve(self) -> None:
        if self._reserve < 0:
            self._reserve = self._open_reserve()
            if self._reserve >= 0:
                url = _url(self.spec)
                self._daemon.troubles.over("descriptors", url, f"connections are taken at {url} again")

    def _close_reserve(self) -> None:
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1


def _url(spec: ServerSpec) -> str:
    return f"unix://{spec.file}" if spec.family == "unix" else f"http://{spec.host or '*'}:{spec.port}"


def _is_ours_to_answer(exchange: HttpExchange) -> bool:
    """Tell whether what an answer waits for cannot be told to another daemon."""
    return exchange.operation is None or exchange.operation.awaited is None
