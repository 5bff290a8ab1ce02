"""How long a program that was killed is missed: from `kill -9` to the first act of its successor.

The program sends the monotonic time of its first act through a socket; its interpreter's start (some 8 ms) is part of
the figure, for every supervisor alike.
"""

import argparse
import os
import signal
import socket
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.table import markdown, median, quantile, ratio
from tests.e2e.harness import Rig, Subject, program


def measure(subject: Subject, rounds: int = 30) -> list[float]:
    """Kill a RUNNING program that many times; return the seconds until its successor acts."""
    rig = Rig(subject)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.bind(str(rig.dir / "ear"))
            ear.settimeout(30)
            rig.write(f"[program:web]\ncommand={program('stamp.py')} {{dir}}/ear\nstartsecs=0\nautorestart=true\n")
            rig.start()
            pid, _ = _birth(ear)
            took_s = []
            for _ in range(rounds):
                rig.wait(lambda pid=pid: rig.pid("web") == pid and rig.state("web") == "RUNNING", what="web is up")  # type: ignore[misc]
                killed_ns = time.monotonic_ns()
                os.kill(pid, signal.SIGKILL)
                pid, born_ns = _birth(ear)
                took_s.append((born_ns - killed_ns) / 1e9)
            rig.stop()
        return took_s
    finally:
        rig.close()


def _birth(ear: socket.socket) -> tuple[int, int]:
    pid, born_ns = ear.recv(100).split()
    return int(pid), int(born_ns)


def rows(rounds: int, peer: bool) -> list[tuple[str, ...]]:
    """Measure and return the rows of the table."""
    ours = measure("tmd", rounds)
    theirs = measure("supervisord", rounds) if peer else []
    found: list[tuple[str, ...]] = []
    for name, of in (("min", min), ("median", median), ("p99", lambda values: quantile(values, 0.99))):
        mine = of(ours)
        other = of(theirs) if theirs else 0.0
        found.append(
            (
                f"respawn after kill -9, {name} of {rounds}",
                f"{mine * 1000:.1f} ms",
                f"{other * 1000:.1f} ms" if theirs else "-",
                ratio(other, mine) if theirs else "-",
            )
        )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="kills (default: %(default)s)")
    parser.add_argument("--peer", action="store_true", help="measure supervisord too")
    options = parser.parse_args()
    print(markdown(("measured", "tmd", "supervisord", "ratio"), rows(options.rounds, options.peer)))


if __name__ == "__main__":
    main()
