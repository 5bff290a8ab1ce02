"""Bytes of a log to lines of text, as they come: what a page shows of a log.

Promises that a line is cut at `MAX_LINE` characters, so that one without an end costs nobody's memory, and that
characters are whole however the bytes are cut. No files, no clock.
"""

import codecs

State = tuple[tuple[bytes, int], int, bool]
"""where `LogLines` are in a log: with the same bytes they come to the same lines from there"""
MAX_LINE = 16 * 1024
CUT = " … (cut)"


class LogLines:
    """The lines of one log. `midway`: the first bytes may begin in the middle of a line, which is left out then."""

    def __init__(self, *, midway: bool = False) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._length = 0
        self._midway = midway

    @property
    def state(self) -> State:
        """What the lines to come depend on beside the bytes to come."""
        return self._decoder.getstate(), self._length, self._midway

    @state.setter
    def state(self, state: State) -> None:
        decoder, self._length, self._midway = state
        self._decoder.setstate(decoder)

    def feed(self, data: bytes) -> tuple[list[str], bool]:
        """Return lines, and whether the last one goes on with the next bytes.

        The first of them goes on with what was open before. A line that was cut brings nothing more.
        """
        if self._midway:
            self._midway = False
            begin = data.find(b"\n") + 1
            if 0 < begin < len(data):
                data = data[begin:]
        parts = self._decoder.decode(data).split("\n")
        lines: list[str] = []
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            if last and not part:
                break
            text = self._cut(part)
            if text or not last:
                lines.append(text)
            if not last:
                self._length = 0
        return lines, self._length > 0 and bool(lines)

    def _cut(self, part: str) -> str:
        """Return what is shown of a part of a line, given what of the line was shown before."""
        room = MAX_LINE - self._length
        self._length += len(part)
        if room <= 0:
            return ""
        return part if len(part) <= room else part[:room] + CUT
