"""Alerts as lines of the system's log: the event, then the alert as JSON, with a severity that fits the event."""

from functools import partial

from tmd.config.settings import AlertSpec
from tmd.core.alerts import Alert, as_json
from tmd.daemon.sinks.complaints import Complaints
from tmd.daemon.surface import Operation
from tmd.posix.drain import Drain
from tmd.posix.syslog import LINE_BYTES, priority
from tmd.wire.faults import Fault, RpcFault

LOG = "syslog"
"""what the drain calls this place in its reports"""
NO_ANSWER = "cannot write to syslog (is there a /dev/log?)"
SEVERITIES = {
    "process_fatal": "crit",
    "process_killed": "warning",
    "process_backoff": "warning",
    "config_rejected": "err",
    "listener_stuck": "warning",
    "log_dropped": "warning",
    "config_reloaded": "notice",
    "daemon_started": "notice",
    "daemon_stopping": "notice",
}


def severity(alert: Alert) -> str:
    """Return how bad it is, in syslog's words."""
    if alert.event == "process_exited" and not alert.payload["expected"]:
        return "err"
    return SEVERITIES.get(alert.event, "info")


class SyslogSink:
    """One facility."""

    def __init__(self, spec: AlertSpec, host: str, drain: Drain, complaints: Complaints) -> None:
        self.sent = self.failed = self.dropped = self.waiting = 0
        self.log = LOG
        self._facility, self._host, self._drain, self._complaints = spec.facility, host, drain, complaints

    @property
    def settled(self) -> bool:
        """There is nothing to wait for: syslog takes a line at once or never."""
        return True

    def offer(self, alert: Alert) -> None:
        """Send an alert."""
        self.waiting += 1
        self._send(alert).then(self._count)

    def test(self, alert: Alert) -> Operation[str]:
        """Send an alert and tell whether it was taken."""
        return self._send(alert)

    def trouble(self, reason: str) -> None:
        """The drain says that something was lost; what was ours is known already."""

    def leave(self) -> None:
        """Nothing more comes."""

    def close(self) -> None:
        """Nothing is held."""

    def _send(self, alert: Alert) -> Operation[str]:
        operation: Operation[str] = Operation()
        weight = priority(self._facility, severity(alert))
        line = as_json(alert, self._host, LINE_BYTES)
        self._drain.write_syslog(alert.event, line, weight, partial(self._done, operation))
        return operation

    def _done(self, operation: Operation[str], taken: bool) -> None:
        if taken:
            self._complaints.worked()
            operation.resolve(f"taken by syslog ({self._facility})")
        else:
            operation.refuse(RpcFault(Fault.FAILED, NO_ANSWER))

    def _count(self, outcome: Operation[str]) -> None:
        self.waiting -= 1
        if outcome.fault is None:
            self.sent += 1
        else:
            self.failed += 1
            self._complaints.failed(NO_ANSWER, 1)
