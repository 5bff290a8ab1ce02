"""Output that goes where no ordinary file is: the daemon's own descriptors, /dev/null, a FIFO, a directory, nowhere."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.programs.check_lines import check

LATE_S = 20.0


def shell(lines: str) -> str:
    """Return a program that runs lines of shell, then lives on."""
    return f"[program:web]\ncommand=/bin/sh -c '{lines}; exec sleep 100000'\nstartsecs=0\n"


@pytest.mark.ours  # supervisord ends with a traceback: it tries to rotate what it cannot seek in
@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_a_program_may_log_to_the_daemons_standard_output_with_every_default(rig: Rig, path: str) -> None:
    rig.write(
        shell("echo from the program; echo and from its other side >&2")
        + f"stdout_logfile={path}\nstderr_logfile=/dev/stderr\n"
    )
    rig.start()
    rig.until_text("said", "from the program\n")
    rig.until_text("said", "and from its other side\n")
    assert rig.state("web") == "RUNNING"
    rig.stop()


@pytest.mark.ours
def test_in_a_terminal_it_arrives_and_nothing_is_rotated(rig: Rig) -> None:
    rig.write(
        shell("i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done")
        + "stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=1KB\nredirect_stderr=true\n"
    )
    terminal = rig.daemon_in_terminal("-n", deadline_s=LATE_S)
    for number in (0, 150, 299):
        terminal.expect_exact(f"line {number}\r\n")
    rig.daemon_pid = terminal.pid
    world.kill(terminal.pid, signal.SIGTERM)
    terminal.expect_exact("stopped: web")
    terminal.wait()


@contextmanager
def piped(rig: Rig) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the daemon in the foreground, its output in a pipe."""
    with subprocess.Popen(
        rig.command("-n"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=rig.dir,
        env=rig.environment(),
        start_new_session=True,
    ) as daemon:
        rig.daemon_pid = daemon.pid
        try:
            yield daemon
        finally:
            daemon.terminate()
            daemon.wait(LATE_S)


@pytest.mark.ours
def test_a_pipe_gets_every_line_of_many_programs_whole(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 3000 --size 60 --tag %(process_num)d,\n"
        "numprocs=3\nprocess_name=w%(process_num)d\nstartsecs=0\nautorestart=false\nstdout_logfile=/dev/stdout\n",
        daemon="loglevel=critical",
    )
    found: dict[bytes, list[bytes]] = {b"0,": [], b"1,": [], b"2,": []}
    with piped(rig) as daemon:
        assert daemon.stdout is not None
        while sum(map(len, found.values())) < 9000:
            line = daemon.stdout.readline()
            assert line, "the daemon has ended"
            fields = line.split(b" ", 2)
            if len(fields) == 3 and fields[2][:2] in found:
                found[fields[2][:2]].append(line)
    for lines in found.values():
        assert [int(line.split()[0]) for line in lines] == list(range(3000))


@pytest.mark.ours
def test_the_daemons_own_log_may_be_standard_output_in_the_foreground(rig: Rig) -> None:
    rig.write(shell("echo mine") + "stdout_logfile=/dev/stdout\n")
    rig.conf.write_text(rig.conf.read_text().replace(f"logfile={rig.log}\n", "logfile=/dev/stdout\n"))
    with piped(rig) as daemon:
        assert daemon.stdout is not None
        seen = b""
        while b"spawned: 'web'" not in seen or b"mine\n" not in seen:
            line = daemon.stdout.readline()
            assert line, "the daemon has ended"
            seen += line
        rig.wait_ready()
        rig.until("web", "RUNNING")
        daemon.terminate()
        rest = daemon.stdout.read()
    assert seen.count(b"spawned: 'web'") == 1, "each line once"
    assert rest.count(b"stopped: web") == 1


def test_dev_null_takes_everything(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 20000\nstartsecs=0\nautorestart=false\n"
        "stdout_logfile=/dev/null\nstdout_logfile_maxbytes=0\nstderr_logfile=NONE\n"
    )
    rig.start()
    rig.until("web", "EXITED", deadline_s=LATE_S)
    assert Path("/dev/null").is_char_device()
    rig.stop()


@pytest.mark.ours
def test_dev_null_is_never_rotated_whatever_the_limits(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 20000\nstartsecs=0\nautorestart=false\n"
        "stdout_logfile=/dev/null\nstdout_logfile_maxbytes=1KB\nstderr_logfile=/dev/null\n"
    )
    rig.start()
    rig.until("web", "EXITED", deadline_s=LATE_S)
    assert Path("/dev/null").is_char_device()
    assert not list(Path("/dev").glob("null.*"))
    assert rig.rpc.supervisor.clearProcessLogs("web") is True
    assert Path("/dev/null").is_char_device()
    rig.stop()


@pytest.mark.ours
def test_a_fifo_with_a_reader_gets_everything(rig: Rig) -> None:
    os.mkfifo(rig.dir / "fifo")
    reader = subprocess.Popen(["/bin/sh", "-c", f"exec cat {rig.dir}/fifo > {rig.dir}/read"])
    try:
        rig.write(
            f"[program:web]\ncommand={program('spam.py')} --lines 20000 --size 100\nstartsecs=0\nautorestart=false\n"
            "stdout_logfile={dir}/fifo\nstdout_logfile_maxbytes=10KB\n"
        )
        rig.start()
        rig.until("web", "EXITED", deadline_s=LATE_S)
        rig.wait(lambda: rig.text("read").count("\n") == 20_000, LATE_S, "all is read")
        report = check([rig.dir / "read"])
        assert (report.count, report.clean) == (20_000, True)
        assert (rig.dir / "fifo").is_fifo()
        rig.stop()
    finally:
        reader.kill()
        reader.wait()


@pytest.mark.ours
def test_a_fifo_nobody_reads_delays_neither_program_nor_daemon_nor_others(rig: Rig) -> None:
    os.mkfifo(rig.dir / "fifo")
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 40000 --size 100\nstartsecs=0\nautorestart=false\n"
        "stdout_logfile={dir}/fifo\n"
        f"[program:other]\ncommand={program('echo.py')}\nstdout_logfile={{dir}}/out\n"
    )
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "EXITED", deadline_s=LATE_S)
    rig.rpc.supervisor.sendProcessStdin("other", "still there\n")
    rig.until_text("out", "got: still there")
    assert rig.until_line("trouble with log .*fifo")
    rig.stop()


def test_what_is_no_file_cannot_be_read_and_waits_for_nobody(rig: Rig) -> None:
    os.mkfifo(rig.dir / "fifo")
    keeper = os.open(rig.dir / "fifo", os.O_RDWR)
    try:
        rig.write("[program:web]\ncommand=sleep 100000\nstdout_logfile={dir}/fifo\nstdout_logfile_maxbytes=0\n")
        rig.start()
        rig.until("web", "RUNNING")
        if rig.subject == "tmd":
            assert rig.rpc.supervisor.tailProcessStdoutLog("web", 0, 100) == ["", 0, False]
            assert rig.ctl("tail", "web").text == "web: ERROR (no log file)\n"
            assert "404" in rig.ctl("tail", "-f", "web").err
        rig.stop()
    finally:
        os.close(keeper)


@pytest.mark.ours
def test_a_link_is_followed_and_what_it_leads_to_is_rotated(rig: Rig) -> None:
    (rig.dir / "logs").mkdir()
    (rig.dir / "out").symlink_to(rig.dir / "logs" / "real")
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 5000 --size 100\nstartsecs=0\nautorestart=false\n"
        "stdout_logfile={dir}/out\nstdout_logfile_maxbytes=200KB\nstdout_logfile_backups=9\n"
    )
    rig.start()
    rig.until("web", "EXITED", deadline_s=LATE_S)
    assert (rig.dir / "out").is_symlink()
    files = sorted((rig.dir / "logs").glob("real.*"), key=lambda path: -int(path.suffix[1:]))
    report = check([*files, rig.dir / "logs" / "real"])
    assert (report.count, report.clean) == (5000, True)
    rig.stop()
