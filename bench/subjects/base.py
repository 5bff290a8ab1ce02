"""What every supervisor that is measured can be asked for, in one form.

A subject lives in a directory of its own, is given a `Plan`, and is launched, asked and ended. It knows nothing of what
is measured; a measurement knows nothing of how a subject is configured. Times are taken by the measurements and by the
supervised programs themselves (`bench.stamping`), never by a subject.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Protocol

from bench.unavailable import Unavailable

__all__ = ["Ability", "Plan", "Program", "Rpc", "Subject", "Unavailable"]


class Ability(Enum):
    """What not every subject can do; a measurement names what it needs."""

    RESTART = "restart"
    """starts a program again when it dies"""
    LOGS = "logs"
    """writes the output of each program into rotating files of a given size"""
    CONTROL = "control"
    """stops and starts single programs and all of them, by its own client's protocol"""
    RPC = "rpc"
    """answers getState-like and getAllProcessInfo-like calls"""
    STATUS = "status"
    """has a client command that prints the state of all programs"""
    RELOAD = "reload"
    """takes a changed configuration while it runs, leaving what has not changed alone"""
    AUTOSTART_OFF = "autostart off"
    """can be given programs that it does not start"""


@dataclass(frozen=True, slots=True)
class Program:
    """One program to supervise; it is restarted whenever it ends, at once where the subject can."""

    name: str
    argv: tuple[str, ...]
    """absolute path first"""
    logged: bool = False
    """standard output goes into rotating files `Subject.logs(name)`, else to /dev/null"""
    autostart: bool = True
    startsecs: int = 1
    """seconds it must live to count as started, where the subject has such a notion"""
    priority: int = 999
    """where the subject has such a notion"""


@dataclass(frozen=True, slots=True)
class Plan:
    """All a subject is configured with."""

    programs: tuple[Program, ...]
    log_max_bytes: int = 50 * 1024 * 1024
    log_backups: int = 10
    backoff: bool = True
    """False: restart for ever and at once, never give up (for crash cycles); where the subject can"""
    descriptors: int | None = None
    """soft limit of descriptors it is started with; None: as many as it needs (1,024 is what a login gets)"""


class Rpc(Protocol):
    """One kept connection to a running subject."""

    def state(self, name: str | None = None) -> Any:
        """Ask for the state of the supervisor (None), or of one program."""

    def all(self) -> Sequence[Any]:
        """Ask for everything about every program; one element each."""

    def close(self) -> None:
        """Give the connection up."""


class Subject(ABC):
    """A supervisor under measurement, in a directory of its own.

    Every method that changes something returns when the subject's own means say it is done. `close` always works,
    whatever state things are in, and leaves no process behind.
    """

    name: ClassVar[str]
    """as in `--subjects`"""
    abilities: ClassVar[frozenset[Ability]]
    remarks: ClassVar[tuple[str, ...]] = ()
    """what one has to know of it to read its figures, in sentences"""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.plan: Plan | None = None

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Fetch it when it is not there yet; return its version. Raises `Unavailable`."""

    @abstractmethod
    def write(self, plan: Plan) -> None:
        """Write the configuration; before `launch`, or before `reload` with a changed plan."""

    @abstractmethod
    def launch(self) -> int:
        """Start the supervisor and return at once: CLOCK_MONOTONIC in ns just before it was started."""

    @abstractmethod
    def daemons(self) -> list[int]:
        """Return the pids of all its own processes (helpers and log writers too), the main one first."""

    @abstractmethod
    def shutdown(self) -> None:
        """End the supervisor and all programs in order; return when all its own processes are gone."""

    @abstractmethod
    def close(self) -> None:
        """End everything that is left, by pid."""

    def logs(self, name: str) -> list[Path]:
        """Return the log files of a program, the oldest first."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Return whether it answers its client (used by measurements with nothing to start)."""
        raise NotImplementedError

    def stop(self, names: Sequence[str] = ()) -> None:
        """Stop these programs, all when none is named; return when they are reported as stopped."""
        raise NotImplementedError

    def start(self, names: Sequence[str] = ()) -> None:
        """Start these programs, all when none is named; return when they are reported as started."""
        raise NotImplementedError

    def reload(self) -> None:
        """Apply the plan written last."""
        raise NotImplementedError

    def rpc(self) -> Rpc:
        """Open a connection."""
        raise NotImplementedError

    def status(self) -> list[str]:
        """Return the command line of its client that prints all states."""
        raise NotImplementedError
