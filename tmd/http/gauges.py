"""`taskmaster.getGauges`: what processes use, as structs."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tmd.core.why import in_short
from tmd.daemon.surface import DaemonSurface, GroupView, ProcessView
from tmd.http.encode import Rendered, StructForm, encode_array, escape
from tmd.http.lookup import find, members
from tmd.http.rpc import Handler, Pending
from tmd.http.why import local_time
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.structs import GAUGE, capped_int

KEEP_S = 10.0
"""each call keeps measuring going for so long"""
_FORM = StructForm(GAUGE)


def gauge_handlers(daemon: DaemonSurface) -> Mapping[str, Handler]:
    """Return the handlers by full name."""
    lease = Lease(daemon)

    def get(names: Sequence[Any]) -> Pending:
        _views(daemon, names)  # an unknown name is told before anything is measured
        lease.renew()
        return Pending(daemon.gauges.fresh(), lambda _: _structs(daemon, names))

    return {"taskmaster.getGauges": get}


class Lease:
    """Has samples taken while clients go on asking."""

    def __init__(self, daemon: DaemonSurface) -> None:
        self._daemon = daemon
        self._end: Callable[[], None] | None = None
        self._cancel: Callable[[], None] | None = None

    def renew(self) -> None:
        """Somebody has asked: keep measuring for a while."""
        if self._end is None:
            self._end = self._daemon.gauges.watch()
        if self._cancel is not None:
            self._cancel()
        self._cancel = self._daemon.call_later(KEEP_S, self._expire)

    def _expire(self) -> None:
        end, self._end, self._cancel = self._end, None, None
        if end is not None:
            end()


def _views(daemon: DaemonSurface, names: Sequence[Any]) -> list[ProcessView]:
    """Return what is named, each once; all for no names. BAD_NAME."""
    if not all(isinstance(name, str) for name in names):
        raise RpcFault(Fault.INCORRECT_PARAMETERS)
    if not names or "all" in names:
        return list(daemon.views())
    found: dict[Any, ProcessView] = {}
    for name in names:
        meant = find(daemon, name)
        views = members(daemon, [meant]) if isinstance(meant, GroupView) else [meant]
        found.update((view.id, view) for view in views)
    return list(found.values())


def _structs(daemon: DaemonSurface, names: Sequence[Any]) -> Rendered:
    return encode_array(_FORM.fill(_values(daemon, view)).encode() for view in _views(daemon, names))


def _values(daemon: DaemonSurface, view: ProcessView) -> tuple[str, ...]:
    gauge = daemon.gauges.of(view.id)
    counts = daemon.counters.of(view.id)
    began = daemon.history.life_began(view.id) or view.start
    return (
        escape(view.id.namespec),
        escape(view.id.group),
        escape(view.id.process),
        str(int(view.state)),
        view.state.name,
        str(view.pid),
        str(max(0, capped_int(view.now - began)) if view.pid else 0),
        repr(gauge.cpu_percent if gauge is not None else 0.0),
        str(capped_int(gauge.cpu_s * 1000) if gauge is not None else 0),
        str(capped_int(gauge.rss_bytes / 1024) if gauge is not None else 0),
        str(capped_int(gauge.threads) if gauge is not None else 0),
        str(capped_int(gauge.fds) if gauge is not None else 0),
        str(capped_int(gauge.processes) if gauge is not None else 0),
        str(capped_int(counts.starts)),
        str(capped_int(sum(counts.restarts.values()))),
        escape(last_end(daemon, view)),
    )


def last_end(daemon: DaemonSurface, view: ProcessView) -> str:
    """Return how a process ended last, in a few words; empty if it never did."""
    ends = daemon.history.ends(view.id)
    return in_short(ends[0], partial(local_time, now=view.now)) if ends else ""
