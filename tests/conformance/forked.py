"""Runs the programs under test many times for the price of one start: loaded once, each run is a fork.

A `Host` is a process that has imported a program (and done nothing with it); it forks for each run, and the fork calls
the program's own `main` with a command line, an environment, a directory and standard streams of its own. One run at a
time.
"""

import importlib
import importlib.util
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.harness import ROOT, Answer

MODULES: Mapping[str, tuple[str, str, str]] = {
    "supervisord": ("supervisor.supervisord", "supervisor.supervisord", "main"),
    "supervisorctl": ("supervisor.supervisorctl", "supervisor.supervisorctl", "main"),
    "tmd": ("tmd.__main__", "tmd.cli", "main"),
    "tmctl": ("tmctl.__main__", "tmctl.cli", "main"),
}
"""program -> the module that `python -m` runs, where its main function is, and the function's name"""

_PATIENCE_S = 30.0


class Host:
    """One program, loaded. `close` ends it."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.forked", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=_own_environment(),
            start_new_session=True,
        )

    def run(
        self, words: Sequence[str], *, typed: str, directory: Path, environment: Mapping[str, str], deadline_s: float
    ) -> Answer:
        """Run the program once in `directory`; its outputs pass through files there. Kill it at the deadline."""
        streams = {name: directory / f".{name}.{id(self)}" for name in ("in", "out", "err")}
        streams["in"].write_text(typed, encoding="utf-8")
        order = _order(words, directory, environment, list(streams.values()))
        code = int(self._asked(order | {"deadline_s": deadline_s}))
        answer = Answer(streams["out"].read_text("utf-8"), code, streams["err"].read_text("utf-8"))
        for path in streams.values():
            path.unlink()
        return answer

    def start(self, words: Sequence[str], *, directory: Path, environment: Mapping[str, str], said: Path) -> "Running":
        """Start the program and leave it running; both its outputs go to the file `said`."""
        pid = int(self._asked(_order(words, directory, environment, [Path("/dev/null"), said, said])))
        return Running(self, pid)

    def ended(self, pid: int) -> int | None:
        """Return the exit code of a program that was started, None while it runs."""
        answer = self._asked({"ended": pid})
        return None if answer == "runs" else int(answer)

    def _asked(self, order: Mapping[str, Any]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().decode().strip()

    def close(self) -> None:
        """End the host."""
        self._process.communicate()


class Running:
    """A program that was started by a host, with the methods of a `subprocess.Popen` that a rig needs."""

    def __init__(self, host: Host, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._host = host

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self.returncode is None:
            self.returncode = self._host.ended(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code."""
        end = time.monotonic() + (_PATIENCE_S if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or _PATIENCE_S)
            time.sleep(0.01)
        return code

    def kill(self) -> None:
        """Kill it if it runs."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class Hosts:
    """The hosts of one player: made when first asked for. `close` ends them all."""

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}

    def __getitem__(self, program: str) -> Host:
        if program not in self._hosts:
            self._hosts[program] = Host(program)
        return self._hosts[program]

    def close(self) -> None:
        """End them."""
        for host in self._hosts.values():
            host.close()


def _own_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return kept | {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}


def _order(
    words: Sequence[str], directory: Path, environment: Mapping[str, str], streams: Sequence[Path]
) -> dict[str, Any]:
    return {
        "words": list(words),
        "directory": str(directory),
        "environment": dict(environment),
        "streams": [str(path) for path in streams],
    }


def _serve(program: str) -> None:
    """Obey orders from standard input, one a line: run (its answer is the exit code), start (the pid), ask."""
    runs, where, function = MODULES[program]
    main = getattr(importlib.import_module(where), function)
    package = importlib.import_module(where.partition(".")[0])
    if package.__name__ in ("tmd", "tmctl"):  # they import much of themselves only when it is used
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    file = importlib.util.find_spec(runs)
    assert file is not None
    for line in sys.stdin:
        order = json.loads(line)
        if "ended" in order:
            pid, status = os.waitpid(order["ended"], os.WNOHANG)
            print(os.waitstatus_to_exitcode(status) if pid else "runs", flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _become(order, str(file.origin), main)
        if "deadline_s" in order:
            signal.signal(signal.SIGALRM, lambda *_, pid=pid: os.kill(pid, signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, order["deadline_s"])
            _, status = os.waitpid(pid, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        else:
            print(pid, flush=True)


def _become(order: dict[str, Any], file: str, main: Any) -> None:
    """Be the program in this fork; never returns."""
    os.setsid()
    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environment"])
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for target, (path, mode) in enumerate(zip(order["streams"], (os.O_RDONLY, flags, flags), strict=True)):
        opened = os.open(path, mode, 0o600)
        os.dup2(opened, target)
        os.close(opened)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - live as long as we do
    sys.stderr = open(2, "w", closefd=False, buffering=1, errors="backslashreplace")  # noqa: SIM115
    sys.argv = [file, *order["words"]]
    code: Any = 1
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - the border of a program: as the interpreter itself does
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    _serve(sys.argv[1])
