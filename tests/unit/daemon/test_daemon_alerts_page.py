"""docs/alerts.md says what is so: its events, its sample, its way to verify a signature."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.alerting.servers import WebhookServer
from tmd.config.settings import AlertSpec
from tmd.core.alerts import Alert, as_json
from tmd.daemon.sinks.webhook import webhook
from tmd.wire.alerts import ALERT_EVENTS, SERIOUS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_table_of_events_is_the_list_of_events() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.partition("## Events")[2].partition("## ")[0], re.MULTILINE)
    assert dict(rows) == ALERT_EVENTS
    serious = PAGE.partition("what is serious: ")[2].partition(". ")[0]
    assert re.findall(r"`([\w:]+)`", serious) == list(SERIOUS)


def test_the_sample_is_what_would_be_sent() -> None:
    (text,) = blocks("json")
    sample = json.loads(text)
    assert list(sample) == ["timestamp", "event", "host", "payload"]
    alert = Alert(sample["event"], 1795285270.384, sample["payload"])
    assert json.loads(as_json(alert, "web1")) == sample


def test_the_way_to_verify_a_signature_works() -> None:
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(code, names)
    verify: Callable[..., bool] = names["is_from_taskmaster"]
    with WebhookServer() as server:
        spec = AlertSpec(name="hook", kind="webhook", url=server.url, secret="caf\xe9", timeout=20)
        webhook(spec, "box")([Alert("test", time.time(), {"message": "caf\xe9"})])
    (posted,) = server.posted
    headers = {name.title(): value for name, value in posted.headers.items()}
    assert verify("caf\xe9".encode(), headers, posted.body)
    assert not verify(b"other", headers, posted.body)
    assert not verify("caf\xe9".encode(), headers, posted.body + b" ")
    old = str(int(headers["X-Taskmaster-Timestamp"]) - 1)
    assert not verify("caf\xe9".encode(), headers | {"X-Taskmaster-Timestamp": old}, posted.body)
