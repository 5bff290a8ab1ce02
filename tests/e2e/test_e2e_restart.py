"""Restarts of the daemon and of programs, interrupted at the wrong moment; what must not be left behind."""

import json
import os
import signal
import socket
import threading
import xmlrpc.client
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.support import eventually

pytestmark = pytest.mark.ours

SLOW_STOP = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done"


def test_a_storm_of_hang_ups_kills_nobody(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\n")
    rig.start()
    rig.until("web", "RUNNING")
    for count in range(100):
        os.kill(rig.daemon_pid, signal.SIGHUP)
        if count % 10 == 0:
            rig.until_line("supervisord started with pid", count=1)

    def settled() -> bool:  # a restart that is still pending refuses
        try:
            return bool(rig.rpc.supervisor.getProcessInfo("web")["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Fault):
            return False

    eventually(settled, 20, what="it runs again")
    rig.stop()


def test_a_term_during_a_restart_ends_the_daemon(rig: Rig) -> None:
    rig.write(f'[program:slow]\ncommand=sh -c "{SLOW_STOP}"\nstartsecs=0\n')
    rig.start()
    rig.until("slow", "RUNNING")
    os.kill(rig.daemon_pid, signal.SIGHUP)
    rig.until_line("received SIGHUP indicating restart request")
    os.kill(rig.daemon_pid, signal.SIGTERM)
    rig.wait_end(code=0)


def test_a_restart_that_cannot_start_goes_back_and_says_so(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\n")
        rig.start()
        rig.until("web", "RUNNING")
        port = taken.getsockname()[1]
        rig.write(f"[inet_http_server]\nport=127.0.0.1:{port}\n[program:web]\ncommand=sleep 200000\nstartsecs=0\n")
        os.kill(rig.daemon_pid, signal.SIGHUP)
        rig.until_line("cannot start with the new configuration, going on with the one before: .*already listening")
        rig.until_line("spawned: 'web'", count=2)
        assert world.command(int(rig.until("web", "RUNNING")["pid"])) == "sleep 100000"
    os.kill(rig.daemon_pid, signal.SIGHUP)
    rig.until_line("spawned: 'web'", count=3)
    assert world.command(int(rig.until("web", "RUNNING")["pid"])) == "sleep 200000"
    rig.stop()


def test_a_stop_during_a_restart_of_a_program_wins(rig: Rig) -> None:
    rig.write(f'[program:slow]\ncommand=sh -c "{SLOW_STOP}"\nstartsecs=0\n[program:fast]\ncommand=sleep 100000\n')
    rig.start()
    rig.until_all("RUNNING")
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(rig.ctl("restart", "slow", "fast").text))
    client.start()
    rig.until("slow", "STOPPING")
    rig.until("fast", "STOPPED")
    assert rig.ctl("stop", "fast", "slow").text == "fast: stopped\nslow: stopped\n"
    client.join()
    assert rig.states() == {"slow:slow": "STOPPED", "fast:fast": "STOPPED"}
    assert "slow: ERROR (abnormal termination)" in answers[0]
    rig.stop()


def _group(leader: int) -> list[int]:
    """Return the living processes of a process group."""
    found = []
    for pid in world.pids():
        fields = world.stat(pid)
        if fields is not None and int(fields[2]) == leader and fields[0] not in "ZX":
            found.append(pid)
    return found


def test_what_a_leader_leaves_in_its_group_goes_with_it_in_the_native_dialect(rig: Rig) -> None:
    stubborn = "(trap '' TERM; exec sleep 31536001) & echo ready; exec sleep 31536002"
    rig.write_native(f'  web:\n    command: sh -c "{stubborn}"\n    startsecs: 0\n')
    rig.start()
    rig.until_text("web-stdout.log", "ready")
    leader = rig.pid("web")

    assert len(_group(leader)) == 2
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    rig.wait(lambda: not _group(leader), what="its group to be gone")
    rig.stop()


def test_the_log_level_goes_up_and_down_again(rig: Rig) -> None:
    programs = "  web:\n    command: sh -c 'while read line; do echo got $line; done'\n    startsecs: 0\n"
    rig.write_native(programs)
    rig.start()
    rig.until("web", "RUNNING")
    rig.write_native(programs, daemon="  loglevel: debug\n")
    assert rig.ctl("update").code == 0
    rig.until_line("log level is now DEBG")
    rig.rpc.supervisor.sendProcessStdin("web", "one\n")
    rig.until_line(r"'web' stdout output:")
    rig.write_native(programs)
    assert rig.ctl("update").code == 0
    rig.until_line("log level is now INFO")
    assert not rig.lines("takes effect when the daemon is restarted")
    rig.stop()


def test_an_update_says_what_has_to_wait_for_a_restart(rig: Rig) -> None:
    programs = "  web: {command: sleep 1000, startsecs: 0}\n"
    rig.write_native(programs)
    rig.start()
    rig.write_native(programs, daemon="  http: 127.0.0.1:1\n  minfds: 100\n")
    assert rig.ctl("update").code == 0
    for name in ("servers", "minfds"):
        assert rig.until_line(f"'{name}' changed: takes effect when the daemon is restarted")
    rig.stop()


def test_children_have_the_limit_of_files_that_was_configured(rig: Rig) -> None:
    rig.write(
        f"[program:facts]\ncommand={program('facts.py')} {{dir}}/facts%(process_num)d\n"
        "numprocs=20\nprocess_name=facts%(process_num)d\n"
    )
    limit = ["prlimit", "--nofile=1024:20000"]
    command = rig.command
    rig.command = lambda *arguments: [*limit, *command(*arguments)]  # type: ignore[method-assign]
    rig.start()
    for number in range(20):
        path = rig.dir / f"facts{number}"
        eventually(path.exists, what="the facts")
        assert json.loads(path.read_text())["files_limit"] == [1024, 20000]
    rig.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has users' processes that it can be kept from signalling")
def test_a_process_that_cannot_be_signalled_keeps_nobody_waiting(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\nuser=nobody\nstartsecs=0\n")
    powerless = ["setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill"]
    command = rig.command
    rig.command = lambda *arguments: [*powerless, *command(*arguments)]  # type: ignore[method-assign]
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    assert rig.ctl("stop", "web").code != 0
    assert rig.state("web") == "UNKNOWN"
    refused = rig.ctl("start", "web", deadline_s=5)
    assert f"pid {pid} of it still runs" in refused.text
    assert rig.ctl("remove", "web", deadline_s=5).text == "ERROR: process/group still running: web\n"
    assert world.alive(pid)
    world.kill(pid)
    rig.until("web", "STOPPED")
    rig.stop()


def _files_limits(rig: Rig) -> set[str]:
    """Return the limits of open files that the daemon's children have now, soft and hard."""
    limits = [Path(f"/proc/{pid}/limits").read_text() for pid in world.children(rig.daemon_pid)]
    return {" ".join(line.split()[3:5]) for text in limits for line in text.splitlines() if "open files" in line}


def test_the_limit_of_files_is_the_same_after_a_restart_of_a_daemon_that_needed_more(rig: Rig) -> None:
    count = 30  # three descriptors each: more than the daemon was given
    rig.write(
        f"[program:web]\ncommand=sleep 100000\nnumprocs={count}\nprocess_name=web%(process_num)d\nstartsecs=0\n",
        daemon="minfds=200",
    )
    limit = ["prlimit", "--nofile=200:20000"]
    command = rig.command
    rig.command = lambda *arguments: [*limit, *command(*arguments)]  # type: ignore[method-assign]
    rig.start()
    for lives in (count, 2 * count):
        rig.until_line("spawned: 'web", count=lives)
        rig.wait_ready()
        rig.until_all("RUNNING")
        rig.wait(lambda: _files_limits(rig) == {"200 20000"}, what="the limits")
        if lives == count:
            os.kill(rig.daemon_pid, signal.SIGHUP)
    rig.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has users' processes that it can be kept from signalling")
def test_a_leftover_that_cannot_be_killed_does_not_hide_its_leaders_end(rig: Rig) -> None:
    rig.write_native(
        "  web:\n    command: sh -c 'sleep 31536003 & exit 3'\n    user: nobody\n"
        "    startsecs: 0\n    autorestart: never\n"
    )
    powerless = ["setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill"]
    command = rig.command
    rig.command = lambda *arguments: [*powerless, *command(*arguments)]  # type: ignore[method-assign]
    rig.start()
    assert rig.until("web", "EXITED")["exitstatus"] == 3
    for pid in rig.processes():
        if world.command(pid) == "sleep 31536003":
            world.kill(pid)
    rig.stop()
