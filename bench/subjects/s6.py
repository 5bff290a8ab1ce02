"""s6: s6-svscan, an s6-supervise for each program and each logger, an s6-log for each program that is logged."""

import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.subjects.base import Ability, Plan, Subject
from bench.subjects.debian import Tools, tools
from bench.subjects.family import Family
from bench.subjects.services import control, log_files, need_processes, own_processes, supervised, write_services
from bench.subjects.waiting import wait_gone

SHUTDOWN_S = 120.0
_USUAL = 500
"""service directories that s6-svscan takes unless it is told otherwise"""
_LARGEST = 256 * 1024 * 1024 - 1
"""bytes of a file of s6-log"""
_WANTED_UP = 4
_LINK = ".tools"
_STARTED, _STARTED_BELOW = b"/usr/bin/s6-supervise\0", b"./.tools/s6-supervise\0"
"""of the same length; s6-svscan takes no directory for a service whose name begins with a dot"""


class S6(Subject):
    """s6 with a scan directory, every setting as it comes but for the number of services it takes, when it needs more.

    - Between two starts of a program s6-supervise lets a second pass, by design: a program that is killed is back after
      a second, whatever its age. `Plan.backoff` and `Program.startsecs` change nothing, there are no priorities.
    - s6-log keeps the files of `Plan.log_max_bytes` (256 MiB at most), `log_backups` of them besides the current one,
      without times.
    - No call asks the supervisor for states, and `s6-svstat` shows one program (no `RPC`, no `STATUS`).
    - Who changes a run script restarts that program by hand; nothing compares it with what runs (no `RELOAD`).
    - s6-svscan starts `/usr/bin/s6-supervise` and nothing else. Where s6 is not installed but unpacked into the cache,
      this one name in it is changed to one below the scan directory; not a byte more.
    - Programs are stopped and started the way `s6-svc` does it, without starting an `s6-svc` for each.
    """

    name = "s6"
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.RESTART, Ability.LOGS, Ability.CONTROL, Ability.AUTOSTART_OFF}
    )
    remarks: ClassVar[tuple[str, ...]] = ("By its own rule a second passes between two starts of a program.",)

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._family = Family(home)
        self._services = home / "services"

    @classmethod
    def version(cls) -> str:
        return _tools().version

    def write(self, plan: Plan) -> None:
        """Write the service directories. Raises `Unavailable` when the machine has no room for their processes."""
        need_processes(_services(plan) + sum(program.autostart + program.logged for program in plan.programs))
        self.plan = plan
        kept = (f"n{plan.log_backups}", f"s{min(plan.log_max_bytes, _LARGEST)}")
        write_services(self._services, plan, lambda _: (_tools().path("s6-log"), *kept, "./main"))
        if _tools().bin is not None:
            (self._services / _LINK).symlink_to(str(_tools().bin))

    def launch(self) -> int:
        assert self.plan is not None
        services = _services(self.plan)
        most = ("-c", str(services)) if services > _USUAL else ()
        return self._family.launch(
            (_tools().path("s6-svscan"), *most, str(self._services)), self.plan, _tools().environment()
        )

    def daemons(self) -> list[int]:
        return own_processes(self._family, ("s6-svscan", "s6-supervise", "s6-log"))

    def shutdown(self) -> None:
        """Have s6-svscan end each s6-supervise, and that its program or logger; it goes last."""
        pids = self.daemons()
        subprocess.run(
            (_tools().path("s6-svscanctl"), "-t", str(self._services)),
            env=self._family.environment(_tools().environment()),
            stdin=subprocess.DEVNULL,
            check=True,
        )
        self._family.wait(SHUTDOWN_S)
        wait_gone(pids, SHUTDOWN_S)

    def close(self) -> None:
        self._family.end()

    def logs(self, name: str) -> list[Path]:
        return log_files(self._services, name)

    def ready(self) -> bool:
        return all(supervised(self._services / name, "control") for name in self._names())

    def stop(self, names: Sequence[str] = ()) -> None:
        control(self._services, names or self._names(), b"d", _down)

    def start(self, names: Sequence[str] = ()) -> None:
        control(self._services, names or self._names(), b"u", _up)

    def _names(self) -> list[str]:
        assert self.plan is not None
        return [program.name for program in self.plan.programs]


def _services(plan: Plan) -> int:
    """Return how many s6-supervise it takes."""
    return sum(1 + program.logged for program in plan.programs)


def _state(status: bytes) -> tuple[int, bool]:
    """Return the pid, and whether it is wanted up, from a supervise/status: the pid is after two times of 12 bytes."""
    return int.from_bytes(status[24:32], "big"), bool(status[-1] & _WANTED_UP)


def _down(status: bytes) -> bool:
    pid, wanted_up = _state(status)
    return pid == 0 and not wanted_up


def _up(status: bytes) -> bool:
    pid, wanted_up = _state(status)
    return pid != 0 and wanted_up


@functools.cache
def _tools() -> Tools:
    return tools("s6", ("s6-svscan", "s6-supervise", "s6-svscanctl", "s6-log"), _move)


def _move(programs: Path) -> None:
    """Have s6-svscan find its s6-supervise through the link in the scan directory, which is its working directory."""
    path = programs / "s6-svscan"
    path.write_bytes(path.read_bytes().replace(_STARTED, _STARTED_BELOW))
