"""FastCGI programs: one listening socket, opened by the daemon, for all processes of a program."""

import grp
import os
import pwd
import signal
import socket
import stat
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program

PROGRAM = f"[fcgi-program:web]\ncommand={program('acceptor.py')}\n"
THREE = "numprocs=3\nprocess_name=w%(process_num)d\n"


@contextmanager
def connected(rig: Rig, address: str | int = "fcgi") -> Iterator[socket.socket]:
    """Connect to a socket of the directory, or to a port."""
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    with socket.socket(family) as link:
        link.settimeout(20)
        link.connect(("127.0.0.1", address) if isinstance(address, int) else str(rig.dir / address))
        yield link


def hear(link: socket.socket) -> str:
    """Return the line that comes."""
    with link.makefile(encoding="utf-8") as lines:
        return lines.readline().strip()


def ask(rig: Rig, word: str, address: str | int = "fcgi") -> str:
    """Return the answer to one word on a connection of its own."""
    with connected(rig, address) as link:
        link.sendall(f"{word}\n".encode())
        return hear(link)


def accepts(rig: Rig, address: str = "fcgi") -> bool:
    try:
        with connected(rig, address):
            return True
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def sockets_of(pid: int) -> set[str]:
    """Return the sockets a process has open."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            continue
    return {what for what in found if what.startswith("socket:")}


@contextmanager
def all_busy(rig: Rig) -> Iterator[list[socket.socket]]:
    """Connect to each of the three processes: one that has a connection takes no other before it has answered."""
    with connected(rig) as first, connected(rig) as second, connected(rig) as third:
        pids = [rig.pid(f"web:w{number}") for number in range(3)]
        rig.wait(lambda: all(len(sockets_of(pid)) == 2 for pid in pids), what="each has a connection")
        yield [first, second, third]


def test_three_processes_share_a_unix_socket(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\n{THREE}")
    rig.start()
    rig.until_all("RUNNING")
    pids = {str(rig.pid(f"web:w{number}")): f"w{number}" for number in range(3)}
    pid, _, name = ask(rig, "who").partition(" ")
    assert pids[pid] == name
    assert len({os.readlink(f"/proc/{pid}/fd/0") for pid in pids}) == 1
    assert ask(rig, "fds").startswith("0=socket 1=pipe 2=pipe")
    if rig.subject == "tmd":  # supervisord opens it once for a try, and again at the first start
        assert len(rig.lines("Creating socket")) == 1
    rig.stop()


def test_each_of_them_gets_its_share_of_connections(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\n{THREE}")
    rig.start()
    rig.until_all("RUNNING")
    with all_busy(rig) as links:
        for link in links:
            link.sendall(b"who\n")
        assert {hear(link).split()[1] for link in links} == {"w0", "w1", "w2"}
    rig.stop()


def test_a_port_is_shared_too(rig: Rig) -> None:
    port = free_port()
    rig.write(f"{PROGRAM}socket=tcp://127.0.0.1:{port}\n{THREE}")
    rig.start()
    rig.until_all("RUNNING")
    pids = {str(rig.pid(f"web:w{number}")) for number in range(3)}
    assert ask(rig, "who", port).split()[0] in pids
    assert rig.lines("Creating socket")[-1].text == f"Creating socket tcp://127.0.0.1:{port}"
    rig.stop()
    assert rig.lines("Closing socket")[-1].text == f"Closing socket tcp://127.0.0.1:{port}"
    with pytest.raises(ConnectionRefusedError):
        ask(rig, "who", port)


@pytest.mark.ours
def test_in_a_group_it_keeps_its_socket(rig: Rig) -> None:
    rig.write(
        f"{PROGRAM}socket=unix://{{dir}}/fcgi\n{THREE}"
        "[program:other]\ncommand=sleep 100000\n[group:site]\nprograms=web,other\n"
    )
    rig.start()
    rig.until_all("RUNNING")
    assert ask(rig, "who").split()[1] in {"w0", "w1", "w2"}
    assert not sockets_of(rig.pid("site:other"))
    rig.stop()


@pytest.mark.ours
def test_no_other_child_has_the_socket(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\n[program:other]\ncommand=sleep 100000\npriority=1000\n")
    rig.start()
    rig.until_all("RUNNING")
    assert sockets_of(rig.pid("web"))
    assert not sockets_of(rig.pid("other"))
    rig.stop()


@pytest.mark.ours
def test_over_a_crash_connections_wait_and_none_is_refused(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\n")
    rig.start()
    old = rig.until("web", "RUNNING")["pid"]
    with connected(rig) as killer, connected(rig) as queued:
        queued.sendall(b"who\n")
        killer.sendall(b"crash\n")
        pid = rig.until_new_pid("web", old)
        assert hear(queued) == f"{pid} web"
    assert not rig.lines("Closing socket")
    rig.stop()


@pytest.mark.ours
def test_in_backoff_connections_wait(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=2\nstartretries=5\n")
    rig.start()
    with connected(rig) as killer:
        killer.sendall(b"crash\n")
        rig.until("web", "BACKOFF")
        with connected(rig) as queued:
            queued.sendall(b"who\n")
            assert hear(queued).endswith(" web")
    assert len(rig.lines("Creating socket")) == 1
    rig.stop()


def test_after_the_last_stop_it_is_closed_and_the_next_start_opens_it_again(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\n{THREE}")
    rig.start()
    rig.until_all("RUNNING")
    created = len(rig.lines("Creating socket"))
    rig.ctl("stop", "web:w0", "web:w1")
    assert ask(rig, "who").endswith(" w2")
    rig.ctl("stop", "web:w2")
    rig.wait(lambda: not accepts(rig), what="nobody listens")
    if rig.subject == "tmd":
        assert not (rig.dir / "fcgi").exists()
    assert rig.lines("Closing socket")[-1].text == f"Closing socket unix://{rig.dir}/fcgi"
    rig.ctl("start", "web:w1")
    assert ask(rig, "who").endswith(" w1")
    assert len(rig.lines("Creating socket")) == created + 1
    rig.stop()
    assert len(rig.lines("Closing socket")) == len(rig.lines("Creating socket"))


@pytest.mark.ours
def test_a_program_that_ends_by_itself_closes_it(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\nautorestart=false\n")
    rig.start()
    rig.until("web", "RUNNING")
    with connected(rig) as killer:
        killer.sendall(b"crash\n")
        rig.until("web", "EXITED")
    assert not (rig.dir / "fcgi").exists()
    rig.stop()


@pytest.mark.ours
def test_over_a_restart_by_request_connections_wait(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\n{THREE}")
    rig.start()
    rig.until_all("RUNNING")
    old = {rig.pid(f"web:w{number}") for number in range(3)}
    with all_busy(rig), connected(rig) as queued:
        queued.sendall(b"who\n")
        rig.ctl("restart", "web:*")
        assert int(hear(queued).split()[0]) not in old
    assert not rig.lines("Closing socket")
    rig.stop()


def test_mode_and_owner(rig: Rig) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a file away")
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nsocket_mode=0620\nsocket_owner=nobody:daemon\n")
    rig.start()
    rig.until("web", "RUNNING")
    found = (rig.dir / "fcgi").stat()
    assert stat.S_IMODE(found.st_mode) == 0o620
    assert (found.st_uid, found.st_gid) == (pwd.getpwnam("nobody").pw_uid, grp.getgrnam("daemon").gr_gid)
    rig.stop()


def test_it_belongs_to_the_programs_user_by_default(rig: Rig) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a file away")
    rig.write("[fcgi-program:web]\ncommand=/bin/sleep 100000\nsocket=unix://{dir}/fcgi\nuser=nobody\n")
    rig.start()
    rig.until("web", "RUNNING")
    found = (rig.dir / "fcgi").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o700, pwd.getpwnam("nobody").pw_uid)
    rig.stop()


def test_a_dead_socket_file_is_replaced(rig: Rig) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(rig.dir / "fcgi"))
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\n")
    rig.start()
    rig.until("web", "RUNNING")
    assert ask(rig, "who")
    rig.stop()


@pytest.mark.ours
def test_an_address_in_use_is_a_failed_start_with_its_reason_and_is_tried_again(rig: Rig) -> None:
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(rig.dir / "fcgi"))
        taken.listen()
        rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartretries=1\nstartsecs=0\n")
        rig.start()
        info = rig.until("web", "FATAL")
        reason = f"cannot listen on '{rig.dir}/fcgi': another program does"
        assert info["spawnerr"] == info["description"] == reason
        assert [line.text for line in rig.lines("spawnerr")] == [f"spawnerr: {reason}"] * 2
        assert rig.ctl("start", "web").text == "web: ERROR (spawn error)\n"
        rig.until("web", "FATAL")
    rig.ctl("start", "web")
    assert ask(rig, "who")
    rig.stop()


@pytest.mark.ours
def test_what_is_no_socket_is_left_alone(rig: Rig) -> None:
    (rig.dir / "fcgi").write_text("precious")
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartretries=0\n")
    rig.start()
    assert "a regular file is there" in rig.until("web", "FATAL")["spawnerr"]
    assert rig.text("fcgi") == "precious"
    rig.stop()


def test_there_is_no_stdin_to_send_to(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\n")
    rig.start()
    rig.until("web", "RUNNING")
    with pytest.raises(xmlrpc.client.Fault) as refused:
        rig.rpc.supervisor.sendProcessStdin("web", "x")
    assert (refused.value.faultCode, refused.value.faultString) == (20, "NO_FILE: web")
    rig.stop()


def moves(rig: Rig, update: Callable[[], object]) -> None:
    """Play a reload that moves the program from one socket to another."""
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\n{THREE}[program:other]\ncommand=sleep 100000\n")
    rig.start()
    rig.until_all("RUNNING")
    old, other = rig.pid("web:w0"), rig.pid("other")
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/new\nstartsecs=0\n{THREE}[program:other]\ncommand=sleep 100000\n")
    update()
    rig.until_new_pid("web:w0", old)
    rig.until_all("RUNNING")
    assert ask(rig, "who", "new")
    assert not accepts(rig)
    assert rig.pid("other") == other
    assert f"Closing socket unix://{rig.dir}/fcgi" in [line.text for line in rig.lines("Closing socket")]
    rig.stop()


def test_an_update_moves_it(rig: Rig) -> None:
    moves(rig, lambda: rig.ctl("update"))


@pytest.mark.ours
def test_an_update_changes_mode_and_backlog(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\n{THREE}")
    rig.start()
    rig.until_all("RUNNING")
    old = rig.pid("web:w0")
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nsocket_mode=0600\nsocket_backlog=9\nstartsecs=0\n{THREE}")
    rig.ctl("update")
    rig.until_new_pid("web:w0", old)
    rig.until_all("RUNNING")
    assert stat.S_IMODE((rig.dir / "fcgi").stat().st_mode) == 0o600
    assert ask(rig, "who")
    assert not rig.lines("spawnerr")
    rig.stop()


def test_removing_the_program_closes_it(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\n[program:other]\ncommand=sleep 100000\n")
    rig.start()
    rig.until_all("RUNNING")
    rig.write("[program:other]\ncommand=sleep 100000\n")
    rig.ctl("update")
    rig.wait(lambda: not accepts(rig), what="nobody listens")
    rig.stop()


@pytest.mark.ours
def test_a_restart_of_the_daemon_opens_it_again(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\n")
    rig.start()
    rig.until("web", "RUNNING")
    world.kill(rig.daemon_pid, signal.SIGHUP)
    rig.until_line("Creating socket", 2)
    assert ask(rig, "who")
    rig.wait_ready()
    rig.stop()
    assert not (rig.dir / "fcgi").exists()


@pytest.mark.ours
def test_a_native_file_has_them_too(rig: Rig) -> None:
    rig.write_native(
        "  other:\n    cmd: sleep 100000\n"
        f"fcgi-programs:\n  web:\n    cmd: {program('acceptor.py')}\n    socket: unix://{{dir}}/fcgi\n    numprocs: 2\n"
    )
    rig.start()
    rig.until_all("RUNNING")
    assert ask(rig, "who").split()[1] in {"web_00", "web_01"}
    rig.stop()
