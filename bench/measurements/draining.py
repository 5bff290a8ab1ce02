"""Programs that write as fast as they can, and a supervisor that gets it all into rotating files.

Each program writes numbered, checksummed lines; all begin at one moment. Throughput is from that moment until the last
byte is in a file, so neither a supervisor that drops output nor one that hoards it looks fast. Afterwards every line is
read back. All subjects find the machine's memory in the same state.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench import stamping
from bench.measurements import procfs
from bench.measurements.base import Figure
from bench.measurements.memory import held
from bench.measurements.running import need_room, running, settle
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Program, Subject

_UP_WITHIN_S = 60.0
_WRITTEN_WITHIN_S = 120.0
_STUCK_S = 5.0
"""files that have not grown for so long will not grow any more"""
_ASK_EVERY_S = 0.01
_REST_S = 0.5
_MORE = 1.25
"""more memory than the files take: there are pipes, too"""


@dataclass(frozen=True, slots=True)
class Spam:
    """So many programs that write so much between them."""

    children: int
    total_bytes: int
    line_bytes: int
    """newline included"""
    write_bytes: int
    """of one write; 0: a write for each line"""
    file_bytes: int = 50 << 20
    """at which a log is rotated, by default as Supervisor does. What each program writes should be no whole number of
    these: the last rotation shall be over when the last byte comes"""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Return what is yielded."""
        key = self.children
        programs = "1 program" if key == 1 else f"{key} programs"
        return (
            Figure(f"speed_{key}", f"throughput, {programs}", "MB/s", better="more"),
            Figure(f"cpu_{key}", f"CPU of the supervisor, {programs}", "s/GiB"),
            Figure(f"answer_{key}", f"getState meanwhile, {programs}", "ms", p99=True),
            Figure(f"wrong_{key}", f"lost or torn lines, {programs}", "lines", chart=False),
        )

    def measure(self, kind: type[Subject], home: Path, quick: bool) -> dict[str, list[float]]:
        """Let them write, a tenth of it when it is to be quick; return the samples by key of the figure."""
        part = 10 if quick else 1
        lines = self.total_bytes // self.line_bytes // self.children // part
        each = lines * self.line_bytes
        home.mkdir()
        need_room(home, each * self.children)
        stamps, go = Stamps(home / "stamps"), home / "go"
        programs = tuple(
            Program(name=f"w{index}", argv=self._writer(stamps, go, index, lines), logged=True, startsecs=0)
            for index in range(self.children)
        )
        plan = Plan(programs, log_max_bytes=self.file_bytes // part, log_backups=20)
        answers_ms: list[float] = []
        with running(kind, home / "s", plan) as subject:
            stamps.wait(self.children, _UP_WITHIN_S)
            os.sync()  # what was written before, by whomever, shall not be written meanwhile
            with held(home, int(each * self.children * _MORE)):
                settle(_REST_S)
            pids = subject.daemons()
            with _asking(subject, answers_ms):
                cpu_before, began = procfs.cpu_s(pids), time.monotonic()
                go.touch()
                stamps.wait(self.children, _WRITTEN_WITHIN_S)
                size, ended = _arrived(subject, plan, each * self.children)
                cpu_s = procfs.cpu_s(pids) - cpu_before
            logs = [subject.logs(program.name) for program in programs]
            wrong = sum(stamping.check(files, index, lines).wrong for index, files in enumerate(logs))
        key = self.children
        return {
            f"speed_{key}": [size / (ended - began) / 1e6],
            f"cpu_{key}": [cpu_s / (size / 2**30)],
            **({f"answer_{key}": answers_ms} if answers_ms else {}),
            f"wrong_{key}": [float(wrong)],
        }

    def _writer(self, stamps: Stamps, go: Path, index: int, lines: int) -> tuple[str, ...]:
        return stamping.writer(
            stamps.path, lines=lines, size=self.line_bytes, write_bytes=self.write_bytes, index=index, go=go
        )


def _arrived(subject: Subject, plan: Plan, wanted: int) -> tuple[int, float]:
    """Wait until so many bytes are in all the files, or no more come; return how many, and when the last was seen."""
    size, grown = 0, time.monotonic()
    while size < wanted and time.monotonic() - grown < _STUCK_S:
        now = sum(_size(subject.logs(program.name)) for program in plan.programs)
        if now != size:
            size, grown = now, time.monotonic()
        settle(0.001)
    return size, grown


def _size(paths: Iterable[Path]) -> int:
    """Sum the sizes of files that may be renamed meanwhile: none is counted twice, one that is missed comes again."""
    sizes: dict[int, int] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            there = path.stat()
            sizes[there.st_ino] = there.st_size
    return sum(sizes.values())


@contextmanager
def _asking(subject: Subject, answers_ms: list[float]) -> Iterator[None]:
    """Ask for the state all the while over one connection, by a thread of its own, and note how long answers took."""
    if Ability.RPC not in type(subject).abilities:
        yield
        return
    rpc, enough = subject.rpc(), threading.Event()
    errors: list[Exception] = []

    def ask() -> None:
        try:
            while not enough.wait(_ASK_EVERY_S):
                asked = time.monotonic()
                rpc.state()
                answers_ms.append(1e3 * (time.monotonic() - asked))
        except Exception as error:  # noqa: BLE001 - the border of a thread: raised below
            errors.append(error)

    asker = threading.Thread(target=ask, name="asker")
    try:
        rpc.state()
        asker.start()
        try:
            yield
        finally:
            enough.set()
            asker.join()
    finally:
        rpc.close()
    if errors:
        raise errors[0]
