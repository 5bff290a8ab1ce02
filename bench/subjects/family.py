"""A supervisor's own process and all that came from it, found again by a mark in their environment.

Whatever session, group or parent they have by now: the mark is inherited by everything that keeps its environment.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.subjects.base import Plan

_MARK = "TASKMASTER_BENCH"
_GONE_S = 30.0
_DESCRIPTORS = 1024, 16
"""for the supervisor, and for each program: more than any subject needs"""


class Family:
    """All processes of a subject that lives in this directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.main: subprocess.Popen[bytes] | None = None

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return ours, marked, without what would colour or redirect."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "SUPERVISOR_", "COV_", "XDG_", "PYTHON"))
        }
        return kept | {"LC_ALL": "C.UTF-8", "HOME": str(self.home), _MARK: str(self.home)} | dict(extra or {})

    def launch(self, argv: Sequence[str], plan: Plan, extra: Mapping[str, str] | None = None) -> int:
        """Start the main process in a session of its own; return CLOCK_MONOTONIC in ns just before.

        Its output goes into the file `said`. It has the soft limit of descriptors that the plan wants.
        """
        wanted = plan.descriptors or _DESCRIPTORS[0] + _DESCRIPTORS[1] * len(plan.programs)
        limited = ("/bin/sh", "-c", 'ulimit -S -n "$1" || ulimit -S -n "$(ulimit -H -n)"; shift; exec "$@"', "sh")
        environment = self.environment(extra)
        with (self.home / "said").open("ab") as said:
            began_ns = time.monotonic_ns()
            self.main = subprocess.Popen(
                (*limited, str(wanted), *argv),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.home,
                env=environment,
                start_new_session=True,
            )
        return began_ns

    def wait(self, timeout_s: float) -> None:
        """Wait for the end of the main process, to the moment. Raises TimeoutError."""
        if self.main is None:
            return
        if self.main.poll() is None:
            # Popen.wait with a timeout looks every 50 ms.
            handle = os.pidfd_open(self.main.pid)
            try:
                poll = select.poll()
                poll.register(handle, select.POLLIN)
                if not poll.poll(timeout_s * 1000):
                    raise TimeoutError(f"{self.main.args!r} has not ended within {timeout_s:g} s")
            finally:
                os.close(handle)
        self.main.wait()
        self.main = None

    def pids(self) -> Iterator[int]:
        """Find all of them, the main one first; zombies have no environment."""
        if self.main is not None and self.main.poll() is None:
            yield self.main.pid
        mark = f"{_MARK}={self.home}".encode()
        for name in os.listdir("/proc"):
            if not name.isdigit() or (self.main is not None and int(name) == self.main.pid):
                continue
            try:
                environment = Path("/proc", name, "environ").read_bytes()
            except OSError:
                continue
            if mark in environment.split(b"\0"):
                yield int(name)

    def end(self) -> None:
        """Kill all that are left, the main one first, so that it starts nothing any more. Raises TimeoutError."""
        if self.main is not None:
            self.main.kill()
            self.main.wait()
            self.main = None
        began = time.monotonic()
        while left := [pid for pid in self.pids() if _kill(pid)]:  # looked for again: one may have been on its way
            if time.monotonic() - began > _GONE_S:
                raise TimeoutError(f"processes {left} outlive SIGKILL")
            time.sleep(0.002)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
