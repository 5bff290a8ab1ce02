"""Where alerts go, for clients: how each sink fares, and a sample on demand."""

from collections.abc import Mapping, Sequence
from typing import Any

from tmd.daemon.sinks import SinkView
from tmd.daemon.surface import DaemonSurface, Operation
from tmd.http.rpc import Handler, Pending, shorten
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.structs import capped_int


def alert_handlers(daemon: DaemonSurface) -> Mapping[str, Handler]:
    """Return the handlers by full name."""
    return {
        "taskmaster.getAlerts": lambda: [_sink_struct(view) for view in daemon.alerts.views()],
        "taskmaster.testAlert": lambda names: _test(daemon, names),
    }


def _sink_struct(view: SinkView) -> dict[str, Any]:
    return {
        "name": view.name,
        "kind": view.kind,
        "goes_to": view.goes_to,
        "events": list(view.events),
        "programs": list(view.programs),
        "sent": capped_int(view.sent),
        "failed": capped_int(view.failed),
        "dropped": capped_int(view.dropped),
        "waiting": capped_int(view.waiting),
        "last_error": view.last_error,
        "last_error_at": capped_int(view.last_error_at),
    }


def _test(daemon: DaemonSurface, names: Sequence[Any]) -> Pending:
    """Send a sample to each of these sinks, or to all, at once; answer when the last has said something."""
    if not all(isinstance(name, str) for name in names):
        raise RpcFault(Fault.INCORRECT_PARAMETERS)
    known = {view.name: view for view in daemon.alerts.views()}
    asked = dict.fromkeys(names or known)
    outcomes: dict[str, dict[str, Any]] = {name: _unknown(name) for name in asked if name not in known}
    all_of_them: Operation[list[dict[str, Any]]] = Operation()

    def settle() -> None:
        if len(outcomes) == len(asked):
            all_of_them.resolve([outcomes[name] for name in asked])

    def note(view: SinkView, outcome: Operation[str]) -> None:
        ok = outcome.fault is None
        said = str(outcome.value or "") if ok else _reason(outcome.fault)
        outcomes[view.name] = {"name": view.name, "kind": view.kind, "goes_to": view.goes_to, "ok": ok, "said": said}
        settle()

    for name in asked:
        if name in known:
            daemon.alerts.test(name).then(lambda outcome, view=known[name]: note(view, outcome))  # type: ignore[misc]
    settle()
    return Pending(all_of_them, lambda results: results)


def _reason(fault: RpcFault | None) -> str:
    """Return what a fault says beyond its name."""
    return "" if fault is None else (fault.detail or fault.text)


def _unknown(name: str) -> dict[str, Any]:
    return {"name": shorten(name), "kind": "", "goes_to": "", "ok": False, "said": "no such sink"}
