"""circus from PyPI, in an environment of its own, asked over its own socket."""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from bench.cache import venv
from bench.subjects.base import Ability, Plan, Program, Subject
from bench.subjects.dialect import numbered
from bench.subjects.family import Family
from bench.subjects.zmtp import Dealer

VERSION = "0.19.0"
_END_S = 300.0
_AGAIN_S = 0.005
_BUSY_S = 60.0


class Refused(Exception):
    """circus answered with an error; its reason is in the argument."""


class Busy(Refused):
    """It does something else just now."""


class CircusRpc:
    """A kept connection; implements `bench.subjects.base.Rpc`."""

    def __init__(self, path: Path) -> None:
        self._dealer = Dealer(path)

    def state(self, name: str | None = None) -> Any:
        """Ask for the status of a watcher; None: how many there are, the least that it can be asked."""
        if name is None:
            return self.call("numwatchers")["numwatchers"]
        return self.call("status", name=name)["status"]

    def all(self) -> Sequence[Any]:
        """Ask for the status of all watchers: a name and a word each, far less than Supervisor tells of a process.

        Its `stats` tell more, but make it read /proc for every process.
        """
        found: Mapping[str, str] = self.call("status")["statuses"]
        return list(found.items())

    def call(self, command: str, **properties: Any) -> Any:
        """Give a command; return the answer. Raises `Refused`."""
        answer = json.loads(self._dealer.exchange(json.dumps(_message(command, properties)).encode()))
        if answer.get("status") == "error":
            reason = str(answer.get("reason"))
            raise (Busy if "already running" in reason else Refused)(reason)
        return answer

    def close(self) -> None:
        """Give the connection up."""
        self._dealer.close()


class Circus(Subject):
    """circusd with one watcher of one process for each program, everything else as by default."""

    name: ClassVar[str] = "circus"
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability)
    remarks: ClassVar[tuple[str, ...]] = (
        "In place of getAllProcessInfo it is asked for the `status` of all watchers: a name and a word for each, far"
        " less than Supervisor and tmd tell of a process.",
        "In place of getState it is asked for the number of watchers.",
    )

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        home.mkdir(parents=True, exist_ok=True)
        self._conf = home / "circus.ini"
        self._socket = home / "endpoint"
        self._family = Family(home)
        self._control: CircusRpc | None = None

    @classmethod
    def version(cls) -> str:
        """Return the version that is measured."""
        cls._command("circusd")
        return VERSION

    @classmethod
    def _command(cls, name: str) -> str:
        return str(venv(f"circus-{VERSION}", f"circus=={VERSION}") / "bin" / name)

    def write(self, plan: Plan) -> None:
        """Write the configuration."""
        self.plan = plan
        # No multicast: daemons of other runs on this network would answer to it.
        head = f"[circus]\nendpoint = ipc://{self._socket}\npubsub_endpoint = ipc://{self.home}/pubsub\n"
        self._conf.write_text(head + "".join(self._section(plan, program) for program in plan.programs))

    def _section(self, plan: Plan, program: Program) -> str:
        lines = [
            f"\n[watcher:{program.name}]",
            f"cmd = {program.argv[0]}",
            f"args = {shlex.join(program.argv[1:])}",
            "copy_env = True",
            f"autostart = {program.autostart}",
            # The greatest starts first.
            f"priority = {-program.priority}",
            "close_child_stderr = True",
        ]
        if program.logged:
            lines += [
                "stdout_stream.class = FileStream",
                f"stdout_stream.filename = {self._log(program.name)}",
                f"stdout_stream.max_bytes = {plan.log_max_bytes}",
                f"stdout_stream.backup_count = {plan.log_backups}",
            ]
        else:
            lines.append("close_child_stdout = True")
        if not plan.backoff:
            lines.append("max_retry = -1")
        return "\n".join(lines) + "\n"

    def launch(self) -> int:
        """Start it in the foreground of a session of its own."""
        assert self.plan is not None
        log = str(self.home / "daemon.log")
        return self._family.launch((self._command("circusd"), "--log-output", log, str(self._conf)), self.plan)

    def daemons(self) -> list[int]:
        """Return the one process it consists of."""
        return [] if self._family.main is None else [self._family.main.pid]

    def shutdown(self) -> None:
        """Tell it to quit."""
        self._do("quit")
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
        if not self._socket.exists():
            return False
        try:
            self._rpc().state()
        except (OSError, Refused):
            self._forget()
            return False
        return True

    def stop(self, names: Sequence[str] = ()) -> None:
        """Stop and wait, one after the other; all of them with one command."""
        for properties in _each(names):
            self._do("stop", **properties)

    def start(self, names: Sequence[str] = ()) -> None:
        """Start and wait, one after the other; all of them with one command."""
        for properties in _each(names):
            self._do("start", **properties)

    def reload(self) -> None:
        """Have it read its configuration and apply it."""
        self._do("reloadconfig", waiting=True)

    def rpc(self) -> CircusRpc:
        """Open a connection."""
        return CircusRpc(self._socket)

    def status(self) -> list[str]:
        """Return the client's `status`."""
        return [self._command("circusctl"), "--endpoint", f"ipc://{self._socket}", "--timeout", "60", "status"]

    def _do(self, command: str, **properties: Any) -> None:
        """Give a command, again while it is refused because another one runs, such as its own look at its watchers."""
        began = time.monotonic()
        while True:
            try:
                self._rpc().call(command, **properties)
            except Busy:
                if time.monotonic() - began > _BUSY_S:
                    raise
                time.sleep(_AGAIN_S)
            else:
                return

    def _log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def _rpc(self) -> CircusRpc:
        self._control = self._control or self.rpc()
        return self._control

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None


def _message(command: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": "bench", "command": command, "properties": dict(properties)}


def _each(names: Sequence[str]) -> list[dict[str, Any]]:
    if not names:
        return [{"waiting": True}]
    return [{"name": name, "match": "simple", "waiting": True} for name in names]
