"""The bare loop: what plain CPython can do without policy, checks or features."""

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.subjects.base import Ability, Plan, Subject
from bench.subjects.dialect import numbered
from bench.subjects.family import Family
from bench.subjects.xml_rpc import Fault, XmlRpc

SCRIPT = Path(__file__).parents[1] / "limit.py"
_END_S = 120.0


class Limit(Subject):
    """`bench/limit.py`, asked as Supervisor is."""

    name: ClassVar[str] = "limit"
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.RESTART, Ability.LOGS, Ability.CONTROL, Ability.RPC, Ability.AUTOSTART_OFF}
    )
    remarks: ClassVar[tuple[str, ...]] = (
        "It keeps a pipe for each output that is logged, as the others do, and none for standard input.",
    )

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        home.mkdir(parents=True, exist_ok=True)
        self._conf = home / "limit.json"
        self._socket = home / "s"
        self._family = Family(home)
        self._control: XmlRpc | None = None

    @classmethod
    def version(cls) -> str:
        """Return the version of the interpreter: there is not much more to it."""
        return f"CPython {platform.python_version()}"

    def write(self, plan: Plan) -> None:
        """Write the configuration."""
        self.plan = plan
        programs = [
            {
                "name": each.name,
                "argv": list(each.argv),
                "log": str(self._log(each.name)) if each.logged else None,
                "autostart": each.autostart,
            }
            for each in sorted(plan.programs, key=lambda program: program.priority)
        ]
        config = {
            "socket": str(self._socket),
            "log_max_bytes": plan.log_max_bytes,
            "log_backups": plan.log_backups,
            "programs": programs,
        }
        self._conf.write_text(json.dumps(config))

    def launch(self) -> int:
        """Start it without site-packages."""
        assert self.plan is not None
        return self._family.launch((sys.executable, "-I", "-S", str(SCRIPT), str(self._conf)), self.plan)

    def daemons(self) -> list[int]:
        """Return the one process it consists of."""
        return [] if self._family.main is None else [self._family.main.pid]

    def shutdown(self) -> None:
        """Ask for the end."""
        self._rpc().call("supervisor.shutdown")
        self._forget()
        self._family.wait(_END_S)

    def close(self) -> None:
        """End everything that is left."""
        self._forget()
        self._family.end()

    def logs(self, name: str) -> list[Path]:
        """Return the log and its backups, the oldest first."""
        return numbered(self._log(name))

    def ready(self) -> bool:
        """Return whether it answers."""
        try:
            return self._rpc().state() == b"RUNNING"
        except (OSError, Fault):
            self._forget()
            return False

    def stop(self, names: Sequence[str] = ()) -> None:
        """Stop and wait, one after the other; all of them with one call."""
        rpc = self._rpc()
        for name in names:
            rpc.call("supervisor.stopProcess", name, True)
        if not names:
            rpc.call("supervisor.stopAllProcesses", True)

    def start(self, names: Sequence[str] = ()) -> None:
        """Start, one after the other; all of them with one call."""
        rpc = self._rpc()
        for name in names:
            rpc.call("supervisor.startProcess", name, True)
        if not names:
            rpc.call("supervisor.startAllProcesses", True)

    def rpc(self) -> XmlRpc:
        """Open a connection."""
        return XmlRpc(self._socket)

    def _log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def _rpc(self) -> XmlRpc:
        self._control = self._control or self.rpc()
        return self._control

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
