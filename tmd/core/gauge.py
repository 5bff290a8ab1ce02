"""What is measured of a program and what is counted about it: the words between who does that and who shows it.

Knows no way to measure anything.
"""

from typing import Literal, TypeAlias

import msgspec

RestartReason: TypeAlias = Literal["exited", "unexpected", "failed", "asked", "changed", "listener", "hook"]
"""Why a program was started again: it ended as expected, or otherwise, or too soon to count as started; somebody asked;
its settings changed; it is a listener that was stuck; its poststart hook failed."""

ExitKind: TypeAlias = Literal["expected", "unexpected", "signal", "stopped", "failed"]
"""How a life ended: by itself with a code in `exitcodes`, with another one or one that nobody saw, by a signal that was
not ours, as asked, or before `startsecs`."""

RESTART_REASONS: tuple[RestartReason, ...] = (
    "exited",
    "unexpected",
    "failed",
    "asked",
    "changed",
    "listener",
    "hook",
)
EXIT_KINDS: tuple[ExitKind, ...] = ("expected", "unexpected", "signal", "stopped", "failed")


class Gauge(msgspec.Struct, frozen=True):
    """What the whole tree of one process uses: the process, all it has started, and what these left behind.

    Memory that processes share counts for each of them.
    """

    at: float
    """epoch seconds"""
    cpu_percent: float
    """of one core, since the sample before; since its start if there is none"""
    cpu_s: float
    """since its start; it never falls while the process lives"""
    rss_bytes: int
    threads: int
    fds: int
    """open descriptors, -1 where the kernel does not tell"""
    processes: int


class Counts(msgspec.Struct, omit_defaults=True):
    """What happened to one process since it was added."""

    starts: int = 0
    restarts: dict[str, int] = msgspec.field(default_factory=dict)
    """by `RestartReason`"""
    exits: dict[str, int] = msgspec.field(default_factory=dict)
    """by `ExitKind`"""
    last_exit: int | None = None
    """exit code, 128 + n for signal n; None: it never ended, or nobody saw how"""
    spawn_failures: int = 0
    """starts that did not come as far as a process"""
    ended_cpu_s: float = 0.0
    """what the lives that are over have used, with all children they waited for"""
    left_behind: int = 0
    """processes it had started and that were still there when it had ended, whatever became of them"""
