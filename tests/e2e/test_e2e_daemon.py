"""The daemon itself: signals, a second instance, the background, its flags, its exit codes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pexpect
import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program

SLEEP = "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"


@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT"])
def test_these_signals_end_it_in_order(rig: Rig, name: str) -> None:
    rig.write(SLEEP)
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    os.kill(rig.daemon_pid, getattr(signal, f"SIG{name}"))
    rig.wait_end()
    assert not world.alive(pid)
    assert rig.until_line(f"received SIG{name} indicating exit request")[0].level == "WARN"
    assert rig.until_line(r"stopped: web \(terminated by SIGTERM\)")


def test_a_second_signal_changes_nothing(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('slow_stop.py')} 0.6\nstartsecs=0\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    os.kill(rig.daemon_pid, signal.SIGTERM)
    rig.until_text("out", "stopping")
    os.kill(rig.daemon_pid, signal.SIGTERM)
    rig.wait_end()
    assert rig.text("out") == "ready\nstopping\nbye\n"


def test_requests_during_the_end_are_refused(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('slow_stop.py')} 1\nstartsecs=0\nstdout_logfile={{dir}}/out\n"
        "[program:off]\ncommand=sleep 1000\nautostart=false\n"
    )
    rig.start()
    rig.until_text("out", "ready")
    rig.rpc.supervisor.shutdown()
    rig.until_text("out", "stopping")
    answer = rig.ctl("start", "off")
    assert answer.code == 1
    assert "SHUTDOWN_STATE" in answer.text
    rig.wait_end()


def test_shutdown_by_request(rig: Rig) -> None:
    rig.write(SLEEP)
    rig.start()
    rig.until("web", "RUNNING")
    answer = rig.ctl("shutdown")
    assert (answer.text, answer.code) == ("Shut down\n", 0)
    rig.wait_end()
    answer = rig.ctl("shutdown")
    assert answer.text == f"ERROR: unix://{rig.socket} no such file (already shut down?)\n"


def test_a_second_instance_is_refused_and_harms_nothing(rig: Rig) -> None:
    rig.write(SLEEP, daemon="identifier=me")
    rig.start()
    info = rig.until("web", "RUNNING")
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    if rig.subject == "tmd":
        assert str(rig.daemon_pid) in answer.err
        assert os.path.exists(info["logfile"])
        assert not rig.lines("Unlinking")
    assert "Traceback" not in answer.err
    again = rig.info("web")
    assert (again["pid"], again["statename"]) == (info["pid"], "RUNNING")
    assert rig.pidfile.read_text() == f"{rig.daemon_pid}\n"
    assert len(world.children(rig.daemon_pid)) == 1
    rig.stop()


@pytest.mark.ours
def test_a_second_instance_without_a_server_is_refused_too(rig: Rig) -> None:
    rig.write(SLEEP)
    text = rig.conf.read_text()
    rig.conf.write_text(re.sub(r"\[unix_http_server\]\nfile=.*\n", "", text))
    rig.start(ready=False)
    rig.wait(lambda: rig.lines("spawned: 'web'"), what="web is spawned")
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert str(rig.daemon_pid) in answer.err
    assert len(rig.lines("spawned: 'web'")) == 1
    rig.stop()


def test_a_stale_socket_and_pidfile_are_taken_over(rig: Rig) -> None:
    rig.write(SLEEP)
    rig.start()
    rig.until("web", "RUNNING")
    world.kill(rig.daemon_pid)
    assert rig.daemon is not None
    rig.daemon.wait()
    for pid in rig.processes():
        world.kill(pid)
    assert rig.socket.exists()
    assert rig.pidfile.exists()
    rig.start()
    rig.until("web", "RUNNING")
    assert rig.pidfile.read_text() == f"{rig.daemon_pid}\n"
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_is_no_socket_at_the_sockets_path_is_left_alone(rig: Rig, kind: str) -> None:
    rig.write(SLEEP)
    if kind == "file":
        rig.socket.write_text("precious")
    else:
        rig.socket.mkdir()
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert str(rig.socket) in answer.err
    assert rig.socket.is_dir() if kind == "directory" else rig.socket.read_text() == "precious"
    assert not rig.processes()


def test_in_the_background_the_parent_ends_when_it_is_ready(rig: Rig) -> None:
    rig.write(SLEEP)
    answer = rig.run_daemon()
    assert answer.code == 0
    rig.wait(lambda: rig.text("d.pid"), what="the pid file")
    rig.daemon_pid = int(rig.text("d.pid"))
    rig.wait_ready()
    assert rig.rpc.supervisor.getPID() == rig.daemon_pid
    rig.until("web", "RUNNING")
    fields = world.stat(rig.daemon_pid)
    assert fields is not None
    assert int(fields[1]) in (1, *_subreapers())
    assert os.getsid(rig.daemon_pid) != os.getsid(0)
    for descriptor in (0, 1, 2):
        assert os.readlink(f"/proc/{rig.daemon_pid}/fd/{descriptor}") == "/dev/null"
    rig.stop()


def _subreapers() -> list[int]:
    """Return our own ancestors: one of them may have asked to inherit orphans."""
    found, pid = [], os.getpid()
    while pid > 1:
        fields = world.stat(pid)
        pid = int(fields[1]) if fields else 1
        found.append(pid)
    return found


@pytest.mark.ours
def test_in_the_background_an_error_at_the_start_is_the_parents_exit(rig: Rig) -> None:
    rig.write(SLEEP, daemon="pidfile=/no/such/directory/pid")
    answer = rig.run_daemon()
    assert answer.code == 2
    assert "/no/such/directory" in answer.err
    assert not rig.processes()


def test_ctrl_c_in_the_terminal_is_an_orderly_end(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('slow_stop.py')} 0.3\nstartsecs=0\nstdout_logfile={{dir}}/out\n")
    terminal = rig.daemon_in_terminal("-n")
    terminal.expect("INFO spawned: 'web' with pid")
    rig.until_text("out", "ready")
    terminal.sendintr()
    terminal.expect("received SIGINT indicating exit request")
    terminal.expect("stopped: web")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0
    assert rig.text("out").endswith("bye\n")
    rig.assert_nothing_left()


def test_in_the_foreground_the_log_is_shown_too_unless_silent(rig: Rig) -> None:
    rig.write(SLEEP)
    rig.start()
    rig.until("web", "RUNNING")
    rig.wait(lambda: "INFO spawned: 'web'" in rig.text("said"), what="the line on stdout")
    rig.stop()
    (rig.dir / "said").unlink()
    rig.start("-s")
    rig.until("web", "RUNNING")
    assert "spawned" not in rig.text("said")
    rig.stop()


def test_a_file_shared_with_others_as_standard_output_is_not_written_over(rig: Rig) -> None:
    rig.write(SLEEP)
    with rig.said.open("wb", buffering=0) as said:
        said.write(b"before\n")
        rig.daemon = subprocess.Popen(
            rig.command("-n"), stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=rig.dir, env=rig.environment()
        )
        rig.daemon_pid = rig.daemon.pid
        rig.wait_ready()
        rig.until("web", "RUNNING")
        rig.stop()
        said.write(b"after\n")
    lines = rig.text("said").splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert len(lines) == len(rig.lines()) + 2


def test_lifecycle_lines_have_time_level_and_text(rig: Rig) -> None:
    rig.write(SLEEP)
    rig.start()
    rig.until("web", "RUNNING")
    rig.stop()
    lines = [(line.level, re.sub(r"\d+", "N", line.text)) for line in rig.lines()]
    assert ("INFO", "RPC interface 'supervisor' initialized") in lines
    assert ("CRIT", "Server 'unix_http_server' running without any HTTP authentication checking") in lines
    assert ("INFO", "supervisord started with pid N") in lines
    assert ("INFO", "spawned: 'web' with pid N") in lines
    assert ("WARN", "received SIGTERM indicating exit request") in lines
    assert ("WARN", "stopped: web (terminated by SIGTERM)") in lines
    whole = rig.text("d.log").splitlines()
    assert len(whole) == len(lines)
    now = time.time()
    assert all(abs(line.at - now) < 60 for line in rig.lines())


def test_flags_beat_the_file(rig: Rig) -> None:
    rig.write(SLEEP)
    (rig.dir / "logs").mkdir()
    other = {"-l": rig.dir / "o.log", "-j": rig.dir / "o.pid", "-q": rig.dir / "logs"}
    rig.start(*(word for flag, path in other.items() for word in (flag, str(path))), "-i", "me", "-e", "debug")
    rig.until("web", "RUNNING")
    assert other["-j"].read_text() == f"{rig.daemon_pid}\n"
    rig.ctl("stop", "web")
    assert "DEBG killing web (pid" in other["-l"].read_text()
    assert rig.rpc.supervisor.getIdentification() == "me"
    assert rig.info("web")["logfile"].startswith(f"{rig.dir}/logs/web-stdout---me-")
    assert not rig.log.exists()
    rig.stop()
    assert not other["-j"].exists()


def test_long_flags_are_taken_too(rig: Rig) -> None:
    rig.write(SLEEP)
    rig.start(
        *("--logfile", str(rig.dir / "o.log"), "--pidfile", str(rig.dir / "o.pid"), "--identifier=me"),
        *("--loglevel=warn", "--logfile_maxbytes=1MB", "--logfile_backups=3", "--umask=027", "--minfds=1024"),
        *("--minprocs=100", "--nocleanup", "--strip_ansi", "--silent", f"--childlogdir={rig.dir}"),
    )
    rig.until("web", "RUNNING")
    assert "INFO" not in (rig.dir / "o.log").read_text()
    rig.stop()


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["-v"], 0, r"^\S+\n$", "^$"),
        (["--version"], 0, r"^\S+\n$", "^$"),
        (["-h"], 0, "(?i)usage|--configuration", "^$"),
        (["--no-such-flag"], 2, "^$", "(?i)error: .*no-such-flag"),
        (["-e", "loud"], 2, "^$", "(?i)error: .*loud"),
    ],
)
def test_the_command_line(rig: Rig, arguments: list[str], code: int, out: str, err: str) -> None:
    rig.write(SLEEP)
    answer = rig.run_daemon(*arguments)
    assert answer.code == code
    assert re.search(out, answer.text)
    assert re.search(err, answer.err)
    assert "Traceback" not in answer.err


def test_a_missing_file_is_named(rig: Rig) -> None:
    rig.conf = rig.dir / "nowhere.conf"
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert "nowhere.conf" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.ours
def test_the_file_may_be_given_as_the_only_argument(rig: Rig) -> None:
    rig.write(SLEEP, daemon="nodaemon=true")
    command = [sys.executable, "-m", "tmd", str(rig.conf)]
    with rig.said.open("ab") as said:
        rig.daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=rig.dir, env=rig.environment()
        )
    rig.daemon_pid = rig.daemon.pid
    rig.wait_ready()
    rig.until("web", "RUNNING")
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("flag", ["--nodaemon", "--no-daemon"])
def test_foreground_has_three_names(rig: Rig, flag: str) -> None:
    rig.write(SLEEP)
    terminal = rig.daemon_in_terminal(flag)
    rig.wait_ready()
    rig.daemon_pid = rig.rpc.supervisor.getPID()
    assert rig.daemon_pid == terminal.pid
    rig.ctl("shutdown")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0
    rig.daemon_pid = 0
    rig.assert_nothing_left()


@pytest.mark.ours
def test_check_config_says_all_problems_and_starts_nothing(rig: Rig) -> None:
    rig.write(SLEEP)
    assert rig.run_daemon("--check-config").code == 0
    rig.conf.write_text(rig.conf.read_text() + "startsecs=soon\nstopsignal=NOPE\n[program:b]\nnumprocs=2\n")
    answer = rig.run_daemon("--check-config")
    assert answer.code == 2
    told = answer.text + answer.err
    assert all(word in told for word in ("soon", "NOPE", "program:b", "tm.conf:"))
    command = [sys.executable, "-m", "tmd", "--check-config", str(rig.conf)]
    done = subprocess.run(command, capture_output=True, env=rig.environment(), cwd=rig.dir, check=False)
    assert done.returncode == 2
    rig.assert_nothing_left()


def test_the_socket_has_its_mode_and_the_tcp_port_answers(rig: Rig) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    rig.write(SLEEP, server="chmod=0770", head=f"[inet_http_server]\nport=127.0.0.1:{port}\nusername=u\npassword=p\n")
    rig.start()
    assert rig.socket.stat().st_mode & 0o777 == 0o770
    command = rig.client_command()
    conf = command.index("-c")
    command[conf : conf + 2] = ["-s", f"http://127.0.0.1:{port}", "-u", "u", "-p", "p"]
    done = subprocess.run(
        [*command, "version"], capture_output=True, env=rig.environment(), cwd=rig.dir, check=False, timeout=20
    )
    assert done.stdout == b"4.3.0\n"
    rig.stop()


@pytest.mark.ours
def test_a_port_in_use_is_named(rig: Rig) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        rig.write(SLEEP, head=f"[inet_http_server]\nport=127.0.0.1:{port}\n")
        answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert str(port) in answer.err
    assert "Traceback" not in answer.err
    rig.assert_nothing_left()
