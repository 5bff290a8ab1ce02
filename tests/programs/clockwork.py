"""Writes a line of SIZE bytes every PERIOD seconds to stdout, each beginning with its number.

clockwork.py PERIOD SIZE
"""

import os
import sys
import time


def main(period_s: float, size: int) -> None:
    number = 0
    while True:
        os.write(1, f"line {number} ".encode().ljust(size - 1, b".") + b"\n")
        number += 1
        time.sleep(period_s)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
