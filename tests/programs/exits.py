"""Ends with a code, or by a signal it sends to itself; at once, after a while, or only the first few times.

    exits.py END [--after SECONDS] [--first COUNT FILE]

END is a code (0..255) or a signal name such as SIGSEGV. With `--first`, each life appends one byte to FILE, and once
COUNT lives have ended the next one says `stays` and lives until a signal ends it.
"""

import os
import signal
import sys
import time


def main(arguments: list[str]) -> int:
    end = arguments.pop(0)
    after_s, count, tally = 0.0, -1, ""
    while arguments:
        option = arguments.pop(0)
        if option == "--after":
            after_s = float(arguments.pop(0))
        elif option == "--first":
            count, tally = int(arguments.pop(0)), arguments.pop(0)
        else:
            sys.exit(f"unknown option {option!r}")
    if tally:
        descriptor = os.open(tally, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(descriptor, b"x")
        lives = os.fstat(descriptor).st_size
        os.close(descriptor)
        if lives > count:
            print("stays", flush=True)
            while True:
                signal.pause()
    if after_s:
        time.sleep(after_s)
    if end.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, end))
        signal.pause()
    return int(end)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
