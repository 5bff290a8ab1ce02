"""What pages are told as it happens: changes of processes, encoded once for all who look.

Changes are numbered; the last `KEPT` are remembered, so that whoever lost his connection goes on where he was, and gets
a snapshot when that is too long ago. A feed is awake only while somebody looks, and a while longer; asleep it
remembers nothing and costs nothing. Who reads, and how fast, is not known here.
"""

import binascii
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import msgspec

import tmd
from tmd.core import notices as n
from tmd.daemon.surface import DaemonSurface
from tmd.http.faces import Face, face_of, in_order
from tmd.http.form import carryable
from tmd.wire.names import ProcessId

KEPT = 1000
"""changes"""
TOGETHER_S = 0.02
"""changes that come sooner after one another than this are told together, but for the first"""
LINGER_S = 60.0
"""how long a feed stays awake after the last reader has gone"""
TREND_SAMPLES = 60
EVERY_S = 2
"""between two samples, as pages are told"""

_QUIET = (n.ProcessSaid, n.ProcessCommunicated, n.RemoteCommunicated, n.LogDropped, n.EventEmitted, n.EventsDropped)


class Change(NamedTuple):
    """One change, ready to be sent."""

    number: int
    data: bytes
    """a whole event with its id"""


class Reader(Protocol):
    """Somebody who looks."""

    def changed(self, changes: list[Change], ids: set[ProcessId]) -> None:
        """Something has changed; `ids`: the processes concerned."""

    def sampled(self) -> None:
        """There are new figures."""


def event(kind: str, value: Any, id_: str = "") -> bytes:
    """Return a server-sent event; no text in `value` can end it."""
    number = f"id: {id_}\n" if id_ else ""
    return b"%bevent: %b\ndata: %b\n\n" % (number.encode(), kind.encode(), msgspec.json.encode(value))


def gone(id_: ProcessId) -> dict[str, str]:
    """Return what is told of a process that is no more."""
    names = {"group": id_.group, "process": id_.process, "name": id_.namespec}
    return {key: carryable(name) for key, name in names.items()}


class Feed:
    """The one feed of a daemon."""

    def __init__(self, daemon: DaemonSurface) -> None:
        self._daemon = daemon
        self._readers: dict[Reader, None] = {}
        self._epoch = ""
        self._number = 0
        self._kept: deque[Change] = deque(maxlen=KEPT)
        self._faces: dict[ProcessId, Face] = {}
        self._encoded: dict[ProcessId, bytes] = {}
        self._snapshot = b""
        self._dirty: dict[ProcessId, None] = {}
        self._regrouped = False
        self._daemon_changed = False
        self._flush_soon: Callable[[], None] | None = None
        self._flushed_at = 0.0
        self._asleep_soon: Callable[[], None] | None = None
        self._endings: list[Callable[[], None]] = []
        self._figures: tuple[float, bytes] | None = None
        self._trends: tuple[float, bytes] | None = None

    @property
    def awake(self) -> bool:
        """Whether changes are taken note of."""
        return bool(self._epoch)

    def __len__(self) -> int:
        """How many look."""
        return len(self._readers)

    # --- readers ----------------------------------------------------------------------------------------------

    def join(self, reader: Reader) -> None:
        """Tell `reader` of everything from now on; what there is already he has to ask for in the same breath."""
        self.touch()
        if not self._readers:
            self._endings += [self._daemon.gauges.watch(), self._daemon.gauges.on_sample(self._sampled)]
        # Before he is one of them: whoever comes must not be told again what his snapshot has.
        self.flush()
        self._readers[reader] = None

    def leave(self, reader: Reader) -> None:
        """Tell `reader` nothing more; idempotent."""
        self._readers.pop(reader, None)
        if not self._readers and len(self._endings) > 1:
            for end in self._endings[1:]:
                end()
            del self._endings[1:]

    def touch(self) -> None:
        """Wake up, and stay awake for a while, also without readers."""
        if not self._epoch:
            self._epoch = binascii.hexlify(os.urandom(4)).decode()
            self._endings = [self._daemon.on_notice(self._hear)]
        if self._asleep_soon is None:
            self._asleep_soon = self._daemon.call_later(LINGER_S, self._fall_asleep)

    def _fall_asleep(self) -> None:
        self._asleep_soon = None
        if self._readers:
            self._asleep_soon = self._daemon.call_later(LINGER_S, self._fall_asleep)
            return
        self.close()

    def close(self) -> None:
        """Fall asleep now; idempotent."""
        for cancel in (self._asleep_soon, self._flush_soon):
            if cancel is not None:
                cancel()
        self._asleep_soon = self._flush_soon = None
        for end in self._endings:
            end()
        self._endings.clear()
        self._readers.clear()
        self._kept.clear()
        self._faces.clear()
        self._encoded.clear()
        self._dirty.clear()
        self._snapshot, self._epoch, self._number = b"", "", 0
        self._figures = self._trends = None

    # --- what there is ----------------------------------------------------------------------------------------

    def face(self, id_: ProcessId) -> Face | None:
        """Return what is shown of a process, None if there is no such process."""
        known = self._faces.get(id_)
        if known is not None:
            return known
        view = self._daemon.view(id_)
        if view is None:
            return None
        face = face_of(self._daemon, view)
        if self._epoch:
            self._faces[id_] = face
        return face

    def encoded(self, id_: ProcessId) -> bytes | None:
        """Return the same as JSON."""
        known = self._encoded.get(id_)
        if known is not None:
            return known
        face = self.face(id_)
        if face is None:
            return None
        encoded = msgspec.json.encode(face)
        if self._epoch:
            self._encoded[id_] = encoded
        return encoded

    def greeting(self, *, controls: bool) -> bytes:
        """Return the event that is told first: about the daemon."""
        return event("daemon", self._about(controls=controls))

    def snapshot(self) -> bytes:
        """Return the event that has everything."""
        if not self._snapshot:
            groups = in_order(self._daemon)
            self._snapshot = self._snapshot_of([name for name, _ in groups], [id_ for _, ids in groups for id_ in ids])
        return self._now(self._id(self._number)) + self._snapshot

    def snapshot_of(self, id_: ProcessId) -> bytes:
        """Return the same for one process only, without an id."""
        return self._now("") + self._snapshot_of([id_.group], [id_])

    def _now(self, id_: str) -> bytes:
        number = f"id: {id_}\n" if id_ else ""
        return f'{number}event: snapshot\ndata: {{"now":{time.time():.3f},'.encode()

    def _snapshot_of(self, groups: list[str], ids: Iterable[ProcessId]) -> bytes:
        faces = [encoded for id_ in ids if (encoded := self.encoded(id_)) is not None]
        return b'"groups":%b,"processes":[%b]}\n\n' % (
            msgspec.json.encode([carryable(group) for group in groups]),
            b",".join(faces),
        )

    def since(self, resume: str) -> list[Change] | None:
        """Return what has changed since the event of that id; None when that cannot be said any more."""
        epoch, _, text = resume.partition("-")
        if epoch != self._epoch or not self._epoch or not (text.isascii() and text.isdigit()) or len(text) > 15:
            return None
        return self.after(int(text))

    def after(self, number: int) -> list[Change] | None:
        """Return what has changed since the change of that number; None when not all of that is known any more."""
        if number > self._number or number < self._number - len(self._kept):
            return None
        return [change for change in self._kept if change.number > number]

    @property
    def number(self) -> int:
        """The number of the last change."""
        return self._number

    def figures(self, ids: Iterable[ProcessId] | None = None) -> bytes:
        """Return the event with the last figures, of all processes or of these."""
        now = time.time()
        if ids is not None:
            return self._figures_of(now, ids)
        if self._figures is None:
            self._figures = (now, self._figures_of(now, [view.id for view in self._daemon.views()]))
        return self._figures[1]

    def _figures_of(self, now: float, ids: Iterable[ProcessId]) -> bytes:
        gauges = self._daemon.gauges
        told = {}
        for id_ in ids:
            gauge = gauges.of(id_)
            if gauge is not None:
                told[carryable(id_.namespec)] = (
                    round(gauge.cpu_percent, 1), gauge.rss_bytes // 1024, gauge.threads, gauge.fds, gauge.processes,
                )  # fmt: skip
        return event("gauges", {"at": round(now, 3), "of": told})

    def trends(self, ids: Iterable[ProcessId] | None = None) -> bytes:
        """Return the event with how processor time and memory went, of all processes or of these; empty without any."""
        if ids is not None:
            return self._trends_of(ids)
        now = time.monotonic()
        if self._trends is None or now - self._trends[0] > EVERY_S:
            self._trends = (now, self._trends_of([view.id for view in self._daemon.views()]))
        return self._trends[1]

    def _trends_of(self, ids: Iterable[ProcessId]) -> bytes:
        told = {}
        for id_ in ids:
            past = self._daemon.gauges.history(id_)[-TREND_SAMPLES:]
            if past:
                told[carryable(id_.namespec)] = [
                    (round(gauge.cpu_percent, 1), gauge.rss_bytes // 1024) for gauge in past
                ]
        return event("trends", {"every_s": EVERY_S, "of": told}) if told else b""

    def _about(self, *, controls: bool | None = None) -> dict[str, Any]:
        about = {
            "identifier": carryable(self._daemon.settings.daemon.identifier),
            "state": self._daemon.state.name,
            "pid": self._daemon.pid,
            "version": tmd.__version__,
            "now": round(time.time(), 3),
            "started": round(self._daemon.history.started_at, 3),
        }
        return about if controls is None else {**about, "controls": controls}

    def _id(self, number: int) -> str:
        return f"{self._epoch}-{number}"

    # --- what happens -----------------------------------------------------------------------------------------

    def _hear(self, notice: n.Notice) -> None:
        if isinstance(notice, _QUIET):
            return
        id_ = getattr(notice, "id", None)
        if id_ is not None:
            self._soil(id_)
        elif isinstance(notice, n.GroupAdded | n.GroupRemoved | n.GroupChanged):
            self._regrouped = True
            group = self._daemon.group(notice.name)
            for member in group.processes if group is not None else ():
                self._soil(member)
        elif isinstance(notice, n.DaemonRunning | n.DaemonStopping):
            self._daemon_changed = True
        else:
            return
        if self._flush_soon is None and self._readers:
            wait_s = self._flushed_at + TOGETHER_S - time.monotonic()
            self._flush_soon = self._daemon.call_later(max(0.0, wait_s), self.flush)

    def _soil(self, id_: ProcessId) -> None:
        self._faces.pop(id_, None)
        self._encoded.pop(id_, None)
        self._snapshot = b""
        self._dirty[id_] = None

    def flush(self) -> None:
        """Tell all readers what has changed."""
        if self._flush_soon is not None:
            self._flush_soon()
            self._flush_soon = None
        self._flushed_at = time.monotonic()
        dirty, self._dirty = self._dirty, {}
        changes = []
        if self._daemon_changed:
            self._daemon_changed = False
            changes.append(self._change("daemon", msgspec.json.encode(self._about())))
        for id_ in dirty:
            encoded = self.encoded(id_)
            if encoded is None:
                changes.append(self._change("gone", msgspec.json.encode(gone(id_))))
            else:
                changes.append(self._change("process", encoded))
        if self._regrouped:
            self._regrouped = False
            self._snapshot = b""
            names = [carryable(name) for name, _ in in_order(self._daemon)]
            changes.append(self._change("groups", msgspec.json.encode({"groups": names})))
        if changes:
            for reader in list(self._readers):
                reader.changed(changes, set(dirty))

    def _change(self, kind: str, data: bytes) -> Change:
        self._number += 1
        text = b"id: %b\nevent: %b\ndata: %b\n\n" % (self._id(self._number).encode(), kind.encode(), data)
        change = Change(self._number, text)
        self._kept.append(change)
        return change

    def _sampled(self) -> None:
        self._figures = None
        for reader in list(self._readers):
            reader.sampled()
