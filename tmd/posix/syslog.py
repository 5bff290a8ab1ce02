"""Lines to the system's log.

Promises never to wait for it: a syslog that is away or slow loses lines, and the caller is told how many bytes.
"""

import os
import socket
import time

LOCAL_SOCKET = "/dev/log"
LINE_BYTES = 8192
"""longer lines are cut into several messages"""
FACILITIES = {
    name: number
    for number, name in enumerate(
        ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp")
    )
} | {f"local{number}": 16 + number for number in range(8)}
SEVERITIES = {
    name: number for number, name in enumerate(("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"))
}


def priority(facility: str, severity: str) -> int:
    """Return the number both are sent as."""
    return FACILITIES[facility] * 8 + SEVERITIES[severity]


USER_INFO = priority("user", "info")


class SyslogLink:
    """A datagram socket to the local syslog, connected when first needed."""

    def __init__(self, identity: str, path: str = LOCAL_SOCKET) -> None:
        self._identity = identity
        self._path = path
        self._socket: socket.socket | None = None

    def send(self, line: bytes, weight: int = USER_INFO) -> bool:
        """Send one line with a priority; False when it is lost."""
        stamp = time.strftime("%b %e %H:%M:%S")
        message = f"<{weight}>{stamp} {self._identity}[{os.getpid()}]: ".encode() + line
        for _ in range(2):
            try:
                self._connected().send(message)
            except BlockingIOError:
                return False
            except OSError:
                self.close()  # syslog was restarted: its socket is another one now
            else:
                return True
        return False

    def send_lines(self, tag: str, data: bytes, end: bool, weight: int = USER_INFO) -> tuple[bytes, int]:
        """Send each whole line after `tag`; return the unfinished rest (none at the `end`) and the bytes lost."""
        *lines, rest = data.split(b"\n")
        if end or len(rest) > LINE_BYTES:
            lines.append(rest)
            rest = b""
        lost = 0
        for line in lines:
            for start in range(0, len(line), LINE_BYTES):
                piece = line[start : start + LINE_BYTES]
                if not self.send(tag.encode() + b" " + piece, weight):
                    lost += len(piece)
        return rest, lost

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            try:
                link.connect(self._path)
            except OSError:
                link.close()
                raise
            self._socket = link
        return self._socket
