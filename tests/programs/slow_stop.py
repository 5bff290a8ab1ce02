"""Needs a number of seconds from the TERM to its end; says `ready`, `stopping`, `bye` and exits 0.

slow_stop.py SECONDS
"""

import signal
import sys
import time


def main(needs_s: float) -> int:
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _frame: asked.append(signum))
    print("ready", flush=True)
    while not asked:
        signal.pause()
    print("stopping", flush=True)
    end = time.monotonic() + needs_s
    while (left := end - time.monotonic()) > 0:
        time.sleep(left)
    print("bye", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
