"""What a daemon costs that has nothing to do: wake-ups of all its threads, CPU and memory with many idle programs."""

import argparse
import sys
import threading
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.table import markdown, ratio
from tests.e2e import world
from tests.e2e.harness import Rig, Subject


class Idle(NamedTuple):
    """Per second, and resident memory."""

    wakeups: float
    cpu_percent: float
    rss_bytes: int


def measure(subject: Subject, count: int = 500, seconds: float = 10.0) -> Idle:
    """Start idle programs, wait until all run, and look at the daemon for some seconds."""
    rig = Rig(subject)
    try:
        rig.write(
            f"[program:p]\ncommand=sleep 100000\nnumprocs={count}\nprocess_name=p%(process_num)d\n"
            "stdout_logfile={dir}/o%(process_num)d\nstderr_logfile={dir}/e%(process_num)d\n",
            daemon="minfds=8192",
        )
        rig.start()
        rig.until_all("RUNNING", deadline_s=60)
        _pass(1.0)  # what the questions just asked have stirred settles
        before = world.figures(rig.daemon_pid)
        _pass(seconds)
        after = world.figures(rig.daemon_pid)
        rig.stop(deadline_s=60)
    finally:
        rig.close()
    cpu_percent = 100 * (after.cpu_s - before.cpu_s) / seconds
    return Idle((after.wakeups - before.wakeups) / seconds, cpu_percent, after.rss_bytes)


def _pass(seconds: float) -> None:
    """Let time pass: the passing itself is what is measured."""
    threading.Event().wait(seconds)


def rows(count: int, seconds: float, peer: bool) -> list[tuple[str, ...]]:
    """Measure and return the rows of the table."""
    ours = measure("tmd", count, seconds)
    theirs = measure("supervisord", count, seconds) if peer else None
    found: list[tuple[str, ...]] = []
    for name, unit, scale, field in (
        ("wake-ups a second", "", 1.0, "wakeups"),
        ("CPU", " %", 1.0, "cpu_percent"),
        ("resident memory", " MB", 1e-6, "rss_bytes"),
    ):
        mine = getattr(ours, field) * scale
        other = getattr(theirs, field) * scale if theirs else 0.0
        found.append(
            (
                f"{count} idle programs, {name}",
                f"{mine:.2f}{unit}",
                f"{other:.2f}{unit}" if theirs else "-",
                ratio(other, mine) if theirs else "-",
            )
        )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="idle programs (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to look (default: %(default)s)")
    parser.add_argument("--peer", action="store_true", help="measure supervisord too")
    options = parser.parse_args()
    print(markdown(("measured", "tmd", "supervisord", "ratio"), rows(options.count, options.seconds, options.peer)))


if __name__ == "__main__":
    main()
