"""Says what it is told, byte for byte: each line of its input is `out HEX`, `err HEX` or `exit STATUS`.

The bytes go out in one write. It appends `ready` to FILE, its argument, once it listens.
"""

import os
import sys


def main(path: str) -> None:
    with open(path, "a", encoding="utf-8") as out:
        print("ready", file=out)
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == "exit":
            os._exit(int(rest))
        os.write({"out": 1, "err": 2}[verb], bytes.fromhex(rest))


if __name__ == "__main__":
    main(sys.argv[1])
