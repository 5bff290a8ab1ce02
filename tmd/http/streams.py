"""Logs as endless replies: `/logtail/<name>[/stdout or /stderr]` and `/mainlogtail`.

First the last 1024 bytes, then what comes, as it is. `?last=BYTES` asks for another beginning; then the headers
`Taskmaster-Log-Bytes` and `Taskmaster-Log-Size` tell how long it is, and the file it is the end of.

The files are looked at every `EVERY_S` seconds for as long as somebody follows (more often while they are rotated), and
not at all otherwise. A follower is sent only as much as its connection takes; the rest waits in the file. One that
takes nothing for a while and is far behind is dropped.
"""

import os
import re
from collections.abc import Callable

from tmd.daemon.surface import DaemonSurface
from tmd.http.following import FIRST_BYTES, FollowedFile
from tmd.http.replies import BARE, Exchange, Reply, Stream, error, http_date
from tmd.http.room import Room
from tmd.wire.names import ProcessId, split_namespec

EVERY_S = 0.08
"""between two looks at a followed file"""
SOON_S = 0.01
"""the same while one is being rotated"""
FULL_BYTES = 128 * 1024
"""so much unsent, and no more is read for a follower"""
CHUNKS_AT_ONCE = 16
MAX_BEHIND_BYTES = 1024 * 1024
PATIENCE_S = 5.0
"""a follower that is further behind than that and has taken nothing for so long is stuck"""

_LAST = re.compile(r"(?:^|&)last=([0-9]{1,12})(?:&|$)")
_ESCAPED = re.compile(rb"%([0-9a-fA-F]{2})")


class Followers:
    """All that follow a log over one listener."""

    def __init__(self, daemon: DaemonSurface, room: Room) -> None:
        self._daemon = daemon
        self._room = room
        room.count(self)
        self._followers: set[_Follower] = set()
        self._cancel: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._followers)

    def answer_process(self, exchange: Exchange) -> None:
        """Answer `/logtail/...`."""
        path = self._process_log(unescape(exchange.head.path))
        self._begin(exchange, path, (("X-Accel-Buffering", "no"),))

    def answer_main(self, exchange: Exchange) -> None:
        """Answer `/mainlogtail`."""
        self._begin(exchange, self._daemon.main_logfile(), ())

    def end(self) -> None:
        """Send what there is, then end all streams in order."""
        for follower in list(self._followers):
            follower.pump()
            follower.stream.end()

    def _process_log(self, path: str) -> str | None:
        _, _, rest = path.lstrip("/").partition("/")
        name, _, channel = rest.partition("/")
        group, process = split_namespec(name)
        view = self._daemon.view(ProcessId(group, process or ""))
        if view is None or channel not in ("", "stdout", "stderr"):
            return None
        return view.stderr_logfile if channel == "stderr" else view.stdout_logfile

    def _begin(self, exchange: Exchange, path: str | None, headers: tuple[tuple[str, str], ...]) -> None:
        reply = refuse_verb(exchange) or self._room.refusal()
        if reply is not None:
            exchange.reply(reply)
            return
        wanted = _LAST.search(exchange.head.query)
        try:
            follower = _Follower(path, self._daemon, int(wanted[1]) if wanted else FIRST_BYTES) if path else None
        except OSError:
            follower = None
        if follower is None:
            exchange.reply(error(404))
            return
        modified = http_date(follower.file.modified)
        told = _lengths(follower.file) if wanted else ()
        stream = exchange.stream("text/plain;charset=utf-8", (("Last-Modified", modified), *BARE, *told, *headers))
        follower.stream = stream
        stream.on_room = follower.pump
        stream.on_gone = lambda: self._forget(follower)
        self._followers.add(follower)
        follower.pump()
        if self._cancel is None:
            self._cancel = self._daemon.call_later(EVERY_S, self._look)

    def _forget(self, follower: "_Follower") -> None:
        self._followers.discard(follower)
        follower.file.close()
        if not self._followers and self._cancel is not None:
            self._cancel()
            self._cancel = None

    def _look(self) -> None:
        # Armed first: a follower that cannot be served must not stop the others.
        self._cancel = self._daemon.call_later(EVERY_S, self._look)
        named: dict[str, os.stat_result | None] = {}
        for follower in list(self._followers):
            path = follower.file.path
            if path not in named:
                named[path] = _stat(path)
            follower.look(named[path])
        if any(follower.file.restless and not follower.stream.backlog for follower in self._followers):
            self._cancel()
            self._cancel = self._daemon.call_later(SOON_S, self._look)


class _Follower:
    """One file and its stream, which is set before anything else is asked of it. OSError without such a file."""

    stream: Stream

    def __init__(self, path: str, daemon: DaemonSurface, first: int) -> None:
        self._call_later = daemon.call_later
        succession = daemon.follow(path, self.pump)
        try:
            self.file = FollowedFile(path, succession, first)
        except OSError:
            succession.close()
            raise

    def look(self, named: os.stat_result | None) -> None:
        """Find out what happened to the file, and send on."""
        if self.stream.stalled_s > PATIENCE_S and (
            self.file.unread + self.stream.backlog > MAX_BEHIND_BYTES or self.file.orphaned
        ):
            self.stream.drop()
            return
        if self.stream.backlog:
            return
        notice = self.file.look(named)
        if notice is None:
            return
        if notice:
            self.stream.write(notice)
        self.pump()

    def pump(self) -> None:
        """Send what there is, as far as the connection takes it; leave room for others after some."""
        for _ in range(CHUNKS_AT_ONCE):
            if self.file.closed or self.stream.backlog >= FULL_BYTES:
                return
            try:
                data = self.file.read()
            except OSError:
                self.stream.drop()
                return
            if not data:
                return
            self.stream.write(data)
        if not self.stream.backlog:
            self._call_later(0, self.pump)


def _lengths(file: FollowedFile) -> tuple[tuple[str, str], ...]:
    unread = file.unread
    return ("Taskmaster-Log-Bytes", str(unread)), ("Taskmaster-Log-Size", str(file.position + unread))


def unescape(path: str) -> str:
    """Return a path without its %-escapes."""
    data = _ESCAPED.sub(lambda match: bytes((int(match[1], 16),)), path.encode("latin-1"))
    return data.decode("utf-8", "replace")


def refuse_verb(exchange: Exchange) -> Reply | None:
    """Return the reply to a request that is no GET."""
    return None if exchange.head.method == "GET" else error(400)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
