"""Logs as files to keep: `/download/<process>/<stream>` and `/download/main`, however large, in pieces.

A log that grows meanwhile is sent as far as it went when it was asked for. Only as much is read as a connection takes.
"""

import os

from tmd.daemon.surface import DaemonSurface
from tmd.http.live import Streams
from tmd.http.live_log import CHANNELS, process_of
from tmd.http.log_files import open_log
from tmd.http.replies import Exchange, error
from tmd.http.streams import unescape
from tmd.http.turns import Turns
from tmd.http.unrolled import Unrolled

PIECE_BYTES = 256 * 1024
PIECES_AT_ONCE = 8
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


class Downloads:
    """Answers `/download/...` of one listener."""

    def __init__(self, daemon: DaemonSurface, streams: Streams, turns: Turns) -> None:
        self._daemon, self._streams, self._turns = daemon, streams, turns

    def answer(self, exchange: Exchange) -> None:
        """Answer with the file as an attachment; 404 where there is none."""
        path, name = self._wanted(exchange.head.path.removeprefix("/download/"))
        refused = self._streams.full()
        if refused is not None:
            exchange.reply(refused)
            return
        try:
            fd, size = open_log(path) if path else (-1, 0)
        except OSError:
            fd, size = -1, 0
        if fd < 0:
            exchange.reply(error(404))
            return
        headers = (
            ("Content-Disposition", f'attachment; filename="{name}"'),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'none'; sandbox"),
        )
        stream = exchange.stream("application/octet-stream", headers)
        download = Unrolled(FilePieces(fd, size), stream, self._turns, PIECES_AT_ONCE)
        self._streams.add(download, download.close)
        download.go_on()

    def _wanted(self, rest: str) -> tuple[str | None, str]:
        """Return the path of a log, None for none, and what to call the copy."""
        if rest == "main":
            return self._daemon.main_logfile(), "tmd.log"
        name, _, channel = rest.rpartition("/")
        id_ = process_of(unescape(name))
        view = self._daemon.view(id_)
        if view is None or channel not in CHANNELS:
            return None, ""
        path = view.stderr_logfile if channel == "stderr" else view.stdout_logfile
        words = f"{id_.namespec}-{channel}".replace(":", "-")
        return path, "".join(each if each in _SAFE else "_" for each in words) + ".log"


class FilePieces:
    """The bytes of a file up to a size; owns its descriptor."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd, self._left = fd, size
        self._at = 0

    def __iter__(self) -> "FilePieces":
        return self

    def __next__(self) -> bytes:
        """Return what comes next."""
        data = os.pread(self._fd, min(PIECE_BYTES, self._left), self._at) if self._left else b""
        if not data:
            raise StopIteration
        self._at += len(data)
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Give the descriptor back; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._left = 0
