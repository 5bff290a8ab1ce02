"""Runs every measurement and prints one Markdown table: `python -m bench`."""

import argparse
import platform

from bench import alerts, drain, idle, respawn
from bench.table import markdown


def main() -> None:
    """Measure everything, supervisord too unless told otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--alone", action="store_true", help="leave supervisord out")
    parser.add_argument("--quick", action="store_true", help="a fifth of the time, for a first look")
    options = parser.parse_args()
    peer, scale = not options.alone, 0.2 if options.quick else 1.0
    table = [
        *respawn.rows(max(5, int(30 * scale)), peer),
        *alerts.rows(max(5, int(30 * scale))),
        *idle.rows(500, 10 * scale, peer),
        *drain.rows(8, 10 * scale, 0, 0, peer),
        *drain.rows(8, 10 * scale, 65536, 0, peer),
        *drain.rows(8, 10 * scale, 0, 19, peer),
    ]
    print(f"{platform.system()} {platform.release()}, Python {platform.python_version()}\n")
    print(markdown(("measured", "tmd", "supervisord", "ratio"), table))


if __name__ == "__main__":
    main()
