"""Where one process is and where it is wanted: all the machine in `tmd.core.process` remembers between two inputs.

Which state may follow which is `LEGAL`; the tests hold every path the machine can take against it.
"""

from enum import Enum

import msgspec

from tmd.core.inputs import StopCause
from tmd.wire.states import ProcessState

STOPPED, STARTING, RUNNING, BACKOFF = (
    ProcessState.STOPPED,
    ProcessState.STARTING,
    ProcessState.RUNNING,
    ProcessState.BACKOFF,
)
STOPPING, EXITED, FATAL, UNKNOWN = (
    ProcessState.STOPPING,
    ProcessState.EXITED,
    ProcessState.FATAL,
    ProcessState.UNKNOWN,
)

LEGAL: dict[ProcessState, frozenset[ProcessState]] = {
    STOPPED: frozenset({STARTING}),
    STARTING: frozenset({RUNNING, BACKOFF, STOPPING, STOPPED, UNKNOWN}),
    RUNNING: frozenset({EXITED, STOPPING, UNKNOWN}),
    BACKOFF: frozenset({STARTING, STOPPED, FATAL}),
    STOPPING: frozenset({STOPPED, UNKNOWN}),
    EXITED: frozenset({STARTING}),
    FATAL: frozenset({STARTING}),
    UNKNOWN: frozenset({STARTING, STOPPING, STOPPED, EXITED}),
}
"""Which state may follow which. STARTING to STOPPED: the stop overtook a spawn that then failed."""


class Wanted(Enum):
    """What was last asked for. AGAIN: down first, then up."""

    DOWN = "down"
    UP = "up"
    AGAIN = "again"


class Process(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process: where it is and where it is wanted. Times are monotonic seconds, None for never."""

    state: ProcessState = STOPPED
    wanted: Wanted = Wanted.DOWN
    epoch: int = 0
    deadline: float | None = None
    """when the timer armed in this epoch is due"""
    pid: int = 0
    """0 when nothing runs"""
    backoff: int = 0
    """failed starts since the last one that worked; a stop does not reset it"""
    starts: int = 0
    """spawns that worked, ever"""
    spawnerr: str = ""
    exitstatus: int = 0
    """of the last end: the exit code, -1 for a signal, 0 when it does not count"""
    started_at: float | None = None
    """the last attempt to start"""
    stopping_at: float | None = None
    """the stop signal of this life"""
    kill_sent_at: float | None = None
    """the first SIGKILL of this life"""
    stopped_at: float | None = None
    """the last reaping"""
    paused: bool = False
    stopped_by_hand: bool = False
    """an operator wants it down; that wish outlives a reload"""
    quiesced: bool = False
    """the daemon goes down: nothing is started or retried"""
    put_off: Wanted | None = None
    """what it was to be when the end of the daemon overruled that; None: nothing was overruled"""
    prestopping: bool = False
    """it is RUNNING still, and the hook that comes before its stop signal runs"""
    stop_stands: bool = False
    """the stop of this life is not to be given up, whatever that hook says"""
    cause: StopCause = "asked"
    """why it was last asked to stop"""

    @property
    def kill_sent(self) -> bool:
        """Whether this life was sent SIGKILL."""
        return self.kill_sent_at is not None

    @property
    def then_start(self) -> bool:
        """Whether it is stopped only to be started again."""
        return self.wanted is Wanted.AGAIN

    @property
    def in_flight(self) -> bool:
        """Whether a spawn is under way."""
        return self.state is STARTING and not self.pid

    @property
    def at_rest(self) -> bool:
        """Whether nothing runs and nothing will without a new request."""
        return not self.pid and self.state in (STOPPED, EXITED, FATAL, UNKNOWN)
