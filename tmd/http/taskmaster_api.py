"""`taskmaster.*`: what Supervisor's API cannot say."""

from collections.abc import Mapping, Sequence
from typing import Any

import tmd
from tmd.config.plan import GroupChange, Plan
from tmd.core.delivery import PoolView
from tmd.daemon.surface import DaemonSurface, GroupView, Operation, Result
from tmd.http.alerts import alert_handlers
from tmd.http.gauges import gauge_handlers
from tmd.http.lookup import find, find_process, members, status_array
from tmd.http.rpc import Handler, Pending, shorten
from tmd.http.supervisor_api import plan_names
from tmd.http.why import why
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId, split_namespec
from tmd.wire.structs import capped_int


def taskmaster_handlers(daemon: DaemonSurface) -> Mapping[str, Handler]:
    """Return the handlers by full name."""
    return {
        "taskmaster.getVersion": lambda: {
            "name": "tmd",
            "version": tmd.__version__,
            "dialect": daemon.settings.dialect.value,
            "config": daemon.config_path,
        },
        "taskmaster.getFigures": daemon.figures,
        "taskmaster.getEventPools": lambda: [_pool_struct(pool) for pool in daemon.pools()],
        **alert_handlers(daemon),
        **gauge_handlers(daemon),
        "taskmaster.why": lambda name, lines: why(daemon, name, lines),
        "taskmaster.reread": lambda path: plan_names(daemon.reread(path or None)),
        "taskmaster.update": lambda names: Pending(daemon.update(_texts(names)), plan_struct),
        "taskmaster.reload": lambda: Pending(daemon.reload(), _reload_struct),
        "taskmaster.upgrade": lambda: Pending(daemon.upgrade(), dict),
        "taskmaster.addProgram": lambda group, name, options: add_program(daemon, group, name, options),
        "taskmaster.removeProcess": lambda name: remove_process(daemon, name),
        "taskmaster.restartProcesses": lambda names, wait: restart_processes(daemon, _texts(names), wait),
    }


def _pool_struct(pool: PoolView) -> dict[str, Any]:
    return {
        "name": pool.name,
        "events": list(pool.events),
        "buffer_size": capped_int(pool.buffer_size),
        "waiting": capped_int(pool.waiting),
        "delivered": capped_int(pool.delivered),
        "rejected": capped_int(pool.rejected),
        "redelivered": capped_int(pool.redelivered),
        "dropped": capped_int(pool.dropped),
        "listeners": [
            {
                "name": listener.id.namespec,
                "state": listener.state,
                "for_s": capped_int(listener.for_s),
                "note": listener.note,
            }
            for listener in pool.listeners
        ],
        "note": pool.note,
    }


def plan_struct(plan: Plan) -> dict[str, Any]:
    """Return the struct of `taskmaster.update`."""
    return {
        "added": [group.name for group in plan.added],
        "changed": [_change_struct(change) for change in plan.changed],
        "removed": list(plan.removed),
        "held": [{"name": id_.namespec, "reason": reason} for id_, reason in plan.held],
    }


def _change_struct(change: GroupChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "added": [spec.id.namespec for spec in change.added],
        "removed": [id_.namespec for id_ in change.removed],
        "restarted": [spec.id.namespec for spec in change.restart],
        "live": [spec.id.namespec for spec in change.live],
        "kept": [id_.namespec for id_ in change.kept],
    }


def _reload_struct(plan: Plan | None) -> dict[str, Any]:
    return {"restarted": plan is None, **plan_struct(plan or Plan())}


def restart_processes(daemon: DaemonSurface, names: Sequence[str], wait: bool) -> Pending:
    """Restart what is named; unknown names come first in the answer and keep nobody else back."""
    ids: dict[ProcessId, None] = {}
    unknown: list[Result] = []
    for name in names:
        try:
            views = _views(daemon, name)
        except RpcFault as fault:
            group, process = split_namespec(shorten(name))
            unknown.append(Result(ProcessId(group, process or "*"), Fault(fault.code), fault.detail))
        else:
            ids.update(dict.fromkeys(view.id for view in views))
    operation: Operation[list[Result]] = daemon.restart_processes(list(ids), wait=wait)
    return Pending(operation, lambda results: status_array([*unknown, *results]))


def add_program(daemon: DaemonSurface, group: str, name: str, options: Mapping[Any, Any]) -> list[str]:
    """Answer addProgram."""
    ids = daemon.add_program(group, name, {str(key): option_text(value) for key, value in options.items()})
    return [id_.namespec for id_ in ids]


def option_text(value: Any) -> str:
    """Return an option's value as a file would have it. INCORRECT_PARAMETERS for what is no single value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise RpcFault(Fault.INCORRECT_PARAMETERS, f"an option must be one value, got {shorten(str(value))}")


def remove_process(daemon: DaemonSurface, name: str) -> bool:
    """Answer removeProcess."""
    daemon.remove_process(find_process(daemon, name).id)
    return True


def _views(daemon: DaemonSurface, name: str) -> Sequence[Any]:
    if name == "all":
        return members(daemon, daemon.groups())
    found = find(daemon, name)
    return members(daemon, [found]) if isinstance(found, GroupView) else [found]


def _texts(names: Sequence[Any]) -> list[str]:
    if not all(isinstance(name, str) for name in names):
        raise RpcFault(Fault.INCORRECT_PARAMETERS)
    return [str(name) for name in names]
