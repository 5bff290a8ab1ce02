"""Drains a pipe into a log, is killed in the middle of it, and drains on, again and again, until the pipe ends.

    killed_drain.py --fd READ_END --log PATH --kills N [--maxbytes M] [--backups N] [--seed S] [--longest-ms T]
                    [--form raw|events|prefix]

Prints how many of the kills came while there was still somebody writing.
"""

import argparse
import functools
import os
import random
import select
import signal
import threading
import time

from tmd.core.capture import CaptureTransform
from tmd.core.lines import LineFormat
from tmd.posix.drain import Drain, LogTarget, Sinks
from tmd.wire.names import ProcessId


def sinks(options: argparse.Namespace) -> Sinks:
    """Return where the pipe goes, and who else sees it."""
    target = LogTarget(options.log, options.maxbytes, options.backups)
    if options.form == "events":
        return Sinks(target, transform=functools.partial(CaptureTransform, 0, True, False))
    if options.form == "prefix":
        line = LineFormat("prefix", "web", ProcessId("web", "web"), "stdout", 1, lambda: b"2026-11-21T17:45:44.123Z")
        return Sinks(target, format=line)
    return Sinks(target)


def drain(options: argparse.Namespace) -> None:
    """Drain until the pipe ends."""
    drain = Drain(post=lambda callback: callback(), dropped=lambda *_: os._exit(3), heard=lambda *_: None)
    drain.start()
    drain.open("out", os.open(f"/proc/self/fd/{options.fd}", os.O_RDONLY | os.O_NONBLOCK), sinks(options))
    begun = threading.Event()
    drain.finish([], begun.set)
    begun.wait()
    pause = threading.Event()
    while drain.figures().channels:
        pause.wait(0.01)
    drain.stop(5)


def child(options: argparse.Namespace) -> int:
    """Return the pid of one that drains."""
    pid = os.fork()
    if not pid:
        try:
            drain(options)
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--maxbytes", type=int, default=0)
    parser.add_argument("--backups", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest-ms", type=float, default=10.0)
    parser.add_argument("--form", choices=("raw", "events", "prefix"), default="raw")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    poll = select.poll()
    poll.register(options.fd, 0)
    alive = 0
    for _ in range(options.kills):
        pid = child(options)
        time.sleep(chance.random() * options.longest_ms / 1000)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        alive += not poll.poll(0)  # nobody hung up yet
    _, status = os.waitpid(child(options), 0)
    assert status == 0, status
    print(alive)


if __name__ == "__main__":
    main()
