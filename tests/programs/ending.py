"""Ends in its own way when it gets a signal: says `ready`, at the signal `got NAME`, and exits with the code.

ending.py NAME CODE
"""

import os
import signal
import sys


def main(name: str, code: int) -> None:
    def end(*_: object) -> None:
        os.write(1, f"got {name}\n".encode())
        os._exit(code)

    signal.signal(getattr(signal, f"SIG{name}"), end)
    print("ready", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
