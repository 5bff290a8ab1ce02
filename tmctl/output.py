"""Where text goes: standard output and standard error, with colour or without.

Promises: UTF-8 whatever the locale; text is flushed as it is written; on a terminal control characters from logs are
shown, not obeyed; colour never changes the text. Knows nothing about what the text means.
"""

import codecs
import errno
import os
import sys
from collections.abc import Mapping
from typing import Literal, TextIO

from tmd.wire.visible import visible

ColourChoice = Literal["auto", "always", "never"]


def wants_colour(choice: ColourChoice, environ: Mapping[str, str], is_terminal: bool) -> bool:
    """Decide on colour: the flag first, then NO_COLOR, FORCE_COLOR, and whether a capable terminal is there."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return is_terminal and environ.get("TERM", "") not in ("", "dumb")


class CannotWrite(Exception):
    """Standard output cannot be written, for another reason than that its reader went away; the text says why."""


class Output:
    """The two output streams of one run."""

    def __init__(self, stdout: TextIO, stderr: TextIO, *, colour: bool = False, raw: bool = False) -> None:
        for stream in (stdout, stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(encoding="utf-8", errors="backslashreplace")
        self._stdout = stdout
        self._stderr = stderr
        self.colour = colour
        self.raw = raw
        self.is_terminal = stdout.isatty()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def line(self, text: str) -> None:
        """Write a line."""
        self.text(text + "\n")

    def text(self, text: str) -> None:
        """Write text as it is."""
        try:
            self._stdout.write(text)
            self._stdout.flush()
        except OSError as error:
            raise _cannot_write(error) from error

    def error(self, text: str) -> None:
        """Write a line to standard error."""
        complain(text, self._stderr)

    def foreign(self, text: str) -> None:
        """Write text that some program wrote."""
        self.text(visible(text) if self.is_terminal and not self.raw else text)

    def foreign_bytes(self, data: bytes) -> None:
        """Write bytes that some program wrote, as they come; unchanged unless for a terminal."""
        binary = getattr(self._stdout, "buffer", None)
        if binary is not None and (self.raw or not self.is_terminal):
            try:
                binary.write(data)
                binary.flush()
            except OSError as error:
                raise _cannot_write(error) from error
        else:
            self.foreign(self._decoder.decode(data))


def _cannot_write(error: OSError) -> Exception:
    return error if isinstance(error, BrokenPipeError) else CannotWrite(error.strerror or str(error))


def complain(text: str, stream: TextIO | None = None) -> None:
    """Write a line to standard error, or to the stream; if that cannot be, there is nobody left to tell."""
    stream = stream or sys.stderr
    try:
        stream.write(text + "\n")
        stream.flush()
    except OSError:
        silence(stream)


def secure_streams() -> None:
    """Have /dev/null where a standard stream is closed; CannotWrite when it is standard output."""
    closed = [number for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)) if stream is None]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # in the place of the closed one, that no other file gets its number
    if 0 in closed:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  stays open
    if 2 in closed:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  stays open
    if 1 in closed:
        raise CannotWrite(os.strerror(errno.EBADF))


def silence(stream: TextIO | None) -> None:
    """Point a stream that cannot be written at nothing, so that the interpreter's last flush does not complain."""
    if stream is None:
        return
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, stream.fileno())
    except (OSError, ValueError):  # a stream without a descriptor has no reader to lose
        return
    finally:
        os.close(devnull)


def standard_output(choice: ColourChoice, environ: Mapping[str, str], *, raw: bool) -> Output:
    """Return the output of this process."""
    colour = wants_colour(choice, environ, sys.stdout.isatty())
    return Output(sys.stdout, sys.stderr, colour=colour, raw=raw)
