"""One connection on the loop: reads requests, writes replies, keeps its deadlines. Never blocks, holds no thread.

One request at a time: what a client sends ahead waits in the reader, and beyond a bound in the kernel. A client that
hangs up abandons its answer, never what it asked for. A client that is slow costs a descriptor and nothing else;
one that stops in the middle of a request, or no longer reads, is cut off after a while.
"""

import select
import socket

from tmd.http.carrying import ConnectionState, Numbering
from tmd.http.exchange import HttpExchange, HttpStream
from tmd.http.outgoing import Outgoing
from tmd.http.owner import Owner
from tmd.http.protocol import Head, Malformed, Reader, Request
from tmd.http.replies import Reply, error
from tmd.posix.loop import Loop, Timer
from tmd.posix.sockets import polled

HEAD_S = 10.0
"""from the first byte of a request to the end of its head"""
BODY_S = 30.0
"""from the end of the head to the end of the body"""
UNREAD_S = 60.0
"""a client that takes nothing of a reply for so long is cut off; streams have a rule of their own"""
LINGER_S = 2.0
"""how long a connection that is over goes on swallowing, so that the last reply is not lost to a reset"""

RECEIVE_BYTES = 64 * 1024
AHEAD_BYTES = 64 * 1024
"""taken in ahead of a reply that is not there yet"""
UNSENT_BYTES = 256 * 1024
"""with so much unsent no further request is begun"""
SEND_AT_ONCE_BYTES = 1024 * 1024
"""sent in one turn of the loop"""


class Connection:
    """A client's connection; owns its socket."""

    def __init__(self, loop: Loop, sock: socket.socket, owner: Owner) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._owner = owner
        self._reader = Reader()
        self._unsent = Outgoing(loop.now, owner.unsent)
        self._held_bytes = 0
        self.exchange: HttpExchange | None = None
        """the request that is being answered"""
        self._let_in: Head | None = None
        """the last head that was not refused"""
        self._stream: HttpStream | None = None
        self._interest = (False, False)
        self._advancing = False
        self._waits_for_turn = False
        self._has_turn = False
        self._no_more_input = False
        self._closing = False
        self._lingering = False
        self._finishing = False
        self._closed = False
        self._held = False
        self._read_timer: Timer | None = None
        self._reading = "idle"
        self._write_timer: Timer | None = None
        self._watch()

    @property
    def busy(self) -> bool:
        """A request is being answered or about to be, or its answer is on the way."""
        under_way = self.exchange is not None or self._stream is not None
        return under_way or self._waits_for_turn or bool(self._unsent)

    @property
    def halfway(self) -> bool:
        """A part of a request has come, and not the rest."""
        return self._reading != "idle"

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not gone out."""
        return self._unsent.size

    @property
    def held_bytes(self) -> int:
        """What has come of requests that are not answered."""
        return self._held_bytes

    @property
    def stalled_s(self) -> float:
        """For how long nothing has gone out although something should."""
        return self._unsent.stalled_s

    @property
    def hung_up(self) -> bool:
        """Whether the client has ended the connection, whatever of it is unread."""
        return self._closed or polled(self._fd, select.POLLRDHUP)

    def close(self) -> None:
        """End it now, whatever is unsent; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._set_read_timer("idle")
        if self._write_timer is not None:
            self._write_timer.cancel()
        self._loop.unwatch(self._fd)
        self._sock.close()
        self._unsent.clear()
        self.exchange = None
        self._hold(0)
        stream, self._stream = self._stream, None
        self._owner.closed(self)
        if stream is not None:
            stream.gone()

    def hold(self) -> None:
        """Take nothing in and begin nothing any more; what is to be sent goes out."""
        self._held = True
        self._set_read_timer("idle")
        self._watch()

    def state(self, numbering: Numbering) -> ConnectionState | None:
        """Return all of it, for another daemon to go on with; None when there is nothing to go on with."""
        if self._closed or self._stream is not None or (self._closing and not self._unsent):
            return None
        read, head = self._reader.state
        unsent, closing, asked = bytes(self._unsent), self._closing, self.exchange
        state = ConnectionState(fd=self._fd, read=read, head=head, unsent=unsent, closing=closing)
        if asked is not None:
            state.request, state.operation = (asked.head, asked.body), numbering.of(asked.operation)
        return state

    def let_go(self) -> None:
        """Leave the connection open for whoever goes on with it; nothing of it is ours any more."""
        self._sock.detach()
        self.close()

    def resume(self, state: ConnectionState) -> HttpExchange | None:
        """Go on where an earlier daemon was; return the request that is to be answered, if there is one."""
        self._reader.resume(state.read, state.head)
        self.exchange = HttpExchange(self, *state.request) if state.request is not None else None
        self._send(state.unsent)
        if state.closing:
            self._end()
        self._loop.call_soon(self._advance)
        return self.exchange

    def finish(self) -> None:
        """Answer what has come, then end."""
        self._finishing = True
        if not self._closed and not self.busy:
            self._on_readable()
        if not self._closed and not self.busy:
            self.close()

    # --- reading ----------------------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self._on_end_of_input()
        elif self._stream is not None:
            self._stream.received(data)
        elif not (self._lingering or self._closing):
            self._reader.feed(data)
            self._advance()

    def _on_end_of_input(self) -> None:
        """The client has no more to say; it may still want to hear."""
        self._no_more_input = True
        if self._lingering or self._stream or not self.busy or polled(self._fd, 0):
            self.close()
            return
        self._watch()

    def _advance(self) -> None:
        """Take up what has been read, as far as it may be taken up now."""
        if self._advancing or self._waits_for_turn:
            self._watch()
            return
        self._advancing = True
        try:
            while not (self._closed or self.exchange or self._stream or self._closing) and self._take_next():
                pass
        finally:
            self._advancing = False
        if self._closed:
            return
        self._recount()
        held_back = self.exchange or self._stream or self._closing or self._unsent.size >= UNSENT_BYTES
        self._set_read_timer("idle" if held_back or self._waits_for_turn else self._reader.within)
        if self._no_more_input and not self.busy and not self._closing:
            self._end()
            return
        self._watch()

    def _take_next(self) -> bool:
        """Take up the next event; False when there is none, or when it has to wait."""
        within = self._reader.within
        if within == "idle" or self._unsent.size >= UNSENT_BYTES or self._held:
            return False
        if not (self._has_turn or self._owner.turns.free()):
            self._waits_for_turn = True
            self._owner.turns.ask(self._on_turn)
            return False
        event = self._reader.next_event()
        if isinstance(event, Head) and self._lets_in(event):
            event = self._reader.next_event()
        match event:
            case Request():
                self._take(event)
                return True
            case Malformed(status=0):
                self.close()
            case Malformed(status=status, reason=reason):
                self._write_reply(error(status, reason), None, keep=False)
                self._end()
        return False

    def _lets_in(self, head: Head) -> bool:
        """Tell whether a request may go on; the refusal of another is sent."""
        if head is not self._let_in:  # the same one again, from who polls, needs no second look
            refusal = self._owner.refusal(head)
            if refusal is not None:
                self._write_reply(refusal, head, keep=False)
                self._end()
                return False
            self._let_in = head
        if head.expects_continue and head.length:
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _take(self, request: Request) -> None:
        """Have a request answered."""
        self._set_read_timer("idle")
        self._has_turn = False
        self.exchange = exchange = HttpExchange(self, request.head, request.body)
        self._owner.used(self)
        self._owner.answer(exchange)

    def _on_turn(self) -> None:
        """Go on with one request, and with more if nobody else waits."""
        self._waits_for_turn = False
        if self._closed:
            return
        self._has_turn = True
        self._advance()
        self._has_turn = False

    def _recount(self) -> None:
        self._hold(self._reader.waiting + (len(self.exchange.body) if self.exchange is not None else 0))

    def _hold(self, held_bytes: int) -> None:
        change, self._held_bytes = held_bytes - self._held_bytes, held_bytes
        if change:
            self._owner.held(change)

    def _set_read_timer(self, reading: str) -> None:
        """Arm the deadline of the part of a request that the client is in; once per part."""
        if reading == self._reading:
            return
        self._reading = reading
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
        if reading != "idle":
            self._read_timer = self._loop.call_later(HEAD_S if reading == "head" else BODY_S, self.close)

    # --- answering --------------------------------------------------------------------------------------------

    def answer(self, exchange: HttpExchange, reply: Reply) -> None:
        """Send the reply to the request that is being answered; to another, do nothing."""
        if exchange is not self.exchange:
            return
        self.exchange = None
        keep = exchange.head.keep_alive and not reply.close and not self._finishing
        self._write_reply(reply, exchange.head, keep=keep)
        if not keep:
            self._end()
        self._advance()

    def begin_stream(
        self, exchange: HttpExchange, content_type: str, headers: tuple[tuple[str, str], ...]
    ) -> HttpStream:
        """Begin the reply to a request as a stream."""
        chunked = exchange.head.minor == 1
        stream = HttpStream(self, chunked=chunked)
        if exchange is not self.exchange:
            self._loop.call_soon(stream.gone)
            return stream
        self.exchange, self._stream = None, stream
        self._recount()
        if chunked:
            headers = (*headers, ("Transfer-Encoding", "chunked"))
        connection = "" if chunked else "close"
        self._send(
            self._owner.head_writer.write(200, headers, content_type=content_type, length=None, connection=connection)
        )
        return stream

    def begin_tunnel(self, exchange: HttpExchange, protocol: str) -> HttpStream:
        """Give the connection over to another protocol."""
        gone = exchange is not self.exchange
        stream = HttpStream(self, chunked=False, early=b"" if gone else self._reader.hand_over())
        if gone:
            self._loop.call_soon(stream.gone)
            return stream
        self.exchange, self._stream = None, stream
        self._recount()
        upgrade = (("Upgrade", protocol),)
        self._send(self._owner.head_writer.write(101, upgrade, content_type="", length=None, connection="Upgrade"))
        return stream

    def listen_again(self) -> None:
        """Look whether the stream is still deaf."""
        self._watch()

    def write_stream(self, stream: HttpStream, data: bytes) -> None:
        """Send bytes of a stream, framed already."""
        if stream is self._stream:
            self._send(data)

    def end_stream(self, stream: HttpStream) -> None:
        """End a stream in order; the connection with it."""
        if stream is self._stream:
            self._stream = None
            self._end()
            stream.gone()

    def _write_reply(self, reply: Reply, head: Head | None, *, keep: bool) -> None:
        connection = "" if keep and (head is None or head.minor == 1) else "Keep-Alive" if keep else "close"
        only_head = head is not None and head.method == "HEAD"
        top = self._owner.head_writer.write(
            reply.status,
            reply.headers,
            content_type=reply.content_type,
            length=None if only_head and not reply.body else len(reply.body),  # what was not made has no length
            connection=connection,
        )
        if only_head:
            self._send(top)
        elif len(reply.body) < RECEIVE_BYTES:
            self._send(top + reply.body)
        else:
            self._send(top)
            self._send(reply.body)

    def _end(self) -> None:
        """No further request: close as soon as everything is out."""
        if self._closed:
            return
        self._closing = True
        self._set_read_timer("idle")
        if self._unsent:
            self._guard_unread()
            self._watch()
        elif self._finishing:
            self._swallow()
            self.close()
        elif self._no_more_input:
            self.close()
        elif not self._lingering:
            self._linger()

    def _swallow(self) -> None:
        """Take what is still unread: closing over it would make the kernel reset the connection, reply and all."""
        try:
            self._sock.recv(RECEIVE_BYTES)
        except OSError:
            return

    def _linger(self) -> None:
        self._lingering = True
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._read_timer = self._loop.call_later(LINGER_S, self.close)
        self._watch()

    # --- writing ----------------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        if self._closed or not data:
            return
        try:
            left = self._unsent.send(self._sock, data)
        except OSError:
            self._break()
            return
        if left:
            self._watch()
            if self._stream is None:
                self._guard_unread()

    def _break(self) -> None:
        """The client is gone. Closing waits for the next turn: whoever wrote is in the middle of something."""
        self._loop.call_soon(self.close)

    def _on_writable(self) -> None:
        try:
            self._unsent.go_on(self._sock, SEND_AT_ONCE_BYTES)
        except OSError:
            self.close()
            return
        if not self._unsent:
            self._on_all_sent()

    def _on_all_sent(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        self._watch()
        if self._closing or (self._finishing and not self.busy):
            self._end()
        elif self._stream is not None:
            self._stream.has_room()
        else:
            self._advance()

    def _guard_unread(self) -> None:
        if self._write_timer is None:
            self._write_timer = self._loop.call_later(UNREAD_S, self._on_unread)

    def _on_unread(self) -> None:
        self._write_timer = None
        if not self._unsent:
            return
        left_s = UNREAD_S - self.stalled_s
        if left_s <= 0:
            self.close()
        else:
            self._write_timer = self._loop.call_later(left_s, self._on_unread)

    def _watch(self) -> None:
        """Tell the loop what is of interest now."""
        if self._closed:
            return
        held_back = self.exchange is not None or self._waits_for_turn
        full = held_back and self._reader.waiting > AHEAD_BYTES
        full = full or (self._unsent.size >= UNSENT_BYTES if self._stream is None else self._stream.deaf)
        interest = (not self._no_more_input and not full and not self._held, bool(self._unsent))
        if interest != self._interest:
            self._interest = interest
            self._loop.watch(
                self._fd,
                readable=self._on_readable if interest[0] else None,
                writable=self._on_writable if interest[1] else None,
            )
