"""The page of metrics: what is on it, and that the parsers of others take it."""

import re
import subprocess
import xmlrpc.client
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import parser as plain_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from tests.fetching import debian
from tests.support import eventually
from tests.unit.http.fake_daemon import NOW, FakeDaemon, group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.core.delivery import PoolView
from tmd.core.gauge import Counts, Gauge
from tmd.daemon.sinks import SinkView
from tmd.http.exposition import OPENMETRICS_TYPE, PROMETHEUS_TYPE
from tmd.http.metrics import gather, page
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

HOSTILE = 'a"b\\c\nd{e}=,\r\x07\u2028<script>#'
WEB = ProcessId("web", "web")
NEWER = {"Accept": "application/openmetrics-text; version=1.0.0"}


class Daemon(FakeDaemon):
    """With a pool, a sink, figures and programs in all states."""

    def pools(self) -> list[PoolView]:
        return [PoolView(HOSTILE, ("EVENT",), 1024, 3, 10, 1, 0, 2, ())]

    def figures(self) -> dict[str, Any]:
        return {
            "loop_lag_max_s": 0.25,
            "loop_busy_s": 1.5,
            "loop_wakeups": 12,
            "loop_turns": {"0.001": 8, "0.01": 3, "0.1": 0, "1.0": 1, "more": 0},
            "drain_wakeups": 5,
            "loop_errors": 0,
            "notices": 7,
            "faults": {"log": 3},
        }


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    daemon = Daemon(tmp_path)
    daemon.mainlog = HOSTILE
    daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    for state in ProcessState:
        daemon.add(group_of(state.name, spec_of(state.name)), state)
    daemon.add(group_of(HOSTILE, spec_of(HOSTILE, HOSTILE)), ProcessState.RUNNING)
    for group in ("web", HOSTILE):
        id_ = ProcessId(group, group)
        daemon.gauges.table[id_] = Gauge(NOW, 12.5, 3.25, 4096000, 7, 42, 3)
        daemon.counters.table[id_] = Counts(5, {"unexpected": 3}, {"signal": 4}, 137, 1, 10.5)
        daemon.counters.bytes[id_, "stderr"] = 999
    daemon.gauges.daemon = Gauge(NOW, 0.5, 2.0, 26_000_000, 3, 20, 1)
    daemon.counters.log_losses[HOSTILE] = 4
    daemon.counters.traffic.called("supervisor.getState", 0.002)
    daemon.counters.traffic.replied(200)
    daemon.counters.traffic.connections["unix:///s"] = lambda: {"open": 2, "accepted": 9, "evicted": 1, "refused": 0}
    daemon.alerts.sinks.append(
        SinkView(
            name=HOSTILE, kind="file", goes_to="/f", events=(), programs=(), sent=3, failed=1, dropped=2, waiting=0
        )
    )
    return daemon


def text(daemon: FakeDaemon, *, openmetrics: bool = True, node_exporter: bool = False) -> str:
    return page(gather(daemon, 0.001), openmetrics=openmetrics, node_exporter=node_exporter).decode()


Samples = dict[str, list[tuple[dict[str, str], float]]]


def newer(text: str) -> Samples:
    """Parse OpenMetrics."""
    return _samples(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def older(text: str) -> Samples:
    """Parse Prometheus' older format."""
    return _samples(plain_parser.text_string_to_metric_families(text))


def _samples(families: Iterable[Any]) -> Samples:
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(found: Samples, name: str, /, **labels: str) -> float:
    (only,) = [value for given, value in found[name] if labels.items() <= given.items()]
    return only


@pytest.fixture(params=["openmetrics", "plain"])
def found(request: pytest.FixtureRequest, daemon: Daemon) -> Samples:
    if request.param == "openmetrics":
        return newer(text(daemon, node_exporter=True))
    return older(text(daemon, openmetrics=False, node_exporter=True))


@pytest.mark.parametrize("name", ["web", HOSTILE])
def test_a_process_is_told_whatever_it_is_called(found: Samples, name: str) -> None:
    who = {"group": name, "process": name, "program": name}
    assert value(found, "tmd_process_up", **who) == 1
    assert value(found, "tmd_process_starts_total", **who) == 5
    assert value(found, "tmd_process_spawn_failures_total", **who) == 1
    assert value(found, "tmd_process_restarts_total", reason="unexpected", **who) == 3
    assert value(found, "tmd_process_restarts_total", reason="asked", **who) == 0
    assert value(found, "tmd_process_exits_total", kind="signal", **who) == 4
    assert value(found, "tmd_process_last_exit_status", **who) == 137
    assert value(found, "tmd_process_start_time_seconds", **who) == NOW - 500
    assert value(found, "tmd_process_cpu_seconds_total", **who) == 13.75
    assert value(found, "tmd_process_resident_memory_bytes", **who) == 4096000
    assert value(found, "tmd_process_threads", **who) == 7
    assert value(found, "tmd_process_open_fds", **who) == 42
    assert value(found, "tmd_process_tree_processes", **who) == 3
    assert value(found, "tmd_process_log_bytes_total", stream="stderr", **who) == 999
    assert value(found, "tmd_process_log_bytes_total", stream="stdout", **who) == 0


@pytest.mark.parametrize("state", list(ProcessState))
def test_of_the_states_exactly_one_is_true(found: Samples, state: ProcessState) -> None:
    mine = [(labels, value) for labels, value in found["tmd_process_state"] if labels["process"] == state.name]
    assert {labels["tmd_process_state"]: value for labels, value in mine} == {
        each.name: float(each is state) for each in ProcessState
    }
    assert value(found, "tmd_process_up", process=state.name) == (state is ProcessState.RUNNING)


def test_what_does_not_run_has_counters_and_no_figures(found: Samples) -> None:
    assert value(found, "tmd_process_starts_total", process="STOPPED") == 0
    assert value(found, "tmd_process_cpu_seconds_total", process="STOPPED") == 0
    for name in ("resident_memory_bytes", "threads", "open_fds", "start_time_seconds", "last_exit_status"):
        assert all(labels["process"] != "STOPPED" for labels, _ in found[f"tmd_process_{name}"])


def test_descriptors_that_may_not_be_counted_are_left_out(daemon: Daemon) -> None:
    daemon.gauges.table[WEB] = Gauge(NOW, 12.5, 3.25, 4096000, 7, -1, 3)
    found = newer(text(daemon))
    assert all(labels["process"] != "web" for labels, _ in found["tmd_process_open_fds"])


def test_the_rest_is_there(found: Samples) -> None:
    assert value(found, "tmd_log_dropped_bytes_total", log=HOSTILE) == 4
    assert value(found, "tmd_log_dropped_bytes_total", log="web stdout") == 0
    assert value(found, "tmd_event_queue_depth", pool=HOSTILE) == 3
    assert value(found, "tmd_event_queue_capacity", pool=HOSTILE) == 1024
    assert value(found, "tmd_event_queue_delivered_total", pool=HOSTILE) == 10
    assert value(found, "tmd_event_queue_rejected_total", pool=HOSTILE) == 1
    assert value(found, "tmd_event_queue_dropped_total", pool=HOSTILE) == 2
    assert value(found, "tmd_alerts_sent_total", sink=HOSTILE, kind="file") == 3
    assert value(found, "tmd_alerts_failed_total", sink=HOSTILE) == 1
    assert value(found, "tmd_alerts_dropped_total", sink=HOSTILE) == 2
    assert value(found, "tmd_alerts_waiting", sink=HOSTILE) == 0
    assert value(found, "tmd_rpc_duration_seconds_bucket", method="supervisor.getState", le="0.0025") == 1
    assert value(found, "tmd_rpc_duration_seconds_bucket", method="supervisor.getState", le="0.001") == 0
    assert value(found, "tmd_rpc_duration_seconds_sum", method="supervisor.getState") == 0.002
    assert value(found, "tmd_http_replies_total", status="200") == 1
    assert value(found, "tmd_http_connections", listener="unix:///s") == 2
    assert value(found, "tmd_http_connections_accepted_total", listener="unix:///s") == 9
    assert value(found, "tmd_build_info", dialect="supervisor") == 1
    assert value(found, "tmd_start_time_seconds") == NOW - 1000
    assert value(found, "tmd_loop_lag_seconds") == 0.001
    assert value(found, "tmd_loop_longest_turn_seconds") == 0.25
    assert value(found, "tmd_loop_busy_seconds_total") == 1.5
    assert value(found, "tmd_loop_turn_duration_seconds_bucket", le="0.001") == 8
    assert value(found, "tmd_loop_turn_duration_seconds_bucket", le="0.01") == 11
    assert value(found, "tmd_loop_turn_duration_seconds_count") == 12
    assert value(found, "tmd_loop_turn_duration_seconds_sum") == 1.5
    assert value(found, "tmd_log_pump_wakeups_total") == 5
    assert value(found, "process_resident_memory_bytes") == 26_000_000


def test_the_names_of_node_exporter_are_there_for_who_asks(found: Samples, daemon: Daemon) -> None:
    assert value(found, "node_supervisord_up", name="web", group="web") == 1
    assert value(found, "node_supervisord_up", name="BACKOFF") == 0
    assert value(found, "node_supervisord_up", name="STOPPING") == 1
    assert value(found, "node_supervisord_state", name="FATAL") == 200
    assert value(found, "node_supervisord_exit_status", name="web") == 0
    assert value(found, "node_supervisord_start_time_seconds", name="web") == NOW - 3661
    assert all(labels["name"] != "EXITED" for labels, _ in found["node_supervisord_start_time_seconds"])
    assert "node_supervisord" not in text(daemon)


def test_a_log_whose_name_is_made_up_at_each_start_is_called_by_its_program(daemon: Daemon) -> None:
    daemon.add(group_of("auto", spec_of("auto", stdout_logfile="AUTO", stderr_logfile=None)), ProcessState.RUNNING)
    daemon.change("auto", stdout_logfile="/tmp/auto-stdout-x1y2.log", stderr_logfile="")
    daemon.counters.log_losses["/tmp/auto-stdout-x1y2.log"] = 8
    found = newer(text(daemon))
    assert value(found, "tmd_log_dropped_bytes_total", log="auto stdout") == 8


@pytest.mark.parametrize("programs", ["web", "none"])
def test_promtool_finds_nothing_to_complain_of(daemon: Daemon, tmp_path: Path, programs: str) -> None:
    if programs == "none":
        daemon = Daemon(tmp_path)
    promtool = debian("prometheus", ["prometheus"], "usr/bin/promtool") / "usr/bin/promtool"
    body = text(daemon, openmetrics=False)
    done = subprocess.run([promtool, "check", "metrics"], input=body.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


# --- over HTTP -------------------------------------------------------------------------------------------------------


def test_a_scrape_gets_the_format_it_asks_for(serving: Serving) -> None:
    status, headers, body = serving.get("/metrics", **NEWER)
    assert (status, headers["Content-Type"]) == (200, OPENMETRICS_TYPE)
    assert value(newer(body.decode()), "tmd_process_up", process="web") == 1
    status, headers, body = serving.get("/metrics")
    assert (status, headers["Content-Type"]) == (200, PROMETHEUS_TYPE)
    assert value(older(body.decode()), "tmd_process_up", process="web") == 1
    assert headers["Cache-Control"] == "no-store"


def test_a_head_has_the_length_and_no_body(serving: Serving) -> None:
    status, headers, body = serving.get("/metrics", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1000


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_done_there(serving: Serving, method: str) -> None:
    status, headers, _ = serving.get("/metrics", method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"


def test_the_names_of_node_exporter_by_query(serving: Serving) -> None:
    assert b"node_supervisord_up" in serving.get("/metrics?names=node_exporter")[2]
    assert b"node_supervisord_up" not in serving.get("/metrics?names=others")[2]


def test_without_the_password_there_is_nothing_to_see(serve: Callable[..., Serving]) -> None:
    serving = serve(family="inet", username="u", password="p")
    status, headers, body = serving.get("/metrics", **NEWER)
    assert status == 401
    assert b"tmd_" not in body
    assert serving.get("/metrics", Authorization="Basic dTpw")[0] == 200
    assert headers["WWW-Authenticate"]


def test_a_scrape_waits_for_its_sample_and_the_loop_goes_on(serving: Serving) -> None:
    serving.in_loop(lambda: setattr(serving.daemon.gauges, "hold", True))
    with serving.connect() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert serving.get("/ok.html")[0] == 200
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(10)
        serving.in_loop(lambda: serving.daemon.gauges.asked[0].resolve(None))
        assert client.recv(12) == b"HTTP/1.1 200"
    assert serving.daemon.worked, "the text is written by a worker"


def test_a_client_that_leaves_meanwhile_hurts_nobody(serving: Serving) -> None:
    serving.in_loop(lambda: setattr(serving.daemon.gauges, "hold", True))
    with serving.connect() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert eventually(lambda: serving.daemon.gauges.asked)
    serving.in_loop(lambda: serving.daemon.gauges.asked[0].resolve(None))
    assert serving.get("/ok.html")[0] == 200
    assert serving.daemon.errors == []


def test_a_page_that_cannot_be_written_is_an_error_and_told(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise RpcFault(Fault.FAILED, "no ink")

    monkeypatch.setattr("tmd.http.metrics.page", fail)
    assert serving.get("/metrics")[0] == 500
    assert serving.daemon.errors == ["cannot write metrics: FAILED: no ink"]


def test_calls_replies_and_connections_are_counted(serving: Serving) -> None:
    with serving.proxy() as proxy:
        for _ in range(3):
            assert proxy.supervisor.getState()["statecode"] == 1
        with pytest.raises(xmlrpc.client.Fault, match="UNKNOWN_METHOD"):
            proxy.nobody.knows()
    serving.get("/nowhere")
    found = newer(serving.get("/metrics", **NEWER)[2].decode())
    assert value(found, "tmd_rpc_duration_seconds_count", method="supervisor.getState") == 3
    assert value(found, "tmd_rpc_duration_seconds_count", method="other") == 1
    assert value(found, "tmd_http_replies_total", status="404") == 1
    assert value(found, "tmd_http_replies_total", status="200") == 4
    assert value(found, "tmd_http_connections_accepted_total", listener=f"unix://{serving.path}") == 3
    assert value(found, "tmd_http_connections", listener=f"unix://{serving.path}") >= 1


def test_every_family_is_described_in_the_documentation(daemon: Daemon) -> None:
    documented = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    for name in re.findall(r"^# TYPE (\S+)", text(daemon, openmetrics=False, node_exporter=True), re.MULTILINE):
        assert f"`{name}`" in documented, f"docs/metrics.md does not tell of {name}"
