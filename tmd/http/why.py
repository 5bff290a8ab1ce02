"""`taskmaster.why`: why processes died, as facts and in sentences."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from tmd.core.ends import End, between, fold
from tmd.core.why import Clock, Situation, account, explain, in_short, last_lines
from tmd.core.words import signal_name
from tmd.daemon.surface import DaemonSurface, GroupView, ProcessView
from tmd.http.lookup import find, members
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.structs import capped_int

MOST_LINES = 200


def why(daemon: DaemonSurface, name: str, lines: int) -> list[dict[str, Any]]:
    """Answer why. `lines`: how many of the last lines of each stream are told of each end."""
    if not 0 <= lines <= MOST_LINES:
        raise RpcFault(Fault.BAD_ARGUMENTS, f"lines must be 0 to {MOST_LINES}, got {lines}")
    return [_why_struct(daemon, view, lines) for view in _views(daemon, name)]


def _views(daemon: DaemonSurface, name: str) -> Sequence[ProcessView]:
    if name == "all":
        return members(daemon, daemon.groups())
    found = find(daemon, name)
    return members(daemon, [found]) if isinstance(found, GroupView) else [found]


def situation_of(daemon: DaemonSurface, view: ProcessView) -> Situation:
    """Return how a process is now, as far as it matters for why it died."""
    history = daemon.history
    return Situation(
        id=view.id,
        state=view.state,
        now=view.now,
        pid=view.pid,
        started_at=history.life_began(view.id) or view.start,
        startsecs=view.spec.startsecs,
        autostart=view.spec.autostart,
        daemon_started_at=history.started_at,
        trouble=history.trouble(view.id),
    )


def _why_struct(daemon: DaemonSurface, view: ProcessView, lines: int) -> dict[str, Any]:
    history = daemon.history
    clock = partial(local_time, now=view.now)
    situation = situation_of(daemon, view)
    ends = fold(history.ends(view.id), history.starts)
    return {
        "name": view.id.process,
        "group": view.id.group,
        "statename": view.state.name,
        "pid": view.pid,
        "now": capped_int(view.now),
        "said": explain(situation, ends, clock),
        "ends": [
            {
                **_end_struct(end, situation, clock, lines),
                "starts": [clock(at) for at in between(end, after, history.starts)] if after is not None else [],
            }
            for end, after in zip(ends, [None, *ends], strict=False)
        ],
    }


def _end_struct(end: End, situation: Situation, clock: Clock, lines: int) -> dict[str, Any]:
    return {
        "at": capped_int(end.at),
        "how": end.how,
        "short": in_short(end, clock),
        "said": account(end, situation, clock),
        "pid": end.pid,
        "started": capped_int(end.started_at),
        "uptime_s": end.uptime_s,
        "code": -1 if end.code is None else end.code,
        "signal": signal_name(end.signal) if end.signal is not None else "",
        "core": end.core,
        "expected": end.expected,
        "killed": end.ignored_s is not None,
        "cause": end.cause or "",
        "oom": end.oom,
        "reason": end.reason,
        "tries": end.tries,
        "then": end.then,
        "more": end.more,
        "since": capped_int(end.since),
        "left_behind": end.left.count,
        "stdout": last_lines(end.stdout, lines),
        "stderr": last_lines(end.stderr, lines),
    }


def local_time(at: float, now: float) -> str:
    """Return the time of day, with the date if that is not the day of `now`."""
    try:
        then, today = time.localtime(at), time.localtime(now)
    except (OverflowError, ValueError, OSError):
        return "at a time that cannot be"
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)
