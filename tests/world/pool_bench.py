"""A pool of listeners on a bench: a clock, and everything the pool asked for."""

from collections.abc import Sequence

from tmd.config.settings import PoolSpec
from tmd.core.effects import Log, Tell
from tmd.core.events import Event
from tmd.core.notices import Notice
from tmd.core.pool import Deliver, Pool, PoolEffect, Restart, Verdict, default_judge
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId

A, B, C = (ProcessId("mail", f"mail_{number}") for number in range(3))
OK, FAIL = b"RESULT 2\nOK", b"RESULT 4\nFAIL"
UNKNOWN_LINE = (
    "mail_0: has entered the UNKNOWN state and will no longer receive events until it says READY again, "
    "this usually indicates the process violated the eventlistener protocol"
)


def spec(events: Sequence[str] = ("EVENT",), buffer_size: int = 10, ackwaitsecs: float = 300) -> PoolSpec:
    return PoolSpec(events=tuple(events), buffer_size=buffer_size, ackwaitsecs=ackwaitsecs)


def event(serial: int) -> Event:
    return Event("REMOTE_COMMUNICATION", f"type:x\n{serial}")


def judge(event: Event, result: bytes) -> Verdict:
    return Verdict.ERROR if result == b"raise" else default_judge(event, result)


class Bench:
    """A pool, a clock, and everything the pool asked for."""

    def __init__(self, pool_spec: PoolSpec | None = None, members: Sequence[ProcessId] = (A,)) -> None:
        self.pool = Pool("mail", pool_spec or spec(), members, "sup", judge)
        self.now = 1000.0
        self.serial = 0
        self.effects: list[PoolEffect] = []

    def take(self, effects: list[PoolEffect]) -> None:
        self.effects += effects

    def up(self, *ids: ProcessId) -> None:
        """Bring listeners up until they are READY."""
        for id_ in ids:
            self.take(self.pool.began(id_, self.now))
            self.take(self.pool.running(id_, self.now))
            self.say(b"READY\n", id_)

    def offer(self, count: int = 1) -> None:
        for _ in range(count):
            self.take(self.pool.offer(self.serial, event(self.serial), self.now))
            self.serial += 1

    def say(self, data: bytes, id_: ProcessId = A, *, flushed: bool = True) -> None:
        if flushed:
            self.take(self.pool.flushed(id_, self.now))
        self.take(self.pool.said(id_, data, self.now))

    def ended(self, id_: ProcessId = A) -> None:
        self.take(self.pool.ended(id_, self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass, calling whenever the pool wants to be called."""
        end = self.now + seconds
        while (due := self.pool.next_due) is not None and due <= end:
            self.now = max(self.now, due)
            self.take(self.pool.due(self.now))
            later = self.pool.next_due
            assert later is None or later > self.now
        self.now = end

    def _pick(self, chosen: list[PoolEffect]) -> list[PoolEffect]:
        self.effects = [effect for effect in self.effects if effect not in chosen]
        return chosen

    def given(self) -> list[tuple[ProcessId, int]]:
        """Return who was given which serial since the last call."""
        chosen = [effect for effect in self.effects if isinstance(effect, Deliver)]
        self._pick(list(chosen))
        return [(each.id, int(each.data.split(b"serial:")[1].split()[0])) for each in chosen]

    def log(self, least: Level = Level.INFO) -> list[str]:
        """Return the log since the last call."""
        chosen = [effect for effect in self.effects if isinstance(effect, Log)]
        self._pick(list(chosen))
        return [each.text for each in chosen if each.level >= least]

    def told(self) -> list[Notice]:
        chosen = [effect for effect in self.effects if isinstance(effect, Tell)]
        self._pick(list(chosen))
        return [each.notice for each in chosen]

    def restarts(self) -> list[ProcessId]:
        chosen = [effect for effect in self.effects if isinstance(effect, Restart)]
        self._pick(list(chosen))
        return [each.id for each in chosen]

    def counts(self) -> tuple[int, int, int, int, int]:
        """Return waiting, delivered, rejected, redelivered, dropped."""
        view = self.pool.view(self.now)
        return view.waiting, view.delivered, view.rejected, view.redelivered, view.dropped
