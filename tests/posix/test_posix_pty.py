"""Terminals for programs: what a program finds on one, and how it is told and ended."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.posix.conftest import NOBODY
from tests.support import eventually
from tmd.posix import children, pipes, pty
from tmd.posix.children import Launch, SpawnRefused
from tmd.posix.loop import Loop
from tmd.posix.stdin import StdinWriter
from tmd.wire.frames import Size

ENVIRONMENT = {"PATH": os.defpath}


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Our end of a terminal of 80x24, and the program's."""
    ours, theirs = pty.open_terminal(Size(80, 24))
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def launch(theirs: int, *argv: str, path: str = "", environment: dict[str, str] | None = None) -> Launch:
    return Launch(
        argv=argv,
        path=path or argv[0],
        environment=ENVIRONMENT if environment is None else environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        terminal=True,
    )


def run(terminal: tuple[int, int], start: Launch) -> tuple[int, bytes]:
    """Start, wait, and return the exit status and all output."""
    pid = children.spawn("web", start)
    output = bytearray()

    def ended() -> bool:
        gone = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        try:
            output.extend(os.read(terminal[0], 65536))
        except BlockingIOError:
            return gone  # all that it has said was there before
        return False

    eventually(ended, 20)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code, bytes(output)


def test_the_terminal_is_the_programs_own(terminal: tuple[int, int]) -> None:
    script = "tty; stty size; echo $$; ps -o pgid=,sid=,tpgid= -p $$; echo there > /dev/tty; ls /proc/self/fd"
    code, output = run(terminal, launch(terminal[1], "sh", "-c", script, path="/bin/sh"))
    assert code == 0, output
    name, size, pid, ids, there, *descriptors = output.decode().split("\r\n")
    assert name == os.ttyname(terminal[1])
    assert size == "24 80"
    assert set(ids.split()) == {pid}, "leader of its session and of the group in the foreground"
    assert there == "there"
    assert [word for line in descriptors for word in line.split()] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LC_CTYPE": "C"},
        {"LC_CTYPE": ""},
        {"LC_ALL": "C", "A b": "c=d"},
        {"LD_LIBRARY_PATH": "/nowhere\u00e9:", "LD_BIND_NOW": "", "LC_ALL": "C"},
        {"X\udcff": "\udcfe\n", "PYTHONHOME": "/x"},
    ],
)
def test_the_environment_is_what_was_asked_for(environment: dict[str, str], terminal: tuple[int, int]) -> None:
    code, output = run(terminal, launch(terminal[1], "env", "-0", path="/usr/bin/env", environment=environment))
    assert code == 0
    found = dict(item.split("=", 1) for item in os.fsdecode(output.replace(b"\r\n", b"\n")).split("\0") if item)
    assert found == environment


def test_libraries_that_are_the_programs_only(terminal: tuple[int, int], tmp_path: Path) -> None:
    loaded = set(re.findall(r"/(lib[^/]*\.so[.0-9]*)$", Path("/proc/self/maps").read_text(), re.MULTILINE))
    unfit = {name for name in loaded if not name.startswith("libc.so")}
    assert unfit, "the interpreter needs more than the C library, a shell does not"
    for name in unfit:
        (tmp_path / name).write_bytes(b"no library")
    start = launch(terminal[1], "sh", "-c", "echo $LD_LIBRARY_PATH", path="/bin/sh")
    start = replace(start, environment=ENVIRONMENT | {"LD_LIBRARY_PATH": str(tmp_path)})
    assert run(terminal, start) == (0, f"{tmp_path}\r\n".encode())


def test_libraries_that_only_the_interpreter_needs_stay_its_own(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/daemon")
    start = launch(terminal[1], "env", path="/usr/bin/env", environment={"A": "b"})
    assert run(terminal, start) == (0, b"A=b\r\n")


@pytest.mark.parametrize("restores", [True, False])
def test_signals_are_as_they_were_asked_for(restores: bool, terminal: tuple[int, int]) -> None:
    start = launch(terminal[1], "grep", "Sig[IB]", "/proc/self/status", path="/bin/grep")
    ignored = signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGXFSZ)
    assert ignored == (signal.SIG_IGN, signal.SIG_IGN)
    _, output = run(terminal, replace(start, restore_signals=restores))
    masks = {name: int(mask, 16) for name, mask in re.findall(r"(Sig\w+):\s+([0-9a-f]+)", output.decode())}
    both = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
    assert masks["SigBlk"] == 0
    assert masks["SigIgn"] & both == (0 if restores else both)


def test_what_cannot_be_run_says_so_on_the_terminal(terminal: tuple[int, int], tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/nowhere/interpreter\n")
    script.chmod(0o755)
    code, output = run(terminal, launch(terminal[1], str(script)))
    assert code == 127
    assert output == f"couldn't exec {script}: ENOENT\r\n".encode()


def test_argv_is_kept(terminal: tuple[int, int]) -> None:
    words = ("-odd name-", "", "a b", "ö\udcff", "-c")
    code, output = run(terminal, launch(terminal[1], "cat", *words, path="/bin/echo"))
    assert code == 0
    assert output.removesuffix(b"\r\n") == os.fsencode(" ".join(words))


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser starts programs as others")
def test_another_users_program(monkeypatch: pytest.MonkeyPatch, open_dir: Path) -> None:
    ours, theirs = pty.open_terminal(Size(80, 24), NOBODY)
    try:
        assert os.fstat(theirs).st_uid == NOBODY
        start = launch(theirs, "sh", "-c", "id -u; echo hello > $(tty)", path="/bin/sh")
        start = replace(start, uid=NOBODY, gid=NOBODY, groups=(NOBODY,))
        hidden = open_dir / "hidden"
        hidden.mkdir(mode=0o700)
        (hidden / "python").write_text("#!/bin/sh\n")
        (hidden / "python").chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(hidden / "python"))
        with pytest.raises(SpawnRefused) as refusal:
            children.spawn("web", start)
        said = f"couldn't give 'web' a terminal: its user cannot run {hidden}/python: EACCES"
        assert refusal.value.reason == said
        if os.path.exists("/usr/bin/python3"):  # one that anybody may run, wherever ours is
            monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
            code, output = run((ours, theirs), start)
            assert (code, output) == (0, f"{NOBODY}\r\nhello\r\n".encode())
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_new_size_is_told(terminal: tuple[int, int]) -> None:
    script = "import os, signal, time\nsignal.signal(28, lambda *_: print(*os.get_terminal_size(), flush=True))\n"
    script += "print('ready', flush=True)\nfor _ in range(3): signal.pause()\n"
    pid = children.spawn("web", launch(terminal[1], sys.executable, "-S", "-E", "-c", script))
    seen = bytearray()

    def said(text: bytes) -> bool:
        try:
            seen.extend(os.read(terminal[0], 4096))
        except BlockingIOError:
            return text in seen
        return False

    eventually(lambda: said(b"ready\r\n"), 20)
    pty.set_size(terminal[0], Size(100, 30))
    eventually(lambda: said(b"100 30\r\n"), 20)
    pty.ask_to_redraw(terminal[0])
    eventually(lambda: said(b"100 30\r\n100 30\r\n"), 20)
    pty.set_size(terminal[0], Size(1, 1))
    eventually(lambda: said(b"1 1\r\n"), 20)
    os.waitpid(pid, 0)
    pty.ask_to_redraw(terminal[0])


def test_what_is_typed_when_nobody_has_the_terminal_open_waits_until_it_is_closed() -> None:
    loop = Loop()
    ours, theirs = pty.open_terminal(Size(80, 24))
    writer = StdinWriter(loop, pty.duplicate(ours))
    assert writer.offer(b"while it is there\n")
    os.close(theirs)
    assert not all(writer.offer(b"x" * 65536) for _ in range(100))
    writer.close()
    with pytest.raises(BrokenPipeError):
        writer.offer(b"x")
    os.close(ours)
    loop.close()


def test_what_waits_in_a_terminal_is_never_less_than_told(terminal: tuple[int, int]) -> None:
    written = 0
    os.set_blocking(terminal[1], False)
    try:
        while True:
            written += os.write(terminal[1], b"x" * 1024)
    except BlockingIOError:
        assert pipes.waiting_bytes(terminal[0]) >= written > 4096
    assert pipes.capacity(terminal[0]) == 4096
