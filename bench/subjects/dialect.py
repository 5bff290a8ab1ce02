"""What speaks Supervisor's configuration and API: one file and one protocol for Supervisor itself and for tmd."""

import shlex
import socket
import sys
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.subjects.base import Ability, Plan, Program, Subject, Unavailable
from bench.subjects.family import Family
from bench.subjects.xml_rpc import Fault, XmlRpc

_END_S = 300.0


class Dialect(Subject):
    """A daemon with a unix socket, a TCP server with pages on this machine, and everything else as by default."""

    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability)

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        home.mkdir(parents=True, exist_ok=True)
        self.conf = home / "supervisord.conf"
        self.socket = home / "s"
        self._family = Family(home)
        self._port = 0
        self._control: XmlRpc | None = None

    @classmethod
    @abstractmethod
    def command(cls, daemon: bool) -> tuple[str, ...]:
        """Return how the daemon or its client is run. Raises `Unavailable`."""

    def write(self, plan: Plan) -> None:
        """Write the configuration."""
        self.plan = plan
        self._port = self._port or _free_port()
        self.conf.write_text(
            _daemon_part(self.home, self._port) + "".join(self._section(each) for each in plan.programs)
        )

    def _section(self, program: Program) -> str:
        assert self.plan is not None
        lines = [
            f"[program:{program.name}]",
            f"command={_escaped(shlex.join(program.argv))}",
            f"autostart={str(program.autostart).lower()}",
            "autorestart=true",
            f"startsecs={program.startsecs if self.plan.backoff else 0}",
            f"priority={program.priority}",
            "stderr_logfile=NONE",
        ]
        if program.logged:
            lines += [
                f"stdout_logfile={_escaped(str(self._log(program.name)))}",
                f"stdout_logfile_maxbytes={self.plan.log_max_bytes}",
                f"stdout_logfile_backups={self.plan.log_backups}",
            ]
        else:
            lines.append("stdout_logfile=NONE")
        return "\n".join(lines) + "\n\n"

    def launch(self) -> int:
        """Start the daemon in the foreground of a session of its own."""
        assert self.plan is not None
        return self._family.launch((*self.command(daemon=True), "-n", "-c", str(self.conf)), self.plan)

    def daemons(self) -> list[int]:
        """Return the one process it consists of."""
        return [] if self._family.main is None else [self._family.main.pid]

    def shutdown(self) -> None:
        """Ask for the end over the API, as its client does."""
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

    def _log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def ready(self) -> bool:
        """Return whether getState says RUNNING."""
        try:
            return self._rpc().state() == b"RUNNING"
        except (OSError, Fault):
            self._forget()
            return False

    def stop(self, names: Sequence[str] = ()) -> None:
        """Stop and wait, one after the other as its client does; all of them with one call."""
        rpc = self._rpc()
        for name in names:
            rpc.call("supervisor.stopProcess", name, True)
        if not names:
            rpc.call("supervisor.stopAllProcesses", True)

    def start(self, names: Sequence[str] = ()) -> None:
        """Start and wait, one after the other as its client does; all of them with one call."""
        rpc = self._rpc()
        for name in names:
            rpc.call("supervisor.startProcess", name, True)
        if not names:
            rpc.call("supervisor.startAllProcesses", True)

    def reload(self) -> None:
        """Do over the API what its client's `update` does."""
        rpc = self._rpc()
        ((added, changed, removed),) = rpc.call("supervisor.reloadConfig")
        self._update(rpc, added, changed, removed)

    def _update(self, rpc: XmlRpc, added: list[str], changed: list[str], removed: list[str]) -> None:
        for name in (*removed, *changed):
            rpc.call("supervisor.stopProcessGroup", name)
            rpc.call("supervisor.removeProcessGroup", name)
        for name in (*changed, *added):
            rpc.call("supervisor.addProcessGroup", name)

    def rpc(self) -> XmlRpc:
        """Open a connection to the unix socket."""
        return XmlRpc(self.socket)

    def status(self) -> list[str]:
        """Return the client's `status`; its exit code is not 0 when a program does not run."""
        return [*self.command(daemon=False), "-c", str(self.conf), "status"]

    def _rpc(self) -> XmlRpc:
        self._control = self._control or self.rpc()
        return self._control

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None


def numbered(log: Path) -> list[Path]:
    """Return a log and its backups LOG.1, LOG.2, ..., the oldest first."""
    backups = {int(path.suffix[1:]): path for path in log.parent.glob(f"{log.name}.*") if path.suffix[1:].isdigit()}
    return [backups[number] for number in sorted(backups, reverse=True)] + [log] * log.exists()


def beside(name: str) -> tuple[str, ...]:
    """Return how a command that is installed beside this interpreter is run. Raises `Unavailable`."""
    script = Path(sys.executable).with_name(name)
    if not script.is_file():
        raise Unavailable(f"cannot find {script} (run the bench with an interpreter that has it installed)")
    return (str(script),)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _daemon_part(home: Path, port: int) -> str:
    place = _escaped(str(home))
    return f"""\
[unix_http_server]
file={place}/s

[inet_http_server]
port=127.0.0.1:{port}

[supervisord]
logfile={place}/daemon.log
pidfile={place}/daemon.pid
childlogdir={place}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{place}/s

"""
