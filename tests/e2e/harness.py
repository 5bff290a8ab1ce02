"""A daemon, its clients and its programs in a directory of their own: what every story plays on.

A `Rig` runs either `tmd` or a real `supervisord`, and asks it through `tmctl`, `supervisorctl` or plain XML-RPC, so
that a story can be proved against the original first. When it closes it asserts that nothing is left: no process, no
socket, no pid file. It knows no story and no internals of the daemon.
"""

import datetime
import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import pexpect

from tests.e2e import world
from tests.e2e.wire import proxy
from tests.support import end_terminal, eventually

Subject = Literal["tmd", "supervisord"]
Client = Literal["tmctl", "supervisorctl"]
T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests" / "programs"
PYTHON = f"{sys.executable} -S -E"
"""starts in 8 ms: the programs need no site-packages"""

_DYING_S = 1.0
_WRITING_S = 1.0
_MARK = "TASKMASTER_RIG"
_COMMANDS: Mapping[str, Sequence[str]] = {
    "tmd": (sys.executable, "-m", "tmd"),
    "tmctl": (sys.executable, "-m", "tmctl"),
    "supervisord": (sys.executable, "-m", "supervisor.supervisord"),
    "supervisorctl": (sys.executable, "-m", "supervisor.supervisorctl"),
}


def program(name: str) -> str:
    """Return the command line that runs one of tests/programs; arguments may follow."""
    path = PROGRAMS / name
    return f"{PYTHON} {path}" if path.suffix == ".py" else f"/bin/sh {path}"


class Answer(NamedTuple):
    """What a one-shot client said. `text` is stdout, `err` stderr."""

    text: str
    code: int
    err: str


class Line(NamedTuple):
    """One line of the daemon's log. `at` is epoch seconds, to the millisecond."""

    at: float
    level: str
    text: str


class Rig:
    """One daemon with its directory (short, so that socket paths fit)."""

    def __init__(self, subject: Subject = "tmd", client: Client | None = None) -> None:
        self.subject = subject
        self.client: Client = client or ("tmctl" if subject == "tmd" else "supervisorctl")
        self.dir = Path(tempfile.mkdtemp(prefix="tm", dir="/tmp"))
        self.dir.chmod(0o755)  # programs that run as another user need to get in
        self.conf = self.dir / "tm.conf"
        self.log = self.dir / "d.log"
        self.socket = self.dir / "s"
        self.pidfile = self.dir / "d.pid"
        self.said = self.dir / "said"
        self.credentials: tuple[str, str] | None = None
        self.daemon: subprocess.Popen[bytes] | None = None
        self.daemon_pid = 0
        self._proxy: xmlrpc.client.ServerProxy | None = None
        self._terminals: list[pexpect.spawn] = []

    # The configuration.

    def write(self, programs: str, *, daemon: str = "", server: str = "", head: str = "", ctl: str = "") -> Path:
        """Write a Supervisor-dialect file: the sections in `programs` beside a daemon that lives in the directory.

        `{dir}` becomes the directory; `daemon`, `server` and `ctl` are more lines for [supervisord],
        [unix_http_server] and [supervisorctl], `head` more sections.
        """
        text = f"""\
[unix_http_server]
file={{dir}}/s
{server}

[supervisord]
logfile={{dir}}/d.log
pidfile={{dir}}/d.pid
childlogdir={{dir}}
{daemon}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{{dir}}/s
{ctl}

{head}
{programs}
"""
        self.conf.write_text(text.replace("{dir}", str(self.dir)), encoding="utf-8")
        return self.conf

    def write_native(self, programs: str, *, daemon: str = "") -> Path:
        """Write a native YAML file; `programs` is what stands (indented) under `programs:`.

        There are no pages unless `daemon` says `http:`: many daemons at once would want the one port.
        """
        self.conf = self.dir / "tm.yaml"
        if "  http:" not in daemon:
            daemon = f"  http: false\n{daemon}"
        text = f"""\
taskmaster:
  logfile: "{{dir}}/d.log"
  pidfile: "{{dir}}/d.pid"
  childlogdir: "{{dir}}"
  statedir: "{{dir}}"
  socket: "{{dir}}/s"
{daemon}
programs:
{programs}
"""
        self.conf.write_text(text.replace("{dir}", str(self.dir)), encoding="utf-8")
        return self.conf

    # The daemon.

    def environment(self) -> dict[str, str]:
        """Return the environment of the daemon: ours, marked, without what would colour or redirect."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "SUPERVISOR_", "COV_", "XDG_")) and name != "PYTHONDONTWRITEBYTECODE"
        }
        kept |= {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "HOME": str(self.dir), "TERM": "dumb", "COLUMNS": "200"}
        kept[_MARK] = str(self.dir)
        return kept

    def client_environment(self) -> dict[str, str]:
        """Return the same without the mark: a client is none of the daemon's processes."""
        return {name: value for name, value in self.environment().items() if name != _MARK}

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that starts the daemon on this configuration."""
        return [*_COMMANDS[self.subject], "-c", str(self.conf), *arguments]

    def start(self, *arguments: str, ready: bool = True, **environment: str) -> None:
        """Start the daemon in the foreground and wait until it answers."""
        with self.said.open("ab") as said:
            self.daemon = subprocess.Popen(
                self.command("-n", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.dir,
                env=self.environment() | environment,
                start_new_session=True,  # as under a service manager: not in the session of the one who asks
            )
        self.daemon_pid = self.daemon.pid
        if ready:
            self.wait_ready()

    def run_daemon(self, *arguments: str, deadline_s: float = 20.0) -> Answer:
        """Run the daemon's command line to its end: for what is to be refused, and for the daemonizing parent."""
        done = subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.dir,
            env=self.environment(),
            timeout=deadline_s,
            check=False,
        )
        return Answer(done.stdout.decode(), done.returncode, done.stderr.decode())

    def wait_ready(self, deadline_s: float = 20.0) -> None:
        """Wait until the daemon answers and calls itself RUNNING."""

        def ready() -> bool:
            if self.daemon is not None and self.daemon.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.daemon.returncode}:\n{self.story()}")
            try:
                return bool(self.rpc.supervisor.getState()["statename"] == "RUNNING")
            except (OSError, xmlrpc.client.Fault):
                return False

        eventually(ready, deadline_s, what="the daemon answers")

    def stop(self, deadline_s: float = 20.0, code: int = 0) -> None:
        """Ask the daemon to end by SIGTERM and assert that it did, with nothing left behind."""
        world.kill(self.daemon_pid, signal.SIGTERM)
        self.wait_end(deadline_s, code)

    def wait_end(self, deadline_s: float = 20.0, code: int = 0) -> None:
        """Wait for the daemon's end; assert its exit code and that nothing is left behind."""
        if self.daemon is not None:
            try:
                ended = self.daemon.wait(deadline_s)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"the daemon did not end within {deadline_s} s") from None
            self.daemon = None
            assert ended == code, f"the daemon ended with {ended}, not {code}"
        else:
            eventually(lambda: not world.alive(self.daemon_pid), deadline_s, what="the daemon ends")
        self.daemon_pid = 0
        self.assert_nothing_left()

    def assert_nothing_left(self) -> None:
        """Assert that no process, socket or pid file is left; who was signalled with its group may still be dying."""
        with suppress(AssertionError):
            eventually(lambda: not self.processes(), _DYING_S)
        left = self.processes()
        assert not left, "left running: " + ", ".join(f"{pid} ({world.command(pid)})" for pid in left)
        assert not self.socket.exists(), "the socket is left"
        assert not self.pidfile.exists(), "the pid file is left"

    def processes(self) -> list[int]:
        """Return the pids of all that came from this daemon, whatever group, session or parent they have now."""
        return world.marked(f"{_MARK}={self.dir}")

    def close(self) -> None:
        """End whatever still runs and remove the directory."""
        for terminal in self._terminals:
            end_terminal(terminal)
        if self._proxy is not None:
            self._proxy("close")()
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon.wait()

        def gone() -> bool:
            left = self.processes()
            for pid in left:  # at each look: one that was just being started is none of those found before
                world.kill(pid)
            return not left

        eventually(gone, 20.0, what="all processes are gone")
        shutil.rmtree(self.dir, ignore_errors=True)

    # Asking.

    @property
    def rpc(self) -> Any:
        """The daemon through `xmlrpc.client` over the unix socket."""
        if self._proxy is None:
            self._proxy = proxy(str(self.socket), self.credentials)
        return self._proxy

    def forget_proxy(self) -> None:
        """Ask over a new connection from now on: the daemon of the one before is gone."""
        if self._proxy is not None:
            self._proxy("close")()
            self._proxy = None

    def client_command(self, *words: str, client: Client | None = None) -> list[str]:
        """Return the command line of the client, on this configuration."""
        client = client or self.client
        conf = self.conf
        if client == "supervisorctl" and conf.suffix != ".conf":
            return [*_COMMANDS[client], "-s", f"unix://{self.socket}", *words]
        return [*_COMMANDS[client], "-c", str(conf), *words]

    def ctl(
        self, *words: str, client: Client | None = None, typed: str | None = None, deadline_s: float = 30.0
    ) -> Answer:
        """Run the client once."""
        done = subprocess.run(
            self.client_command(*words, client=client),
            input=(typed or "").encode(),
            capture_output=True,
            cwd=self.dir,
            env=self.client_environment(),
            start_new_session=True,  # an operator's terminal is a session of its own
            timeout=deadline_s,
            check=False,
        )
        return Answer(done.stdout.decode(), done.returncode, done.stderr.decode())

    def terminal(self, *words: str, client: Client | None = None, deadline_s: float = 15.0) -> "pexpect.spawn[str]":
        """Run the client in a terminal: the shell without words."""
        return self._in_terminal(self.client_command(*words, client=client), self.client_environment(), deadline_s)

    def daemon_in_terminal(self, *arguments: str, deadline_s: float = 15.0) -> "pexpect.spawn[str]":
        """Run the daemon's command line in a terminal."""
        return self._in_terminal(self.command(*arguments), self.environment(), deadline_s)

    def _in_terminal(
        self, command: Sequence[str], environment: Mapping[str, str], deadline_s: float
    ) -> "pexpect.spawn[str]":
        spawned = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(self.dir),
            env=dict(environment),
            encoding="utf-8",
            timeout=deadline_s,
            echo=False,
        )
        self._terminals.append(spawned)
        return spawned

    # Looking.

    def info(self, name: str) -> dict[str, Any]:
        """Return getProcessInfo of a process."""
        answer: dict[str, Any] = self.rpc.supervisor.getProcessInfo(name)
        return answer

    def state(self, name: str) -> str:
        """Return a process's state."""
        return str(self.info(name)["statename"])

    def pid(self, name: str) -> int:
        """Return a process's pid, 0 when there is none."""
        return int(self.info(name)["pid"])

    def states(self) -> dict[str, str]:
        """Return the state of every process, by `group:name`."""
        return {
            f"{item['group']}:{item['name']}": item["statename"] for item in self.rpc.supervisor.getAllProcessInfo()
        }

    def until(self, name: str, *wanted: str, deadline_s: float = 15.0) -> dict[str, Any]:
        """Wait until a process is in one of the states; return its info."""

        def arrived() -> dict[str, Any] | None:
            info = self.info(name)
            return info if info["statename"] in wanted else None

        try:
            return self.wait(arrived, deadline_s, f"{name} is {' or '.join(wanted)}")
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.info(name)}") from None

    def until_all(self, wanted: str, deadline_s: float = 15.0) -> None:
        """Wait until every process is in that state."""
        self.wait(lambda: set(self.states().values()) == {wanted}, deadline_s, f"all are {wanted}")

    def until_new_pid(self, name: str, old: int, deadline_s: float = 15.0) -> int:
        """Wait until a process runs under another pid; return it."""

        def renewed() -> int:
            info = self.info(name)
            return int(info["pid"]) if info["pid"] not in (0, old) and info["statename"] == "RUNNING" else 0

        return self.wait(renewed, deadline_s, f"{name} has a new pid")

    def wait(self, probe: Callable[[], T | None], deadline_s: float = 15.0, what: str = "") -> T:
        """Wait for a condition; a daemon that died meanwhile is said at once."""

        def lively() -> T | None:
            if self.daemon is not None and self.daemon.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.daemon.returncode}")
            return probe()

        answer = eventually(lively, deadline_s, every_s=0.01, what=what)
        assert answer is not None
        return answer

    def lines(self, pattern: str = "") -> list[Line]:
        """Return the lines of the daemon's log that match, all that it has said so far among them."""
        self._until_logged()
        found = []
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        for line in text.splitlines():
            parts = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) ([A-Z]{4}) (.*)", line)
            if parts and re.search(pattern, parts[4]):
                at = datetime.datetime.strptime(parts[1], "%Y-%m-%d %H:%M:%S").timestamp() + int(parts[2]) / 1000
                found.append(Line(at, parts[3], parts[4]))
        return found

    def _until_logged(self) -> None:
        """Wait until the daemon has written what it has said: an answer may be here before the line about it is there.

        One that cannot be asked has said nothing that would be waited for.
        """
        if self.subject != "tmd" or self.daemon is None or self.daemon.poll() is not None or not self.socket.exists():
            return

        def all_there() -> bool:
            try:
                with proxy(str(self.socket), self.credentials, timeout_s=1.0) as server:
                    figures: Any = server.taskmaster.getFigures()
            except (OSError, xmlrpc.client.Error, http.client.HTTPException):
                return True
            return not figures["log_bytes_waiting"]

        with suppress(AssertionError):  # its disk may be full or hang
            eventually(all_there, _WRITING_S, every_s=0.001)

    def until_line(self, pattern: str, count: int = 1, deadline_s: float = 15.0) -> list[Line]:
        """Wait until at least `count` lines of the daemon's log match; return those that do."""
        found: list[Line] = []

        def there() -> bool:
            found[:] = self.lines(pattern)
            return len(found) >= count

        self.wait(there, deadline_s, f"{count} lines like {pattern!r} in the log")
        return found

    def text(self, name: str) -> str:
        """Return a file of the directory as text, empty when it is not there yet."""
        path = self.dir / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def until_text(self, name: str, wanted: str, deadline_s: float = 15.0) -> str:
        """Wait until a file of the directory contains a text; return all of it."""
        self.wait(lambda: wanted in self.text(name), deadline_s, f"{wanted!r} in {name}")
        return self.text(name)

    def story(self) -> str:
        """Return the daemon's log and what it said on its terminal, for a failed test."""
        log = self.text("d.log") or "(empty)"
        return f"---- {self.subject}: d.log\n{log[-8000:]}\n---- {self.subject}: said\n{self.text('said')[-4000:]}"
