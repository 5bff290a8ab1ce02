"""Works for a number of seconds before it says `ready`, then lives.

slow_start.py SECONDS
"""

import signal
import sys
import time


def main(needs_s: float) -> None:
    print("starting", flush=True)
    time.sleep(needs_s)
    print("ready", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(float(sys.argv[1]))
