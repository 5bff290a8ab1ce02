"""runit: runsvdir, a runsv for each program, a svlogd for each that is logged."""

import functools
import signal
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.subjects.base import Ability, Plan, Subject
from bench.subjects.debian import Tools, tools
from bench.subjects.family import Family
from bench.subjects.services import control, log_files, own_processes, supervised, write_services
from bench.subjects.waiting import wait_gone

SHUTDOWN_S = 120.0
_STATUS = struct.Struct("<12xI?cB?")
"""of supervise/status after the time: pid, paused, wanted, got SIGTERM, runs"""


class Runit(Subject):
    """runit as a Debian starts it (`runsvdir -P`), every setting as it comes.

    - A program that dies in the first second of its life is started again when that second is over; one that lived
      longer at once. This is built in: `Plan.backoff` and `Program.startsecs` change nothing, there are no priorities.
    - runsvdir takes 1,000 programs and leaves the others out with a warning: with more it is never `ready`.
    - svlogd keeps the files of `Plan.log_max_bytes`, `log_backups` of them besides the current one, without times.
    - There is no call to the supervisor that asks for states: `sv status` reads a file of each program (no `RPC`).
    - Who changes a run script restarts that program by hand; nothing compares it with what runs (no `RELOAD`).
    - Programs are stopped and started the way `sv` does it, only that `sv` itself looks for the result 2.4 times a
      second: its pause is left out, as are the start-up times of all the other clients.
    """

    name = "runit"
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.RESTART, Ability.LOGS, Ability.CONTROL, Ability.STATUS, Ability.AUTOSTART_OFF}
    )
    remarks: ClassVar[tuple[str, ...]] = (
        "By its own rule a program that dies in the first second of its life waits until that second is over; one that"
        " lived longer is started again at once.",
        "It takes no more than 1,000 programs.",
    )

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._family = Family(home)
        self._services = home / "services"

    @classmethod
    def version(cls) -> str:
        return _tools().version

    def write(self, plan: Plan) -> None:
        self.plan = plan
        write_services(self._services, plan, lambda _: (_tools().path("svlogd"), "main"))
        config = f"s{plan.log_max_bytes}\nn{plan.log_backups}\n"
        for program in plan.programs:
            if program.logged:
                (self._services / program.name / "log/main/config").write_text(config, encoding="ascii")

    def launch(self) -> int:
        assert self.plan is not None
        argv = (_tools().path("runsvdir"), "-P", str(self._services))
        return self._family.launch(argv, self.plan, _tools().environment())

    def daemons(self) -> list[int]:
        return own_processes(self._family, ("runsvdir", "runsv", "svlogd"))

    def shutdown(self) -> None:
        """Hang up on runsvdir: each runsv ends its program, then its logger; it is gone before them."""
        pids = self.daemons()
        assert self._family.main is not None
        self._family.main.send_signal(signal.SIGHUP)
        self._family.wait(SHUTDOWN_S)
        wait_gone(pids, SHUTDOWN_S)

    def close(self) -> None:
        self._family.end()

    def logs(self, name: str) -> list[Path]:
        return log_files(self._services, name)

    def ready(self) -> bool:
        return all(supervised(self._services / name, "ok") for name in self._names())

    def stop(self, names: Sequence[str] = ()) -> None:
        control(self._services, names or self._names(), b"d", _down)

    def start(self, names: Sequence[str] = ()) -> None:
        control(self._services, names or self._names(), b"u", _up)

    def status(self) -> list[str]:
        return [_tools().path("sv"), "status", *(str(self._services / name) for name in self._names())]

    def _names(self) -> list[str]:
        assert self.plan is not None
        return [program.name for program in self.plan.programs]


def _down(status: bytes) -> bool:
    pid, _, wanted, _, runs = _STATUS.unpack(status)
    return wanted == b"d" and not runs and pid == 0


def _up(status: bytes) -> bool:
    pid, _, wanted, _, runs = _STATUS.unpack(status)
    return bool(wanted == b"u" and runs and pid)


@functools.cache
def _tools() -> Tools:
    return tools("runit", ("runsvdir", "runsv", "sv", "svlogd"))
