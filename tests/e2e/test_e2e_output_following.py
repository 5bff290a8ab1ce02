"""Logs as they grow: tail -f and maintail -f with either client, the streams behind them, and fg."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e.harness import Client, Rig, program
from tests.e2e.wire import raw

LATE_S = 30.0
CLIENTS: list[Client] = ["tmctl", "supervisorctl"]
TALKER = f"[program:web]\ncommand={program('talker.py')}\nstartsecs=0\nstdout_logfile={{dir}}/out\n"
ECHO = f"[program:web]\ncommand={program('echo.py')}\nstartsecs=0\nstdout_logfile={{dir}}/out\nredirect_stderr=true\n"


@contextmanager
def client(rig: Rig, which: Client, *words: str, typed: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a client with its output in the file `client`, and end it."""
    with (
        (rig.dir / "client").open("wb") as out,
        subprocess.Popen(
            rig.client_command(*words, client=which),
            stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=rig.dir,
            env=rig.client_environment() | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def tell(rig: Rig, count: int) -> None:
    """Have the talker say so many more numbered lines."""
    rig.rpc.supervisor.sendProcessStdin("web", f"{count}\n")


def numbers(text: str) -> list[int]:
    """Return the numbers of the lines that were told."""
    return [int(number) for number in re.findall(r"^line (\d+) x+$", text, re.MULTILINE)]


def begins(path: Path) -> tuple[int, str]:
    """Return inode and first line of a file: after two rotations the number alone may be the same again."""
    try:
        with path.open() as file:
            return os.fstat(file.fileno()).st_ino, file.readline()
    except FileNotFoundError:  # in the middle of a rotation
        return 0, ""


def backups(rig: Rig, name: str = "out") -> int:
    return len(list(rig.dir.glob(f"{name}.*")))


@pytest.mark.ours
@pytest.mark.parametrize("kept", [10, 1, 0])
@pytest.mark.parametrize("which", CLIENTS)
def test_tail_f_loses_no_line_over_twenty_rotations(rig: Rig, which: Client, kept: int) -> None:
    rig.write(TALKER + f"stdout_logfile_maxbytes=1KB\nstdout_logfile_backups={kept}\n")
    rig.start()
    rig.until("web", "RUNNING")
    tell(rig, 1)
    with client(rig, which, "tail", "-f", "web"):
        rig.until_text("client", "line 0 ", LATE_S)
        said = 1
        for _ in range(25):
            before = begins(rig.dir / "out")
            tell(rig, 40)
            said += 40
            rig.wait(lambda: begins(rig.dir / "out") not in ((0, ""), before), LATE_S, "a rotation")  # noqa: B023 - at once
        rig.until_text("client", f"line {said - 1} ", LATE_S)
        assert numbers(rig.text("client")) == list(range(said))
    assert backups(rig) == kept
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("which", CLIENTS)
def test_tail_f_of_a_flood_loses_no_line(rig: Rig, which: Client) -> None:
    rig.write(TALKER + "stdout_logfile_maxbytes=200KB\nstdout_logfile_backups=2\n")
    rig.start()
    rig.until("web", "RUNNING")
    tell(rig, 1)
    with client(rig, which, "tail", "-f", "web"):
        rig.until_text("client", "line 0 ", LATE_S)
        tell(rig, 60_000)
        rig.wait(lambda: "line 60000 " in rig.text("client")[-200:], LATE_S, "all is told")
        assert numbers(rig.text("client")) == list(range(60_001))
    assert backups(rig) == 2
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("which", CLIENTS)
def test_maintail_f_loses_no_line_over_rotations(rig: Rig, which: Client) -> None:
    rig.write(ECHO, daemon="logfile_maxbytes=2KB\nlogfile_backups=400\nloglevel=debug")
    rig.start()
    rig.until("web", "RUNNING")
    with client(rig, which, "maintail", "-f"):
        rig.until_text("client", "web entered RUNNING", LATE_S)
        for _ in range(60):
            rig.rpc.supervisor.stopProcess("web")
            rig.rpc.supervisor.startProcess("web")
        spawned = f"with pid {rig.pid('web')}"
        rig.until_text("client", spawned, LATE_S)
        told = re.findall(r"spawned: 'web' with pid (\d+)", rig.text("client"))
    files = sorted(rig.dir.glob("d.log.*"), key=lambda path: -int(path.suffix[1:]))
    logged = re.findall(r"spawned: 'web' with pid (\d+)", "".join(path.read_text() for path in [*files, rig.log]))
    assert len(logged) == 61
    assert told == logged
    assert len(files) >= 3
    rig.stop()


@contextmanager
def stream(rig: Rig, path: str, version: Literal["1.0", "1.1"]) -> Iterator[socket.socket]:
    """Ask for a stream as a program of one's own would."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(LATE_S)
        link.connect(str(rig.socket))
        link.sendall(f"GET {path} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        yield link


def read_until(link: socket.socket, what: bytes) -> bytes:
    data = b""
    while what not in data:
        more = link.recv(65536)
        assert more, f"the stream has ended: {data[-200:]!r}"
        data += more
    return data


@pytest.mark.ours
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_streams_are_there_for_either_http(rig: Rig, version: Literal["1.0", "1.1"]) -> None:
    rig.write(ECHO)
    rig.start()
    rig.until_text("out", "ready\n")
    rig.until("web", "RUNNING")
    for path in ("/logtail/web", "/logtail/web/stdout", "/logtail/web:web"):
        with stream(rig, path, version) as link:
            first = read_until(link, b"ready\n")
            assert first.startswith(b"HTTP/1.1 200 OK\r\n") or first.startswith(b"HTTP/1.0 200 OK\r\n")
            assert (b"chunked" in first) is (version == "1.1")
            rig.rpc.supervisor.sendProcessStdin("web", "more\n")
            rest = read_until(link, b"got: more")
            assert (rest == b"got: more\n") is (version == "1.0")
            rig.ctl("clear", "web")
            rig.rpc.supervisor.sendProcessStdin("web", "ready\n")
            rig.until_text("out", "ready")
    with stream(rig, "/mainlogtail", version) as link:
        read_until(link, b"spawned: 'web'")
    rig.stop()


def test_the_log_is_there_as_soon_as_the_program_is(rig: Rig) -> None:
    names = [f"p{number}" for number in range(40)]
    rig.write(
        "".join(
            f"[program:{name}]\ncommand=sleep 1000\nautostart=false\nstartsecs=0\nstdout_logfile={{dir}}/{name}.out\n"
            for name in names
        )
    )
    rig.start()
    for name in names:
        rig.rpc.supervisor.startProcess(name)
        assert (rig.dir / f"{name}.out").exists()
        assert rig.rpc.supervisor.readProcessStdoutLog(name, 0, 0) == ""
    rig.stop()


@pytest.mark.parametrize("path", ["/logtail/nope", "/logtail/web/other", "/logtail/web/stderr"])
def test_what_is_not_there_is_404(rig: Rig, path: str) -> None:
    rig.write(ECHO)
    rig.start()
    rig.until("web", "RUNNING")
    answer = raw(str(rig.socket), f"GET {path} HTTP/1.0\r\n\r\n".encode())
    assert b" 404 " in answer.split(b"\r\n")[0]
    rig.stop()


@pytest.mark.ours
def test_a_reader_that_stops_reading_holds_up_nobody_and_nothing_grows(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --seconds 60\nstartsecs=0\nstdout_logfile={{dir}}/out\n"
        "stdout_logfile_maxbytes=1MB\nstdout_logfile_backups=2\n"
    )
    rig.start()
    rig.until("web", "RUNNING")
    memory = resident(rig.daemon_pid)
    with stream(rig, "/logtail/web", "1.1") as deaf, stream(rig, "/logtail/web", "1.1") as listening:
        for reader in (deaf, listening):
            assert read_until(reader, b"\r\n").startswith(b"HTTP/1.1 200 ")
        seen = 0
        while seen < 8 << 20:
            more = listening.recv(1 << 20)
            assert more, f"the stream has ended after {seen} bytes"
            seen += len(more)
            if not seen % 7:
                assert rig.rpc.supervisor.getState()["statename"] == "RUNNING"
        rig.rpc.supervisor.stopProcess("web")
        assert resident(rig.daemon_pid) < memory + (8 << 20)
    rig.stop()


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("which", CLIENTS)
def test_fg_shows_what_is_said_and_sends_what_is_typed(rig: Rig, which: Client) -> None:
    if rig.subject == "supervisord" and which == "tmctl":
        pytest.skip("each client against its own server is enough")
    rig.write(ECHO)
    rig.start()
    rig.until_text("out", "ready\n")
    rig.until("web", "RUNNING")
    terminal = rig.terminal("fg", "web", client=which, deadline_s=LATE_S)
    terminal.expect_exact("==> Press Ctrl-C to exit <==")
    terminal.expect_exact("ready")
    for word in ("one", "two words", "grüße"):
        terminal.sendline(word)
        terminal.expect_exact(f"got: {word}")
    terminal.sendintr()
    terminal.expect_exact("Exiting foreground")
    if which == "tmctl":  # the other one first waits out a poll of 30 seconds
        terminal.wait()
        assert terminal.exitstatus == 0
    assert rig.state("web") == "RUNNING"
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("which", CLIENTS)
def test_fg_notices_the_end_of_the_process(rig: Rig, which: Client) -> None:
    rig.write(ECHO + "autorestart=false\n")
    rig.start()
    rig.until_text("out", "ready\n")
    pid = rig.until("web", "RUNNING")["pid"]
    terminal = rig.terminal("fg", "web", client=which, deadline_s=LATE_S)
    terminal.expect_exact("ready")
    os.kill(pid, signal.SIGKILL)
    rig.until("web", "EXITED")
    terminal.sendline("anybody there?")
    terminal.expect("Process got killed")
    terminal.expect_exact("Exiting foreground")
    rig.stop()


@pytest.mark.ours
def test_fg_in_a_program_group_and_with_what_a_pipe_types(rig: Rig) -> None:
    rig.write(ECHO + "[group:g]\nprograms=web\n")
    rig.start()
    rig.until_text("out", "ready\n")
    rig.until("g:web", "RUNNING")
    answer = rig.ctl("fg", "g:web", typed="one\ntwo\n")
    assert answer.code == 0
    rig.until_text("out", "got: one\ngot: two\n")
    rig.stop()
