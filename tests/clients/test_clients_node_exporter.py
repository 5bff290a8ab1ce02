"""Prometheus's node exporter, as Debian packages it, with its supervisord collector on our socket."""

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.free import free_port
from tests.e2e.harness import Rig
from tests.fetching import fetched, only, run
from tests.support import eventually

pytestmark = pytest.mark.clients
PACKAGE = "prometheus-node-exporter"


def exporter() -> Path:
    """Return the program."""
    return fetched(PACKAGE, _unpack) / "usr/bin" / PACKAGE


def _unpack(place: Path) -> None:
    download = ["apt-get", "-o", "APT::Sandbox::User=root", "download", PACKAGE]
    try:
        run(download, place, PACKAGE)
    except AssertionError:  # lists of packages that are old, or not there at all
        run(["apt-get", "update"], place, PACKAGE)
        run(download, place, PACKAGE)
    archive = only(place, "*.deb")
    run(["dpkg", "-x", archive, place], place, PACKAGE)
    archive.unlink()


@contextmanager
def exporting(url: str) -> Iterator[str]:
    """Run the exporter on a supervisor; yield where its metrics are."""
    port = free_port()
    command = [str(exporter()), "--collector.disable-defaults", "--collector.supervisord"]
    command += [f"--collector.supervisord.url={url}", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        process.kill()
        process.wait()


def scrape(url: str) -> str:
    """Return the metrics, empty before the exporter listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def metric(text: str, kind: str, name: str) -> float:
    """Return one figure of a process."""
    found = re.search(rf'^node_supervisord_{kind}{{group="{name}",name="{name}"}} (\S+)$', text, re.MULTILINE)
    assert found, f"no {kind} of {name} in:\n{text}"
    return float(found[1])


def test_the_collector_scrapes_state_exit_status_and_start(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"
        "[program:done]\ncommand=/bin/sh -c 'exit 3'\nstartsecs=0\nautorestart=false\n"
        "[program:off]\ncommand=sleep 100000\nautostart=false\n"
    )
    rig.start()
    rig.until("web", "RUNNING")
    rig.until("done", "EXITED")
    with exporting(f"unix://{rig.socket}") as url:
        text = eventually(lambda: scrape(url), 30.0, what="the exporter answers")
        assert 'node_scrape_collector_success{collector="supervisord"} 1' in text
        assert [metric(text, "up", name) for name in ("web", "done", "off")] == [1, 0, 0]
        assert [metric(text, "state", name) for name in ("web", "done", "off")] == [20, 100, 0]
        assert metric(text, "exit_status", "done") == 3
        assert metric(text, "start_time_seconds", "web") == rig.info("web")["start"]
        rig.ctl("stop", "web")
        assert metric(scrape(url), "up", "web") == 0
    rig.stop()
