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
from pathlib import Path

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


def own_name() -> str:
    return Path("/proc/self/comm").read_text(encoding="utf-8").strip()


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
    if rig.subject == "tmd":  # a moment later
        rig.wait(lambda: not (rig.dir / "fcgi").exists(), what="its file is gone")
    assert rig.until_line("Closing socket")[-1].text == f"Closing socket unix://{rig.dir}/fcgi"
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
        reason = f"cannot listen on '{rig.dir}/fcgi': pid {os.getpid()} ({own_name()}) does"
        assert info["spawnerr"] == info["description"] == reason
        assert [line.text for line in rig.until_line("spawnerr", count=2)] == [f"spawnerr: {reason}"] * 2
        assert rig.ctl("start", "web").text == "web: ERROR (spawn error)\n"
        rig.until("web", "FATAL")
    rig.ctl("start", "web")
    assert ask(rig, "who")
    rig.stop()


def crash(rig: Rig) -> None:
    """Kill the daemon at once; what it started lives on."""
    assert rig.daemon
    rig.daemon.kill()
    rig.daemon.wait()


def start_anew(rig: Rig) -> None:
    """Start a daemon that leaves alone what an earlier one has left, as Supervisor always does."""
    rig.start(*(("--no-adopt",) if rig.subject == "tmd" else ()))


def end_leftovers(rig: Rig, pids: list[int]) -> None:
    for pid in pids:
        world.kill(pid)
    rig.wait(lambda: not any(world.alive(pid) for pid in pids), what="the leftovers are gone")


def test_after_a_crash_of_the_daemon_its_socket_is_taken_from_the_leftovers(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartretries=0\nstartsecs=0\n{THREE}")
    rig.start()
    rig.until_all("RUNNING")
    old = [rig.pid(f"web:w{number}") for number in range(3)]
    crash(rig)
    assert int(ask(rig, "who").split()[0]) in old
    start_anew(rig)
    rig.until_all("RUNNING")
    new = [rig.pid(f"web:w{number}") for number in range(3)]
    assert all(world.alive(pid) for pid in old)
    with all_busy(rig) as links:
        for link in links:
            link.sendall(b"who\n")
        assert {int(hear(link).split()[0]) for link in links} == set(new)
    if rig.subject == "tmd":
        assert f"pid {min(old)} (" in rig.lines("Replacing socket .* of an earlier daemon")[0].text
        assert len(rig.lines("Replacing socket")) == 1
    end_leftovers(rig, old)
    rig.stop()


@pytest.mark.ours
def test_a_leftover_of_another_program_keeps_its_socket_and_is_named(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\n")
    rig.start()
    old = rig.until("web", "RUNNING")["pid"]
    crash(rig)
    rig.write(PROGRAM.replace(":web]", ":other]") + "socket=unix://{dir}/fcgi\nstartretries=0\n")
    start_anew(rig)
    name = (Path("/proc") / str(old) / "comm").read_text(encoding="utf-8").strip()
    assert rig.until("other", "FATAL")["spawnerr"] == f"cannot listen on '{rig.dir}/fcgi': pid {old} ({name}) does"
    assert ask(rig, "who") == f"{old} web"
    end_leftovers(rig, [old])
    rig.ctl("start", "other")
    assert ask(rig, "who").endswith(" other")
    rig.stop()


@pytest.mark.ours
def test_a_port_that_a_leftover_has_is_said_to_be(rig: Rig) -> None:
    port = free_port()
    rig.write(f"{PROGRAM}socket=tcp://127.0.0.1:{port}\nstartretries=0\nstartsecs=0\n")
    rig.start()
    old = rig.until("web", "RUNNING")["pid"]
    crash(rig)
    start_anew(rig)
    reason = rig.until("web", "FATAL")["spawnerr"]
    assert reason.startswith(f"cannot listen on 127.0.0.1:{port}: pid {old} (")
    assert reason.endswith(") does (left by an earlier daemon: end it)")
    end_leftovers(rig, [old])
    rig.ctl("start", "web")
    assert ask(rig, "who", port).endswith(" web")
    rig.stop()


@pytest.mark.ours
def test_a_socket_file_that_is_gone_is_made_again_by_a_restart(rig: Rig) -> None:
    rig.write(f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\n{THREE}")
    rig.start()
    rig.until_all("RUNNING")
    (rig.dir / "fcgi").unlink()
    rig.ctl("restart", "web:w1")
    assert ask(rig, "who").endswith(" w1")
    rig.ctl("restart", "web:*")
    with all_busy(rig):
        pass
    (rig.dir / "fcgi").unlink()
    rig.ctl("restart", "web:*")
    with all_busy(rig):
        pass
    assert len(rig.lines("Replacing socket .*removed or replaced by others")) == 2
    rig.stop()
    assert not (rig.dir / "fcgi").exists()


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


SLOW = "startsecs=0\nstartretries=0\nstopsignal=CONT\nstopwaitsecs=3\n"
"""it takes the stop for nothing, and is killed after a while"""


def section(name: str, address: str) -> str:
    return f"[fcgi-program:{name}]\ncommand={program('acceptor.py')}\nsocket={address}\n{SLOW}"


@pytest.mark.ours
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_an_address_passes_from_a_program_that_stops_slowly_to_another(rig: Rig, kind: str) -> None:
    port = free_port()
    old = new = "unix://{dir}/fcgi"
    if kind == "tcp":
        old, new = f"tcp://localhost:{port}", f"tcp://127.0.0.1:{port}"
    rig.write(section("old", old))
    rig.start()
    rig.until("old", "RUNNING")
    rig.write(section("new", new))
    rig.ctl("update")
    rig.until("new", "RUNNING", deadline_s=20)
    assert ask(rig, "who", port if kind == "tcp" else "fcgi").endswith(" new")
    refused = rig.lines("spawnerr")
    assert len(refused) == 2
    assert all(line.text.endswith(": program 'old' does until it has stopped") for line in refused)
    closed, created = rig.lines("Closing socket")[0], rig.lines("Creating socket")[-1]
    assert created.at - closed.at < 0.5
    rig.stop()


@pytest.mark.ours
def test_two_programs_swap_their_addresses(rig: Rig) -> None:
    rig.write(section("a", "unix://{dir}/1") + section("b", "unix://{dir}/2").replace("stopsignal=CONT\n", ""))
    rig.start()
    rig.until_all("RUNNING")
    assert ask(rig, "who", "1").endswith(" a")
    rig.write(section("a", "unix://{dir}/2") + section("b", "unix://{dir}/1").replace("stopsignal=CONT\n", ""))
    rig.ctl("update")
    rig.until_all("RUNNING", deadline_s=20)
    assert ask(rig, "who", "2").endswith(" a")
    assert ask(rig, "who", "1").endswith(" b")
    rig.stop()


@pytest.mark.ours
def test_a_program_on_the_socket_of_another_does_not_knock_there(rig: Rig) -> None:
    rig.write(
        f"{PROGRAM}socket=unix://{{dir}}/fcgi\nstartsecs=0\n"
        + PROGRAM.replace(":web]", ":second]")
        + "socket=unix://{dir}/fcgi\npriority=1000\nstartretries=1\n"
    )
    rig.start()
    why = rig.until("second", "FATAL")["spawnerr"]
    assert why == f"cannot listen on unix://{rig.dir}/fcgi: program 'web' does"
    assert ask(rig, "count") == "1"
    rig.stop()


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
