"""Alerts: what operators are told, and who wants to hear it.

A notice becomes an alert or nothing. Whatever a program, a person or another system may have written into it (names,
reasons, lines of output) is made harmless here: nothing of it can move a terminal, break a line or fail to encode.
Knows nothing of where alerts go.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from tmd.config.settings import AlertSpec, ProcessSpec
from tmd.core import notices as n
from tmd.core import words
from tmd.core.inputs import LAST_WORDS_BYTES, ExitStatus
from tmd.wire.alerts import UNEXPECTED_EXIT, covers
from tmd.wire.names import ProcessId
from tmd.wire.visible import visible_line

ALERT_BYTES = 16 * 1024
"""what the JSON of an alert takes at most"""
LAST_LINES = 10
"""of stderr"""
LISTED = 50
"""of problems, and of groups that changed"""
_CUTS = ((1024, 20), (256, 10), (48, 5))
"""what is tried when an alert is too long: characters of a text, entries of a list"""


class Alert(msgspec.Struct, frozen=True):
    """One thing an operator may want to know. `at`: epoch seconds; `payload`: plain values, ready for JSON."""

    event: str
    """one of `tmd.wire.alerts.ALERT_EVENTS`, or `test`"""
    at: float
    payload: dict[str, Any]
    about: tuple[str, ...] = ()
    """the names a filter may match: group, program, `group:process`; none of an alert that is about no program"""


def sample(sink: str, at: float) -> Alert:
    """Return an alert about nothing, for whoever wants to see one arrive."""
    return Alert("test", at, {"sink": visible_line(sink), "message": "this is a test: nothing has happened"})


def wants(spec: AlertSpec, alert: Alert) -> bool:
    """Tell whether the events and programs of a sink cover an alert."""
    unexpected = alert.event == "process_exited" and not alert.payload["expected"]
    if spec.events and alert.event not in spec.events and not (unexpected and UNEXPECTED_EXIT in spec.events):
        return False
    if not spec.programs or not alert.about:
        return True
    return any(covers(pattern, name) for pattern in spec.programs for name in alert.about)


# --- the form that travels -------------------------------------------------------------------------------------


def timestamp(at: float) -> str:
    """Return epoch seconds as RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return moment.removesuffix("+00:00") + "Z"


def as_json(alert: Alert, host: str, limit: int = ALERT_BYTES) -> bytes:
    """Return an alert as one line of JSON in UTF-8, without the newline; what makes it longer than `limit` is cut."""
    whole = {"timestamp": timestamp(alert.at), "event": alert.event, "host": visible_line(host)}
    line = msgspec.json.encode({**whole, "payload": alert.payload})
    for characters, entries in _CUTS:
        if len(line) <= limit:
            break
        payload = {key: _cut(value, characters, entries) for key, value in alert.payload.items()}
        line = msgspec.json.encode({**whole, "payload": payload})
    return line


def _cut(value: Any, characters: int, entries: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= characters else value[: characters - 3] + "..."
    if isinstance(value, list):
        return [_cut(entry, characters, entries) for entry in value[-entries:]]
    return value


def last_lines(data: bytes) -> list[str]:
    """Return the last lines of an output as texts to show, at most `LAST_LINES`; the first may lack its beginning."""
    text = data[-LAST_WORDS_BYTES:].decode(errors="replace")
    lines = [line.rstrip("\r") for line in text.rstrip("\r\n").split("\n")]
    return [visible_line(line) for line in lines[-LAST_LINES:]] if text.strip("\r\n") else []


def ending(status: ExitStatus) -> dict[str, Any]:
    """Return how a process ended: `exit_code`, or `signal` with `core`."""
    if status.signal is not None:
        return {"signal": words.signal_name(status.signal), "core": status.core}
    return {"exit_code": status.code}


# --- from notices ----------------------------------------------------------------------------------------------


TOLD_OF = (
    n.ProcessAdded,
    n.ProcessSpawned,
    n.ProcessRestored,
    n.ProcessRunning,
    n.ProcessExited,
    n.ProcessBackoff,
    n.ProcessFatal,
    n.ProcessStopped,
    n.ProcessKilled,
    n.ProcessRemoved,
    n.DaemonRunning,
    n.DaemonStopping,
    n.ConfigReloaded,
    n.ConfigRejected,
    n.LogDropped,
    n.ListenerStuck,
)
"""the notices that a reporter has to know of"""


class Now(NamedTuple):
    """When a notice was published: monotonic and epoch seconds."""

    at: float
    wall: float


class _Life(msgspec.Struct):
    """What is remembered of a process for the alerts to come."""

    pid: int | None = None
    since: float | None = None
    """when it was spawned, monotonic"""
    failed: dict[str, Any] = {}
    """how the last start that failed did so"""


class Reporter:
    """Makes alerts of notices, in their order.

    `spec` gives the settings of a process that exists; `pid` and `version` are the daemon's.
    """

    def __init__(self, spec: Callable[[ProcessId], ProcessSpec | None], pid: int, version: str) -> None:
        self._spec, self._pid, self._version = spec, pid, version
        self._lives: dict[ProcessId, _Life] = {}
        self._leaving = False

    def follow(self, notice: n.Notice, at: float) -> None:
        """Keep in mind what operators may be told with a later notice: all there is to do while nobody wants alerts.

        `at`: when it was published, monotonic.
        """
        match notice:
            case n.ProcessSpawned(id=id_, pid=pid):
                begun = self._lives.setdefault(id_, _Life())
                begun.pid, begun.since = pid, at
            case n.ProcessRunning(id=id_):
                if (running := self._lives.get(id_)) is not None:
                    running.failed = {}
            case n.ProcessBackoff(id=id_, status=status):
                failed: dict[str, Any] = {"pid": notice.pid}
                if status is not None:
                    failed |= ending(status) | self._words(id_, status)
                self._lives.setdefault(id_, _Life()).failed = failed
            case n.ProcessRestored(id=id_, pid=pid):
                self._lives[id_] = _Life(pid, notice.started_at)
            case n.ProcessAdded() | n.ProcessRemoved():
                self._lives.pop(notice.id, None)
            case n.DaemonStopping():
                self._leaving = True

    def report(self, notice: n.Notice, now: Now) -> Alert | None:
        """Return what operators are told of a notice, None for nothing."""
        self.follow(notice, now.at)
        match notice:
            case n.DaemonRunning(resumed=False):
                return Alert("daemon_started", now.wall, {"pid": self._pid, "version": self._version})
            case n.DaemonStopping():
                return Alert("daemon_stopping", now.wall, {"pid": self._pid})
            case n.ConfigReloaded():
                lists = {key: _listed(getattr(notice, key)) for key in ("added", "changed", "removed")}
                return Alert("config_reloaded", now.wall, {"path": visible_line(notice.path), **lists})
            case n.ConfigRejected():
                payload: dict[str, Any] = {"path": visible_line(notice.path), "problems": _listed(notice.problems)}
                if len(notice.problems) > LISTED:
                    payload["more_problems"] = len(notice.problems) - LISTED
                return Alert("config_rejected", now.wall, payload)
            case n.LogDropped():
                payload = {"target": visible_line(notice.target), "bytes": notice.count}
                return Alert("log_dropped", now.wall, payload | {"reason": visible_line(notice.reason)})
            case n.ListenerStuck():
                life = self._lives.get(notice.id)
                payload = {"pid": life.pid if life is not None else None}
                payload |= {"event": visible_line(notice.event), "waited_s": _rounded(notice.waited_s)}
                return self._about(notice.id, "listener_stuck", now, payload)
            case _:
                return self._of_process(notice, now)

    def _of_process(self, notice: n.Notice, now: Now) -> Alert | None:
        match notice:
            case n.ProcessSpawned(id=id_, pid=pid):
                return self._about(id_, "process_started", now, {"pid": pid})
            case n.ProcessRunning(id=id_, pid=pid):
                return self._about(id_, "process_running", now, {"pid": pid})
            case n.ProcessExited(id=id_):
                payload = {"pid": notice.pid, **ending(notice.status), "expected": notice.expected}
                payload |= {"uptime_s": _rounded(notice.uptime_s), "restarts": notice.restarts}
                return self._about(id_, "process_exited", now, payload | self._words(id_, notice.status))
            case n.ProcessBackoff(id=id_):
                return self._about(id_, "process_backoff", now, self._backed_off(notice, now))
            case n.ProcessFatal(id=id_):
                return self._gave_up(notice, now)
            case n.ProcessStopped(id=id_):
                payload = {"pid": notice.pid or None, "restarts": notice.restarts}
                life = self._lives.get(id_)
                if notice.status is not None:
                    payload |= ending(notice.status)
                    if life is not None and life.since is not None:
                        payload["uptime_s"] = _rounded(now.at - life.since)
                return self._about(id_, "process_stopped", now, payload)
            case n.ProcessKilled(id=id_, pid=pid):
                return self._about(id_, "process_killed", now, {"pid": pid, "waited_s": _rounded(notice.waited_s)})
            case _:
                return None

    def _backed_off(self, notice: n.ProcessBackoff, now: Now) -> dict[str, Any]:
        retry_in_s = None if notice.retry_at is None else max(0.0, _rounded(notice.retry_at - now.at))
        return {
            "pid": notice.pid,
            "reason": visible_line(notice.reason),
            "tries": notice.tries,
            "retry_in_s": retry_in_s,
            **self._lives[notice.id].failed,
        }

    def _gave_up(self, notice: n.ProcessFatal, now: Now) -> Alert:
        life, spec = self._lives.get(notice.id), self._spec(notice.id)
        if self._leaving and spec is not None and notice.tries <= spec.startretries:
            # It would be tried again if the daemon did not go down: that is a stop, and no reason to call anybody.
            return self._about(notice.id, "process_stopped", now, {"pid": None, "restarts": False})
        failed = life.failed if life is not None else {}
        payload = {"pid": None, "reason": visible_line(notice.reason), "tries": notice.tries, **failed}
        return self._about(notice.id, "process_fatal", now, payload)

    def _words(self, id_: ProcessId, status: ExitStatus) -> dict[str, Any]:
        spec = self._spec(id_)
        merged = spec is not None and spec.redirect_stderr
        lines = last_lines(status.last_words.stdout if merged else status.last_words.stderr)
        return {"stderr": lines}

    def _about(self, id_: ProcessId, event: str, now: Now, payload: dict[str, Any]) -> Alert:
        spec = self._spec(id_)
        program = spec.program if spec is not None else id_.group
        names = {"program": program, "group": id_.group, "process": id_.process}
        shown = {key: visible_line(name) for key, name in names.items()}
        about = (id_.group, program, f"{id_.group}:{id_.process}")
        return Alert(event, now.wall, shown | payload, about)


def _listed(texts: Sequence[str]) -> list[str]:
    return [visible_line(text) for text in texts[:LISTED]]


def _rounded(duration_s: float) -> float:
    return round(duration_s, 3)
