"""All scenarios, and the table of deliberate differences that some of them show."""

import tomllib
from pathlib import Path

from tests.conformance import (
    ctl_scenarios,
    difference_scenarios,
    event_scenarios,
    fcgi_scenarios,
    http_scenarios,
    life_scenarios,
    reading_scenarios,
    refused_scenarios,
    rpc_scenarios,
    scenarios,
)

DIFFERENCES: dict[str, dict[str, str]] = tomllib.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "differences.toml").read_text(encoding="utf-8")
)

EVERY = [
    *scenarios.SCENARIOS,
    *refused_scenarios.SCENARIOS,
    *reading_scenarios.SCENARIOS,
    *ctl_scenarios.SCENARIOS,
    *life_scenarios.SCENARIOS,
    *event_scenarios.SCENARIOS,
    *fcgi_scenarios.SCENARIOS,
    *http_scenarios.SCENARIOS,
    *rpc_scenarios.SCENARIOS,
    *difference_scenarios.SCENARIOS,
]
