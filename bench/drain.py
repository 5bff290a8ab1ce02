"""How much output gets into rotated logs, whole, and how the daemon answers meanwhile.

Some programs write numbered, checksummed lines as fast as they can for some seconds. Afterwards every file is read
back: a line that is missing, torn, doubled or out of order is counted.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.table import markdown, median, ratio
from tests.e2e import world
from tests.e2e.harness import Rig, Subject, program
from tests.programs.check_lines import check, oldest_first


class Drained(NamedTuple):
    """What was measured."""

    bytes_a_second: float
    lines: int
    wrong_lines: int
    """missing, torn, doubled or out of order"""
    grown_bytes: int
    """resident memory: the most seen while they wrote, less that of before"""
    status_s: list[float]
    """wall time of one-shot `status` calls meanwhile"""
    answer_s: list[float]
    """wall time of getAllProcessInfo on an open connection meanwhile"""


def measure(subject: Subject, spammers: int = 8, seconds: float = 10.0, write: int = 0, nice: int = 0) -> Drained:
    """Let the spammers write for some seconds and look at everything meanwhile and after."""
    rig = Rig(subject)
    try:
        rig.write(
            "[program:spam]\n"
            f"command=nice -n {nice} {program('spam.py')} --seconds {seconds} --size 100 --write {write}\n"
            f"numprocs={spammers}\nprocess_name=spam%(process_num)d\nstartsecs=0\nautorestart=false\nautostart=false\n"
            "stdout_logfile={dir}/out%(process_num)d\nstdout_logfile_maxbytes=10MB\nstdout_logfile_backups=1000\n"
        )
        rig.start()
        before = world.figures(rig.daemon_pid).rss_bytes
        rig.rpc.supervisor.startProcessGroup("spam", False)
        began = time.monotonic()
        most, status_s, answer_s = before, [], []
        while time.monotonic() - began < seconds - 0.5:
            status_s.append(_timed(lambda: rig.ctl("status")))
            answer_s.append(_timed(rig.rpc.supervisor.getAllProcessInfo))
            most = max(most, world.figures(rig.daemon_pid).rss_bytes)
        rig.until_all("EXITED", deadline_s=60)
        took_s = time.monotonic() - began
        size = sum(path.stat().st_size for path in rig.dir.glob("out*"))
        reports = [check(oldest_first(rig.dir / f"out{n}")) for n in range(spammers)]
        rig.stop()
    finally:
        rig.close()
    lines = sum(report.count for report in reports)
    wrong = sum(report.missing + report.torn + report.doubled + report.misplaced for report in reports)
    wrong += sum(report.first != 0 for report in reports)
    return Drained(size / took_s, lines, wrong, most - before, status_s, answer_s)


def _timed(call: object) -> float:
    assert callable(call)
    began = time.monotonic()
    call()
    return time.monotonic() - began


def rows(spammers: int, seconds: float, write: int, nice: int, peer: bool) -> list[tuple[str, ...]]:
    """Measure and return the rows of the table."""
    ours = measure("tmd", spammers, seconds, write, nice)
    theirs = measure("supervisord", spammers, seconds, write, nice) if peer else None
    manner = f"writes of {write} bytes" if write else "a write a line"
    what = f"{spammers} spammers{f' of nice {nice}' if nice else ''}, {seconds:g} s, {manner}"

    def row(name: str, text: str, mine: float, other: float | None, *, less: bool = True) -> tuple[str, ...]:
        compared = "-" if other is None else ratio(other, mine) if less else ratio(mine, other)
        return f"{what}: {name}", text % mine, "-" if other is None else text % other, compared

    return [
        row(
            "throughput",
            "%.1f MB/s",
            ours.bytes_a_second / 1e6,
            theirs and theirs.bytes_a_second / 1e6,
            less=False,
        ),
        row("lines lost or torn", "%d", ours.wrong_lines, theirs and theirs.wrong_lines),
        row("memory grown", "%.1f MB", ours.grown_bytes / 1e6, theirs and theirs.grown_bytes / 1e6),
        row(
            "client's status, median", "%.0f ms", 1e3 * median(ours.status_s), theirs and 1e3 * median(theirs.status_s)
        ),
        row("an answer, median", "%.1f ms", 1e3 * median(ours.answer_s), theirs and 1e3 * median(theirs.answer_s)),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spammers", type=int, default=8, help="programs that write (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long they write (default: %(default)s)")
    parser.add_argument("--write", type=int, default=0, help="bytes a write; 0: a write a line (default)")
    parser.add_argument("--nice", type=int, default=0, help="their niceness: 19 leaves the CPU to those who ask")
    parser.add_argument("--peer", action="store_true", help="measure supervisord too")
    options = parser.parse_args()
    table = rows(options.spammers, options.seconds, options.write, options.nice, options.peer)
    print(markdown(("measured", "tmd", "supervisord", "ratio"), table))


if __name__ == "__main__":
    main()
