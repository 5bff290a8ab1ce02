"""The alerts of a daemon: from the bus to the sinks that are configured.

Promises never to wait and never to fail: a sink in trouble costs its own alerts, later ones first counted, and nothing
else. A sink whose place or whose name stays the same over a reload keeps what waits for it. Trouble with a place where
alerts are written is told elsewhere only, so that no alert is the cause of the next one.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Protocol, assert_never

import msgspec
from msgspec.structs import replace

from tmd.config.settings import AlertKind, AlertSpec
from tmd.core import notices as n
from tmd.core.alerts import TOLD_OF, Alert, Now, Reporter, sample, wants
from tmd.daemon.bus import Told
from tmd.daemon.mainlog import MainLog
from tmd.daemon.sinks import Deliver, SinkView
from tmd.daemon.sinks.complaints import Complaints
from tmd.daemon.sinks.courier import Courier, CourierState, Pace
from tmd.daemon.sinks.discretion import server_of
from tmd.daemon.sinks.file import FileSink
from tmd.daemon.sinks.syslog import SyslogSink
from tmd.daemon.surface import Operation
from tmd.daemon.workers import Workers
from tmd.posix.drain import Drain
from tmd.posix.errands import Errands
from tmd.posix.loop import Loop
from tmd.wire.faults import Fault, RpcFault

WEBHOOK_PACE = Pace()
EMAIL_PACE = Pace(batch=100, gather_s=0.5, burst=5, refill_s=60.0)
"""a crash loop fills the next mail, it does not send a thousand"""
MAX_LEAVING = 4
"""sinks that are no longer configured and still have something to deliver; of more the oldest is given up"""


class AlertsState(msgspec.Struct):
    """What waits for sinks beyond the network, by kind and name, and what was dropped by sinks that are gone."""

    couriers: list[tuple[AlertKind, str, CourierState]] = []
    dropped: int = 0


class Sink(Protocol):
    """Where alerts go."""

    @property
    def sent(self) -> int:
        """How many arrived."""

    @property
    def failed(self) -> int:
        """How many were given up."""

    @property
    def dropped(self) -> int:
        """How many found too many before them."""

    @property
    def waiting(self) -> int:
        """How many are on their way."""

    @property
    def settled(self) -> bool:
        """Whether there is nothing at the daemon's end worth waiting for."""

    def offer(self, alert: Alert) -> None:
        """Take an alert; at once."""

    def test(self, alert: Alert) -> Operation[str]:
        """Take an alert past all others and tell what was said."""

    def leave(self) -> None:
        """No more alerts come: deliver what waits, without another try for what fails."""

    def close(self) -> None:
        """Let go of everything now."""


class _Place:
    """A configured sink: `spec` as it is now, which may be another than the one it was made from."""

    def __init__(self, spec: AlertSpec) -> None:
        self.spec = spec
        self.sink: Sink
        self.complaints: Complaints

    @property
    def title(self) -> str:
        """How lines in the log call it."""
        return f"'{self.spec.name}' ({goes_to(self.spec)})"

    def is_at(self, log: str) -> bool:
        """Tell whether the drain writes it, under this name."""
        return isinstance(self.sink, FileSink | SyslogSink) and self.sink.log == log


def chance() -> float:
    """Return any number from 0 to 1 (`random` would be a heavy guest for that)."""
    return os.urandom(1)[0] / 255


class Alerts:
    """All sinks. `host` is the name alerts carry; `jitter` gives numbers from 0 to 1."""

    HEARS: ClassVar[tuple[type[n.Notice], ...]] = TOLD_OF

    def __init__(
        self,
        *,
        host: str,
        reporter: Reporter,
        loop: Loop,
        drain: Drain,
        mainlog: MainLog,
        wall: Callable[[], float],
        jitter: Callable[[], float] = chance,
    ) -> None:
        self._host, self._reporter = host, reporter
        self._loop, self._drain, self._mainlog = loop, drain, mainlog
        self._wall, self._jitter = wall, jitter
        self._places: list[_Place] = []
        self._leaving: list[_Place] = []
        """no longer configured, but not empty yet"""
        self._dropped = 0
        """by sinks that are gone"""
        self._finished: Callable[[], None] | None = None
        self.errands = Errands()
        """programs that mail is handed to"""

    # --- configuration ----------------------------------------------------------------------------------------

    def apply(self, specs: Sequence[AlertSpec]) -> None:
        """Have these sinks from now on.

        One that goes to the same place as before goes on with what waits there; one beyond the network that has its
        name takes it along to its new place.
        """
        before, found = self._places, dict[int, _Place]()
        for belongs in (_same_place, _same_courier):
            for number, spec in enumerate(specs):
                place = next((old for old in before if belongs(old.spec, spec)), None)
                if place is not None and number not in found:
                    before.remove(place)
                    found[number] = place
        self._places = [
            self._open(spec) if number not in found else self._carry_on(found[number], spec)
            for number, spec in enumerate(specs)
        ]
        for place in before:
            self._leaving.append(place)
            place.sink.leave()
        self._sweep()
        while len(self._leaving) > MAX_LEAVING:
            self._give_up(self._leaving.pop(0))

    def _carry_on(self, place: _Place, spec: AlertSpec) -> _Place:
        moved = not _same_place(place.spec, spec)
        place.spec = spec
        if isinstance(place.sink, FileSink):
            place.sink.adopt(spec)
        elif isinstance(place.sink, Courier) and moved:
            place.sink.redirect(self._maker(spec), spec.timeout)
        return place

    def _give_up(self, place: _Place) -> None:
        lost = place.sink.waiting
        self._mainlog.warn(f"alerts for {place.title}, which is no longer configured, are given up: {lost}")
        self._close(place)

    def _open(self, spec: AlertSpec) -> _Place:
        place = _Place(spec)
        complaints = place.complaints = Complaints(
            whom=lambda: place.title,
            clock=self._loop.now,
            wall=self._wall,
            warn=self._mainlog.warn,
            info=self._mainlog.info,
        )
        match spec.kind:
            case "file":
                place.sink = FileSink(spec, self._host, self._drain, complaints)
            case "syslog":
                place.sink = SyslogSink(spec, self._host, self._drain, complaints)
            case "webhook":
                place.sink = self._courier(spec, complaints, WEBHOOK_PACE)
            case "email":
                place.sink = self._courier(spec, complaints, EMAIL_PACE)
            case _:
                assert_never(spec.kind)
        return place

    def _maker(self, spec: AlertSpec) -> Callable[[], Deliver]:
        if spec.kind == "webhook":
            return partial(_webhook, spec, self._host)
        return partial(_email, spec, self._host, self.errands)

    def _courier(self, spec: AlertSpec, complaints: Complaints, pace: Pace) -> Courier:
        return Courier(
            make=self._maker(spec),
            hand=lambda: Workers(self._loop.post, 1),
            clock=self._loop,
            jitter=self._jitter,
            complaints=complaints,
            pace=pace,
            timeout_s=spec.timeout,
            idle=lambda: self._loop.call_soon(self._sweep),
        )

    def _sweep(self) -> None:
        """Let go of sinks that are no longer wanted and have nothing left; end the wait for the end."""
        for place in list(self._leaving):
            if not (isinstance(place.sink, Courier) and place.sink.waiting):
                self._leaving.remove(place)
                self._close(place)
        if self._finished is not None and all(place.sink.settled for place in self._all()):
            finished, self._finished = self._finished, None
            finished()

    # --- what happens -----------------------------------------------------------------------------------------

    def hear(self, told: Told) -> None:
        """Pass on a notice to who wants to hear of it."""
        if not self._places:
            self._reporter.follow(told.notice, told.at)
            return
        alert = self._reporter.report(told.notice, Now(told.at, told.wall))
        if alert is None:
            return
        own = isinstance(told.notice, n.LogDropped) and self._writes(told.notice.target)
        for place in self._places:
            if wants(place.spec, alert) and not (own and isinstance(place.sink, FileSink | SyslogSink)):
                place.sink.offer(alert)

    def trouble(self, log: str, reason: str) -> bool:
        """Note that the drain has trouble with a log; tell whether it is the file of a sink, which then says so."""
        files = [place.sink for place in self._all() if isinstance(place.sink, FileSink) and place.is_at(log)]
        for sink in files:
            sink.trouble(reason)
        return bool(files)

    def _writes(self, log: str) -> bool:
        return any(place.is_at(log) for place in self._all())

    def _all(self) -> list[_Place]:
        return self._places + self._leaving

    # --- for clients ------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of the sinks, in file order."""
        return [place.spec.name for place in self._places]

    def views(self) -> list[SinkView]:
        """Return the sinks, in file order."""
        return [_view(place) for place in self._places]

    def test(self, name: str) -> Operation[str]:
        """Send a sample past the queue of a sink; resolves with what was said there. BAD_NAME, FAILED."""
        place = next((place for place in self._places if place.spec.name == name), None)
        if place is None:
            raise RpcFault(Fault.BAD_NAME, name)
        return place.sink.test(sample(name, self._wall()))

    @property
    def dropped(self) -> int:
        """How many alerts did not reach their sink, for whatever reason."""
        return self._dropped + sum(place.sink.dropped + place.sink.failed for place in self._all())

    # --- from one daemon to the next ------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether something is being delivered that could be delivered twice, or not at all, if nobody saw its end."""
        couriers = [place.sink for place in self._all() if isinstance(place.sink, Courier)]
        return bool(self.errands.out) or any(courier.away for courier in couriers)

    def state(self) -> AlertsState:
        """Return all there is, for another daemon to go on with."""
        couriers = [
            (place.spec.kind, place.spec.name, place.sink.state())
            for place in self._places
            if isinstance(place.sink, Courier)
        ]
        return AlertsState(couriers, self._dropped)

    def take_over(self, state: AlertsState) -> None:
        """Go on where an earlier daemon was, as far as there are such sinks."""
        self._dropped = state.dropped
        places = {(place.spec.kind, place.spec.name): place for place in self._places}
        for kind, name, courier in state.couriers:
            place = next((place for key, place in places.items() if key == (kind, name)), None)
            if place is not None and isinstance(place.sink, Courier):
                place.sink.take_over(courier)
            else:
                self._dropped += len(courier.waiting) + courier.counts[1] + courier.counts[2]

    def let_go(self) -> None:
        """End the threads of sinks: another daemon goes on."""
        for place in self._all():
            place.sink.close()

    # --- the end ----------------------------------------------------------------------------------------------

    def finish(self, deadline_s: float, done: Callable[[], None]) -> None:
        """Call `done` once there is nothing left to wait for, and after `deadline_s` in any case."""
        self._finished = done
        for place in self._places:
            place.sink.leave()
        self._loop.call_later(deadline_s, self._stop_waiting)
        self._sweep()

    def _stop_waiting(self) -> None:
        if self._finished is not None:
            finished, self._finished = self._finished, None
            finished()

    def close(self) -> None:
        """Let go of all sinks; say what they did not deliver."""
        # What a healthy file lacks is on its way to it: the drain ends after us.
        late = [place for place in self._all() if isinstance(place.sink, Courier) or place.complaints.failing]
        lost = {place.spec.name: count for place in late if (count := place.sink.waiting)}
        if lost:
            names = ", ".join(f"{name}: {count}" for name, count in lost.items())
            self._mainlog.warn(f"alerts not delivered before the end: {sum(lost.values())} ({names})")
        for place in self._all():
            self._close(place)
        self.errands.bar()
        self._places, self._leaving = [], []

    def _close(self, place: _Place) -> None:
        place.sink.close()
        self._dropped += place.sink.dropped + place.sink.failed


def goes_to(spec: AlertSpec) -> str:
    """Return where a sink goes, for a person; of a url only the server is shown."""
    match spec.kind:
        case "file":
            return spec.path
        case "syslog":
            return f"syslog {spec.facility}"
        case "email":
            return ", ".join(spec.to)
        case "webhook":
            return server_of(spec.url)
        case _:
            assert_never(spec.kind)


def _same_place(one: AlertSpec, other: AlertSpec) -> bool:
    """What is told, under which name and in how large a file may change; where and how it goes may not."""
    return _place_of(one) == _place_of(other)


def _same_courier(one: AlertSpec, other: AlertSpec) -> bool:
    """What waits in memory is meant for whoever has the name: a wrong address is put right while it is in trouble."""
    return one.kind in ("webhook", "email") and (one.kind, one.name) == (other.kind, other.name)


def _place_of(spec: AlertSpec) -> AlertSpec:
    return replace(spec, name="", events=(), programs=(), maxbytes=0, backups=0)


def _view(place: _Place) -> SinkView:
    spec, sink, complaints = place.spec, place.sink, place.complaints
    waiting = sink.waiting
    return SinkView(
        name=spec.name,
        kind=spec.kind,
        goes_to=goes_to(spec),
        events=spec.events,
        programs=spec.programs,
        sent=sink.sent,
        failed=sink.failed,
        dropped=sink.dropped,
        waiting=waiting,
        last_error=complaints.last_error,
        last_error_at=complaints.last_error_at,
    )


def _webhook(spec: AlertSpec, host: str) -> Deliver:
    """Called on a courier's thread: what it imports, only daemons with such a sink pay for."""
    from tmd.daemon.sinks.webhook import webhook  # noqa: PLC0415

    return webhook(spec, host)


def _email(spec: AlertSpec, host: str, errands: Errands) -> Deliver:
    """Called on a courier's thread, too."""
    from tmd.daemon.sinks.email import email  # noqa: PLC0415

    return email(spec, host, errands)
