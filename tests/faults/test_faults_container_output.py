"""What a container writes: lines under the names of programs, on two streams that may be slow, full, gone, a screen."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import PYTHON, Rig, program
from tests.faults.containers import last_line, said, start, until_said, write
from tests.support import eventually

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
LAST = "essential: true, autorestart: false, starttime: 0"
LINE = "a line of a program that has much to say"


def lines_of(text: str, name: str) -> list[str]:
    """Return what stands behind the prefix of a program."""
    return re.findall(rf"^{STAMP} {name} (.*)$", text, re.MULTILINE)


def test_each_stream_has_the_lines_of_its_kind_under_their_names(rig: Rig) -> None:
    write(
        rig,
        f"""
  web: {{command: "sh -c 'echo hello; echo oh >&2; printf unfinished; exit 3'", {LAST}}}
  both: {{command: "sh -c 'echo one; echo two >&2; exec sleep 1000'", redirect_stderr: true, priority: 1}}
  data: {{command: "sh -c 'echo three; echo four >&2; exec sleep 1000'", log_format: json, priority: 1}}
  own: {{command: "sh -c 'echo five; echo six >&2; exec sleep 1000'", stdout_logfile: {{dir}}/own.log, priority: 1}}
  none: {{command: "sh -c 'echo seven; exec sleep 1000'", stdout_logfile: NONE, priority: 1}}
eventlisteners:
  ears: {{command: "{program("recorder.py")} {{dir}}/heard", events: [PROCESS_STATE, TICK_5], priority: 1}}
""".replace("exit 3", "for i in 1 2 3 4 5 6 7 8; do test -s {dir}/heard && break; sleep 0.2; done; sleep 0.5; exit 3"),
    )
    ended = rig.run_daemon("--container")
    assert ended.code == 3
    assert lines_of(ended.text, "web") == ["stdout: hello", "stdout: unfinished"]
    assert lines_of(ended.err, "web") == ["stderr: oh"]
    assert lines_of(ended.text, "both") == ["stdout: one", "stdout: two"]
    (record,) = [json.loads(line) for line in ended.text.splitlines() if line.startswith("{")]
    assert (record["process"], record["stream"], record["msg"]) == ("data", "stdout", "three")
    assert '"msg":"four"' in ended.err
    assert rig.text("own.log") == "five\n"
    assert lines_of(ended.err, "own") == ["stderr: six"]
    assert "seven" not in ended.text + ended.err
    # the protocol of a listener is for nobody's eyes
    assert rig.text("heard")
    assert "READY" not in ended.text
    assert "RESULT" not in ended.text
    # the daemon's own lines are on stdout, and nothing was logged anywhere else
    assert "INFO supervisord started with pid" in ended.text
    assert not list(rig.dir.glob("*.log*")) or [path.name for path in rig.dir.glob("*.log*")] == ["own.log"]
    assert all(re.match(rf"{STAMP} |\{{", line) for line in ended.err.splitlines()), ended.err


def test_on_a_screen_and_ctrl_c_ends_it(rig: Rig) -> None:
    write(rig, """  web: {command: "sh -c 'sleep 0.2; echo hello; exec sleep 1000'", starttime: 0}""")
    terminal = rig.daemon_in_terminal("--container")
    terminal.expect("INFO success: web entered RUNNING")
    terminal.expect(rf"{STAMP} web stdout: hello\r\n")
    terminal.sendintr()
    terminal.expect("WARN received SIGINT indicating exit request")
    terminal.expect("WARN stopped: web")
    terminal.wait()
    assert terminal.exitstatus == 0
    rig.assert_nothing_left()


def test_ctrl_c_twice_for_those_who_cannot_wait(rig: Rig) -> None:
    write(rig, f"  web: {{command: {program('stubborn.py')}, stopwaitsecs: 100}}", "  stop_grace: 0\n")
    terminal = rig.daemon_in_terminal("--container")
    terminal.expect("web stdout: ready")
    terminal.expect("entered RUNNING")
    terminal.sendintr()
    terminal.expect("waiting for web to die")
    terminal.expect("waiting for web to die")  # three seconds later
    terminal.sendintr()
    terminal.expect("WARN asked again to end: killing 1 that still runs")
    terminal.expect(r"stopped: web \(terminated by SIGKILL\)")
    terminal.wait()
    assert terminal.exitstatus == 0


def spamming(rig: Rig) -> tuple[int, int]:
    """Start a container with a program that writes at full speed into a pipe; return its pid and the read end."""
    write(rig, f"  spam: {{command: yes {LINE}}}\n  web: {{command: sleep 100000, {LAST}}}")
    read_end, write_end = os.pipe()
    try:
        return start(rig, write_end, write_end).pid, read_end
    finally:
        os.close(write_end)


def written(pid: int) -> int:
    """Return how many bytes a process has written."""
    text = Path(f"/proc/{pid}/io").read_text(encoding="utf-8")
    return int(re.findall(r"^wchar: (\d+)$", text, re.MULTILINE)[0])


def test_a_reader_that_has_stopped_holds_up_nobody(rig: Rig) -> None:
    pid, read_end = spamming(rig)
    try:
        rig.until("spam", "RUNNING")
        spam = rig.pid("spam")
        # it is not held up for longer than a second, however long nobody reads
        before = written(spam)
        rig.wait(lambda: written(spam) > before + (20 << 20) or None, what="the program goes on writing")
        began = time.monotonic()
        assert rig.ctl("status", "spam").code == 0
        assert time.monotonic() - began < 10
        assert world.figures(pid).rss_bytes < 80 << 20
        # the reader comes back: whole lines, and what was lost is told
        seen = b""
        while b"bytes dropped" not in seen:
            seen = seen[-1000:] + os.read(read_end, 1 << 16)
        # and again nobody reads, while a program ends the container
        world.kill(rig.pid("web"), signal.SIGUSR1)
        rig.wait_end(code=138)
    finally:
        os.close(read_end)


def test_only_whole_lines_reach_a_slow_reader(rig: Rig) -> None:
    _, read_end = spamming(rig)
    collected = []
    try:
        rig.until("spam", "RUNNING")
        for _ in range(40):
            collected.append(os.read(read_end, 1 << 15))
            time.sleep(0.02)
        os.set_blocking(read_end, False)
        world.kill(rig.pid("web"))
        end = time.monotonic() + 20
        assert rig.daemon is not None
        while rig.daemon.poll() is None and time.monotonic() < end:
            try:
                collected.append(os.read(read_end, 1 << 15))
            except BlockingIOError:
                time.sleep(0.01)
        rig.wait_end(code=137)
        os.set_blocking(read_end, True)
        while data := os.read(read_end, 1 << 16):
            collected.append(data)
    finally:
        os.close(read_end)
    lines = b"".join(collected).decode().splitlines()
    for line in lines:
        assert re.fullmatch(
            rf"{STAMP} spam stdout: {LINE}|\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}} [A-Z]{{4}} .*", line
        ), line
    assert lines[-1].endswith("essential program 'web' ended: terminated by SIGKILL")


def test_a_reader_that_is_gone_kills_nobody(rig: Rig) -> None:
    write(
        rig,
        """
  web:
    command: "sh -c 'echo one; until test -e {dir}/go; do sleep 0.05; done; echo two; exec sleep 1000'"
""",
    )
    read_end, write_end = os.pipe()
    try:
        daemon = start(rig, write_end, write_end)
    finally:
        os.close(write_end)
    seen = b""
    while b"web stdout: one" not in seen:
        seen += os.read(read_end, 65536)
    os.close(read_end)
    web = rig.pid("web")
    (rig.dir / "go").touch()
    eventually(lambda: b"sleep" in Path(f"/proc/{web}/cmdline").read_bytes().split(b"\0")[0], what="it has said two")
    assert rig.rpc.supervisor.getState()["statename"] == "RUNNING"
    before = world.figures(daemon.pid)
    time.sleep(2)  # an endless circle of complaints about the complaints would show
    after = world.figures(daemon.pid)
    assert after.wakeups - before.wakeups < 40
    assert after.cpu_s - before.cpu_s < 0.3
    assert rig.pid("web") == web
    rig.stop()


def test_a_file_in_place_of_the_pipe(rig: Rig) -> None:
    """As `docker logs` has it, or a shell that redirects: others append to the same file."""
    write(rig, f"  web: {{command: \"sh -c 'echo hello; echo oh >&2; exit 2'\", {LAST}}}")
    rig.start("--container", ready=False)
    rig.wait_end(code=2)
    text = said(rig)
    assert lines_of(text, "web") == ["stdout: hello", "stderr: oh"] or lines_of(text, "web") == [
        "stderr: oh",
        "stdout: hello",
    ]
    assert last_line(text).startswith("ends with exit status 2")


# What people have in their images today.


def test_supervisord_in_the_foreground_with_device_files_goes_on_as_it_did(rig: Rig) -> None:
    rig.conf.write_text(
        f"""[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={rig.pidfile}
[unix_http_server]
file={rig.socket}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:web]
command=sh -c 'echo "{{\\"ready\\": true}}"; echo oh >&2; exec sleep 1000'
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/fd/2
stderr_logfile_maxbytes=0
startsecs=0
"""
    )
    rig.start()
    text = until_said(rig, "oh\n")
    assert '{"ready": true}\n' in text
    assert "\noh\n" in text or text.startswith("oh\n")
    rig.stop()


@pytest.mark.parametrize("name", ["tmd", "supervisord"])
def test_a_file_of_supervisors_as_a_container_under_either_name(rig: Rig, name: str) -> None:
    rig.conf.write_text(
        f"""[supervisord]
pidfile={rig.pidfile}
childlogdir={rig.dir}
[program:web]
command=sh -c 'echo hello; echo oh >&2; until test -e {rig.dir}/up; do sleep 0.05; done; exit 4'
startsecs=0
autorestart=false
essential=true
[program:raw]
command=sh -c 'echo raw; touch {rig.dir}/up; exec sleep 1000'
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
priority=1
"""
    )
    link = rig.dir / name
    link.write_text(f"#!{PYTHON.split()[0]}\nimport sys\nfrom tmd.__main__ import run\nsys.exit(run())\n")
    link.chmod(0o755)
    usual = rig.command
    rig.command = lambda *arguments: [str(link), *usual(*arguments)[3:]]  # type: ignore[method-assign]
    ended = rig.run_daemon("--container")
    assert ended.code == 4
    assert lines_of(ended.text, "web") == ["stdout: hello"]
    assert lines_of(ended.err, "web") == ["stderr: oh"]
    assert "\nraw\n" in ended.text
    assert not (rig.dir / "supervisord.log").exists()


def test_the_flag_is_in_the_help_and_can_be_combined(rig: Rig) -> None:
    assert "--container" in rig.run_daemon("--help").text
    write(rig, f"  web: {{command: 'true', {LAST}}}")
    assert rig.run_daemon("-n", "--container").code == 0
    assert rig.run_daemon("--check-config", "--container").code == 0
    rig.conf = rig.dir / "nowhere.yaml"
    ended = rig.run_daemon("--container")
    assert (ended.code, ended.err.splitlines()[0]) == (2, f"Error: could not find config file {rig.conf}")
