"""A supervisor made of dictionaries, behind a real socket: enough of the interface for a client to be tried on.

It keeps state (a stopped process stays stopped), answers with Supervisor's faults, and notes every call.
With `own=True` it also has the `taskmaster` methods that only a tmd has.
"""

import base64
import socketserver
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any
from xmlrpc.client import Fault, dumps, loads

FAULTS = {
    "UNKNOWN_METHOD": 1,
    "INCORRECT_PARAMETERS": 2,
    "SHUTDOWN_STATE": 6,
    "BAD_NAME": 10,
    "BAD_SIGNAL": 11,
    "NO_FILE": 20,
    "NOT_EXECUTABLE": 21,
    "FAILED": 30,
    "ABNORMAL_TERMINATION": 40,
    "SPAWN_ERROR": 50,
    "ALREADY_STARTED": 60,
    "NOT_RUNNING": 70,
    "SUCCESS": 80,
    "ALREADY_ADDED": 90,
    "STILL_RUNNING": 91,
    "CANT_REREAD": 92,
}
STATES = {
    "STOPPED": 0,
    "STARTING": 10,
    "RUNNING": 20,
    "BACKOFF": 30,
    "STOPPING": 40,
    "EXITED": 100,
    "FATAL": 200,
    "UNKNOWN": 1000,
}
UP = ("RUNNING", "STARTING", "BACKOFF")
DESCRIPTIONS = {
    "RUNNING": "pid {pid}, uptime 1:02:03",
    "FATAL": "Exited too quickly (process log may have details)",
    "BACKOFF": "can't find command '/nowhere'",
    "STOPPED": "Not started",
    "EXITED": "Nov 21 09:06 AM",
}


def fault(name: str, extra: str = "") -> Fault:
    return Fault(FAULTS[name], f"{name}: {extra}" if extra else name)


class Process:
    def __init__(self, group: str, name: str, state: str, start_fault: str = "", pid: int = 0) -> None:
        self.group, self.name, self.state, self.start_fault = group, name, state, start_fault
        self.pid = pid if state in UP else 0
        self.log = f"{name} says hello\nand goes on\n"
        self.typed: list[str] = []
        self.stderr_logfile = f"/logs/{name}.err"

    @property
    def namespec(self) -> str:
        return self.name if self.group == self.name else f"{self.group}:{self.name}"

    def info(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "group": self.group,
            "start": 1700000000,
            "stop": 0,
            "now": 1700003723,
            "state": STATES[self.state],
            "statename": self.state,
            "spawnerr": "",
            "exitstatus": 0,
            "logfile": f"/logs/{self.name}.out",
            "stdout_logfile": f"/logs/{self.name}.out",
            "stderr_logfile": self.stderr_logfile,
            "pid": self.pid,
            "description": DESCRIPTIONS.get(self.state, "").format(pid=self.pid),
        }


def usual_processes() -> list[Process]:
    return [
        Process("api", "api_00", "RUNNING", pid=1001),
        Process("api", "api_01", "RUNNING", pid=1002),
        Process("api", "api_02", "FATAL", "SPAWN_ERROR"),
        Process("batch", "batch", "STOPPED"),
        Process("broken", "broken", "BACKOFF", "SPAWN_ERROR", pid=0),
        Process("gone", "gone", "STOPPED", "NO_FILE"),
        Process("noexec", "noexec", "EXITED", "NOT_EXECUTABLE"),
        Process("short", "short", "EXITED", "ABNORMAL_TERMINATION"),
        Process("stopping", "stopping", "STOPPING", pid=1007),
        Process("web", "web", "RUNNING", pid=1004),
    ]


class FakeDaemon:
    """Use as a context manager: it listens while inside."""

    def __init__(self, socket_path: Path, *, own: bool = False, dialect: str = "native", password: str = "") -> None:
        self.socket_path = socket_path
        self.own = own
        self.dialect = dialect
        self.password = password
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.requests = 0
        self.authorizations: list[str | None] = []
        self.api_version = "3.0"
        self.processes = usual_processes()
        self.changes: tuple[list[str], list[str], list[str]] = ([], [], [])
        self.reread_fault: Fault | None = None
        self.shutting_down = False
        self.no_namespace = False
        self.raw_reply: bytes | None = None
        self.status_code = 200
        self.ask_again = 0
        """so many calls are answered by asking for another try"""
        self.stop_fault: dict[str, str] = {}
        self.available: list[str] = []
        self.active_but_empty: set[str] = set()
        self.main_log: str | None = "the daemon says hello\n"
        self.streams: dict[str, list[bytes]] = {}
        self.stream_stays_open = threading.Event()
        self.pools: list[dict[str, Any]] = []
        self.sinks: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []
        self.why: dict[str, list[dict[str, Any]]] = {}
        self.before: dict[str, Callable[[], None]] = {}
        self._server: socketserver.BaseServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    def __enter__(self) -> "FakeDaemon":
        fake = self

        class Handler(_Handler):
            daemon = fake

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = False
            block_on_close = True

            def get_request(self) -> tuple[Any, Any]:
                request, _ = super().get_request()
                return request, ("client", 0)

            def handle_error(self, request: Any, client_address: Any) -> None:
                if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that has seen enough hangs up
                    super().handle_error(request, client_address)

        self._server = Server(str(self.socket_path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._thread is not None
        self.stream_stays_open.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.socket_path.unlink(missing_ok=True)

    def methods_called(self) -> list[str]:
        return [name for name, _ in self.calls]

    # -- the interface --

    def call(self, method: str, params: tuple[Any, ...]) -> Any:
        self.calls.append((method, params))
        if method in self.before:
            self.before[method]()
        namespace, _, name = method.partition(".")
        if namespace == "taskmaster" and not self.own:
            raise fault("UNKNOWN_METHOD")
        if namespace == "supervisor" and self.no_namespace:
            raise fault("UNKNOWN_METHOD")
        if self.shutting_down:
            raise fault("SHUTDOWN_STATE")
        handler = getattr(self, f"{namespace}_{name}", None)
        if handler is None:
            raise fault("UNKNOWN_METHOD")
        return handler(*params)

    def _find(self, name: str) -> Process:
        group, _, process = name.partition(":")
        for each in self.processes:
            if each.group == group and each.name == (process or name):
                return each
        raise fault("BAD_NAME", name)

    def _group(self, name: str) -> list[Process]:
        found = [each for each in self.processes if each.group == name]
        if not found and name not in self.active_but_empty:
            raise fault("BAD_NAME", name)
        return found

    @staticmethod
    def _item(process: Process, status: str = "SUCCESS") -> dict[str, Any]:
        text = "OK" if status == "SUCCESS" else f"{status}: {process.name}"
        return {"name": process.name, "group": process.group, "status": FAULTS[status], "description": text}

    def _start(self, process: Process) -> str:
        if process.state in UP:
            return "ALREADY_STARTED"
        if process.start_fault:
            return process.start_fault
        process.state, process.pid = "RUNNING", 2000
        return "SUCCESS"

    def _stop(self, process: Process) -> str:
        if process.namespec in self.stop_fault:
            return self.stop_fault[process.namespec]
        if process.state not in UP:
            return "NOT_RUNNING"
        process.state, process.pid = "STOPPED", 0
        return "SUCCESS"

    def _signal(self, process: Process, signal: Any) -> str:
        if str(signal) in ("NOPE", "99"):
            return "BAD_SIGNAL"
        if process.namespec in self.stop_fault:
            return self.stop_fault[process.namespec]
        return "SUCCESS" if process.state in ("RUNNING", "STARTING", "STOPPING") else "NOT_RUNNING"

    def _one(self, name: str, deed: Callable[[Process], str]) -> bool:
        outcome = deed(self._find(name))
        if outcome != "SUCCESS":
            raise fault(outcome, name)
        return True

    def supervisor_getVersion(self) -> str:
        return self.api_version

    def supervisor_getSupervisorVersion(self) -> str:
        return "4.3.0"

    def supervisor_getPID(self) -> int:
        return 4242

    def supervisor_getAllProcessInfo(self) -> list[dict[str, Any]]:
        return [process.info() for process in self.processes]

    def supervisor_getProcessInfo(self, name: str) -> dict[str, Any]:
        return self._find(name).info()

    def supervisor_getAllConfigInfo(self) -> list[dict[str, Any]]:
        return [
            {
                "name": process.name,
                "group": process.group,
                "inuse": process.name != "batch",
                "autostart": process.name != "web",
                "group_prio": 999,
                "process_prio": index,
            }
            for index, process in enumerate(self.processes)
        ]

    def supervisor_startProcess(self, name: str, wait: bool = True) -> bool:
        return self._one(name, self._start)

    def supervisor_startProcessGroup(self, name: str, wait: bool = True) -> list[dict[str, Any]]:
        return [self._item(each, self._start(each)) for each in self._group(name) if each.state not in UP]

    def supervisor_startAllProcesses(self, wait: bool = True) -> list[dict[str, Any]]:
        return [self._item(each, self._start(each)) for each in self.processes if each.state not in UP]

    def supervisor_stopProcess(self, name: str, wait: bool = True) -> bool:
        return self._one(name, self._stop)

    def supervisor_stopProcessGroup(self, name: str, wait: bool = True) -> list[dict[str, Any]]:
        return [self._item(each, self._stop(each)) for each in self._group(name) if each.state in UP]

    def supervisor_stopAllProcesses(self, wait: bool = True) -> list[dict[str, Any]]:
        return [self._item(each, self._stop(each)) for each in self.processes if each.state in UP]

    def supervisor_signalProcess(self, name: str, signal: Any) -> bool:
        return self._one(name, lambda process: self._signal(process, signal))

    def supervisor_signalProcessGroup(self, name: str, signal: Any) -> list[dict[str, Any]]:
        return [self._item(each, self._signal(each, signal)) for each in self._group(name) if each.state == "RUNNING"]

    def supervisor_signalAllProcesses(self, signal: Any) -> list[dict[str, Any]]:
        return [self._item(each, self._signal(each, signal)) for each in self.processes if each.state == "RUNNING"]

    def supervisor_clearProcessLogs(self, name: str) -> bool:
        process = self._find(name)
        if process.namespec in self.stop_fault:
            raise fault("FAILED", name)
        process.log = ""
        return True

    def supervisor_clearAllProcessLogs(self) -> list[dict[str, Any]]:
        return [self._item(each) for each in self.processes]

    def _read(self, text: str | None, offset: int, length: int) -> str:
        if text is None:
            raise fault("NO_FILE")
        assert length == 0
        return text[offset:]

    def supervisor_readProcessStdoutLog(self, name: str, offset: int, length: int) -> str:
        process = self._find(name)
        if name in self.stop_fault:
            raise fault(self.stop_fault[name], name)
        return self._read(process.log, offset, length)

    def supervisor_readProcessStderrLog(self, name: str, offset: int, length: int) -> str:
        self._find(name)
        raise fault("NO_FILE", name)

    def supervisor_readLog(self, offset: int, length: int) -> str:
        return self._read(self.main_log, offset, length)

    def supervisor_sendProcessStdin(self, name: str, text: str) -> bool:
        process = self._find(name)
        if process.state != "RUNNING":
            raise fault("NOT_RUNNING", name)
        process.typed.append(text)
        return True

    def supervisor_reloadConfig(self) -> list[list[list[str]]]:
        if self.reread_fault is not None:
            raise self.reread_fault
        return [[list(names) for names in self.changes]]

    def supervisor_addProcessGroup(self, name: str) -> bool:
        if any(each.group == name for each in self.processes):
            raise fault("ALREADY_ADDED", name)
        if name not in self.available:
            raise fault("BAD_NAME", name)
        self.processes.append(Process(name, name, "STARTING"))
        return True

    def supervisor_removeProcessGroup(self, name: str) -> bool:
        members = self._group(name)
        if any(each.state in (*UP, "STOPPING") for each in members):
            raise fault("STILL_RUNNING", name)
        self.available.append(name)
        self.processes = [each for each in self.processes if each.group != name]
        return True

    def supervisor_shutdown(self) -> bool:
        return True

    def supervisor_restart(self) -> bool:
        return True

    # -- what only a tmd has --

    def taskmaster_getVersion(self) -> dict[str, str]:
        return {"name": "tmd", "version": "0.1.0", "dialect": self.dialect, "config": "/etc/taskmaster.yaml"}

    def taskmaster_getEventPools(self) -> list[dict[str, Any]]:
        return self.pools

    def taskmaster_getAlerts(self) -> list[dict[str, Any]]:
        return self.sinks

    def taskmaster_testAlert(self, names: list[str]) -> list[dict[str, Any]]:
        return [sample for sample in self.samples if not names or sample["name"] in names]

    def taskmaster_why(self, name: str, lines: int = 5) -> list[dict[str, Any]]:
        if lines > 200:
            raise Fault(3, f"BAD_ARGUMENTS: lines must be 0 to 200, got {lines}")
        if name not in self.why:
            raise fault("BAD_NAME", name)
        return self.why[name]

    def taskmaster_getGauges(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        return [
            {
                "name": each.namespec,
                "group": each.group,
                "process": each.name,
                "state": STATES[each.state],
                "statename": each.state,
                "pid": each.pid,
                "uptime_s": 60 if each.pid else 0,
                "cpu_percent": each.pid % 100 / 2,
                "cpu_ms": each.pid,
                "rss_kib": each.pid * 10,
                "threads": 1 if each.pid else 0,
                "fds": -1 if each.name == "web" else 3,
                "processes": 1 if each.pid else 0,
                "starts": 2,
                "restarts": 1,
                "last_end": "exit code 1 after 5 s" if each.state == "EXITED" else "",
            }
            for each in self.processes
        ]

    def taskmaster_reread(self, path: str = "") -> list[list[list[str]]]:
        return self.supervisor_reloadConfig()

    def taskmaster_update(self, names: list[str] | None = None) -> dict[str, Any]:
        added, changed, removed = ([name for name in part if not names or name in names] for part in self.changes)
        for name in removed:
            self.processes = [each for each in self.processes if each.group != name]
        detail = {"added": [], "removed": ["web_02"], "restarted": ["web_00"], "live": ["web_01"], "kept": ["web_01"]}
        return {"added": added, "changed": [{"name": name, **detail} for name in changed], "removed": removed}

    def taskmaster_reload(self) -> dict[str, Any]:
        return {"restarted": self.dialect != "native", **self.taskmaster_update()}

    def taskmaster_restartProcesses(self, names: list[str], wait: bool = True) -> list[dict[str, Any]]:
        chosen: dict[str, Process] = {}
        for name in names:
            group, _, process = name.partition(":")
            for each in self.processes:
                if name == "all" or (each.group == group and (process == "*" or each.name == (process or name))):
                    chosen[each.namespec] = each
        for each in chosen.values():
            self._stop(each)
        return [self._item(each, self._start(each)) for each in chosen.values()]


class _Handler(BaseHTTPRequestHandler):
    daemon: FakeDaemon
    protocol_version = "HTTP/1.1"
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return

    def _refused(self) -> bool:
        given = self.headers.get("Authorization")
        self.daemon.authorizations.append(given)
        if not self.daemon.password:
            return False
        if given == "Basic " + base64.b64encode(f"me:{self.daemon.password}".encode()).decode():
            return False
        self._answer(401, b"no")
        return True

    def _answer(self, status: int, body: bytes, retry_after: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.daemon.requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._refused():
            return
        if self.daemon.status_code != 200:
            self._answer(self.daemon.status_code, b"sorry")
            return
        if self.daemon.ask_again:
            self.daemon.ask_again -= 1
            self._answer(503, b"later", retry_after="1")
            return
        if self.daemon.raw_reply is not None:
            self._answer(200, self.daemon.raw_reply)
            return
        params, method = loads(body)
        try:
            assert method is not None
            reply = dumps((self.daemon.call(method, params),), methodresponse=True, allow_none=True)
        except Fault as refusal:
            reply = dumps(refusal)
        self._answer(200, reply.encode())

    def _answer_log(self, path: str, last: int) -> None:
        """Answer with the end of a log, as a tmd does, but end there."""
        self.close_connection = True
        log = self.daemon._find(path.split("/")[2]).log.encode()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Taskmaster-Log-Bytes", str(len(log[-last:])))
        self.send_header("Taskmaster-Log-Size", str(len(log)))
        self.end_headers()
        self.wfile.write(f"{len(log[-last:]):x}\r\n".encode() + log[-last:] + b"\r\n0\r\n\r\n")

    def do_GET(self) -> None:
        if self._refused():
            return
        path, _, last = self.path.partition("?last=")
        chunks = self.daemon.streams.get(path)
        if chunks is None and self.daemon.own and path.endswith("/stdout"):
            self._answer_log(path, int(last))
            return
        if chunks is None:
            self._answer(404, b"nothing here")
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for chunk in chunks:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                self.wfile.flush()
            self.daemon.stream_stays_open.wait(10)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
