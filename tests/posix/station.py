"""A drain with somebody who listens to it, and programs that talk: what the tests of the drain share."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from tests.support import eventually
from tmd.posix import pipes
from tmd.posix.drain import Drain, LogTarget, Sinks, Transformed

PROGRAMS = Path(__file__).parent.parent / "programs"


class Station:
    """Owns a drain; what it posts is run by `serve`, in the test's thread."""

    def __init__(self, syslog_path: str = "/nonexistent/log") -> None:
        self.posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.dropped: list[tuple[str, int, str]] = []
        self.healed: list[str] = []
        """paths that worked again"""
        self.heard: list[tuple[Hashable, Transformed]] = []
        self.failures: list[str] = []
        self.programs: list[subprocess.Popen[bytes]] = []
        self.drain = Drain(
            post=self.posted.put,
            dropped=self._hear_of,
            heard=lambda key, transformed: self.heard.append((key, transformed)),
            failed=self.failures.append,
            syslog_path=syslog_path,
        )
        self.drain.start()

    def _hear_of(self, path: str, count: int, reason: str) -> None:
        if reason:
            self.dropped.append((path, count, reason))
        else:
            self.healed.append(path)

    def serve(self) -> None:
        """Run what was posted so far."""
        while True:
            try:
                callback = self.posted.get_nowait()
            except queue.Empty:
                return
            callback()

    def until(self, probe: Callable[[], object], deadline_s: float = 10.0, what: str = "") -> None:
        """Serve until the probe is truthy."""

        def served() -> object:
            self.serve()
            return probe()

        eventually(served, deadline_s, what=what)

    def open(self, key: Hashable, sinks: Sinks) -> int:
        """Open a channel; return its write end, which is the caller's."""
        read_fd, write_fd = pipes.output_pipe()
        self.drain.open(key, read_fd, sinks)
        return write_fd

    def spam(self, key: Hashable, sinks: Sinks, *options: str) -> subprocess.Popen[bytes]:
        """Start `spam.py` with its stdout in a channel."""
        return self.program(key, sinks, [sys.executable, "-S", str(PROGRAMS / "spam.py"), *options])

    def program(self, key: Hashable, sinks: Sinks, argv: list[str]) -> subprocess.Popen[bytes]:
        """Start a program with its stdout in a channel."""
        write_fd = self.open(key, sinks)
        program = subprocess.Popen(argv, stdout=write_fd)
        os.close(write_fd)
        self.programs.append(program)
        return program

    def finish(self, *keys: Hashable, deadline_s: float = 10.0) -> None:
        """Finish channels and serve until that is done."""
        done = threading.Event()
        self.drain.finish(keys, done.set)
        self.until(done.is_set, deadline_s, what=f"finish of {keys}")

    def clear(self, targets: Sequence[LogTarget]) -> dict[LogTarget, str]:
        """Clear targets and return what failed."""
        answers: list[dict[LogTarget, str]] = []
        self.drain.clear(targets, answers.append)
        self.until(lambda: answers)
        return answers[0]

    def settle(self) -> None:
        """Serve until the drain's thread has done what was asked of it so far."""
        self.finish()

    def close(self) -> None:
        """End all programs, then the drain."""
        for program in self.programs:
            if program.poll() is None:
                program.kill()
            program.wait()
        self.drain.stop(5.0)
        self.serve()
        assert self.failures == []


def resident_bytes() -> int:
    """Return how much memory this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
