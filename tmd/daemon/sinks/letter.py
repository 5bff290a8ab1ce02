"""What an alert, or many of them, reads like as a letter to a tired person.

Promises plain text in the order of time, one sentence for each alert and what the program last wrote below it; the same
last lines of one process are not repeated. Knows nothing of how mail travels.
"""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import tmd
from tmd.core.alerts import Alert
from tmd.wire.visible import visible_line

MAX_SUBJECT = 160
"""characters"""
MAX_TEXT = 256 * 1024
"""characters of a letter; what does not fit is counted"""
SHORT = {
    "process_started": "started",
    "process_running": "RUNNING",
    "process_exited": "exited",
    "process_backoff": "BACKOFF",
    "process_fatal": "FATAL",
    "process_stopped": "stopped",
    "process_killed": "killed",
    "listener_stuck": "listener stuck",
    "config_reloaded": "configuration read",
    "config_rejected": "configuration refused",
    "daemon_started": "tmd is up",
    "daemon_stopping": "tmd goes down",
    "log_dropped": "log bytes lost",
    "test": "test",
}
"""for subjects"""


def subject(alerts: Sequence[Alert], host: str) -> str:
    """Return the subject: what happened, to whom, how often."""
    counts: dict[str, Counter[str]] = {}
    for alert in alerts:
        counts.setdefault(_whose(alert), Counter())[SHORT.get(alert.event, alert.event)] += 1
    parts = []
    for whose, events in counts.items():
        said = ", ".join(f"{event} {count}" if len(alerts) > 1 else event for event, count in events.items())
        parts.append(f"{whose}: {said}" if whose else said)
    head = f"{len(alerts)} alerts: " if len(alerts) > 1 else ""
    text = visible_line(f"[taskmaster@{host}] {head}{'; '.join(parts)}")
    return text if len(text) <= MAX_SUBJECT else f"{text[: MAX_SUBJECT - 3]}..."


def text(alerts: Sequence[Alert], host: str) -> str:
    """Return the letter itself."""
    paragraphs: list[str] = []
    shown: dict[str, list[str]] = {}
    room, left_out = MAX_TEXT, 0
    for alert in sorted(alerts, key=lambda alert: alert.at):
        lines = [f"{_moment(alert.at)}  {sentence(alert)}"]
        words = [visible_line(str(line)) for line in alert.payload.get("stderr") or ()]
        if words and shown.get(_whose(alert)) == words:
            lines.append("    (its last lines of stderr: as before)")
        elif words:
            lines += ["    its last lines of stderr:", *(f"    | {line}" for line in words)]
            shown[_whose(alert)] = words
        paragraph = "\n".join(lines)
        room -= len(paragraph) + 2
        if room < 0:
            left_out += 1
        else:
            paragraphs.append(paragraph)
    if left_out:
        paragraphs.append(f"... and {left_out} more alerts, for which there is no room here")
    sign = f"-- \ntmd {tmd.__version__} on {visible_line(host)}; ask it: tmctl status"
    return "\n\n".join([*paragraphs, sign]) + "\n"


def sentence(alert: Alert) -> str:
    """Return what an alert says, in one line."""
    return visible_line(_said(alert.event, alert.payload, _whose(alert)))


def _said(event: str, payload: dict[str, Any], whose: str) -> str:
    pid = f" (pid {payload['pid']})" if payload.get("pid") else ""
    match event:
        case "process_started":
            return f"{whose} was started{pid}"
        case "process_running":
            return f"{whose} is RUNNING{pid}"
        case "process_exited":
            expected = "as expected" if payload.get("expected") else "unexpectedly"
            again = ", and is started again" if payload.get("restarts") else ", and is not started again"
            return f"{whose}{pid} ended {expected}, {_ending(payload)}{_uptime(payload)}{again}"
        case "process_backoff":
            retry_s = payload.get("retry_in_s")
            again = "" if retry_s is None else f"; tried again in {round(retry_s, 1):g} s"
            tries = payload.get("tries")
            return f"{whose}{pid} did not stay up (try {tries}){_ended(payload)}: {payload.get('reason')}{again}"
        case "process_fatal":
            tries, reason = payload.get("tries"), payload.get("reason")
            return f"{whose} is FATAL after {tries} tries and not tried again{_ended(payload)}: {reason}"
        case "process_stopped":
            again = ", and is started again" if payload.get("restarts") else ""
            return f"{whose} was stopped{pid}{_ended(payload)}{_uptime(payload)}{again}"
        case "process_killed":
            return f"{whose}{pid} ignored its stop signal for {payload.get('waited_s')} s and was sent SIGKILL"
        case "config_reloaded":
            changes = [f"{key} {_names(payload[key])}" for key in ("added", "changed", "removed") if payload.get(key)]
            return f"configuration '{payload.get('path')}' was read: {'; '.join(changes) or 'no group differs'}"
        case "config_rejected":
            problems = "; ".join(map(str, payload.get("problems", ())))
            return f"configuration '{payload.get('path')}' was refused, nothing changed: {problems}"
        case "daemon_started":
            return f"tmd {payload.get('version', '')} is up{pid}"
        case "daemon_stopping":
            return f"tmd goes down{pid}"
        case "listener_stuck":
            waited_s, given = payload.get("waited_s"), payload.get("event")
            return f"event listener {whose}{pid} gave no answer to {given} for {waited_s} s and is restarted"
        case "log_dropped":
            count, target = payload.get("bytes"), payload.get("target")
            return f"{count} bytes of the log '{target}' could not be kept: {payload.get('reason')}"
        case _:
            return f"{event}: {payload.get('message', '')}"


def _whose(alert: Alert) -> str:
    """Return the name of the process as `tmctl` takes it, empty for what is about none."""
    group, process = alert.payload.get("group"), alert.payload.get("process")
    if not process:
        return ""
    return str(process) if group == process else f"{group}:{process}"


def _ended(payload: dict[str, Any]) -> str:
    """Return how it ended, where it ever ran."""
    return f", {_ending(payload)}" if "exit_code" in payload or "signal" in payload else ""


def _ending(payload: dict[str, Any]) -> str:
    if payload.get("signal"):
        return f"by {payload['signal']}{' (core dumped)' if payload.get('core') else ''}"
    return f"exit status {payload.get('exit_code')}"


def _uptime(payload: dict[str, Any]) -> str:
    uptime_s = payload.get("uptime_s")
    return "" if uptime_s is None else f", after {uptime_s:g} s"


def _names(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names))


def _moment(at: float) -> str:
    """Return local time with its offset: that of the machine the letter is about."""
    local = time.localtime(at)
    return time.strftime("%Y-%m-%d %H:%M:%S", local) + f".{int(at % 1 * 1000):03d} " + time.strftime("%z", local)
