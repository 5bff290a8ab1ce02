"""A daemon as the main program of a container: its file, its two streams, its PID namespace.

The configuration names no log, for what a container writes goes to its standard output and standard error.
"""

import contextlib
import functools
import http.client
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig
from tests.support import eventually


def write(rig: Rig, programs: str, daemon: str = "") -> Path:
    """Write a native file for `--container`; `{dir}` becomes the rig's directory."""
    rig.conf = rig.dir / "tm.yaml"
    if "  http:" not in daemon:
        daemon = f"  http: false\n{daemon}"
    places = "  pidfile: {dir}/d.pid\n  statedir: {dir}\n  socket: {dir}/s\n"
    text = f"taskmaster:\n{places}{daemon}\nprograms:\n{programs}\n"
    rig.conf.write_text(text.replace("{dir}", str(rig.dir)), encoding="utf-8")
    return rig.conf


def said(rig: Rig) -> str:
    """Return what a started container has written so far, both streams."""
    return rig.text("said")


def until_said(rig: Rig, text: str, deadline_s: float = 20.0) -> str:
    """Wait until a started container has written a text; return all it has written."""
    return rig.until_text("said", text, deadline_s)


def last_line(text: str) -> str:
    """Return the last line, without its time and level."""
    return text.splitlines()[-1].split(" ", 3)[-1]


def start(rig: Rig, stdout: int, stderr: int, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a container with these streams and wait until it answers."""
    rig.daemon = subprocess.Popen(
        rig.command("--container", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=rig.dir,
        env=rig.environment(),
        start_new_session=True,
    )
    rig.daemon_pid = rig.daemon.pid
    rig.wait_ready()
    return rig.daemon


def ask(rig: Rig, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Ask over the unix socket; return status and text."""
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    with contextlib.closing(connection):
        connection.sock.connect(str(rig.socket))
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


# As process 1.


@functools.cache
def no_namespaces() -> str:
    """Return why there can be no PID namespace here, empty when there can."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        return "unshare and root are needed"
    tried = subprocess.run([unshare, "-m", "-pf", "--mount-proc", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"no PID namespaces here: {tried.stderr.decode()}"


class Box(Rig):
    """A rig whose daemon is process 1 of a namespace. `before`: shell commands that are run in it first."""

    before = ""
    dropping: Sequence[str] = ()
    """a command that runs the daemon as somebody else"""
    extra: Mapping[str, str] = {}
    """more variables for the daemon"""

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of the container: its exit status is the daemon's."""
        first = f'{self.before}\nexec "$@"'
        unshare = shutil.which("unshare") or "unshare"
        return [
            *(unshare, "-m", "-pf", "--kill-child", "--mount-proc", "sh", "-c", first, "sh"),
            *self.dropping,
            *super().command(*arguments),
        ]

    def environment(self) -> dict[str, str]:
        """Return the environment of the daemon."""
        return {**super().environment(), **self.extra}

    def start(self, *arguments: str, ready: bool = True, **environment: str) -> None:
        """Start it; `daemon_pid` is its number outside."""
        super().start("--container", *arguments, ready=False, **environment)
        outer = self.daemon_pid
        (self.daemon_pid,) = eventually(lambda: world.children(outer), 20, what="process 1")
        if ready:
            self.wait_ready()


@pytest.fixture
def make_box(monkeypatch: pytest.MonkeyPatch, make_rig: Callable[..., Rig]) -> Callable[[], Box]:
    """Make rigs that are process 1."""
    if why := no_namespaces():
        pytest.skip(why)
    monkeypatch.setattr("tests.e2e.conftest.Rig", Box)

    def make() -> Box:
        rig = make_rig()
        assert isinstance(rig, Box)
        return rig

    return make
