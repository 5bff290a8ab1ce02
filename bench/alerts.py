"""What alerts cost a program: how long it is missed after `kill -9`, without any, with a webhook that answers and with
one that hangs.

A hanging webhook must cost nothing: what waits for it waits on a thread of its own.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.table import markdown, median, quantile
from tests.alerting.respawning import respawn_times
from tests.alerting.servers import WebhookServer, hangs, raw_server
from tests.e2e.harness import Rig


def measure(rounds: int, url: str | None) -> list[float]:
    """Kill a program that many times with alerts posted to `url`; return the seconds until its successor acts."""
    rig = Rig("tmd")
    try:
        took_s = respawn_times(rig, rounds, f"  alerts:\n    - webhook: {url}" if url else "")
        rig.stop()
        return took_s
    finally:
        rig.close()


def rows(rounds: int) -> list[tuple[str, ...]]:
    """Measure and return the rows of the table."""
    without = measure(rounds, None)
    with WebhookServer() as server:
        answering = measure(rounds, server.url)
    with raw_server(hangs) as port:
        hanging = measure(rounds, f"http://127.0.0.1:{port}/")
    found: list[tuple[str, ...]] = []
    for name, of in (("median", median), ("p99", lambda values: quantile(values, 0.99))):
        for what, times in (("no alerts", without), ("a webhook", answering), ("a webhook that hangs", hanging)):
            found.append((f"respawn with {what}, {name} of {rounds}", f"{of(times) * 1000:.1f} ms", "-", "-"))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="kills (default: %(default)s)")
    options = parser.parse_args()
    print(markdown(("measured", "tmd", "supervisord", "ratio"), rows(options.rounds)))


if __name__ == "__main__":
    main()
