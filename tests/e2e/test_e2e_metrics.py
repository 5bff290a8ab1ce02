"""Metrics and gauges of a real daemon with real programs."""

import base64
import http.client
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.clients.free import free_port
from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.support import eventually

pytestmark = pytest.mark.ours

NEWER = "application/openmetrics-text; version=1.0.0"
SPINNER = f"{sys.executable} -S -E -c 'while True: pass'"


def get(rig: Rig, path: str = "/metrics", accept: str = NEWER) -> tuple[int, str]:
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(str(rig.socket))
    try:
        connection.request("GET", path, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def scrape(rig: Rig) -> Callable[..., float]:
    """Return a function that finds the one value of a metric with these labels, -1 for none."""
    status, text = get(rig)
    assert status == 200
    samples = [
        sample
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    ]

    def find(name: str, /, **labels: str) -> float:
        values = [
            float(sample.value) for sample in samples if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(values) <= 1, f"{name}{labels}: {values}"
        return values[0] if values else -1.0

    return find


def gauges(rig: Rig, *names: str) -> dict[str, dict[str, Any]]:
    return {gauge["name"]: gauge for gauge in rig.rpc.taskmaster.getGauges(list(names))}


def test_a_restart_by_crash_by_hand_and_a_stop_are_counted(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\nautorestart=true\n")
    rig.start()
    rig.until("web", "RUNNING")
    assert scrape(rig)("tmd_process_starts_total", process="web") == 1
    old = rig.pid("web")
    world.kill(old)
    rig.until_new_pid("web", old)
    rig.rpc.taskmaster.restartProcesses(["web"])
    rig.rpc.supervisor.stopProcess("web")
    eventually(lambda: scrape(rig)("tmd_process_up", process="web") == 0, 20)  # a page is good for a moment
    find = scrape(rig)
    assert find("tmd_process_state", process="web", tmd_process_state="STOPPED") == 1
    assert find("tmd_process_starts_total", process="web") == 3
    assert find("tmd_process_restarts_total", process="web", reason="unexpected") == 1
    assert find("tmd_process_restarts_total", process="web", reason="asked") == 1
    assert find("tmd_process_exits_total", process="web", kind="signal") == 1
    assert find("tmd_process_exits_total", process="web", kind="stopped") == 2
    assert find("tmd_process_last_exit_status", process="web") == 128 + 15
    assert find("tmd_process_resident_memory_bytes", process="web") == -1
    rig.rpc.taskmaster.restartProcesses(["web"])
    assert gauges(rig, "web")["web"]["restarts"] == 3, "a restart of what was down is one, too"
    rig.stop()


def test_a_program_that_fails_to_start_is_counted_as_often_as_it_was_tried(rig: Rig) -> None:
    rig.write(
        "[program:bad]\ncommand=/bin/sh -c 'exit 9'\nstartretries=2\n"
        "[program:none]\ncommand=/nowhere/at/all\nstartretries=1\n"
    )
    rig.start()
    rig.until("bad", "FATAL")
    rig.until("none", "FATAL")
    find = scrape(rig)
    assert find("tmd_process_starts_total", process="bad") == 3
    assert find("tmd_process_exits_total", process="bad", kind="failed") == 3
    assert find("tmd_process_restarts_total", process="bad", reason="failed") == 2
    assert find("tmd_process_last_exit_status", process="bad") == 9
    assert find("tmd_process_starts_total", process="none") == 0
    assert find("tmd_process_spawn_failures_total", process="none") == 2
    assert find("tmd_process_state", process="none", tmd_process_state="FATAL") == 1
    rig.stop()


def test_the_figures_are_those_of_the_whole_tree(rig: Rig) -> None:
    rig.write(
        f"[program:family]\ncommand=/bin/sh -c '{SPINNER} & sleep 100000 & sleep 100000; :'\n"
        "stopasgroup=true\nkillasgroup=true\n"
        "[program:calm]\ncommand=sleep 100000\n".replace("'while True: pass'", '"while True: pass"')
    )
    rig.start()
    rig.until_all("RUNNING")

    def busy() -> dict[str, Any] | None:
        family = gauges(rig, "family")["family"]
        whole = family["processes"] == 4 and family["cpu_ms"] > 500
        return family if whole and family["cpu_percent"] > 1 else None  # it shares the machine; the shell uses nothing

    family = rig.wait(busy, 60)
    assert family["threads"] == 4
    assert family["rss_kib"] > gauges(rig, "calm")["calm"]["rss_kib"]
    calm = gauges(rig)["calm"]
    assert (calm["processes"], calm["threads"]) == (1, 1)
    assert calm["cpu_percent"] < 1
    assert calm["fds"] >= 3
    assert scrape(rig)("tmd_process_tree_processes", process="family") == 4
    rig.stop()


def test_processor_time_of_lives_nobody_looked_at_is_counted_and_never_falls(rig: Rig) -> None:
    (rig.dir / "burn").write_text("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done\n")
    rig.write(
        "[program:burner]\ncommand=/bin/sh -c 'sh {dir}/burn; :'\nstartsecs=0\nautorestart=true\nstopasgroup=true\n"
    )
    rig.start()
    rig.wait(lambda: rig.info("burner")["starts"] > 5, 30)
    seen = [scrape(rig)("tmd_process_cpu_seconds_total", process="burner")]
    assert seen[0] > 0.1, "five lives have burned, and their children"
    for _ in range(15):
        lives = rig.info("burner")["starts"]
        seen.append(scrape(rig)("tmd_process_cpu_seconds_total", process="burner"))
        if len(seen) % 5 == 0:
            rig.wait(lambda before=lives: rig.info("burner")["starts"] > before, 20)  # type: ignore[misc]
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    rig.stop()


def test_output_is_counted_by_stream_whatever_becomes_of_it(rig: Rig) -> None:
    say = "printf 12345; printf 123 >&2; exec sleep 100000"
    rig.write(
        f"[program:both]\ncommand=/bin/sh -c '{say}'\n"
        f"[program:one]\ncommand=/bin/sh -c '{say}'\nredirect_stderr=true\n"
        f"[program:events]\ncommand=/bin/sh -c '{say}'\nstdout_events_enabled=true\nstdout_logfile=NONE\n"
    )
    rig.start()
    rig.until_all("RUNNING")

    def counted() -> bool:
        find = scrape(rig)
        return [
            find("tmd_process_log_bytes_total", process=name, stream=stream)
            for name in ("both", "one", "events")
            for stream in ("stdout", "stderr")
        ] == [5, 3, 8, 0, 5, 3]

    rig.wait(counted, 20)
    assert scrape(rig)("tmd_log_dropped_bytes_total", log="both stdout") == 0
    rig.stop()


def test_a_log_on_a_full_disk_shows_what_it_lost(rig: Rig) -> None:
    rig.write(
        f"[program:spam]\ncommand={program('spam.py')}\nstdout_logfile=/dev/full\nautorestart=false\nstartsecs=0\n"
    )
    rig.start()
    rig.wait(lambda: scrape(rig)("tmd_log_dropped_bytes_total", log="/dev/full") > 0, 30)
    rig.stop()


def test_events_that_wait_for_a_listener_are_told(rig: Rig) -> None:
    rig.write("[eventlistener:deaf]\ncommand=sleep 100000\nevents=PROCESS_STATE\nbuffer_size=5\n")
    rig.start()
    rig.until("deaf", "RUNNING")
    for _ in range(4):
        rig.rpc.supervisor.stopProcess("deaf")
        rig.rpc.supervisor.startProcess("deaf")
    find = scrape(rig)
    assert find("tmd_event_queue_capacity", pool="deaf") == 5
    assert find("tmd_event_queue_depth", pool="deaf") == 5
    assert find("tmd_event_queue_dropped_total", pool="deaf") > 0
    rig.stop()


def test_hostile_names_are_parsed_by_others(rig: Rig) -> None:
    rig.write('[program:a"b{c}<script>]\ncommand=sleep 100000\nprocess_name=x,y="z"\n')
    rig.start()
    rig.until_all("RUNNING")
    assert scrape(rig)("tmd_process_up", program='a"b{c}<script>', process='x,y="z"') == 1
    rig.stop()


def test_over_tcp_the_password_of_everything_else_is_asked_for(rig: Rig) -> None:
    port = free_port()
    rig.write(
        "[program:web]\ncommand=sleep 100000\n",
        head=f"[inet_http_server]\nport=127.0.0.1:{port}\nusername=u\npassword=p\n",
    )
    rig.start()

    def status(**headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", "/metrics", headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    refused, body = status()
    assert (refused, b"tmd_" in body) == (401, False)
    assert status(Authorization="Basic " + base64.b64encode(b"u:p").decode())[0] == 200
    rig.stop()


def pause(seconds: float) -> None:
    """Let time pass: the passing itself is what is measured."""
    threading.Event().wait(seconds)


@pytest.mark.slow
def test_nobody_looks_and_nothing_is_spent(rig: Rig) -> None:
    rig.write("[program:p]\ncommand=sleep 100000\nnumprocs=100\nprocess_name=p%(process_num)d\n", daemon="minfds=4096")
    rig.start()
    rig.until_all("RUNNING", deadline_s=30)
    pause(1.0)

    def over() -> bool:
        """Tell whether more than two seconds went by without a sample, and without work."""
        before = world.figures(rig.daemon_pid)
        pause(2.5)
        after = world.figures(rig.daemon_pid)
        return after.wakeups - before.wakeups <= 2 and after.cpu_s - before.cpu_s <= 0.02

    assert over(), "before anybody ever looked"
    assert gauges(rig)["p:p7"]["processes"] == 1
    began = time.monotonic()
    assert not over(), "for ten seconds after a call samples are taken"
    eventually(over, 40.0)
    assert 5 < time.monotonic() - began < 40
    assert over(), "and none is taken later"
    rig.stop()
