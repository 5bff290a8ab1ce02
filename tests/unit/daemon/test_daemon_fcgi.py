"""The sockets of FastCGI programs: who shares one, when it opens, how long it stays."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tmd.config.settings import ProcessSpec, SocketSpec
from tmd.core import notices as n
from tmd.core.inputs import ExitStatus
from tmd.daemon.bus import Told
from tmd.daemon.fcgi import ListeningSockets, Place
from tmd.posix.children import SpawnRefused
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

STARTING, RUNNING, STOPPING = ProcessState.STARTING, ProcessState.RUNNING, ProcessState.STOPPING
DONE = ExitStatus(code=0)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="tm-", dir="/tmp") as path:
        yield Path(path)


class Town:
    """The programs, as a test says they are."""

    def __init__(self) -> None:
        self.moving: set[str] = set()
        self.tried_again: list[str] = []

    def moves_off(self, id_: ProcessId, place: Place) -> bool:
        return id_.process in self.moving

    def is_kin(self, process: ProcessSpec, environment: Mapping[str, str]) -> bool:
        return environment.get("KIN") == process.program

    def try_again(self, id_: ProcessId) -> None:
        self.tried_again.append(id_.process)


class Sockets(ListeningSockets):
    """The sockets, what they say, and words for what the bus tells them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.town = Town()
        super().__init__(self.lines.append, self.town)

    def tell(self, notice: n.Notice) -> None:
        self.hear(Told(1, 0.0, 0.0, notice))

    def stopped(self, id_: ProcessId, *, restarts: bool = False) -> None:
        self.tell(n.ProcessStopped(id_, STOPPING, 7, DONE, restarts))

    def exited(self, id_: ProcessId, *, restarts: bool = False) -> None:
        self.tell(n.ProcessExited(id_, RUNNING, False, 7, DONE, 1.0, restarts))

    def backs_off(self, id_: ProcessId) -> None:
        self.tell(n.ProcessBackoff(id_, STARTING, 1, "why", None, None, 1.0))


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    sockets = Sockets()
    yield sockets
    sockets.close()


def unix(place: Path, name: str = "s", **options: object) -> SocketSpec:
    return SocketSpec(family="unix", path=str(place / name), **options)  # type: ignore[arg-type]


def process(name: str, spec: SocketSpec | None, program: str = "web", group: str = "web") -> ProcessSpec:
    return ProcessSpec(name=name, group=group, program=program, command="true", socket=spec, kind="fcgi-program")


def connects(spec: SocketSpec) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(spec.path)
        except OSError:
            return False
        return True


def test_a_process_without_a_socket_gets_none(sockets: Sockets) -> None:
    assert sockets.take(process("a", None)) is None
    assert (len(sockets), sockets.lines) == (0, [])


def test_processes_of_a_program_share_one_that_listens_blocking_and_is_not_inherited(
    sockets: Sockets, place: Path
) -> None:
    spec = unix(place)
    fd = sockets.take(process("a", spec))
    assert fd is not None
    assert sockets.take(process("b", spec)) == fd
    assert sockets.take(process("b", spec, group="other")) == fd
    assert (os.get_blocking(fd), os.get_inheritable(fd)) == (True, False)
    assert connects(spec)
    assert sockets.lines == [f"Creating socket unix://{spec.path}"]


def test_a_unix_socket_has_its_mode_and_owner(sockets: Sockets, place: Path) -> None:
    mine = os.getuid(), os.getgid()
    spec = unix(place, mode=0o640, owner_uid=mine[0], owner_gid=mine[1])
    sockets.take(process("a", spec))
    found = os.stat(spec.path)
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert (found.st_uid, found.st_gid) == mine


def test_a_port_is_listened_on_and_shared(sockets: Sockets) -> None:
    spec = SocketSpec(family="inet", host="127.0.0.1", port=0)
    fd = sockets.take(process("a", spec))
    assert fd is not None
    with socket.socket(fileno=os.dup(fd)) as ours:
        port = ours.getsockname()[1]
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert sockets.take(process("b", spec)) == fd


def test_the_backlog_is_kept(sockets: Sockets, place: Path) -> None:
    spec = unix(place, backlog=1)
    sockets.take(process("a", spec))
    clients = [socket.socket(socket.AF_UNIX) for _ in range(8)]
    try:
        refused = 0
        for client in clients:
            client.setblocking(False)
            refused += client.connect_ex(spec.path) != 0
    finally:
        for client in clients:
            client.close()
    assert refused == 6


def test_it_closes_when_the_last_process_has_come_to_rest_and_its_file_goes(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    first, second, third = process("a", spec), process("b", spec), process("c", spec)
    for one in (first, second, third):
        sockets.take(one)
    sockets.stopped(first.id)
    sockets.exited(second.id)
    assert connects(spec)
    sockets.tell(n.ProcessFatal(third.id, ProcessState.BACKOFF, 4, "why"))
    assert not os.path.exists(spec.path)
    assert sockets.lines[1:] == [f"Closing socket unix://{spec.path}"]
    sockets.take(first)
    assert connects(spec)


def test_it_outlives_crashes_restarts_and_failed_starts(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    only = process("a", spec)
    fd = sockets.take(only)
    sockets.exited(only.id, restarts=True)
    sockets.stopped(only.id, restarts=True)
    sockets.backs_off(only.id)
    sockets.tell(n.ProcessUnknown(only.id, RUNNING, "not ours to signal"))
    assert connects(spec)
    assert sockets.take(only) == fd
    sockets.tell(n.ProcessRemoved(only.id))
    assert not connects(spec)


def test_a_request_that_stops_only_to_start_again_keeps_it(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    first, second = process("a", spec), process("b", spec)
    fd = sockets.take(first)
    sockets.take(second)
    let_go = sockets.keep([first.id, second.id])
    sockets.stopped(first.id)
    sockets.stopped(second.id)
    assert connects(spec)
    sockets.tell(n.ProcessStarting(second.id, ProcessState.STOPPED, 0))
    let_go()
    let_go()
    assert sockets.take(second) == fd
    sockets.stopped(second.id)
    assert not connects(spec)


def test_a_kept_one_closes_when_nobody_starts_after_all(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    sockets.take(process("a", spec))
    let_go = sockets.keep([ProcessId("web", "a"), ProcessId("web", "unknown")])
    sockets.stopped(ProcessId("web", "a"))
    assert connects(spec)
    let_go()
    assert not connects(spec)
    sockets.keep([ProcessId("web", "a")])()
    assert len(sockets) == 0


def test_a_new_address_is_opened_and_the_old_one_closed_by_its_last_process(sockets: Sockets, place: Path) -> None:
    old, new = unix(place, "old"), unix(place, "new")
    for name in ("a", "b"):
        sockets.take(process(name, old))
    sockets.take(process("a", new))
    assert (connects(old), connects(new)) == (True, True)
    sockets.take(process("b", new))
    assert (connects(old), connects(new)) == (False, True)


def test_another_mode_of_the_same_address_is_taken_over_without_a_gap(sockets: Sockets, place: Path) -> None:
    fd = sockets.take(process("a", unix(place, mode=0o700)))
    sockets.take(process("b", unix(place, mode=0o700)))
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(str(place / "s"))
        assert sockets.take(process("a", unix(place, mode=0o660, backlog=9))) == fd
        assert stat.S_IMODE(os.stat(place / "s").st_mode) == 0o660


def test_a_process_that_lost_its_socket_lets_the_old_one_go(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    sockets.take(process("a", spec))
    assert sockets.take(process("a", None)) is None
    assert not connects(spec)


def test_a_dead_socket_is_replaced(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(spec.path)
    sockets.take(process("a", spec))
    assert connects(spec)


def test_a_file_others_removed_is_made_again_whoever_still_has_the_old_socket(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    first, second, third = process("a", spec), process("b", spec), process("c", spec)
    for one in (first, second, third):
        sockets.take(one)
    os.unlink(spec.path)
    made = sockets.take(first)
    assert connects(spec)
    assert sockets.lines[1:] == [
        f"Replacing socket unix://{spec.path}: its file was removed or replaced by others",
        f"Creating socket unix://{spec.path}",
    ]
    assert sockets.take(second) == made
    sockets.stopped(first.id)
    sockets.stopped(third.id)
    assert connects(spec)
    sockets.stopped(second.id)
    assert not connects(spec)


def test_a_file_others_replaced_is_theirs_until_they_are_dead(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    only = process("a", spec)
    sockets.take(only)
    os.unlink(spec.path)
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(spec.path)
        theirs.listen()
        with pytest.raises(SpawnRefused, match=f"pid {os.getpid()} "):
            sockets.take(only)
    sockets.take(only)
    assert connects(spec)


def test_a_file_others_put_there_is_not_removed(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    sockets.take(process("a", spec))
    os.unlink(spec.path)
    Path(spec.path).write_text("theirs")
    sockets.stopped(ProcessId("web", "a"))
    assert Path(spec.path).read_text() == "theirs"


def own_name() -> str:
    return Path("/proc/self/comm").read_text(encoding="utf-8").strip()


def refusal(sockets: Sockets, spec: SocketSpec, program: str = "web") -> SpawnRefused:
    with pytest.raises(SpawnRefused) as refused:
        sockets.take(process("x", spec, program, program))
    return refused.value


def test_what_cannot_be_opened_is_a_failed_start_with_its_reason(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(spec.path)
        taken.listen()
        why = refusal(sockets, spec)
    assert why.reason == f"cannot listen on '{spec.path}': pid {os.getpid()} ({own_name()}) does"
    assert not why.transient
    (place / "file").write_text("kept")
    assert "a regular file is there" in refusal(sockets, unix(place, "file")).reason
    assert "no such file or directory" in refusal(sockets, unix(place, "none/s")).reason
    assert (
        "cannot listen on 127.0.0.1:"
        in refusal(sockets, SocketSpec(family="inet", host="127.0.0.1", port=1 << 17)).reason
    )
    assert (len(sockets), sockets.lines) == (0, [])


def test_an_address_of_another_program_of_ours_is_refused_by_name_and_without_a_try(
    sockets: Sockets, place: Path
) -> None:
    spec = unix(place)
    fd = sockets.take(process("a", spec, "first"))
    assert fd is not None
    why = refusal(sockets, spec, "second")
    assert why.reason == f"cannot listen on unix://{spec.path}: program 'first' does"
    assert not why.transient
    with socket.socket(fileno=os.dup(fd)) as listener:
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_it_is_the_same_address_however_it_is_written(sockets: Sockets, place: Path) -> None:
    (place / "link").symlink_to(place)
    sockets.take(process("a", unix(place), "first"))
    assert "program 'first' does" in refusal(sockets, unix(place, "link/s"), "second").reason
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sockets.take(process("b", SocketSpec(family="inet", host="localhost", port=port), "first"))
    for host in ("127.0.0.1", "0.0.0.0", "localhost"):
        why = refusal(sockets, SocketSpec(family="inet", host=host, port=port), "second")
        assert why.reason == f"cannot listen on tcp://{host}:{port}: program 'first' does"
    sockets.take(process("c", SocketSpec(family="inet", host="127.0.0.2", port=port), "third"))
    assert len(sockets) == 3


def test_an_address_whose_program_is_on_its_way_out_costs_no_retry_and_is_tried_again_when_it_is_free(
    sockets: Sockets, place: Path
) -> None:
    spec = unix(place)
    one, other = process("a", spec, "first"), process("b", spec, "first")
    sockets.take(one)
    sockets.take(other)
    sockets.town.moving = {"a"}
    assert not refusal(sockets, spec, "second").transient
    sockets.town.moving = {"a", "b"}
    why = refusal(sockets, spec, "second")
    assert why.transient
    assert why.reason == f"cannot listen on unix://{spec.path}: program 'first' does until it has stopped"
    sockets.stopped(one.id)
    assert sockets.town.tried_again == []
    sockets.tell(n.ProcessRemoved(other.id))
    assert sockets.town.tried_again == ["x"]
    sockets.take(process("x", spec, "second", "second"))
    assert connects(spec)
    sockets.stopped(ProcessId("second", "x"))
    assert sockets.town.tried_again == ["x"]


def test_who_waits_for_an_address_no_more_is_not_tried_again(sockets: Sockets, place: Path) -> None:
    spec, free = unix(place), unix(place, "free")
    only = process("a", spec, "first")
    sockets.take(only)
    sockets.town.moving = {"a"}
    for name in ("x", "y", "z"):
        with pytest.raises(SpawnRefused):
            sockets.take(process(name, spec, "second", "second"))
    sockets.take(process("x", free, "second", "second"))
    sockets.tell(n.ProcessRemoved(ProcessId("second", "y")))
    sockets.stopped(only.id)
    assert sockets.town.tried_again == ["z"]


LEFTOVER = """
import os, socket, sys
listener = socket.socket(socket.AF_INET if sys.argv[1].isdigit() else socket.AF_UNIX)
listener.bind(("127.0.0.1", 0) if sys.argv[1].isdigit() else sys.argv[1])
listener.listen()
print(listener.getsockname()[1] if sys.argv[1].isdigit() else 0, flush=True)
sys.stdin.read()
"""


@contextmanager
def leftover(address: str, kin: str = "web") -> Iterator[tuple[int, int]]:
    """A process of its own that listens at a path, or at a port; yields its pid and the port."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", LEFTOVER, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"KIN": kin},
        text=True,
    ) as left:
        assert left.stdout
        yield left.pid, int(left.stdout.readline())
        left.communicate()


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()


def test_a_socket_that_only_processes_of_an_earlier_daemon_have_is_taken_from_them(
    sockets: Sockets, place: Path
) -> None:
    spec = unix(place)
    with leftover(spec.path) as (pid, _):
        fd = sockets.take(process("a", spec))
        assert sockets.lines == [
            f"Replacing socket unix://{spec.path} of an earlier daemon: pid {pid} ({name_of(pid)}) still held it",
            f"Creating socket unix://{spec.path}",
        ]
        assert fd is not None
        with socket.socket(fileno=os.dup(fd)) as listener, socket.socket(socket.AF_UNIX) as client:
            client.connect(spec.path)
            listener.accept()[0].close()
    assert os.listdir(place) == ["s"]


def test_a_socket_that_a_stranger_has_is_left_to_him(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    with leftover(spec.path, "another") as (pid, _):
        why = refusal(sockets, spec)
        assert why.reason == f"cannot listen on '{spec.path}': pid {pid} ({name_of(pid)}) does"
        assert not why.transient
        assert connects(spec)
    sockets.take(process("a", spec))
    assert connects(spec)


def test_a_port_that_a_process_of_an_earlier_daemon_has_is_said_to_be(sockets: Sockets) -> None:
    with leftover("0") as (pid, port):
        why = refusal(sockets, SocketSpec(family="inet", host="localhost", port=port))
        does = f"cannot listen on localhost:{port}: pid {pid} ({name_of(pid)}) does"
        assert why.reason == f"{does} (left by an earlier daemon: end it)"
    with leftover("0", "another") as (pid, port):
        why = refusal(sockets, SocketSpec(family="inet", host="127.0.0.1", port=port))
        assert why.reason == f"cannot listen on 127.0.0.1:{port}: pid {pid} ({name_of(pid)}) does"


def refuses(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, what, refuse)


def test_a_change_that_is_refused_is_a_failed_start(
    sockets: Sockets, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets.take(process("a", unix(place)))
    refuses(monkeypatch, "chmod")
    why = refusal(sockets, unix(place, mode=0o777))
    assert why.reason == f"cannot listen on unix://{place}/s: operation not permitted"


def test_an_owner_that_may_not_be_given_is_named(
    sockets: Sockets, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets.take(process("a", unix(place)))
    refuses(monkeypatch, "chown")
    for name in ("s", "new"):
        why = refusal(sockets, unix(place, name, owner_uid=54321))
        assert why.reason == f"cannot give '{place}/{name}' to uid 54321: operation not permitted (only root can)"
        assert not why.transient
