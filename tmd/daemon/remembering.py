"""Remembering: when what is written to the journal.

Promises that whatever the core decides is written down before anything of it is done or told, so that the next daemon
knows at least as much as the world; that a start is known before there is a process; and that figures, which change
with every notice, follow within `FIGURES_S`. A crash and the start after it cost two writes.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from tmd.config.settings import ProcessSpec
from tmd.core.condition import Process
from tmd.core.effects import Effect, Spawn
from tmd.core.gauge import Counts
from tmd.core.overseer import Overseer
from tmd.core.records import Entry, Life
from tmd.daemon.journal import Journal
from tmd.daemon.ledger import Ledger
from tmd.daemon.life_records import LifeRecords
from tmd.daemon.logbook import Logbook
from tmd.posix.loop import Loop, Timer
from tmd.wire.names import ProcessId

FIGURES_S = 0.1
RETRY_S = 2.0
"""how long after a flush that failed the next one is tried, should nothing else happen"""


class Remembering:
    """`counts`: what was counted of a process."""

    def __init__(
        self,
        *,
        loop: Loop,
        journal: Journal,
        overseer: Overseer,
        ledger: Ledger,
        logbook: Logbook,
        lives: LifeRecords,
        counts: Callable[[ProcessId], Counts],
    ) -> None:
        self._loop, self._journal, self._overseer = loop, journal, overseer
        self._ledger, self._logbook, self._lives, self._counts = ledger, logbook, lives, counts
        self._owed: set[ProcessId] = set()
        """to be written before this turn ends"""
        self._stale: set[ProcessId] = set()
        """written, but figures may have changed since"""
        self._timer: Timer | None = None

    def entry(self, id_: ProcessId) -> Entry | None:
        """Return all that has to be remembered of a process, None when there is no such process."""
        member = self._overseer.member(id_)
        if member is None:
            return None
        return self._entry(id_, member.process, self._lives.get(id_) if member.process.pid else None)

    def decided(self, effects: Sequence[Effect]) -> None:
        """Write down what a step has changed, before its effects are carried out.

        A start may wait: what it is to be known by is written right before it, or at the end of this turn.
        """
        touched = self._overseer.touched
        if not touched:
            return
        starting = {effect.id for effect in effects if isinstance(effect, Spawn)} & touched
        self._owed |= starting
        if len(starting) < len(touched):
            for id_ in touched - starting:
                self.note(id_)
            self._journal.flush()
        touched.clear()

    def intend(self, spec: ProcessSpec, token: str) -> None:
        """Have it written with the next flush what a life that is about to begin can be found by."""
        member = self._overseer.member(spec.id)
        if member is None:
            return
        process = replace(member.process, started_at=self._loop.now())
        self._journal.note(self._entry(spec.id, process, self._lives.intent(spec, token)))
        self._owed.discard(spec.id)

    def turned(self) -> None:
        """A turn of the crank is over: write down what is owed still."""
        if self._owed:
            for id_ in tuple(self._owed):
                self.note(id_)
            self._owed.clear()
            self._journal.flush()
        if self._timer is None and (self._stale or self._journal.behind):
            self._timer = self._loop.call_later(FIGURES_S, self.catch_up)

    def catch_up(self) -> None:
        """Write down all figures as they are."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for id_ in tuple(self._stale):
            self.note(id_)
        self._stale.clear()
        self._journal.flush()
        if self._journal.behind:
            self._timer = self._loop.call_later(RETRY_S, self.catch_up)

    def note(self, id_: ProcessId) -> None:
        """Have it written with the next flush how a process stands, or that it is gone."""
        entry = self.entry(id_)
        if entry is None:
            self._stale.discard(id_)
            self._journal.forget(id_)
        else:
            self._stale.add(id_)
            self._journal.note(entry)

    def forget_others(self) -> None:
        """Have the journal know of nobody who was not taken over."""
        for id_ in self._journal.known():
            member = self._overseer.member(id_)
            if member is None or not member.restored:
                self._journal.forget(id_)

    def _entry(self, id_: ProcessId, process: Process, life: Life | None) -> Entry:
        last = life or self._lives.get(id_)
        return Entry(
            id=id_,
            process=process,
            life=life,
            fingerprint="" if last is None else last.fingerprint,
            logs=self._logbook.paths(id_),
            started=self._ledger.start(id_),
            stopped=self._ledger.stop(id_),
            counts=self._counts(id_),
        )

    def end(self) -> None:
        """All programs have ended, as asked: there is nothing to remember any more."""
        self._owed.clear()
        self._stale.clear()
        self._journal.end()

    def close(self) -> None:
        """Write down what is not written yet."""
        self.catch_up()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
