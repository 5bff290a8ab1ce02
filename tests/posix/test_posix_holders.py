"""Who listens at an address: told from what the system shows."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.posix.conftest import as_nobody
from tmd.posix.holders import Holder, holders, inet_listeners, named, told, unix_listeners, unix_namesakes
from tmd.posix.sockets import listen_inet, listen_unix

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def path(open_dir: Path) -> str:
    return str(open_dir / "a socket")


def inode(listener: socket.socket) -> int:
    return os.fstat(listener.fileno()).st_ino


@pytest.fixture
def bound(path: str) -> Iterator[socket.socket]:
    """A socket at the path, not listening yet."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        yield listener


def test_who_is_behind_a_file_is_known_wherever_the_file_is_now(path: str) -> None:
    with closing(listen_unix(path, 0o700)) as listener:
        assert unix_listeners(path, os.lstat(path)) == {inode(listener)}
        os.rename(path, f"{path}.moved")
        assert unix_listeners(path, os.lstat(f"{path}.moved")) == {inode(listener)}
        with closing(listen_unix(path, 0o700)) as another:
            assert unix_listeners(path, os.lstat(path)) == {inode(another)}
            assert unix_namesakes(path) == {inode(listener), inode(another)}
    assert unix_listeners(path, os.lstat(path)) == unix_namesakes(path) == set()


def test_a_layered_file_system_may_show_another_device(path: str) -> None:
    with closing(listen_unix(path, 0o700)) as listener:
        found = os.lstat(path)
        shown = os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))
        assert unix_listeners(path, shown) == {inode(listener)}
        assert unix_listeners(f"{path}x", shown) == set()


def test_a_socket_that_does_not_listen_is_not_behind_its_file(bound: socket.socket, path: str) -> None:
    assert unix_listeners(path, os.lstat(path)) == unix_namesakes(path) == set()
    bound.listen()
    assert unix_listeners(path, os.lstat(path)) == unix_namesakes(path) == {inode(bound)}
    assert unix_namesakes(f"{path}x") == set()


@pytest.mark.parametrize(("at", "met"), [("127.0.0.1", True), ("0.0.0.0", True), ("127.0.0.2", False)])
def test_who_keeps_others_from_a_port_is_known(at: str, met: bool) -> None:
    with closing(listen_inet("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert inet_listeners(at, port) == ({inode(listener)} if met else set())
        assert inode(listener) not in inet_listeners(at, port + 1)
    with closing(listen_inet("", 0)) as listener:
        assert inet_listeners(at, listener.getsockname()[1]) == {inode(listener)}


@pytest.mark.parametrize(("at", "met"), [("::", True), ("::ffff:127.0.0.1", True), ("::1", False)])
def test_a_listener_of_the_other_protocol_may_keep_others_from_a_port(at: str, met: bool) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with socket.socket(socket.AF_INET6) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((at, 0))
        listener.listen()
        found = inet_listeners("127.0.0.1", listener.getsockname()[1])
        assert found == ({inode(listener)} if met else set())


def test_who_has_a_socket_open_is_known_by_pid_name_and_environment(path: str) -> None:
    assert holders(()) == ()
    with closing(listen_unix(path, 0o700)) as listener:
        (holder,) = holders({inode(listener)})
        assert (holder.pid, holder.name) == (os.getpid(), Path("/proc/self/comm").read_text().strip())
        assert holder.environment
        assert holder.environment["PATH"]


def test_a_process_of_another_user_is_not_seen(path: str) -> None:
    if not AS_ROOT:
        pytest.skip("only root may be somebody else")
    with closing(listen_unix(path, 0o700)) as listener:
        sockets = {inode(listener)}

        def look() -> str:
            listener.close()
            return told(holders(sockets))

        assert as_nobody(look) == "another program does"


def test_they_are_named_up_to_a_few() -> None:
    held = [Holder(number, "web", None) for number in range(1, 6)]
    assert told(()) == "another program does"
    assert told(held[:1]) == "pid 1 (web) does"
    assert told(held[:2]) == "pid 1 (web) and pid 2 (web) do"
    assert named(held[:3]) == "pid 1 (web), pid 2 (web) and pid 3 (web)"
    assert told(held) == "pid 1 (web), pid 2 (web), pid 3 (web) and 2 more do"
