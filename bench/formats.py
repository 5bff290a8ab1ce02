"""What a log format costs: how much a program gets into its log, and what the daemon computes for each megabyte of it.

One program writes lines of 100 bytes as fast as they are taken, for some seconds, in each format; what is counted is
what the program wrote, not what stands in the log.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.table import markdown
from tests.e2e import world
from tests.e2e.harness import Rig, program

SIZE = 100
FORMATS = ("raw", "prefix", "json")


class Formatted(NamedTuple):
    """What was measured."""

    bytes_a_second: float
    """written by the program"""
    cpu_s_a_megabyte: float
    """of the daemon"""


def measure(form: str, seconds: float, write: int) -> Formatted:
    """Let one program write for some seconds; every line it wrote has to be there."""
    rig = Rig()
    try:
        rig.write(
            f"[program:spam]\ncommand={program('spam.py')} --seconds {seconds} --size {SIZE} --write {write}\n"
            f"startsecs=0\nautorestart=false\nautostart=false\nlog_format={form}\n"
            "stdout_logfile={dir}/out\nstdout_logfile_maxbytes=0\n"
        )
        rig.start()
        before = world.figures(rig.daemon_pid).cpu_s
        rig.rpc.supervisor.startProcess("spam")
        rig.until("spam", "EXITED", deadline_s=seconds + 60)
        spent_s = world.figures(rig.daemon_pid).cpu_s - before
        count = 0
        wrote = 0
        with (rig.dir / "out").open("rb") as lines:
            for line in lines:
                head = {"raw": 0, "prefix": line.find(b": ") + 2, "json": line.rfind(b'"msg":"') + 7}[form]
                assert line[head:].startswith(b"%d " % count), line
                count += 1
                wrote += len(line) - head - (2 if form == "json" else 0)
        rig.stop()
    finally:
        rig.close()
    return Formatted(wrote / seconds, spent_s / (wrote / 1e6))


def rows(seconds: float) -> list[tuple[str, ...]]:
    """Measure and return the rows of the table."""
    found: list[tuple[str, ...]] = []
    for write, manner in ((0, "a write a line"), (65536, "writes of 65536 bytes")):
        raw = None
        for form in FORMATS:
            figures = measure(form, seconds, write)
            raw = raw or figures
            found.append(
                (
                    f"{form}, {manner}",
                    f"{figures.bytes_a_second / 1e6:.1f} MB/s",
                    f"{figures.bytes_a_second / raw.bytes_a_second:.2f}",
                    f"{figures.cpu_s_a_megabyte * 1e3:.2f} ms/MB",
                )
            )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each writes (default: %(default)s)")
    options = parser.parse_args()
    print(markdown(("measured", "throughput", "of raw", "cpu of the daemon"), rows(options.seconds)))


if __name__ == "__main__":
    main()
