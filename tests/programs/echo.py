"""Says `ready`, repeats each line of its input after `got: `, and says `end of input` when there is no more."""

import sys


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        print(f"got: {line.rstrip()}", flush=True)
    print("end of input", flush=True)


if __name__ == "__main__":
    main()
