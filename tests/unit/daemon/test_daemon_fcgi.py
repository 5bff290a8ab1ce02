"""The sockets of FastCGI programs: who shares one, when it opens, how long it stays."""

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmd.config.settings import ProcessSpec, SocketSpec
from tmd.core import notices as n
from tmd.core.inputs import ExitStatus
from tmd.daemon.bus import Told
from tmd.daemon.fcgi import ListeningSockets
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


class Sockets(ListeningSockets):
    """The sockets, what they say, and words for what the bus tells them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        super().__init__(self.lines.append)

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


def test_a_file_others_removed_is_made_again_when_nobody_else_uses_the_socket(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    first, second = process("a", spec), process("b", spec)
    fd = sockets.take(first)
    sockets.take(second)
    os.unlink(spec.path)
    assert sockets.take(first) == fd
    assert not connects(spec)
    sockets.stopped(second.id)
    sockets.take(first)
    assert connects(spec)


def test_a_file_others_put_there_is_not_removed(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    sockets.take(process("a", spec))
    os.unlink(spec.path)
    Path(spec.path).write_text("theirs")
    sockets.stopped(ProcessId("web", "a"))
    assert Path(spec.path).read_text() == "theirs"


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
    assert why.reason == f"cannot listen on '{spec.path}': another program does"
    assert not why.transient
    (place / "file").write_text("kept")
    assert "a regular file is there" in refusal(sockets, unix(place, "file")).reason
    assert "no such file or directory" in refusal(sockets, unix(place, "none/s")).reason
    assert (
        "cannot listen on 127.0.0.1:"
        in refusal(sockets, SocketSpec(family="inet", host="127.0.0.1", port=1 << 17)).reason
    )
    assert (len(sockets), sockets.lines) == (0, [])


def test_an_address_in_use_by_another_program_of_ours_is_named(sockets: Sockets, place: Path) -> None:
    spec = unix(place)
    sockets.take(process("a", spec, "first"))
    assert refusal(sockets, spec, "second").reason == f"cannot listen on unix://{spec.path}: program 'first' does"


def test_a_change_that_is_refused_is_a_failed_start(
    sockets: Sockets, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets.take(process("a", unix(place)))

    def refuse(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    why = refusal(sockets, unix(place, mode=0o777))
    assert why.reason == f"cannot listen on unix://{place}/s: operation not permitted"
