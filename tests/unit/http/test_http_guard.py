"""A control socket that was taken away is made again; who connects finds the same server."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.http.fake_daemon import FakeDaemon
from tmd.config.settings import ServerSpec
from tmd.http.guard import Guard
from tmd.posix.loop import Loop
from tmd.posix.sockets import identify, listen_unix


class Server:
    """What listens on what it is given."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener

    def listen_on(self, listener: socket.socket) -> None:
        self.listener.close()
        self.listener = listener


class Watched:
    """A guard that looks when it is told to."""

    def __init__(self, directory: Path) -> None:
        self.place = directory / "run"
        self.place.mkdir()
        self.path = self.place / "s"
        self.loop = Loop()
        self.daemon = FakeDaemon(directory, self.loop)
        self.spec = ServerSpec(section="unix_http_server", family="unix", file=str(self.path), chmod=0o720)
        self.server = Server(listen_unix(str(self.path), 0o720))
        identity = identify(str(self.path))
        assert identity is not None
        self.identities = {str(self.path): identity}
        self.guard = Guard(self.daemon, {str(self.path): (self.spec, self.server)}, self.identities)  # type: ignore[dict-item]

    def look(self) -> list[str]:
        """Have it look, return what it says."""
        self.daemon.logged.clear()
        self.guard.look()
        return [f"{level} {text}" for level, text in self.daemon.logged]

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                client.connect(str(self.path))
            except OSError:
                return False
            try:
                self.server.listener.accept()[0].close()
            except BlockingIOError:
                return False
        return True


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.guard.close()
    watched.server.listener.close()
    watched.loop.close()
    assert watched.daemon.timers == set()


def test_it_looks_now_and_then(watched: Watched) -> None:
    assert len(watched.daemon.timers) == 1
    assert watched.look() == []
    assert watched.answers()


def test_what_was_removed_is_made_again_as_it_was(watched: Watched) -> None:
    watched.path.unlink()
    assert not watched.answers()
    assert watched.look() == [f"WARN the control socket '{watched.path}' was taken away: it was made again"]
    assert watched.answers()
    assert stat.S_IMODE(watched.path.stat().st_mode) == 0o720
    assert watched.identities[str(watched.path)] == identify(str(watched.path))
    assert watched.look() == []
    assert os.listdir(watched.place) == ["s"]


def test_with_its_directory(watched: Watched) -> None:
    shutil.rmtree(watched.place)
    assert len(watched.look()) == 1
    assert watched.answers()


def test_a_dead_socket_of_another_is_replaced(watched: Watched) -> None:
    watched.path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(watched.path))
    assert len(watched.look()) == 1
    assert watched.answers()


@pytest.mark.parametrize("kind", ["file", "directory", "link", "socket"])
def test_what_others_have_put_there_stays_and_is_told_once(watched: Watched, kind: str, tmp_path: Path) -> None:
    watched.path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        match kind:
            case "file":
                watched.path.write_text("mine")
            case "directory":
                watched.path.mkdir()
            case "link":
                watched.path.symlink_to(tmp_path / "elsewhere")
            case "socket":
                other.bind(str(watched.path))
                other.listen()
        before = identify(str(watched.path))
        (line,) = watched.look()
        assert line.startswith(f"CRIT the control socket '{watched.path}' was taken away, and cannot be made again: ")
        assert watched.look() == []
        assert identify(str(watched.path)) == before
        (watched.path.rmdir if kind == "directory" else watched.path.unlink)()
    (line,) = watched.look()
    assert line.startswith(f"INFO the control socket '{watched.path}' is there again")
    assert watched.answers()
