"""pm2: one Node.js process that supervises all programs, set up by its command-line client."""

import functools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from bench.cache import making, run
from bench.subjects.axon import Axon
from bench.subjects.base import Ability, Plan, Program, Rpc, Subject, Unavailable
from bench.subjects.family import Family
from bench.subjects.waiting import wait_gone

VERSION = "7.0.4"
OLDEST_NODE = 18
GONE_S = 120.0
_NEVER = 1_000_000_000
_AT_ONCE = 2
"""calls its client has under way when it starts or stops many (its own default)"""
_DELETES_AT_ONCE = 10
"""the same at `pm2 kill`"""


class Pm2(Subject):
    """pm2 in fork mode, its programs given as they are (`interpreter: none`), set up with `pm2 start FILE`.

    What is not said here is as a user gets it: a program that dies is started again at once (no `restart_delay`); after
    16 deaths before `min_uptime`, one second, pm2 gives it up; a stop is looked for every 100 ms (`kill_retry_time`).

    - `Program.startsecs` is `min_uptime`, which by default is the same. With 0, or without `Plan.backoff`, no number of
      deaths is too many (`max_restarts`), or pm2 would leave a program of short life alone in mid-measurement.
    - Programs are stopped with SIGTERM, as by all the others, not with pm2's SIGINT (`PM2_KILL_SIGNAL`): that is what
      the supervised program heeds. After 1.6 s comes SIGKILL (`kill_timeout`), as by default.
    - Output goes into one file for each program that grows for ever: rotation is another process, from another package,
      that looks every 30 s. So it has no `LOGS`; what is not logged goes to /dev/null through pm2, by default as well.
    - `pm2 start FILE` with a changed file restarts every program in it (no `RELOAD`).
    - Calls, stops and starts go through the socket its client uses, in the client's order and with no more at once than
      the client has; the client's start-up time is left out, as with all the others.
    - It does not look for newer versions of itself on the net: the file that says that it has looked is put there.
    """

    name = "pm2"
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.RESTART, Ability.CONTROL, Ability.RPC, Ability.STATUS, Ability.AUTOSTART_OFF}
    )
    remarks: ClassVar[tuple[str, ...]] = (
        "It is launched by its command-line client, which starts the daemon and gives it the programs.",
        "In place of getState it is asked for a `ping`, in place of getAllProcessInfo for `getMonitorData`.",
        "It looks every 100 ms whether what it stops has ended.",
        "Rotating logs is another package that looks every 30 s, so it has no part in the log drain.",
    )

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._family = Family(home)
        self._pm2_home = home / "pm2"

    @classmethod
    def version(cls) -> str:
        _client()
        return VERSION

    def write(self, plan: Plan) -> None:
        self.plan = plan
        self._pm2_home.mkdir(exist_ok=True)
        (self._pm2_home / "touch").touch()
        apps = [self._app(program, plan.backoff) for program in plan.programs]
        self._file.write_text(json.dumps({"apps": apps}, indent=1), encoding="utf-8")

    @property
    def _file(self) -> Path:
        return self.home / "ecosystem.json"

    def _app(self, program: Program, backoff: bool) -> dict[str, Any]:
        app: dict[str, Any] = {
            "name": program.name,
            "script": program.argv[0],
            "args": list(program.argv[1:]),
            "interpreter": "none",
            "exec_mode": "fork",
            "cwd": str(self.home),
            "autostart": program.autostart,
            "out_file": str(self.home / f"{program.name}.log") if program.logged else "/dev/null",
            "error_file": "/dev/null",
            "merge_logs": True,
        }
        if program.startsecs:
            app["min_uptime"] = program.startsecs * 1000
        if not backoff or not program.startsecs:
            app["max_restarts"] = _NEVER
        return app

    def launch(self) -> int:
        assert self.plan is not None
        return self._family.launch((*_client(), "start", str(self._file)), self.plan, self._environment())

    def _environment(self) -> dict[str, str]:
        return {"PM2_HOME": str(self._pm2_home), "PM2_KILL_SIGNAL": "SIGTERM", "PM2_DISABLE_VERSION_CHECK": "1"}

    def daemons(self) -> list[int]:
        """Return the pid of the daemon, and of the client that launches it while that runs."""
        daemon, client = self._daemon(), self._family.main
        return [
            *([daemon] if daemon else []),
            *([client.pid] if client is not None and client.poll() is None else []),
        ]

    def _daemon(self) -> int:
        """Return its pid, 0 while there is none."""
        try:
            return int((self._pm2_home / "pm2.pid").read_text(encoding="ascii") or 0)
        except FileNotFoundError:
            return 0

    def shutdown(self) -> None:
        """Do as `pm2 kill`: announce it, delete all programs, end the daemon."""
        pids = self.daemons()
        connection = self._connect()
        try:
            connection.send("notifyKillPM2", {})
            while programs := connection.call("getMonitorData", {}):
                connection.calls("deleteProcessId", [program["pm_id"] for program in programs], _DELETES_AT_ONCE)
            # Its client names itself here, to be told by a signal that the daemon is going.
            connection.send("killMe", {})
            wait_gone(pids[:1], GONE_S)
        finally:
            connection.close()
        client = self._family.main
        if client is not None and client.poll() is None:
            client.terminate()
        self._family.wait(GONE_S)

    def close(self) -> None:
        daemon = self._daemon()
        if daemon and daemon in self._family.pids():
            os.kill(daemon, signal.SIGKILL)
        self._family.end()

    def ready(self) -> bool:
        """Return whether the daemon answers and its client has given it all programs."""
        client = self._family.main
        return bool(self._daemon()) and (client is None or client.poll() is not None)

    def stop(self, names: Sequence[str] = ()) -> None:
        connection = self._connect()
        try:
            ids = self._named(connection, names)
            connection.calls("stopProcessId", ids, _AT_ONCE if len(ids) > _AT_ONCE else 1)
        finally:
            connection.close()

    def start(self, names: Sequence[str] = ()) -> None:
        connection = self._connect()
        try:
            ids = self._named(connection, names)
            # Its client leaves autostart out: to it, what was not to be started at first stays down for ever.
            asked = [{"id": pm_id, "env": {"current_conf": {"autostart": True}}} for pm_id in ids]
            connection.calls("restartProcessId", asked, _AT_ONCE if len(ids) > _AT_ONCE else 1)
        finally:
            connection.close()

    def _named(self, connection: Axon, names: Sequence[str]) -> list[int]:
        """Return the ids of these programs, of all when none is named; as its client, ask for all of them first."""
        ids = {program["name"]: int(program["pm_id"]) for program in connection.call("getMonitorData", {})}
        return [ids[name] for name in names] if names else list(ids.values())

    def rpc(self) -> Rpc:
        return _Connection(self._connect())

    def _connect(self) -> Axon:
        return Axon(self._pm2_home / "rpc.sock")

    def status(self) -> list[str]:
        settings = (f"{name}={value}" for name, value in self._environment().items())
        return [shutil.which("env") or "/usr/bin/env", *settings, *_client(), "list"]


class _Connection:
    """The calls its client makes: `ping`, and `getMonitorData` for whatever concerns a program."""

    def __init__(self, axon: Axon) -> None:
        self._axon = axon

    def state(self, name: str | None = None) -> Any:
        if name is None:
            return self._axon.call("ping", {})
        return next(program["pm2_env"]["status"] for program in self.all() if program["name"] == name)

    def all(self) -> Sequence[Any]:
        programs: list[Any] = self._axon.call("getMonitorData", {})
        return programs

    def close(self) -> None:
        self._axon.close()


@functools.cache
def _client() -> tuple[str, ...]:
    """Return the command of its client, fetched at the first call. Raises `Unavailable`."""
    node = _node()
    with making("pm2") as place:
        script = place / "node_modules/pm2/bin/pm2"
        if _version_at(place) != VERSION:
            npm = shutil.which("npm")
            if npm is None:
                raise Unavailable("cannot fetch pm2: npm is not there (apt-get install npm)")
            fresh = place.with_name(f"pm2.{os.getpid()}")
            try:
                fresh.mkdir()
                quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
                run(
                    (npm, "install", "--prefix", str(fresh), *quiet, f"pm2@{VERSION}"),
                    f"install pm2 {VERSION} from npm",
                )
                shutil.rmtree(place, ignore_errors=True)
                fresh.rename(place)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return (node, str(script))


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise Unavailable("cannot run pm2: node is not there (apt-get install nodejs npm)")
    said = subprocess.run((node, "--version"), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    major = said.stdout.strip().removeprefix("v").partition(".")[0]
    if not major.isdigit() or int(major) < OLDEST_NODE:
        raise Unavailable(f"cannot run pm2 {VERSION}: node is {said.stdout.strip() or 'broken'} (needs {OLDEST_NODE})")
    return node


def _version_at(place: Path) -> str | None:
    try:
        told = json.loads((place / "node_modules/pm2/package.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return str(told["version"])
