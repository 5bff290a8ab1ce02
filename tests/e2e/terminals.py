"""Operators at terminals: `tmctl attach` through pexpect, and what stands on their screens."""

import re
import shutil
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pyte

from tests.e2e.harness import ROOT, Rig
from tests.fetching import debian
from tests.support import end_terminal, eventually

DETACH = "\x10\x11"
PATIENCE_S = 30.0
REPL = f"{sys.executable} -i -q -S -E"


def editor() -> str:
    """Return the path of a vi."""
    for name in ("vim", "vim.tiny", "vim.basic"):
        if found := shutil.which(name):
            return found
    return str(debian("vim", ["vim-tiny", "vim-common"], "usr/bin/vim.tiny") / "usr/bin/vim.tiny")


class Operator:
    """One who runs `tmctl attach` in a terminal of some size."""

    def __init__(
        self, rig: Rig, *words: str, columns: int = 80, rows: int = 24, command: list[str] | None = None
    ) -> None:
        command = command or rig.client_command("attach", *words, client="tmctl")
        self.terminal = pexpect.spawn(
            command[0],
            command[1:],
            cwd=str(ROOT),
            env=rig.client_environment() | {"USER": "ann", "TERM": "xterm-256color"},
            timeout=PATIENCE_S,
            dimensions=(rows, columns),
            echo=True,
        )
        self.terminal.delaybeforesend = None
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.seen = b""
        self.before = termios.tcgetattr(self.terminal.child_fd)

    def look(self, wait_s: float = 0.05) -> bytes:
        """Read what there is and put it on the screen; return all that was seen."""
        try:
            data = self.terminal.read_nonblocking(65536, timeout=wait_s)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return self.seen
        self.seen += data
        self._stream.feed(re.sub(rb"\x1b\[[><=?][0-9;]*[a-gi-ku-zA-Zm]", b"", data))
        return self.seen

    def until(self, text: str) -> None:
        """Wait until a text has come."""
        eventually(lambda: text.encode() in self.look(), PATIENCE_S, what=f"{text!r} is shown")

    def until_shown(self, text: str) -> None:
        """Wait until a text stands on the screen."""
        try:
            eventually(
                lambda: self.look() is not None and text in self.text, PATIENCE_S, what=f"{text!r} on the screen"
            )
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.text}\n{self.seen[-2000:]!r}") from None

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, text: str) -> None:
        self.terminal.send(text)

    def resize(self, columns: int, rows: int) -> None:
        self.terminal.setwinsize(rows, columns)
        self.screen.resize(rows, columns)

    def end(self) -> int:
        """Wait for the client's end; return its exit status, 128 and more for a signal."""
        eventually(lambda: self.look() is not None and not self.terminal.isalive(), PATIENCE_S, what="it ends")
        self.look()
        status: Any = self.terminal.exitstatus
        return int(status) if status is not None else 128 + int(self.terminal.signalstatus or 0)

    def detach(self) -> None:
        self.type(DETACH)
        assert self.end() == 0
        assert b"[detached from " in self.seen

    @property
    def pid(self) -> int:
        return int(self.terminal.pid)

    def assert_given_back(self) -> None:
        """Assert that the terminal works as it did before."""
        assert termios.tcgetattr(self.terminal.child_fd) == self.before

    def close(self) -> None:
        end_terminal(self.terminal)


@contextmanager
def operators() -> Iterator[list[Operator]]:
    """Give a list for operators, who are sent home at the end."""
    present: list[Operator] = []
    try:
        yield present
    finally:
        for one in present:
            one.close()


def log(rig: Rig, name: str) -> str:
    """Return a log, with the ends of lines as a terminal has them made plain."""
    path = Path(rig.dir / name)
    return path.read_bytes().decode(errors="replace").replace("\r\n", "\n") if path.exists() else ""
