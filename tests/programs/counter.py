"""Appends the name of each TERM, CONT, HUP, INT, QUIT, USR1 and USR2 it gets to FILE, one a line.

    counter.py FILE [--end]

Ends by KILL, with `--end` also at TERM. A child of its own, in the same process group, does the same into FILE.child.
Both write `ready` first.
"""

import os
import signal
import sys

NAMES = ("TERM", "CONT", "HUP", "INT", "QUIT", "USR1", "USR2")


def _count(path: str, end: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(signum: int, _frame: object) -> None:
        os.write(descriptor, f"{signal.Signals(signum).name[3:]}\n".encode())
        if end and signum == signal.SIGTERM:
            os._exit(0)

    for name in NAMES:
        signal.signal(getattr(signal, f"SIG{name}"), note)
    os.write(descriptor, b"ready\n")
    while True:
        signal.pause()


def main(path: str, end: bool) -> None:
    if os.fork() == 0:
        _count(path + ".child", end)
    _count(path, end)


if __name__ == "__main__":
    main(sys.argv[1], "--end" in sys.argv[2:])
