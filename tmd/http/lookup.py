"""Names to processes, and results to what clients are told about them."""

from collections.abc import Container, Sequence
from typing import Any

from tmd.daemon.surface import DaemonSurface, GroupView, ProcessView, Result
from tmd.http.rpc import shorten
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId, split_namespec
from tmd.wire.states import ProcessState

_SAID_WITH_NAME = frozenset(
    {
        Fault.BAD_NAME,
        Fault.ALREADY_STARTED,
        Fault.NOT_RUNNING,
        Fault.SPAWN_ERROR,
        Fault.ABNORMAL_TERMINATION,
    }
)
"""Faults whose text repeats the name that was asked for, whatever else is known."""


def find_group(daemon: DaemonSurface, name: str) -> GroupView:
    """Return an active group. BAD_NAME."""
    group = daemon.group(name)
    if group is None:
        raise RpcFault(Fault.BAD_NAME, shorten(name))
    return group


def find(daemon: DaemonSurface, name: str) -> GroupView | ProcessView:
    """Return what a name means: a process, or a whole group (`g:*`, `g:`). BAD_NAME."""
    group_name, process_name = split_namespec(name)
    if process_name is not None:
        view = daemon.view(ProcessId(group_name, process_name))
        if view is not None:
            return view
    else:
        group = daemon.group(group_name)
        if group is not None:
            return group
    raise RpcFault(Fault.BAD_NAME, shorten(name))


def find_process(daemon: DaemonSurface, name: str) -> ProcessView:
    """Return one process. BAD_NAME, also for a whole group."""
    found = find(daemon, name)
    if isinstance(found, GroupView):
        raise RpcFault(Fault.BAD_NAME, shorten(name))
    return found


def members(daemon: DaemonSurface, groups: Sequence[GroupView]) -> list[ProcessView]:
    """Return the processes of groups: groups as given, in a group rising priority, then configured order."""
    ordered: list[ProcessView] = []
    for group in groups:
        views = [view for id_ in group.processes if (view := daemon.view(id_)) is not None]
        ordered.extend(sorted(views, key=lambda view: view.spec.priority))
    return ordered


def in_states(views: Sequence[ProcessView], states: Container[ProcessState]) -> list[ProcessId]:
    """Return the ids of those that are in one of the states."""
    return [view.id for view in views if view.state in states]


def fault_of(result: Result, name: str) -> RpcFault:
    """Return the fault of a result that is one; `name`: as the caller gave it."""
    detail = name if result.detail is None or result.fault in _SAID_WITH_NAME else result.detail
    return RpcFault(result.fault, shorten(detail))


def verdict(results: Sequence[Result], name: str) -> bool:
    """Return True for one process that got where it should, or raise its fault."""
    for result in results:
        if result.fault is not Fault.SUCCESS:
            raise fault_of(result, name)
    return True


def status_array(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the status structs of results, in their order."""
    return [
        {
            "name": result.id.process,
            "group": result.id.group,
            "status": int(result.fault),
            "description": "OK" if result.fault is Fault.SUCCESS else fault_of(result, result.id.namespec).text,
        }
        for result in results
    ]
