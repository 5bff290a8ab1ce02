"""Listening sockets: rights, refusals and races."""

import os
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.posix.conftest import NOBODY, as_nobody
from tmd.posix.holders import Holder
from tmd.posix.sockets import (
    LONGEST_PATH,
    SocketInUse,
    SocketRefused,
    identify,
    listen_inet,
    listen_unix,
    unlink_if_ours,
)

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def path(open_dir: Path) -> str:
    return str(open_dir / "tmd.sock")


def peer_credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Return (pid, uid, gid) of who connected."""
    size = struct.calcsize("3i")
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return pid, uid, gid


def dead_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as corpse:
        corpse.bind(path)
        corpse.listen()


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def only(path: str) -> bool:
    """Nothing but the socket is in its directory."""
    return os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


# --- a good one ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o700, 0o600, 0o770, 0o777])
def test_it_listens_with_the_asked_mode_whatever_the_umask(path: str, mode: int) -> None:
    umask = os.umask(0o077)
    try:
        listener = listen_unix(path, mode)
    finally:
        os.umask(umask)
    with closing(listener):
        assert mode_of(path) == mode
        assert only(path)
        assert listener.getblocking() is False
        assert not os.get_inheritable(listener.fileno())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            connection, _ = listener.accept()
            with closing(connection):
                assert peer_credentials(connection) == (os.getpid(), os.geteuid(), os.getegid())


def test_it_belongs_to_whom_it_shall(path: str) -> None:
    """Root may give it away; others may only keep it."""
    uid, gid = (NOBODY, NOBODY) if AS_ROOT else (os.geteuid(), os.getegid())
    with closing(listen_unix(path, 0o700, uid, gid)):
        found = os.lstat(path)
        assert (found.st_uid, found.st_gid) == (uid, gid)
    if not AS_ROOT:
        os.unlink(path)
        with pytest.raises(SocketRefused, match="operation not permitted"):
            listen_unix(path, 0o700, 0, 0)
        assert os.listdir(os.path.dirname(path)) == []


def test_other_users_get_in_as_far_as_the_mode_says(path: str) -> None:
    def knock() -> str:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
            except PermissionError:
                return "refused"
        return "connected"

    with closing(listen_unix(path, 0o700)):
        assert mode_of(path) == 0o700
        assert (as_nobody(knock) if AS_ROOT else "refused") == "refused"
    with closing(listen_unix(path, 0o777)) as listener:
        assert (as_nobody(knock) if AS_ROOT else knock()) == "connected"
        connection, _ = listener.accept()
        with closing(connection):
            assert peer_credentials(connection)[1] == (NOBODY if AS_ROOT else os.geteuid())


def test_it_is_never_seen_with_a_wider_mode_or_another_owner(path: str) -> None:
    seen: set[tuple[int, int]] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                continue
            seen.add((stat.S_IMODE(found.st_mode), found.st_uid))

    uid = NOBODY if AS_ROOT else os.geteuid()
    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(300):
        listen_unix(path, 0o600, uid, -1).close()
    over.set()
    watcher.join()
    assert seen <= {(0o600, uid)}


def test_a_long_path_works_up_to_what_an_address_holds(open_dir: Path) -> None:
    path = f"{open_dir}/".ljust(107, "x")
    with closing(listen_unix(path, 0o700)), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    with closing(listen_unix(path, 0o700)), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)  # over the dead one
        assert only(path)
        with pytest.raises(SocketInUse, match=f"pid {os.getpid()} .* does"):
            listen_unix(path, 0o700)
    with pytest.raises(SocketRefused, match=r"the path is 108 bytes long \(at most 107\)"):
        listen_unix(path + "x", 0o700)


def test_a_deep_directory_is_fine(open_dir: Path) -> None:
    deep = open_dir / "d".ljust(LONGEST_PATH - len(str(open_dir)) - len("//s"), "d")
    deep.mkdir()
    path = str(deep / "s")
    assert len(path) == LONGEST_PATH
    dead_socket(path)
    with closing(listen_unix(path, 0o700)), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert only(path)


@pytest.mark.parametrize("name", ["n" * 70, "new", "old", "new.old"])
def test_any_name_will_do(open_dir: Path, name: str) -> None:
    path = str(open_dir / name)
    dead_socket(path)
    with closing(listen_unix(path, 0o700)), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert only(path)


def test_an_owner_that_may_not_be_given_is_named(open_dir: Path) -> None:
    open_dir.chmod(0o777)
    path = str(open_dir / "s")

    def given(uid: int, gid: int) -> str:
        try:
            listen_unix(path, 0o700, uid, gid).close()
        except SocketRefused as refusal:
            assert os.listdir(open_dir) == []
            return str(refusal)
        return "given"

    def answer(uid: int, gid: int) -> str:
        return as_nobody(lambda: given(uid, gid)) if AS_ROOT else given(uid, gid)

    me = NOBODY if AS_ROOT else os.geteuid()
    denied = "operation not permitted"
    assert answer(0, -1) == f"cannot give '{path}' to user 'root' (uid 0): {denied} (only root can)"
    assert answer(54321, 54321) == f"cannot give '{path}' to uid 54321: {denied} (only root can)"
    group = f"cannot give '{path}' to group 'root' (gid 0): {denied} (only root and its members can)"
    assert answer(me, 0) == answer(-1, 0) == group


def test_a_relative_path_is_fine(open_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(open_dir)
    with closing(listen_unix("tmd.sock", 0o700)):
        assert stat.S_ISSOCK(os.lstat(open_dir / "tmd.sock").st_mode)


# --- what is there already -----------------------------------------------------------------------------------------


def test_a_dead_socket_is_replaced(path: str) -> None:
    dead_socket(path)
    with closing(listen_unix(path, 0o700)), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert only(path)


def test_a_living_socket_is_left_alone(path: str) -> None:
    with closing(listen_unix(path, 0o700)) as listener:
        before = identify(path)
        with pytest.raises(SocketInUse, match=f"pid {os.getpid()} .* does"):
            listen_unix(path, 0o777)
        assert identify(path) == before
        assert mode_of(path) == 0o700
        assert only(path)
        with pytest.raises(BlockingIOError):  # nobody knocked: the kernel was asked
            listener.accept()


def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play a system that does not tell who is behind a file."""
    monkeypatch.setattr("tmd.posix.sockets.unix_listeners", lambda *_: None)


def test_where_the_kernel_does_not_tell_a_knock_does(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unasked(monkeypatch)
    with closing(listen_unix(path, 0o700)) as listener:
        with pytest.raises(SocketInUse, match=f"pid {os.getpid()} .* does"):
            listen_unix(path, 0o777)
        listener.accept()[0].close()
    with closing(listen_unix(path, 0o700)), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


@pytest.mark.parametrize("asked", [True, False])
def test_a_living_socket_is_replaced_if_it_is_claimed(path: str, monkeypatch: pytest.MonkeyPatch, asked: bool) -> None:
    if not asked:
        unasked(monkeypatch)
    seen: list[Holder] = []

    def claim(held: Sequence[Holder]) -> bool:
        seen.extend(held)
        return held[0].pid == os.getpid()

    with closing(listen_unix(path, 0o700)) as old:
        for _ in range(2):
            with closing(listen_unix(path, 0o700, claim=claim)) as new, socket.socket(socket.AF_UNIX) as client:
                with suppress(BlockingIOError):  # who knocked
                    old.accept()[0].close()
                client.connect(path)
                new.accept()[0].close()
                assert only(path)
    assert {holder.pid for holder in seen} == {os.getpid()}


def test_who_cannot_be_seen_is_not_asked_about(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmd.posix.sockets.holders", lambda _: ())
    with (
        closing(listen_unix(path, 0o700)),
        pytest.raises(SocketInUse, match=f"^cannot listen on '{path}': another program does$"),
    ):
        listen_unix(path, 0o700, claim=lambda _: True)


def test_a_socket_too_busy_to_answer_is_alive(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as client:
        busy.bind(path)
        busy.listen(0)
        client.connect(path)
        with pytest.raises(SocketInUse):
            listen_unix(path, 0o700)


@pytest.mark.parametrize("kind", ["a regular file", "a directory", "a symbolic link", "something else"])
def test_what_is_no_socket_is_refused_and_kept(open_dir: Path, path: str, kind: str) -> None:
    target = open_dir / "target"
    if kind == "a regular file":
        Path(path).write_text("precious")
    elif kind == "a directory":
        os.mkdir(path)
    elif kind == "a symbolic link":
        dead_socket(str(target))
        os.symlink(target, path)
    else:
        os.mkfifo(path)
    before = identify(path)
    with pytest.raises(SocketRefused, match=f"cannot listen on '{path}': {kind} is there"):
        listen_unix(path, 0o700)
    assert identify(path) == before
    assert len(os.listdir(open_dir)) == (2 if kind == "a symbolic link" else 1)


def test_a_socket_of_another_kind_is_refused(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        with pytest.raises(SocketRefused, match="of another kind"):
            listen_unix(path, 0o700)


def test_the_dead_socket_of_another_user_is_not_ours_to_replace(open_dir: Path, path: str) -> None:
    """As root: another user meets root's dead socket, and root replaces anybody's. Others: their own only."""
    dead_socket(path)
    if AS_ROOT:
        open_dir.chmod(0o777)

        def listen() -> str:
            try:
                listen_unix(path, 0o700)
            except SocketRefused as refusal:
                return str(refusal)
            return "replaced"

        assert as_nobody(listen) == f"cannot listen on '{path}': a socket of uid 0 is there"
        os.chown(path, NOBODY, NOBODY)
    listen_unix(path, 0o700).close()
    assert os.lstat(path).st_uid == os.geteuid()


def test_a_directory_that_is_missing_is_named_as_the_reason(open_dir: Path) -> None:
    with pytest.raises(SocketRefused, match="no such file or directory") as refused:
        listen_unix(str(open_dir / "none" / "tmd.sock"), 0o700)
    assert refused.value.errno == 2


def test_a_file_system_without_hard_links_will_do(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with closing(listen_unix(path, 0o750)), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert mode_of(path) == 0o750
        assert only(path)


# --- races ---------------------------------------------------------------------------------------------------------

RACER = """
import os, sys
from tmd.posix.sockets import SocketInUse, listen_unix
print("ready", flush=True)
for line in sys.stdin:
    if line == "go\\n":
        try:
            listener, answer = listen_unix(sys.argv[1], 0o700), "mine"
        except SocketInUse:
            listener, answer = None, "taken"
        print(answer, flush=True)
    elif listener:
        listener.close()
"""


@pytest.fixture
def racers(path: str) -> Iterator[list[subprocess.Popen[str]]]:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, path], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    yield racers
    for racer in racers:
        racer.communicate()


def say(racers: list[subprocess.Popen[str]], word: str) -> None:
    for racer in racers:
        assert racer.stdin
        racer.stdin.write(f"{word}\n")
        racer.stdin.flush()


def test_of_two_that_start_together_one_wins(path: str, racers: list[subprocess.Popen[str]]) -> None:
    """Fifty times: half of them over a dead socket, half over nothing."""
    for attempt in range(50):
        say(racers, "go")
        answers = sorted(racer.stdout.readline().strip() for racer in racers if racer.stdout)
        assert answers == ["mine", "taken"]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        say(racers, "close")
        assert only(path)
        if attempt % 2:
            os.unlink(path)


# --- the end -------------------------------------------------------------------------------------------------------


def test_only_our_own_socket_is_removed(path: str) -> None:
    assert identify(path) is None
    listener = listen_unix(path, 0o700)
    ours = identify(path)
    assert ours is not None
    listener.close()
    with closing(listen_unix(path, 0o700)):
        theirs = identify(path)
        assert theirs is not None
        assert not unlink_if_ours(path, ours)
        assert identify(path) == theirs
        assert unlink_if_ours(path, theirs)
        assert identify(path) is None
        assert not unlink_if_ours(path, theirs)


# --- TCP -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("host", "bound"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("", "0.0.0.0")])
def test_a_port_is_listened_on(host: str, bound: str) -> None:
    with closing(listen_inet(host, 0)) as listener:
        address, port = listener.getsockname()
        assert address == bound
        assert listener.getblocking() is False
        assert not os.get_inheritable(listener.fileno())
        with socket.create_connection(("127.0.0.1", port)):
            pass
        with pytest.raises(SocketInUse, match=f"cannot listen on {host or r'[*]'}:{port}: pid {os.getpid()} .* does"):
            listen_inet(host, port)


def test_a_port_can_be_taken_again_at_once() -> None:
    with closing(listen_inet("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            connection, _ = listener.accept()
            connection.close()
            assert client.recv(1) == b""
    listen_inet("127.0.0.1", port).close()


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no such host", 0), ("127.0.0.1", 70000)])
def test_an_impossible_address_is_refused_with_the_reason(host: str, port: int) -> None:
    with pytest.raises(SocketRefused, match=f"cannot listen on {host}:{port}: "):
        listen_inet(host, port)
