"""Streams of processes that others have started, opened again; and which processes carry a mark."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import eventually
from tmd.posix import descriptors, pipes
from tmd.posix.descriptors import Denied, pipe_inode, pipes_of, reopen, socket_inode, take_socket
from tmd.posix.identity import ticks_of
from tmd.posix.marks import Carrier, carriers

MOVES = """
import os
saved = os.dup(1)
os.dup2(os.open("/dev/null", os.O_RDWR), 1)
os.write(saved, b"elsewhere")
input()
"""


@pytest.fixture
def run() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    children: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **streams: int) -> subprocess.Popen[bytes]:
        given = {"stdin": subprocess.PIPE, **streams}
        children.append(subprocess.Popen(command, **given))  # type: ignore[call-overload]
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()
        if child.stdin is not None:
            child.stdin.close()


def _read(fd: int) -> bytes:
    def something() -> bytes:
        try:
            return os.read(fd, 100)
        except BlockingIOError:
            return b""

    return eventually(something, 20)


def test_what_was_written_while_nobody_read_is_read_by_the_heir(run: Callable[..., subprocess.Popen[bytes]]) -> None:
    ours, theirs = pipes.output_pipe()
    inode = pipe_inode(ours)
    child = run("/bin/sh", "-c", "echo one; read x; echo two; read x", stdout=theirs)
    os.close(theirs)
    assert _read(ours) == b"one\n"
    os.close(ours)
    assert child.stdin is not None
    child.stdin.write(b"\n")
    child.stdin.flush()
    heir = reopen(inode, [child.pid], "read")
    assert heir is not None
    try:
        assert not os.get_blocking(heir)
        assert not os.get_inheritable(heir)
        assert _read(heir) == b"two\n"
        child.kill()
        child.wait()
        assert os.read(heir, 1) == b"", "the end of its stream comes as ever"
    finally:
        os.close(heir)


def test_a_stdin_is_written_to_again_and_had_no_end_meanwhile(run: Callable[..., subprocess.Popen[bytes]]) -> None:
    theirs, ours = pipes.input_pipe()
    inode = pipe_inode(ours)
    out, write = pipes.output_pipe()
    child = run("/bin/cat", stdin=theirs, stdout=write)
    os.close(theirs)
    os.close(write)
    os.write(ours, b"before")
    assert _read(out) == b"before"
    os.close(ours)  # the daemon dies
    heir = reopen(inode, [child.pid], "write")
    assert heir is not None
    os.write(heir, b"after")
    assert _read(out) == b"after"
    child.kill()
    child.wait()
    with pytest.raises(BrokenPipeError):
        os.write(heir, b"x")
    os.close(heir)
    os.close(out)


def test_a_pipe_is_found_wherever_the_program_keeps_it(run: Callable[..., subprocess.Popen[bytes]]) -> None:
    ours, theirs = pipes.output_pipe()
    child = run(sys.executable, "-S", "-c", MOVES, stdout=theirs)
    os.close(theirs)
    assert _read(ours) == b"elsewhere"
    heir = reopen(pipe_inode(ours), [child.pid], "read")
    assert heir is not None
    assert pipe_inode(heir) == pipe_inode(ours)
    os.close(heir)
    os.close(ours)


def test_another_pipe_is_never_taken(run: Callable[..., subprocess.Popen[bytes]]) -> None:
    ours, theirs = pipes.output_pipe()
    other, closed = pipes.output_pipe()
    child = run("/bin/sleep", "1000", stdout=theirs)
    before = len(os.listdir("/proc/self/fd"))
    assert reopen(pipe_inode(other), [child.pid], "read") is None
    child.kill()
    child.wait()
    assert reopen(pipe_inode(ours), [child.pid], "read") is None, "nobody is there any more"
    assert len(os.listdir("/proc/self/fd")) <= before
    for fd in (ours, theirs, other, closed):
        os.close(fd)


def test_what_has_come_to_stand_in_the_place_of_a_pipe_is_not_opened(tmp_path: Path) -> None:
    opened: list[str] = []
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    real = os.open

    def noting(path: str, flags: int) -> int:
        if not flags & os.O_PATH:
            opened.append(path)
        return real(path, flags)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", noting)
        assert descriptors._open(str(fifo), os.stat(fifo).st_ino + 1, "read") is None
    assert opened == []


def test_where_we_may_not_look_is_said(
    run: Callable[..., subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: str) -> str:
        raise PermissionError(13, "Permission denied")

    ours, theirs = pipes.output_pipe()
    monkeypatch.setattr(os, "readlink", forbidden)
    with pytest.raises(Denied):
        reopen(pipe_inode(ours), [os.getpid()], "read")
    os.close(ours)
    os.close(theirs)


def test_only_pipes_have_a_number() -> None:
    with open("/dev/null", "rb") as null:
        assert pipe_inode(null.fileno()) == 0


def test_the_very_socket_is_taken_from_who_has_it(run: Callable[..., subprocess.Popen[bytes]]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address, inode = listener.getsockname(), os.fstat(listener.fileno()).st_ino
        child = run("/bin/sleep", "1000", stdin=listener.fileno())
    fd = take_socket(child.pid, inode)
    assert fd is not None
    with socket.socket(fileno=fd) as taken, socket.create_connection(address) as client:
        assert not os.get_inheritable(fd)
        client.settimeout(20)
        peer, _ = taken.accept()
        with peer:
            peer.sendall(b"x")
            assert client.recv(1) == b"x"
    assert take_socket(child.pid, inode + 1) is None
    child.kill()
    child.wait()
    assert take_socket(child.pid, inode) is None


def test_a_socket_of_a_process_that_we_may_not_trace_is_not_taken(
    run: Callable[..., subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_pid: int) -> int:
        raise OSError(1, "Operation not permitted")

    with socket.socket() as listener:
        inode = os.fstat(listener.fileno()).st_ino
        child = run("/bin/sleep", "1000", stdin=listener.fileno())
        monkeypatch.setattr(os, "pidfd_open", nobody)
        assert take_socket(child.pid, inode) is None


def _carriers(name: str) -> list[Carrier]:
    return carriers(name, lambda value: value.startswith("key."))


def test_who_carries_a_mark_is_found_with_all_it_has_started(tmp_path: object) -> None:
    name = f"MARK_{os.getpid()}"
    shell = subprocess.Popen(
        ["/bin/sh", "-c", "sleep 1000 & wait"], env={"A": "1", name: "key.1"}, process_group=0, stdout=-3
    )
    other = subprocess.Popen(["/bin/sleep", "1000"], env={name: "other.1", f"X{name}": "key.2"})
    try:
        eventually(lambda: len(_carriers(name)) == 2, 20)
        found = _carriers(name)
        assert [each.value for each in found] == ["key.1", "key.1"]
        assert found[0] == Carrier("key.1", shell.pid, ticks_of(shell.pid), leads=True, uid=os.getuid())
        assert not found[1].leads
    finally:
        os.killpg(shell.pid, 9)
        other.kill()
        shell.wait()
        other.wait()


def test_what_a_process_has_in_the_place_of_its_streams(run: Callable[..., subprocess.Popen[bytes]]) -> None:
    theirs, ours = pipes.input_pipe()
    out, write = pipes.output_pipe()
    with socket.socket() as plug:
        one = run("/bin/sleep", "1000", stdin=theirs, stdout=write, stderr=write)
        two = run("/bin/sleep", "1000", stdin=plug.fileno(), stdout=subprocess.DEVNULL)
        assert pipes_of(one.pid) == {"stdin": pipe_inode(ours), "stdout": pipe_inode(out)}
        assert (socket_inode(one.pid, 0), socket_inode(two.pid, 0)) == (0, os.fstat(plug.fileno()).st_ino)
        assert "stdin" not in pipes_of(two.pid)
    one.kill()
    one.wait()
    assert (pipes_of(one.pid), socket_inode(one.pid, 0)) == ({}, 0)
    for fd in (theirs, ours, out, write):
        os.close(fd)
