"""Programs whose end is the daemon's: who was the culprit, and the exit status that follows from it.

A program ends for good when it has ended by itself and is not started again, or when it was given up. A stop that
somebody asked for is no end in this sense. The first culprit counts; what ends while the daemon goes down is no reason.
"""

from collections.abc import Callable
from typing import ClassVar

from tmd.config.exit_kinds import names_of
from tmd.config.settings import ProcessSpec
from tmd.core import notices as n
from tmd.core.inputs import ExitStatus
from tmd.core.words import ending
from tmd.daemon.bus import Told
from tmd.wire.names import ProcessId

NEVER_STARTED = 127
"""exit status when a program was given up that could not even be started, as of a shell that finds no command"""
UNSEEN = 1
"""exit status when nobody could see how it ended"""
_SIGNALLED = 128


class Essential:
    """Hears the bus. `spec_of` and `exit_on`: the settings in force; `end`: has the daemon end in order, once."""

    HEARS: ClassVar[tuple[type[n.Notice], ...]] = (
        n.DaemonStopping,
        n.ProcessBackoff,
        n.ProcessRunning,
        n.ProcessStopped,
        n.ProcessRemoved,
        n.ProcessExited,
        n.ProcessFatal,
    )

    def __init__(
        self,
        *,
        spec_of: Callable[[ProcessId], ProcessSpec | None],
        exit_on: Callable[[], tuple[str, ...]],
        end: Callable[[], None],
    ) -> None:
        self._spec_of, self._exit_on, self._end = spec_of, exit_on, end
        self._last: dict[ProcessId, ExitStatus | None] = {}
        """how the failed starts ended of who has not been given up yet"""
        self._ending = False
        self.exit_code = 0
        self.last_line = ""
        """why the daemon ends, empty when it does so for no program's sake"""

    def state(self) -> list[tuple[ProcessId, ExitStatus | None]]:
        """Return what has to be known, for another daemon to go on with."""
        return list(self._last.items())

    def take_over(self, state: list[tuple[ProcessId, ExitStatus | None]]) -> None:
        """Go on where an earlier daemon was."""
        self._last |= dict(state)

    def hear(self, told: Told) -> None:
        """Take a notice."""
        match told.notice:
            case n.DaemonStopping():
                self._ending = True
            case n.ProcessBackoff(id=id_, status=status):
                self._last[id_] = status
            case n.ProcessRunning(id=id_) | n.ProcessStopped(id=id_) | n.ProcessRemoved(id=id_):
                self._last.pop(id_, None)
            case n.ProcessExited(id=id_, status=status, restarts=False):
                self._last.pop(id_, None)
                self._consider("exit", id_, status, f"ended: {ending(status)}")
            case n.ProcessFatal(id=id_, reason=reason):
                status = self._last.pop(id_, None)
                why = f"was given up: {ending(status)}" if status is not None else f"could not be started: {reason}"
                self._consider("fatal", id_, status, why)

    def _consider(self, what: str, id_: ProcessId, status: ExitStatus | None, why: str) -> None:
        spec = self._spec_of(id_)
        if self._ending or spec is None:
            return
        wanted = self._exit_on()
        if not spec.essential and not any(f"{what}:{name}" in wanted for name in names_of(spec)):
            return
        self._ending = True
        self.exit_code = _code_of(status)
        kind = "essential program" if spec.essential else "program"
        self.last_line = f"ends with exit status {self.exit_code}: {kind} '{id_.namespec}' {why}"
        self._end()


def _code_of(status: ExitStatus | None) -> int:
    if status is None:
        return NEVER_STARTED
    if status.signal is not None:
        return _SIGNALLED + status.signal
    return status.code if status.code is not None else UNSEEN
