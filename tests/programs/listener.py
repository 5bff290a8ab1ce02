"""An event listener that writes every event it is given to a file, one JSON object a line, and behaves as told.

    listener.py MODE FILE

Marks of what was done once only lie beside FILE. Modes: see `ANSWERS` and `ODD`.
"""

import fcntl
import json
import os
import struct
import sys
import termios
import time
from typing import NoReturn

events = open(0, encoding="utf-8", newline="\n")  # noqa: SIM115 - for as long as it lives


def say(text: str) -> None:
    os.write(1, text.encode())


def forever() -> NoReturn:
    while True:
        time.sleep(1000)


def first_time(path: str, what: str) -> bool:
    """Whether this was never asked before, by any process with this file."""
    try:
        os.close(os.open(f"{path}.{what}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def take(path: str) -> dict[str, str]:
    """Read one event and record it."""
    line = events.readline()
    if not line:
        sys.exit(0)
    header = dict(token.split(":", 1) for token in line.split())
    event = header | {"payload": events.read(int(header["len"])), "pid": str(os.getpid())}
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")
    return event


def ok(path: str, event: dict[str, str]) -> None:
    say("RESULT 2\nOK")


def slow(path: str, event: dict[str, str]) -> None:
    time.sleep(0.03)
    say("RESULT 2\nOK")


def hang_up(path: str, event: dict[str, str]) -> None:
    if first_time(path, "hung up"):
        os.close(1)
        forever()
    say("RESULT 2\nOK")


def wait(path: str, event: dict[str, str]) -> None:
    while not os.path.exists(f"{path}.go"):
        time.sleep(0.01)
    say("RESULT 2\nOK")


def fail_first(path: str, event: dict[str, str]) -> None:
    say("RESULT 4\nFAIL" if first_time(path, "failed" + event["serial"]) else "RESULT 2\nOK")


def fail_poison(path: str, event: dict[str, str]) -> None:
    say("RESULT 4\nFAIL" if "poison" in event["payload"] else "RESULT 2\nOK")


def die_first(path: str, event: dict[str, str]) -> None:
    if first_time(path, "died"):
        os._exit(3)
    say("RESULT 2\nOK")


def die_of_poison(path: str, event: dict[str, str]) -> None:
    if "poison" in event["payload"]:
        os._exit(3)
    say("RESULT 2\nOK")


def hang_first(path: str, event: dict[str, str]) -> None:
    if first_time(path, "hung"):
        forever()
    say("RESULT 2\nOK")


def hang(path: str, event: dict[str, str]) -> None:
    forever()


def garbage_first(path: str, event: dict[str, str]) -> None:
    say("what?\n" if first_time(path, "said" + event["serial"]) else "RESULT 2\nOK")


def too_little(path: str, event: dict[str, str]) -> None:
    say("RESULT 9\nOK" if first_time(path, "lied" + event["serial"]) else "RESULT 2\nOK")


def too_much(path: str, event: dict[str, str]) -> None:
    say("RESULT 2\nOK, thank you\n" if first_time(path, "lied" + event["serial"]) else "RESULT 2\nOK")


def far_too_much(path: str, event: dict[str, str]) -> None:
    say("RESULT 99999999999\nOK" if first_time(path, "lied" + event["serial"]) else "RESULT 2\nOK")


ANSWERS = {
    "ok": ok,
    "slow": slow,
    "hang-up": hang_up,
    "wait": wait,
    "fail-poison": fail_poison,
    "fail-first": fail_first,
    "die-first": die_first,
    "die-of-poison": die_of_poison,
    "hang-first": hang_first,
    "hang": hang,
    "garbage-first": garbage_first,
    "too-little": too_little,
    "too-much": too_much,
    "far-too-much": far_too_much,
}
"""what an honest listener gives back for an event"""


def blind(path: str) -> None:
    """Answer whenever more waits on the input, and never read any of it."""
    say("READY\n")
    seen = 0
    while True:
        (waiting,) = struct.unpack("i", fcntl.ioctl(0, termios.FIONREAD, b"\0\0\0\0"))
        if waiting != seen:
            seen = waiting
            say("RESULT 2\nOKREADY\n")
        time.sleep(0.002)


def deaf(path: str) -> None:
    """Close the input and ask for events."""
    os.close(0)
    say("READY\n")
    forever()


def flood(path: str) -> None:
    """Talk nonsense as fast as it goes."""
    while True:
        os.write(1, b"nonsense\n" * 4000)


def flip(path: str) -> None:
    """Talk nonsense and ask for events in turns, as fast as it goes."""
    while True:
        os.write(1, b"nonsense\nREADY\n" * 3000)


def eager(path: str) -> None:
    """Ask for events without end and take none."""
    while True:
        os.write(1, b"READY\n" * 5000)


def mute(path: str) -> None:
    """Say nothing at all."""
    forever()


ODD = {"blind": blind, "deaf": deaf, "flood": flood, "flip": flip, "eager": eager, "mute": mute}
"""those that do not even try"""


def main() -> None:
    mode, path = sys.argv[1:3]
    if mode in ODD:
        ODD[mode](path)
    while True:
        say("READY\n")
        ANSWERS[mode](path, take(path))


if __name__ == "__main__":
    main()
