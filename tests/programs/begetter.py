"""Leaves COUNT orphans behind, says `done` and lives: each is the child of a child that ends at once.

begetter.py COUNT
"""

import os
import signal
import sys


def main(count: int) -> None:
    for _ in range(count):
        child = os.fork()
        if child == 0:
            if os.fork() == 0:
                os._exit(3)
            os._exit(0)
        os.waitpid(child, 0)
    print("done", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]))
