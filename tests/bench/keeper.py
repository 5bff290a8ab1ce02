"""A supervisor inside the test, of which it is known how good it is: fifty lines with a thread."""

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.subjects.base import Ability, Plan, Program, Subject


class Keeper(Subject):
    """Keeps programs running, looking at all of them every millisecond."""

    name: ClassVar[str] = "keeper"
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability)
    room: ClassVar[int | None] = None
    """how many programs it starts at most"""
    twice: ClassVar[bool] = False
    """whether it starts two for each one lost"""
    asked: ClassVar[list[tuple[str, tuple[str, ...]]]] = []

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._lock = threading.Lock()
        self._running: list[tuple[Program, subprocess.Popen[bytes]]] = []
        self._wanted: set[str] = set()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    @classmethod
    def version(cls) -> str:
        return "1"

    def write(self, plan: Plan) -> None:
        self.plan = plan
        (self.home / "written").touch()

    def launch(self) -> int:
        launched_ns = time.monotonic_ns()
        assert self.plan is not None
        for program in self.plan.programs[: self.room]:
            if program.autostart:
                self._spawn(program)
                self._wanted.add(program.name)
        self._thread.start()
        return launched_ns

    def _spawn(self, program: Program) -> None:
        self._running.append((program, subprocess.Popen(program.argv)))

    def _keep(self) -> None:
        while not self._enough.wait(0.001):
            with self._lock:
                self._look()

    def _look(self) -> None:
        lost = [program for program, process in self._running if process.poll() is not None]
        self._running = [pair for pair in self._running if pair[1].returncode is None]
        for program in lost:
            if program.name in self._wanted:
                for _ in range(2 if self.twice else 1):
                    self._spawn(program)

    def _end(self, names: Sequence[str]) -> None:
        doomed = [(program, process) for program, process in self._running if not names or program.name in names]
        for program, process in doomed:
            self._wanted.discard(program.name)
            process.terminate()
        for pair in doomed:
            pair[1].wait()
            self._running.remove(pair)

    def daemons(self) -> list[int]:
        return [os.getpid()]

    def stop(self, names: Sequence[str] = ()) -> None:
        self.asked.append(("stop", tuple(names)))
        with self._lock:
            self._end(names)

    def start(self, names: Sequence[str] = ()) -> None:
        self.asked.append(("start", tuple(names)))
        assert self.plan is not None
        with self._lock:
            for program in self.plan.programs:
                if not names or program.name in names:
                    self._spawn(program)
                    self._wanted.add(program.name)

    def ready(self) -> bool:
        return True

    def status(self) -> list[str]:
        assert self.plan is not None
        return ["/bin/echo", *(program.name for program in self.plan.programs[: self.room])]

    def shutdown(self) -> None:
        self.close()

    def close(self) -> None:
        self._enough.set()
        if self._thread.is_alive():
            self._thread.join()
        self._end(())
