"""Lines of logs on their way to a person, or to a program: whose they are, in colour, inert on a terminal.

Knows nothing about where they come from.
"""

import json
from collections.abc import Iterable

from tmctl.log_lines import Entry
from tmctl.log_options import Asked
from tmctl.log_sources import Source
from tmctl.log_times import stamp
from tmctl.output import Output
from tmctl.widths import fit, width
from tmd.wire.visible import visible

COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94", "91", "31")
WIDEST = 32
"""columns for a name, at most"""

_NO_TIME = "-" * len(stamp(0.0))


def decoded(line: bytes) -> str:
    """Return a line as text; bytes that are none stay what they are until they are printed."""
    return line.decode("utf-8", "surrogateescape").removesuffix("\r")


class Printer:
    """Prints lines. Each process has a colour of its own, which it keeps."""

    def __init__(self, output: Output, asked: Asked, *, as_json: bool = False) -> None:
        self._output = output
        self._asked = asked
        self._json = as_json
        self._colours: dict[str, str] = {}
        self._width = 1
        self._both = False

    def expect(self, sources: Iterable[Source]) -> None:
        """Make room for the names of these logs, from here on."""
        streams: set[str] = set()
        for source in sources:
            streams |= {"stdout", "stderr"} if source.mixed and self._asked.streams == "both" else {source.stream}
            for name in source.processes:
                self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
                self._width = max(self._width, min(WIDEST, width(fit(name, WIDEST).rstrip())))
        self._both = self._both or len(streams) > 1

    def show(self, source: Source, entry: Entry, arrived: float | None = None) -> None:
        """Print one line; `arrived` is epoch seconds, for logs that tell no time."""
        at = arrived if entry.at is None else entry.at
        if self._json:
            self._output.line(json.dumps(record(source, entry, at), ensure_ascii=False))
            return
        text = entry.line
        prefix = ""
        if self._asked.prefix:
            text = f"{entry.hook}: {entry.text}" if entry.hook else entry.text
            prefix = self._prefix(source, entry)
        if self._asked.times:
            prefix += f"{_NO_TIME if at is None else stamp(at)} "
        if self._output.raw or not self._output.is_terminal:
            self._output.foreign_bytes(f"{prefix}{text}\n".encode("utf-8", "surrogateescape"))
        else:
            self._output.text(f"{prefix}{visible(printable(text))}\n")

    def _prefix(self, source: Source, entry: Entry) -> str:
        name = source.process_of(entry)
        which = {"stdout": " out", "stderr": " err"}[source.stream_of(entry)] if self._both else ""
        prefix = f"{fit(name, self._width)}{which} |"
        if self._output.colour:
            prefix = f"\x1b[{self._colours.get(name, COLOURS[0])}m{prefix}\x1b[0m"
        return prefix + " "


def printable(text: str) -> str:
    """Return the text with bytes that were no UTF-8 spelled as such (`\\xff`)."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def record(source: Source, entry: Entry, at: float | None) -> dict[str, str | None]:
    """Return a line as `--json` shows it."""
    return {
        "name": source.process_of(entry),
        "stream": source.stream_of(entry),
        "at": None if at is None else stamp(at),
        "text": printable(f"{entry.hook}: {entry.text}" if entry.hook else entry.text),
    }
