"""Has a child, a grandchild in the same process group, and a double-forked one that left for a session of its own.

    family.py FILE [--leave]

Writes their pids to FILE as JSON (`leader`, `child`, `grandchild`, `escapee`) once all of them live. With `--leave`
the leader exits at TERM without a word to the others; else TERM has its default effect.
"""

import json
import os
import signal
import sys


def _rest() -> None:
    while True:
        signal.pause()


def _child(pipe: int) -> None:
    grandchild = os.fork()
    if grandchild == 0:
        _rest()
    os.write(pipe, f"grandchild {grandchild}\n".encode())
    _rest()


def _escapee(pipe: int) -> None:
    os.setsid()
    pid = os.fork()
    if pid:
        os.write(pipe, f"escapee {pid}\n".encode())
        os._exit(0)
    _rest()


def main(path: str, leave: bool) -> None:
    if leave:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    mine, theirs = os.pipe()
    members = {"leader": os.getpid()}
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _child(theirs)
    members["child"] = child
    between = os.fork()
    if between == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _escapee(theirs)
    os.waitpid(between, 0)
    said = b""
    while said.count(b"\n") < 2:
        said += os.read(mine, 4096)
    for line in said.decode().splitlines():
        who, pid = line.split()
        members[who] = int(pid)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(members, file)
    os.rename(path + ".new", path)
    _rest()


if __name__ == "__main__":
    main(sys.argv[1], "--leave" in sys.argv[2:])
