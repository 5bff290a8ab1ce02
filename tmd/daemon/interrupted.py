"""Hooks that were under way when the daemon was killed: ended, and run anew where nobody else asks for them again.

A hook before a start or a stop is asked for by the core, which waits for it; the others are in the journal with what
they were told. Promises that no hook runs twice at a time.
"""

import signal
from contextlib import suppress

from tmd.daemon.hooks import Hooks
from tmd.daemon.journal import Journal
from tmd.daemon.mainlog import MainLog
from tmd.posix.identity import glimpse
from tmd.posix.pidfds import kill


class Interrupted:
    """The hooks of an earlier daemon that had not come to their end."""

    def __init__(self, journal: Journal, mainlog: MainLog) -> None:
        self._journal, self._mainlog = journal, mainlog
        self._runs = list(journal.runs.values())

    def end(self) -> None:
        """Have none of them run any more."""
        for run in self._runs:
            if run.pid:
                with suppress(OSError):  # of another user by now: not ours to end
                    kill(run.pid, run.ticks, signal.SIGKILL, whole_group=True)
            self._journal.forget_run(run.token)

    def leave_alone(self) -> None:
        """Have them go on, and nobody care for them any more."""
        for run in self._runs:
            seen = glimpse(run.pid) if run.pid else None
            if seen is not None and seen.alive and seen.ticks == run.ticks:
                whom = f"{run.hook} hook of '{run.id.process}' (pid {run.pid})"
                self._mainlog.warn(f"{whom} outlived an earlier daemon and is left alone, as asked for")
            self._journal.forget_run(run.token)

    def run_again(self, hooks: Hooks, hook: str) -> None:
        """Run those of a kind anew."""
        for run in self._runs:
            if run.hook == hook:
                self._mainlog.info(f"{hook} hook of '{run.id.process}' did not come to its end: it runs again")
                hooks.run_again(run.id, hook, run.facts)
