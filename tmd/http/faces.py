"""What pages show of a process: a few facts that change only when something is told about it.

Nothing here counts with time: how long something has lasted is for the reader to say, from `since`.
"""

from functools import partial

import msgspec

from tmd.core.why import in_short
from tmd.daemon.surface import DaemonSurface, ProcessView
from tmd.http.described import describe
from tmd.http.form import carryable
from tmd.http.why import local_time
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState
from tmd.wire.visible import visible_line


class Face(msgspec.Struct, frozen=True):
    """One process; the fields are the keys of the JSON that pages get. Times are epoch seconds, 0 for never."""

    group: str
    process: str
    name: str
    """as commands take it"""
    state: int
    statename: str
    pid: int
    since: float
    """when the present life began, or without one when the last ended"""
    description: str
    starts: int
    restarts: int
    last_end: str
    end_at: float
    stopped_by_hand: bool
    paused: bool
    priority: int


def face_of(daemon: DaemonSurface, view: ProcessView) -> Face:
    """Return what is to be shown of a process now."""
    ends = daemon.history.ends(view.id)
    last_end = in_short(ends[0], partial(local_time, now=view.now)) if ends else ""
    return Face(
        group=carryable(view.id.group),
        process=carryable(view.id.process),
        name=carryable(view.id.namespec),
        state=int(view.state),
        statename=view.state.name,
        pid=view.pid,
        since=round((daemon.history.life_began(view.id) or view.start) if view.pid else view.stop, 3),
        description=_described(view),
        starts=view.starts,
        restarts=sum(daemon.counters.of(view.id).restarts.values()),
        last_end=last_end,
        end_at=round(ends[0].at, 3) if ends else 0.0,
        stopped_by_hand=view.stopped_by_hand,
        paused=view.paused,
        priority=view.spec.priority,
    )


def _described(view: ProcessView) -> str:
    if view.state is ProcessState.RUNNING:
        return "paused" if view.paused else ""
    return visible_line(describe(view))


def in_order(daemon: DaemonSurface) -> list[tuple[str, list[ProcessId]]]:
    """Return the groups by (priority, name) with their processes as they are started: by priority, else as written."""
    shown = []
    for group in daemon.groups():
        priorities = {spec.id: spec.priority for spec in group.spec.processes}
        shown.append((group.spec.name, sorted(group.processes, key=lambda id_: priorities.get(id_, 999))))
    return shown
