"""Going into the background, with the caller waiting until the daemon is ready or has said why not.

The original process stays in the foreground as a messenger: it ends with 0 once the daemon is ready, or with the
daemon's own exit code after printing its error. The daemon keeps its directory, umask and stderr; the latter until it
is ready, so that whatever goes wrong before is seen.
"""

import os
import signal
import sys
import threading
from typing import NoReturn

READY = b"\0"
STILLBORN = "the daemon ended before it was ready\n"


class Readiness:
    """The daemon's promise to the process that started it; kept by `ready` or by `failed`, once."""

    def __init__(self, fd: int, null: int) -> None:
        self._fd: int | None = fd
        self._null = null

    def ready(self) -> None:
        """Let the original process end with 0, and let go of its stderr."""
        self._tell(READY)

    def failed(self, text: str, code: int) -> None:
        """Let the original process print `text` to its stderr and end with `code` (1 to 255), once we have ended."""
        line = text if text.endswith("\n") or not text else f"{text}\n"
        self._tell(bytes((code,)) + line.encode(errors="surrogateescape"), hang_up=False)

    def _tell(self, message: bytes, *, hang_up: bool = True) -> None:
        if self._fd is None:
            return
        try:
            while message:
                message = message[os.write(self._fd, message) :]
        except BrokenPipeError:
            pass  # nobody waits any more, which changes nothing for us
        finally:
            if hang_up:  # else the end of this process does
                os.close(self._fd)
            self._fd = None
            _flush()
            os.dup2(self._null, 2)
            os.close(self._null)


def detach() -> Readiness:
    """Return in a new process: its own session without a terminal, 0 and 1 on /dev/null. Call it before any thread.

    The original process never returns from here. OSError, in the original, when there is no going to background.
    """
    if threading.active_count() > 1:
        raise RuntimeError("cannot daemonize: there are threads already, and only one would survive")
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    listen_fd, tell_fd = os.pipe2(os.O_CLOEXEC)
    _flush()
    middle = os.fork()
    if middle:
        os.close(tell_fd)
        _relay(listen_fd, middle)
    os.close(listen_fd)
    os.setsid()
    if os.fork():
        os._exit(0)  # the session's leader goes, so that no terminal can ever become ours
    os.dup2(null, 0)
    os.dup2(null, 1)
    return Readiness(tell_fd, null)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by whoever started us
            stream.flush()


def _relay(fd: int, middle: int) -> NoReturn:
    """Wait for the daemon's word, pass it on and end."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.waitpid(middle, 0)
    message = b""
    while chunk := os.read(fd, 65536):
        message += chunk
    if not message:
        message = b"\1" + STILLBORN.encode()
    os.write(2, message[1:])
    os._exit(message[0])
