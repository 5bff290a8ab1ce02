"""How long the end of a container may take, whatever its programs, its reader and the rest of the world do."""

import os
import signal
import socket
import threading
import time
import xmlrpc.client
from collections.abc import Iterator

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.faults.containers import ask, said, start, until_said, write

STUBBORN = f"command: {program('stubborn.py')}, stopwaitsecs: 100"
RUNTIME_S = 10.0
"""after so long a container runtime kills"""


def end_of(rig: Rig, deadline_s: float = 20.0, code: int = 0) -> float:
    """Ask for the end as a runtime does; return how long it took."""
    began = time.monotonic()
    rig.stop(deadline_s, code)
    return time.monotonic() - began


def test_all_are_gone_when_the_grace_is_over(rig: Rig) -> None:
    """In order as long as there is time for it; then all are told at once, and who does not listen is killed."""
    write(
        rig,
        f"  db: {{command: {program('ending.py')} TERM 0, priority: 1}}\n  second: {{{STUBBORN}, priority: 2}}\n"
        f"  third: {{{STUBBORN}, priority: 3, poststop: sleep 1000}}\n  willing: {{command: sleep 1000, priority: 4}}",
        "  stop_grace: 2\n",
    )
    rig.start("--container")
    for name in ("db", "second", "third"):
        until_said(rig, f"{name} stdout: ready")
    rig.until_all("RUNNING")
    took_s = end_of(rig)
    assert 2 <= took_s < 5
    text = said(rig)
    places = [text.index(f"stopped: {name}") for name in ("willing", "db", "third")]
    assert places == sorted(places)
    assert "db stdout: got TERM" in text
    assert "stopped: db (exit status 0)" in text
    assert text.count("stop_grace") == 1
    assert "WARN the end has taken 2 s (stop_grace): killing 2 that still run" in text


def test_who_goes_in_time_is_not_hurried(rig: Rig) -> None:
    write(rig, f"  web: {{command: {program('slow_stop.py')} 1}}", "  stop_grace: 5\n")
    rig.start("--container")
    until_said(rig, "web stdout: ready")
    assert 1 <= end_of(rig) < 4
    assert "web stdout: bye" in said(rig)
    assert "stop_grace" not in said(rig)


def test_a_program_that_is_starting_or_waits_for_its_next_start_ends_too(rig: Rig) -> None:
    write(
        rig,
        f"  slow: {{{STUBBORN}, starttime: 1000}}\n  hooked: {{command: sleep 1000, prestart: sleep 1000}}\n"
        "  failing: {command: 'false', startretries: 1000}",
        "  stop_grace: 1\n",
    )
    rig.start("--container")
    until_said(rig, "slow stdout: ready")
    rig.until("failing", "BACKOFF")
    assert end_of(rig) < 4


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(20)
        for each in held:
            each.close()


def is_ending(rig: Rig) -> bool:
    try:
        rig.rpc.supervisor.getState()
    except xmlrpc.client.Fault:
        return True
    return False


@pytest.mark.slow
def test_the_whole_end_is_sooner_than_the_runtimes_patience(rig: Rig, black_hole: int) -> None:
    """By default: stubborn programs, a log that nobody reads, an alert on its way, a client that does not read."""
    write(
        rig,
        f"  one: {{{STUBBORN}, priority: 1}}\n  two: {{{STUBBORN}, priority: 2, poststop: sleep 1000}}\n"
        "  spam: {command: yes}\n"
        f"  web: {{command: {program('exits.py')} 3 --after 2, essential: true, autorestart: false, starttime: 0}}",
        f"  alerts: [{{webhook: 'http://127.0.0.1:{black_hole}/'}}]\n",
    )
    read_end, write_end = os.pipe()
    try:
        start(rig, write_end, write_end)
        os.close(write_end)
        rig.wait(lambda: is_ending(rig) or None, 30, "the end of web")
        began = time.monotonic()
        rig.wait_end(30, code=3)
        assert 5 < time.monotonic() - began < RUNTIME_S - 0.3
    finally:
        os.close(read_end)


def test_a_restart_is_an_end_that_nobody_waits_for(rig: Rig) -> None:
    """Supervisor's dialect: SIGHUP starts everything anew, each program in its own time."""
    rig.write(
        f"[program:web]\ncommand={program('slow_stop.py')} 1.5\nstopwaitsecs=100\nstdout_logfile={{dir}}/out\n",
        daemon="stop_grace=0.2\ncontainer=true",
    )
    rig.start()
    rig.until_text("out", "ready")
    pid = rig.pid("web")
    world.kill(rig.daemon_pid, signal.SIGHUP)
    rig.until_text("out", "bye")
    assert "stop_grace" not in rig.text("d.log")
    rig.wait(lambda: not world.alive(pid) or None, what="it is gone")
    rig.wait_ready()
    rig.until_new_pid("web", pid)
    rig.stop()
    assert "stop_grace" in rig.text("d.log")


def test_the_grace_can_be_changed_while_it_runs(rig: Rig) -> None:
    write(rig, f"  web: {{{STUBBORN}}}", "  stop_grace: 1000\n")
    rig.start("--container")
    until_said(rig, "web stdout: ready")
    rig.conf.write_text(rig.conf.read_text().replace("1000", "500ms"))
    assert rig.ctl("update").code == 0
    assert "takes effect when the daemon is restarted" not in said(rig)
    assert end_of(rig) < 4


def test_the_probes_over_a_life(rig: Rig) -> None:
    write(
        rig,
        f"  web: {{{STUBBORN}, starttime: 2}}\n  job: {{command: 'true', starttime: 0, autorestart: unexpected}}\n"
        "  later: {command: sleep 1000, autostart: false}",
        "  stop_grace: 2\n",
    )
    rig.start("--container")
    assert ask(rig, "/healthz") == (200, "alive\n")
    rig.until("job", "EXITED")
    assert ask(rig, "/readyz") == (503, "not ready: 1 of 2 programs are\n")
    rig.until("web", "RUNNING")
    assert ask(rig, "/readyz", Host="10.0.0.7:80", Origin="http://evil.example") == (200, "ready\n")
    assert ask(rig, "/readyz", "POST")[0] == 405
    pid = rig.pid("web")
    world.kill(pid)
    rig.wait(lambda: ask(rig, "/readyz")[0] == 503 or None, what="not ready")
    rig.until_new_pid("web", pid)
    rig.wait(lambda: ask(rig, "/readyz")[0] == 200 or None, what="ready again")
    until_said(rig, "web stdout: ready")
    world.kill(rig.daemon_pid, signal.SIGTERM)
    until_said(rig, "waiting for web to die")
    assert ask(rig, "/healthz") == (200, "alive\n")
    assert ask(rig, "/readyz") == (503, "not ready: the daemon is ending or starting again\n")
    rig.wait_end()
