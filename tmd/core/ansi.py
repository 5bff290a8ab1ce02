"""Terminal colours and cursor jumps taken out of a stream of bytes.

Promises the same result however the stream is cut into pieces. Knows nothing of text encodings: a sequence is
`ESC [`, anything, and one of fifteen letters. What does not end like that within `LONGEST` bytes stays as it is.
"""

import re

LONGEST = 256
"""bytes a sequence may have, introducer and terminator included"""

_ENDINGS = b"HfABCDRsuJKhlpm"
_SEQUENCE = re.compile(rb"\x1b\[[^%b]{0,%d}[%b]" % (_ENDINGS, LONGEST - 3, _ENDINGS))


class AnsiStripper:
    """Removes escape sequences from a stream; holds back what may be the beginning of one."""

    def __init__(self) -> None:
        self.held = b""
        """what may be the beginning of a sequence"""

    def feed(self, data: bytes) -> bytes:
        """Return what is certain to stay of the bytes so far."""
        if self.held:
            data = self.held + data
            self.held = b""
        if b"\x1b" not in data:
            return data
        kept, last = [], 0
        for match in _SEQUENCE.finditer(data):
            kept.append(data[last : match.start()])
            last = match.end()
        rest = data[last:]
        # A sequence still open at the end can only begin in the last LONGEST - 1 bytes.
        start = rest.find(b"\x1b[", max(0, len(rest) - LONGEST + 1))
        if start < 0 and rest.endswith(b"\x1b"):
            start = len(rest) - 1
        if start >= 0:
            self.held = rest[start:]
            rest = rest[:start]
        kept.append(rest)
        return b"".join(kept)

    def end(self) -> bytes:
        """Return what was held back: the stream ended, so it is no sequence."""
        held, self.held = self.held, b""
        return held
