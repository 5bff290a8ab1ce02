"""The states a client can see, with the numbers Supervisor gives them.

The eight process states are hard-wired in many clients: none is ever added.
New facts about a process travel in new struct keys instead.
"""

from enum import IntEnum


class ProcessState(IntEnum):
    """What a process is doing, as shown in `getProcessInfo`."""

    STOPPED = 0
    STARTING = 10
    RUNNING = 20
    BACKOFF = 30
    STOPPING = 40
    EXITED = 100
    FATAL = 200
    UNKNOWN = 1000


STOPPED_STATES = frozenset({ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL, ProcessState.UNKNOWN})
RUNNING_STATES = frozenset({ProcessState.RUNNING, ProcessState.BACKOFF, ProcessState.STARTING})
SIGNALLABLE_STATES = frozenset({ProcessState.RUNNING, ProcessState.STARTING, ProcessState.STOPPING})


class DaemonState(IntEnum):
    """What the daemon is doing, as shown in `getState`. FATAL is never entered."""

    FATAL = 2
    RUNNING = 1
    RESTARTING = 0
    SHUTDOWN = -1
