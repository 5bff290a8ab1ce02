"""A supervisor in the test's own process: programs are its children, their output goes straight into one file each."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.subjects.base import Ability, Plan, Program, Rpc, Subject

ANSWER_S = 0.0002
"""what an answer takes: as with a real one, others go on meanwhile"""


class FakeRpc:
    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.closed = False

    def state(self, name: str | None = None) -> str:
        assert not self.closed
        time.sleep(ANSWER_S)
        return "RUNNING"

    def all(self) -> Sequence[str]:
        assert not self.closed
        time.sleep(ANSWER_S)
        return self._names

    def close(self) -> None:
        self.closed = True


class Fake(Subject):
    """Does all it should."""

    name: ClassVar[str] = "fake"
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability)

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.running: dict[str, Program] = {}

    @classmethod
    def version(cls) -> str:
        return "0"

    def write(self, plan: Plan) -> None:
        self.plan = plan

    def launch(self) -> int:
        assert self.plan is not None
        began_ns = time.monotonic_ns()
        for program in self.plan.programs:
            self.spawn(program)
        return began_ns

    def spawn(self, program: Program) -> None:
        with (self.home / program.name).open("wb") as out:
            self.children[program.name] = subprocess.Popen(program.argv, stdin=subprocess.DEVNULL, stdout=out)
        self.running[program.name] = program

    def end(self, name: str) -> None:
        child = self.children.pop(name)
        child.kill()
        child.wait()

    def daemons(self) -> list[int]:
        return [child.pid for child in self.children.values()][:1]

    def shutdown(self) -> None:
        self.close()

    def close(self) -> None:
        for name in [*self.children]:
            self.end(name)

    def logs(self, name: str) -> list[Path]:
        return [self.home / name]

    def reload(self) -> None:
        assert self.plan is not None
        for program in self.plan.programs:
            if self.running[program.name] != program:
                self.end(program.name)
                self.spawn(program)

    def rpc(self) -> Rpc:
        return FakeRpc([*self.children])

    def status(self) -> list[str]:
        return [sys.executable, "-S", "-c", f"print({[*self.children]!r})"]


class Bare(Fake):
    """Can do nothing but start."""

    abilities: ClassVar[frozenset[Ability]] = frozenset()
