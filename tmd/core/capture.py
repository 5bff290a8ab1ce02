"""What becomes of a program's output when somebody wants to see it on its way to the log.

Promises the same log, events and communications however the output is cut into pieces, and that nothing is lost when
it ends: bytes held back because they may begin a token are given out, and so is captured text whose end never came.
Another one may go on where one stopped: `state` and `resume`.
Knows nothing of files, pipes or who listens.
"""

from collections.abc import Mapping

import msgspec

from tmd.core.ansi import AnsiStripper

BEGIN_TOKEN = b"<!--XSUPERVISOR:BEGIN-->"
END_TOKEN = b"<!--XSUPERVISOR:END-->"


class Transformed(msgspec.Struct, frozen=True):
    """What some output turned into."""

    log: bytes = b""
    """goes on to the log"""
    said: bytes = b""
    """goes out as log events: the captured text too, the tokens not; empty unless these events are on"""
    communicated: tuple[bytes, ...] = ()
    """captured texts that were completed"""


def prefix_at_end(data: bytes, token: bytes) -> int:
    """Return how many bytes at the end of `data` may be the beginning of `token`."""
    for length in range(min(len(token) - 1, len(data)), 0, -1):
        if data.endswith(token[:length]):
            return length
    return 0


class CaptureTransform:
    """Follows one channel of one life of a process.

    `capture_maxbytes` 0: tokens mean nothing. More is captured than that: the oldest bytes go.
    """

    def __init__(self, capture_maxbytes: int, events_enabled: bool, strip_ansi: bool) -> None:
        self._max_bytes = capture_maxbytes
        self._events_enabled = events_enabled
        self._strip_ansi = strip_ansi
        self._log_stripper = AnsiStripper()
        self._capture_stripper = AnsiStripper()
        self._capturing = False
        self._captured = bytearray()
        self._held = b""
        self._log: list[bytes] = []
        self._said: list[bytes] = []
        self._communicated: list[bytes] = []

    @property
    def preserves(self) -> bool:
        """Whether the log gets just what is fed, at once."""
        return not self._max_bytes and not self._strip_ansi

    def state(self) -> dict[str, str]:
        """Return what is held back, in words that JSON knows, bytes as Latin-1; empty for nothing.

        `rest`: what would go to the log if no more came.
        """
        escape, captured_escape = self._log_stripper.held, self._capture_stripper.held
        if not (self._capturing or self._held or escape):
            return {}
        parts = {"rest": self._ended(escape), "held": self._held, "escape": escape}
        if self._capturing:
            captured = bytes(self._captured)
            parts |= {"captured": captured, "captured_escape": captured_escape}
            parts["rest"] = captured + self._ended(captured_escape) + escape
        return {name: part.decode("latin-1") for name, part in parts.items()}

    def _ended(self, escape: bytes) -> bytes:
        """Return what would become of what is held back where an escape sequence may have begun."""
        if not self._strip_ansi:
            return escape + self._held
        stripper = AnsiStripper()
        stripper.held = escape
        return stripper.feed(self._held) + stripper.end()

    def resume(self, state: Mapping[str, str]) -> None:
        """Go on where another one stopped; what it held back that means nothing here goes to the log."""
        parts = {name: part.encode("latin-1") for name, part in state.items()}
        held, captured = parts.get("held", b""), parts.get("captured")
        escapes = parts.get("escape", b""), parts.get("captured_escape", b"")
        if ((held or captured is not None) and not self._max_bytes) or (any(escapes) and not self._strip_ansi):
            self._log.append(parts.get("rest", b""))
            return
        self._held = held
        self._log_stripper.held, self._capture_stripper.held = escapes
        if captured is not None:
            self._capturing = True
            self._captured += captured

    def feed(self, data: bytes) -> Transformed:
        """Take the next bytes of the channel."""
        if not self._max_bytes:
            self._take(data)
            return self._result()
        data, self._held = self._held + data, b""
        while True:
            token = END_TOKEN if self._capturing else BEGIN_TOKEN
            before, found, after = data.partition(token)
            if not found:
                sure = len(data) - prefix_at_end(data, token)
                self._take(data[:sure])
                self._held = data[sure:]
                return self._result()
            self._take(before)
            self._toggle()
            data = after

    def end(self) -> Transformed:
        """Give out all that was held back; a capture that was never completed goes to the log.

        More may be fed after it: that is then taken as the beginning of a channel.
        """
        held, self._held = self._held, b""
        self._take(held)
        if self._capturing:
            self._capturing = False
            self._add_captured(self._capture_stripper.end())
            self._log.append(bytes(self._captured))
            self._captured.clear()
        rest = self._log_stripper.end()
        self._log.append(rest)
        self._say(rest)
        return self._result()

    def _take(self, data: bytes) -> None:
        """Put bytes without tokens where they belong now."""
        if self._strip_ansi:
            data = (self._capture_stripper if self._capturing else self._log_stripper).feed(data)
        if self._capturing:
            self._add_captured(data)
        else:
            self._log.append(data)
            self._say(data)

    def _add_captured(self, data: bytes) -> None:
        self._say(data)
        self._captured += data
        del self._captured[: -self._max_bytes]

    def _say(self, data: bytes) -> None:
        if self._events_enabled:
            self._said.append(data)

    def _toggle(self) -> None:
        if self._capturing:
            self._add_captured(self._capture_stripper.end())
            self._communicated.append(bytes(self._captured))
            self._captured.clear()
        self._capturing = not self._capturing

    def _result(self) -> Transformed:
        result = Transformed(b"".join(self._log), b"".join(self._said), tuple(self._communicated))
        self._log.clear()
        self._said.clear()
        self._communicated.clear()
        return result
