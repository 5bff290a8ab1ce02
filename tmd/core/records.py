"""What has to be remembered of a process so that another daemon can go on with it: the words of journal and handover.

Values only. Monotonic seconds in them stay true for as long as the machine is up, whichever daemon reads them.
"""

import msgspec

from tmd.config.settings import ProcessSpec
from tmd.core.condition import Process
from tmd.core.gauge import Counts
from tmd.wire.names import ProcessId

LIFE = "TASKMASTER_LIFE"
"""The variable in a program's environment that says which life of it this is, and of which daemon: `KEY.NUMBER`. All
that it starts inherit it."""


class Life(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One life: enough to know it again, to reach its streams, and to end it when nothing else is known of it."""

    token: str
    """the value of `LIFE` in its environment"""
    pid: int = 0
    """0: it was about to be started"""
    ticks: int = 0
    """when it began, as `/proc/PID/stat` tells (clock ticks since the machine started); 0: we may not look at it"""
    uid: int = -1
    """the user it was to be started as; -1: not known"""
    fingerprint: str = ""
    """of the settings that only a new life can have (`tmd.config.plan.fingerprint`)"""
    pipes: dict[str, int] = {}
    """stdin, stdout, stderr: inode of the pipe it was given there, where it was given one"""
    listens: bool = False
    """its stdout speaks the protocol of event listeners"""
    tty: bool = False
    """its streams are a terminal"""
    cgroup: str = ""
    """absolute path of the control group that is all its own; empty: it has none"""
    stopsignal: int = 15
    stopwaitsecs: float = 10
    stopasgroup: bool = False
    killasgroup: bool = False


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process as it is: where the machine stands, and its present life if it has one."""

    id: ProcessId
    process: Process
    life: Life | None = None
    started: float = 0.0
    """epoch seconds of the last start and of the last end, for display"""
    stopped: float = 0.0
    counts: Counts | None = None
    fingerprint: str = ""
    """of the settings of its last life, as in `Life`"""
    logs: dict[str, str] = {}
    """stdout, stderr: where its output goes"""
    spec: ProcessSpec | None = None
    """settings of its present life; this and the next one in a handover only"""
    next_spec: ProcessSpec | None = None
    """settings that wait for its next life"""


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run of a hook that is under way: enough to end it, and to run it anew."""

    token: str
    id: ProcessId
    hook: str
    facts: dict[str, str | None] = {}
    """what it was told, beside the environment of its program"""
    pid: int = 0
    """0: it was about to be started"""
    ticks: int = 0
