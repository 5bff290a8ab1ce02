"""`POST /attach/<group>:<process>`: a connection is given over to the terminal of a program.

The request says `Upgrade: taskmaster-attach`, and in its query who comes (`as`), whether to `mode=write`, `take` the
keyboard or only `watch`, and the `columns` and `rows` of the client's window. After the 101 frames go both ways (see
`wire.frames`). A client gets what the program writes as fast as it takes it; one that falls behind what is kept gets
the screen instead of what it missed, and one that takes nothing at all for a while loses its seat. What is typed ahead
of a program that does not read waits, and is not held against whoever typed it: only the end of the connection is.
"""

from collections.abc import Callable

from tmd.daemon.surface import DaemonSurface
from tmd.daemon.terminals import Terminal
from tmd.http.replies import Exchange, Reply, Tunnel
from tmd.http.room import RETRY_AFTER, Room
from tmd.http.streams import unescape
from tmd.wire.frames import (
    MAKING_WAY,
    SILENCE_S,
    UPGRADE,
    Frame,
    Frames,
    Kind,
    Seats,
    Size,
    TooLong,
    frame,
    packed_seats,
    packed_size,
    read_size,
    sane_size,
)
from tmd.wire.names import ProcessId, split_namespec
from tmd.wire.visible import visible_line

MODES = ("write", "watch", "take")
FULL_BYTES = 64 * 1024
"""so much unsent, and a client gets no more until it has taken some"""
CHUNK_BYTES = 32 * 1024
STUCK_S = 30.0
"""who takes nothing for so long although there is something loses the connection"""
LOOK_S = 5.0
"""between two looks at who is stuck or silent"""
DEAF_LOOK_S = 0.5
"""between two looks at whether one who is not read from at the moment is still there"""
NAME_LENGTH = 64


class Attachments:
    """All who sit at a terminal over one listener. `shows_only`: nobody does."""

    def __init__(self, daemon: DaemonSurface, room: Room, *, shows_only: bool = False) -> None:
        self._daemon = daemon
        self._room = room
        room.count(self)
        self._shows_only = shows_only
        self._attached: set[_Attachment] = set()
        self._cancel: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._attached)

    def answer(self, exchange: Exchange) -> None:
        """Answer a request."""
        head = exchange.head
        wishes = _query(head.query)
        mode = wishes.get("mode", "write")
        if head.method != "POST":
            exchange.reply(_refusal(405, "cannot attach: not asked by POST"))
        elif head.headers.get("upgrade", "").lower() != UPGRADE or head.minor != 1:
            reply = _refusal(426, f"cannot attach: the request does not ask for an upgrade to {UPGRADE}")
            exchange.reply(reply._replace(headers=(("Upgrade", UPGRADE),)))
        elif mode not in MODES:
            exchange.reply(_refusal(400, f"cannot attach: mode {mode!r} is none of {', '.join(MODES)}"))
        elif self._shows_only:
            reason = "this listener has no password, so it only shows (set username and password, or use the socket)"
            exchange.reply(_refusal(403, f"cannot attach: {reason}"))
        else:
            self._seat(exchange, wishes, mode)

    def end(self, *, replaced: bool = False) -> None:
        """The daemon ends, or another one takes its place: so do all connections."""
        for attachment in list(self._attached):
            attachment.refuse(MAKING_WAY if replaced else "the daemon is ending")

    def _seat(self, exchange: Exchange, wishes: dict[str, str], mode: str) -> None:
        name = unescape(exchange.head.path).removeprefix("/attach/")
        group, process = split_namespec(name)
        view = self._daemon.view(ProcessId(group, process or ""))
        if view is None:
            exchange.reply(_refusal(404, f"cannot attach to {name!r}: there is no such process"))
            return
        shown = view.id.namespec
        if not view.spec.tty:
            reason = f"{shown} has no terminal (set tty: true); try tmctl fg {shown}"
            exchange.reply(_refusal(409, f"cannot attach: {reason}"))
            return
        terminal = self._daemon.terminal(view.id)
        if terminal is None or not terminal.open:
            reason = f"{shown} is {view.state.name} (tmctl start {shown})"
            if view.pid:
                reason = f"{shown} was started without a terminal (tmctl restart {shown})"
            exchange.reply(_refusal(409, f"cannot attach: {reason}"))
            return
        lack = self._room.lack()
        if lack:
            exchange.reply(_refusal(503, f"cannot attach: {lack}")._replace(headers=RETRY_AFTER))
            return
        attachment = _Attachment(
            exchange.tunnel(UPGRADE),
            terminal,
            name=visible_line(wishes.get("as", ""))[:NAME_LENGTH] or "somebody",
            size=_size(wishes),
            wants_keyboard=mode != "watch",
            gone=self._forget,
            call_later=self._daemon.call_later,
        )
        self._attached.add(attachment)
        if self._cancel is None:
            self._cancel = self._daemon.call_later(LOOK_S, self._look)
        attachment.sit_down(take=mode == "take")

    def _forget(self, attachment: "_Attachment") -> None:
        self._attached.discard(attachment)
        if not self._attached and self._cancel is not None:
            self._cancel()
            self._cancel = None

    def _look(self) -> None:
        self._cancel = self._daemon.call_later(LOOK_S, self._look)
        for attachment in list(self._attached):
            attachment.look(LOOK_S)


class _Attachment:
    """One client at a terminal."""

    def __init__(
        self,
        tunnel: Tunnel,
        terminal: Terminal,
        *,
        name: str,
        size: Size | None,
        wants_keyboard: bool,
        gone: Callable[["_Attachment"], None],
        call_later: Callable[[float, Callable[[], None]], Callable[[], None]],
    ) -> None:
        self.name, self.size, self.wants_keyboard = name, size, wants_keyboard
        self._tunnel, self._terminal = tunnel, terminal
        self._gone = gone
        self._call_later = call_later
        self._cancel_deaf_look: Callable[[], None] | None = None
        self._frames = Frames()
        self._window_changed = self._size_to_tell = False
        self._position = 0
        self._untold: dict[Kind, bytes] = {}
        """the latest seats and size, until there is room for them"""
        self._last_words: bytes | None = None
        self._silent_s = 0.0

    def sit_down(self, *, take: bool) -> None:
        """Show the screen as it is, then take a seat: a window of another size is drawn anew after that."""
        self._tunnel.on_gone = self._leave
        self._show_screen()
        self._terminal.join(self, take=take)
        self._tunnel.on_room = self.more
        self._tunnel.listen(self._take)
        self.more()

    def _leave(self) -> None:
        if self._cancel_deaf_look is not None:
            self._cancel_deaf_look()
            self._cancel_deaf_look = None
        self._terminal.forget(self._took)
        self._terminal.leave(self)
        self._gone(self)

    # --- what the terminal tells ----------------------------------------------------------------------------------

    def more(self) -> None:
        """Send on what there is, as far as the client takes it."""
        self._tell_on()
        while self._tunnel.backlog < FULL_BYTES:
            data = self._terminal.tape.read(self._position, CHUNK_BYTES)
            if data is None:
                self._show_screen()
            elif data:
                self._position += len(data)
                self._tunnel.write(frame(Kind.DATA, data))
            else:
                self._say_last_words()
                return

    def seated(self, seats: Seats) -> None:
        """Tell who is there."""
        self._untold[Kind.SEATS] = packed_seats(seats)
        self._tell_on()

    def resized(self, size: Size) -> None:
        """Tell the size of the terminal."""
        self._untold[Kind.RESIZE] = packed_size(size)
        self._tell_on()

    def _tell_on(self) -> None:
        while self._untold and self._tunnel.backlog < FULL_BYTES:
            kind = next(iter(self._untold))
            self._tunnel.write(frame(kind, self._untold.pop(kind)))

    def ended(self, text: str) -> None:
        """Tell the end, after all that was said before."""
        self._last_words = frame(Kind.ENDED, text.encode(errors="replace"))
        self.more()

    def _show_screen(self) -> None:
        screen, self._position = self._terminal.tape.screenful()
        self._tunnel.write(frame(Kind.SCREEN, packed_size(self._terminal.size) + screen))

    def _say_last_words(self) -> None:
        if self._last_words is not None:
            words, self._last_words = self._last_words, None
            self._tunnel.write(words)
            self._tunnel.end()

    def refuse(self, reason: str) -> None:
        """End the connection with a word."""
        self._tunnel.write(frame(Kind.REFUSED, reason.encode(errors="replace")))
        self._tunnel.end()

    def look(self, passed_s: float) -> None:
        """End the connection with a client that is stuck or gone."""
        if self._tunnel.deaf:
            self._tunnel.write(frame(Kind.PING))  # it may be waiting for a word of ours, and cannot ask for one
        else:
            self._silent_s += passed_s
        if self._tunnel.stalled_s > STUCK_S or self._silent_s > SILENCE_S:
            self._tunnel.drop()

    # --- what the client says -------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        self._silent_s = 0.0
        try:
            for one in self._frames.feed(data):
                self._obey(one)
            self._fit_window()
        except TooLong as why:
            self.refuse(f"cannot go on: {why} (is this tmctl?)")
        if self._size_to_tell:  # once, however often it was said: all the others hear of it
            self._size_to_tell = False
            self._terminal.tell_size()

    def _fit_window(self) -> None:
        if self._window_changed:
            self._window_changed = False
            self._size_to_tell = self._terminal.resize(self) or self._size_to_tell

    def _obey(self, one: Frame) -> None:
        match one.kind:
            case Kind.DATA:
                self._fit_window()  # what was typed into the new window is read in it
                if not self._terminal.type(self, one.payload, self._took):
                    self._go_deaf()
            case Kind.RESIZE:
                self.size = read_size(one.payload) or self.size
                self._window_changed = True
            case Kind.PING if self._tunnel.backlog < FULL_BYTES:
                self._tunnel.write(frame(Kind.PING, one.payload[:64]))

    def _go_deaf(self) -> None:
        """Read no more until the program has; meanwhile nobody tells that the client is gone, so look."""
        self._tunnel.deaf = True
        if self._cancel_deaf_look is None:
            self._cancel_deaf_look = self._call_later(DEAF_LOOK_S, self._look_while_deaf)

    def _look_while_deaf(self) -> None:
        self._cancel_deaf_look = None
        if not self._tunnel.deaf:
            return
        if self._tunnel.hung_up:
            self._tunnel.drop()
        else:
            self._go_deaf()

    def _took(self, _: bool) -> None:
        """The program has read what was typed."""
        self._silent_s = 0.0
        self._tunnel.deaf = False


def _query(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split("&"))
    return {name: unescape(value) for name, _, value in pairs}


def _size(wishes: dict[str, str]) -> Size | None:
    sides = [wishes.get(side, "") for side in ("columns", "rows")]
    numbers = [int(side) if side.isascii() and side.isdigit() and len(side) < 10 else 0 for side in sides]
    return sane_size(*numbers)


def _refusal(status: int, text: str) -> Reply:
    return Reply(status, f"{text}\n".encode(errors="replace"), "text/plain;charset=utf-8")
