"""The dashboard and the alert rules speak of metrics that exist, in a language that Prometheus understands."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fetching import debian
from tmd.core.gauge import EXIT_KINDS, RESTART_REASONS
from tmd.wire.states import ProcessState

ROOT = Path(__file__).parents[3]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "etc" / "grafana-dashboard.json").read_text())
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()
DOCUMENTED = set(re.findall(r"^\| `(\w+)`", DOCUMENT, re.MULTILINE))
"""held against the page itself by another test"""
RANGES = {"$__rate_interval": "5m", "$__range": "6h"}


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def rules() -> Any:
    (block,) = re.findall(r"```yaml\n(groups:.*?)```", DOCUMENT, re.DOTALL)
    return yaml.safe_load(block)


def all_expressions() -> list[tuple[str, str]]:
    return [*expressions(), *((rule["alert"], rule["expr"]) for rule in rules()["groups"][0]["rules"])]


@pytest.mark.parametrize(("title", "expression"), all_expressions())
def test_every_metric_that_is_asked_for_exists(title: str, expression: str) -> None:
    names = set(re.findall(r"\b(?:tmd|process)_\w+", re.sub(r"\{[^}]*\}|\([a-z_, ]+\) \(", "", expression)))
    assert {name.removesuffix("_bucket") for name in names} <= DOCUMENTED, title
    for label, known in (
        ("reason", RESTART_REASONS),
        ("kind", EXIT_KINDS),
        ("tmd_process_state", ProcessState._member_names_),
    ):
        for values in re.findall(rf'\b{label}=~?"([^"$]*)"', expression):
            assert set(values.split("|")) <= set(known), title


def test_the_metrics_people_look_for_are_on_the_dashboard() -> None:
    shown = " ".join(expression for _, expression in expressions())
    for part in ("up", "state", "restarts", "exits", "cpu_seconds", "resident_memory_bytes", "threads", "open_fds"):
        assert f"tmd_process_{part}" in shown
    for part in (
        "rpc_duration_seconds",
        "loop_lag_seconds",
        "event_queue_depth",
        "log_dropped_bytes",
        "alerts_waiting",
    ):
        assert f"tmd_{part}" in shown


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    promtool = debian("prometheus", ["prometheus"], "usr/bin/promtool") / "usr/bin/promtool"
    queries = []
    for number, (_, expression) in enumerate(expressions()):
        plain = re.sub(r"\$__\w+", lambda found: RANGES[found[0]], expression)
        queries.append({"record": f"panel_{number}", "expr": plain})
    for name, content in (("rules", rules()), ("panels", {"groups": [{"name": "panels", "rules": queries}]})):
        (tmp_path / name).write_text(yaml.safe_dump(content))
        done = subprocess.run(
            [promtool, "check", "rules", tmp_path / name], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_panels_are_numbered_placed_and_asked_of_the_chosen_source() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        mine = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not mine & cells, f"{panel['title']} lies on another panel"
        cells |= mine
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"
    asked = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$(\w+)", " ".join(expression for _, expression in expressions())))
    assert {name for name in used if not name.startswith("__")} <= asked
