"""Too few descriptors, processes, or memory; a stdin that nobody reads: told, counted, held against no program."""

import errno
import os
import resource
import signal
import socket
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.e2e.identities import AS_ROOT, NOBODY, through
from tests.faults.meddling import Meddler
from tests.support import eventually

PATIENCE_S = 20.0
AGAIN = "(they are tried again every 2 s, and this is not counted against them)"


@contextmanager
def limited(rig: Rig, what: int, count: int) -> Iterator[None]:
    """Put a soft limit on the daemon for a while."""
    soft, hard = resource.prlimit(rig.daemon_pid, what)
    resource.prlimit(rig.daemon_pid, what, (count, hard))
    yield
    resource.prlimit(rig.daemon_pid, what, (soft, hard))


@contextmanager
def all_descriptors_taken(rig: Rig, limit: int) -> Iterator[None]:
    """Have clients connect until the daemon has no descriptor left, and stay for a while."""
    with ExitStack() as stack:
        for _ in range(limit):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(rig.socket))
        eventually(lambda: world.descriptors(rig.daemon_pid) >= limit - 2, PATIENCE_S)
        yield


def counted(rig: Rig, kind: str) -> int:
    return int(rig.rpc.taskmaster.getFigures()["faults"][kind])


def fails_for_a_while(rig: Rig, name: str, reason: str) -> int:
    """Kill a program that cannot be started again; return the pid it had."""
    pid = rig.pid(name)
    world.kill(pid, signal.SIGKILL)
    rig.until(name, "BACKOFF")
    assert rig.info(name)["spawnerr"] == reason
    return pid


def nothing_held_against(rig: Rig, name: str) -> None:
    assert not rig.lines(f"gave up: {name}")
    assert rig.info(name)["statename"] == "RUNNING"


def test_without_descriptors_programs_wait_and_clients_are_answered(rig: Rig) -> None:
    limit = 60
    rig.write("[program:web]\ncommand=sleep 1000\nstartsecs=0\nstartretries=0\n", daemon="minfds=50")
    through(rig, "prlimit", f"--nofile={limit}:{limit}")
    rig.start()
    rig.until("web", "RUNNING")
    with all_descriptors_taken(rig, limit):
        pid = fails_for_a_while(rig, "web", "too many open files to spawn 'web'")
        assert rig.ctl("version").code == 0, "who comes is served"
        (line,) = rig.until_line("cannot start programs")
        assert (line.level, line.text) == ("WARN", f"cannot start programs: too many open files {AGAIN}")
        assert counted(rig, "descriptors") >= 1
    rig.until_new_pid("web", pid)
    nothing_held_against(rig, "web")
    (line,) = rig.until_line("programs can be started again")
    assert line.level == "INFO"
    rig.stop()


@AS_ROOT
def test_without_processes_for_a_user_his_programs_wait(rig: Rig) -> None:
    rig.dir.chmod(0o777)
    rig.write(
        "[program:his]\ncommand=sleep 1000\nuser=nobody\nstartsecs=0\nstartretries=0\n"
        "[program:ours]\ncommand=sleep 1000\nstartsecs=0\n"
        "[program:his_other]\ncommand=sleep 1000\nuser=nobody\nstartsecs=0\n"
    )
    rig.start()
    rig.until("his_other", "RUNNING")
    rig.until("his", "RUNNING")
    rig.until("ours", "RUNNING")
    with limited(rig, resource.RLIMIT_NPROC, 0):
        pid = fails_for_a_while(rig, "his", "Too many processes in process table to spawn 'his'")
        ours = rig.pid("ours")
        world.kill(ours, signal.SIGKILL)
        rig.until_new_pid("ours", ours)
        (line,) = rig.until_line("cannot start programs")
        assert line.text == f"cannot start programs of uid {NOBODY.pw_uid}: too many processes {AGAIN}"
        assert counted(rig, "processes") >= 1
    rig.until_new_pid("his", pid)
    nothing_held_against(rig, "his")
    assert rig.until_line(f"programs of uid {NOBODY.pw_uid} can be started again")
    rig.stop()


@pytest.mark.parametrize(
    ("number", "kind", "reason", "told"),
    [
        (errno.EAGAIN, "processes", "Too many processes in process table to spawn 'web'", "too many processes"),
        (errno.ENOMEM, "memory", "unknown error during fork for 'web': ENOMEM", "out of memory"),
    ],
)
def test_when_fork_fails_programs_wait(
    rig: Rig, meddler: Meddler, number: int, kind: str, reason: str, told: str
) -> None:
    rig.write(
        "[program:web]\ncommand=sleep 1000\nstartsecs=0\nstartretries=0\n"
        "[program:other]\ncommand=sleep 1000\nstartsecs=0\n"
    )
    rig.start()
    rig.until("web", "RUNNING")
    other = rig.pid("other")
    with meddler.failing_forks(number):
        pid = fails_for_a_while(rig, "web", reason)
        (line,) = rig.until_line("cannot start programs")
        assert line.text == f"cannot start programs: {told} {AGAIN}"
        assert counted(rig, kind) >= 1
        assert rig.rpc.supervisor.stopProcess("other")
        assert not world.alive(other)
    rig.until_new_pid("web", pid)
    nothing_held_against(rig, "web")
    assert rig.until_line("programs can be started again")
    rig.stop()


@pytest.mark.soak
@pytest.mark.timeout(180)
def test_a_shortage_of_a_minute_is_told_twice_and_not_more(rig: Rig, meddler: Meddler) -> None:
    programs = "".join(f"[program:p{n}]\ncommand=sleep 1000\nstartsecs=0\n" for n in range(40))
    rig.write(programs)
    rig.start()
    rig.until_all("RUNNING")
    with meddler.failing_forks(errno.EAGAIN):
        for name in rig.states():
            world.kill(rig.pid(name), signal.SIGKILL)
        eventually(lambda: counted(rig, "processes") > 40 * 30, 120, every_s=1)
        assert len(rig.lines("cannot start programs")) == 2
        assert len(rig.lines("spawnerr")) <= 40 * 12
    rig.until_all("RUNNING")
    rig.stop()


def _send(rig: Rig, name: str, size: int) -> None:
    for _ in range(size // 65536):
        rig.rpc.supervisor.sendProcessStdin(name, "x" * 65536)


@contextmanager
def _stdin_of(pid: int) -> Iterator[Callable[[], int]]:
    """Read the stdin of a program in its place; yields what reads what is there, and tells how much that was so far."""
    fd = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NONBLOCK)
    count = 0

    def read() -> int:
        nonlocal count
        with suppress(BlockingIOError):
            while data := os.read(fd, 1 << 20):
                count += len(data)
        return count

    yield read
    os.close(fd)


def test_a_stdin_that_nobody_reads_is_refused_and_holds_up_nobody(rig: Rig) -> None:
    rig.write(
        "[program:deaf]\ncommand=sleep 1000\nstartsecs=0\n"
        f"[program:echo]\ncommand={program('echo.py')}\nstartsecs=0\nstdout_logfile=%(here)s/echo.log\n"
    )
    rig.start()
    rig.until("deaf", "RUNNING")
    rig.until("echo", "RUNNING")
    with pytest.raises(xmlrpc.client.Fault, match="it does not read"):
        _send(rig, "deaf", 40 * 65536)
    (line,) = rig.until_line("stdin")
    assert line.text == "cannot write to stdin of 'deaf': it does not read, and a megabyte waits"
    assert counted(rig, "stdin") == 1
    rig.rpc.supervisor.sendProcessStdin("echo", "hello\n")
    rig.until_text("echo.log", "hello")
    with _stdin_of(rig.pid("deaf")) as taken:
        eventually(lambda: taken() >= 16 * 65536, PATIENCE_S, what="what was taken arrives")
    assert rig.rpc.supervisor.sendProcessStdin("deaf", "x")
    assert rig.until_line("'deaf' reads its stdin again")
    rig.stop()
