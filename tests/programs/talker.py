"""Says numbered lines, `line N xxx...`, as many more as each line of its input asks for, one write each."""

import os
import sys


def main() -> None:
    number = 0
    for asked in sys.stdin:
        for _ in range(int(asked)):
            os.write(1, f"line {number} ".encode().ljust(60, b"x") + b"\n")
            number += 1


if __name__ == "__main__":
    main()
